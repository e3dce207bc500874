//! Waiting for other processes, but not for ever: a test that hangs says nothing, and keeps all others from being run.

use std::io::{self, BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// How long anything may take that a test waits for. It is generous: speed is for benchmarks to measure.
pub const PATIENCE: Duration = Duration::from_secs(120);
/// How often it is looked whether a process has ended.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// Commands that are waited for no longer than [`PATIENCE`].
pub trait Patient {
    /// Runs the command to its end, and collects what it writes.
    ///
    /// # Errors
    /// If it cannot be started, or does not end in time: then it is killed.
    fn output_in_time(&mut self) -> Result<Output> {
        self.output_within(PATIENCE)
    }

    /// As [`Patient::output_in_time`], with a time of its own, for what is long by nature.
    ///
    /// # Errors
    /// As there.
    fn output_within(&mut self, patience: Duration) -> Result<Output>;

    /// Runs the command to its end.
    ///
    /// # Errors
    /// As [`Patient::output_in_time`].
    fn status_in_time(&mut self) -> Result<ExitStatus>;
}

impl Patient for Command {
    fn output_within(&mut self, patience: Duration) -> Result<Output> {
        let child = self
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot run {self:?}"))?;
        collect(child, &format!("{self:?}"), patience)
    }

    fn status_in_time(&mut self) -> Result<ExitStatus> {
        let mut child = self
            .spawn()
            .with_context(|| format!("cannot run {self:?}"))?;
        wait_for(&mut child, &format!("{self:?}"))
    }
}

/// Waits for the end of a process, which is called `name` if it does not come.
///
/// # Errors
/// If it does not end in time: then it is killed.
pub fn wait_for(child: &mut Child, name: &str) -> Result<ExitStatus> {
    wait_within(child, name, PATIENCE)
}

fn wait_within(child: &mut Child, name: &str, patience: Duration) -> Result<ExitStatus> {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if Instant::now() >= deadline {
            let _ended = child.kill();
            bail!(
                "{name} (process {}) did not end within {patience:?}",
                child.id()
            );
        }
        thread::sleep(LOOK_EVERY);
    }
}

/// Waits for the end of a process, and collects what it writes into its pipes. If it does not end, it is called `name`.
///
/// # Errors
/// If it does not end in time: then it is killed.
pub fn output_of(child: Child, name: &str) -> Result<Output> {
    collect(child, name, PATIENCE)
}

fn collect(mut child: Child, name: &str, patience: Duration) -> Result<Output> {
    let deadline = Instant::now() + patience;
    drop(child.stdin.take());
    let stdout = child.stdout.take().map(read_all);
    let stderr = child.stderr.take().map(read_all);
    let status = wait_within(&mut child, name, patience)?;
    let all = |pipe: Option<Receiver<io::Result<Vec<u8>>>>| match pipe {
        None => Ok(Vec::new()),
        // Somebody whom it started may have the pipe still.
        Some(pipe) => pipe
            .recv_timeout(deadline.saturating_duration_since(Instant::now()))
            .with_context(|| format!("{name} has ended ({status}), its pipe is open"))?
            .with_context(|| format!("cannot read what {name} writes")),
    };
    Ok(Output {
        status,
        stdout: all(stdout)?,
        stderr: all(stderr)?,
    })
}

fn read_all(mut pipe: impl Read + Send + 'static) -> Receiver<io::Result<Vec<u8>>> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut all = Vec::new();
        let result = pipe.read_to_end(&mut all).map(|_| all);
        // Nobody waits any more.
        let _unheard = sender.send(result);
    });
    receiver
}

/// The lines of a pipe, read by a thread.
#[derive(Debug)]
pub struct PatientLines(Receiver<String>);

impl PatientLines {
    /// Starts to read.
    pub fn new(pipe: impl Read + Send + 'static) -> Self {
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Self(lines)
    }

    /// The next line; none at the end of the pipe.
    ///
    /// # Errors
    /// If there is neither within `patience`; the error says that it was waited for `what`.
    pub fn next_within(&self, patience: Duration, what: &str) -> Result<Option<String>> {
        match self.0.recv_timeout(patience) {
            Ok(line) => Ok(Some(line)),
            Err(RecvTimeoutError::Disconnected) => Ok(None),
            Err(RecvTimeoutError::Timeout) => bail!("no {what} within {patience:?}"),
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn what_ends_in_time() -> Result<()> {
        let mut command = Command::new("sh");
        command.args(["-c", "echo out; echo error >&2; exit 7"]);
        let output = command.output_in_time()?;
        assert_eq!(output.stdout, b"out\n");
        assert_eq!(output.stderr, b"error\n");
        assert_eq!(output.status.code(), Some(7));
        assert_eq!(command.status_in_time()?.code(), Some(7));
        Ok(())
    }

    #[test]
    fn what_does_not_end_is_named_and_killed() -> Result<()> {
        let mut child = Command::new("sleep").arg("1000").spawn()?;
        let error = wait_within(&mut child, "the sleeper", Duration::ZERO).unwrap_err();
        assert!(error.to_string().contains("the sleeper"), "{error}");
        // It was killed, so this comes to an end.
        assert!(!wait_for(&mut child, "the killed sleeper")?.success());
        Ok(())
    }

    #[test]
    fn lines_come_or_do_not() -> Result<()> {
        let mut child = Command::new("sh")
            .args(["-c", "echo one; exec sleep 1000"])
            .stdout(Stdio::piped())
            .spawn()?;
        let lines = PatientLines::new(child.stdout.take().context("no pipe")?);
        let line = lines.next_within(PATIENCE, "first line")?;
        assert_eq!(line.as_deref(), Some("one"));
        let error = lines
            .next_within(Duration::from_millis(50), "second line")
            .unwrap_err();
        assert!(error.to_string().contains("second line"), "{error}");
        child.kill()?;
        assert_eq!(lines.next_within(PATIENCE, "end")?, None);
        wait_for(&mut child, "the killed sleeper")?;
        Ok(())
    }
}
