//! Running `cargo test` no longer than a given time, and telling what was running when it was over.

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

/// The process group that an interrupt is handed on to; 0 if there is none.
static GROUP: AtomicI32 = AtomicI32::new(0);
/// How often it is looked whether the command has ended.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Shows a `cargo test` command and runs it. It fails if the command does, or takes longer than `limit`: then the command, and all that
/// it has started, is killed, and the error names the test binary that was running.
pub(crate) fn test_must_succeed_within(limit: Duration, command: &mut Command) -> Result<()> {
    println!("{command:?}, within {} minutes", limit.as_secs() / 60);
    let mut child = command
        // A group of its own, so that whatever the tests have started can be killed with it.
        .process_group(0)
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot run {command:?}"))?;
    let group = i32::try_from(child.id())?;
    let _forwarding = Forwarding::of(group);
    let stderr = child.stderr.take().context("no standard error")?;
    let running = Arc::new(Mutex::new(None));
    let noted = Arc::clone(&running);
    // It ends with the pipe.
    thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            if let Some(name) = announced(&line) {
                *noted.lock().unwrap_or_else(PoisonError::into_inner) = Some(name.to_owned());
            }
            let _unread = writeln!(io::stderr(), "{line}");
        }
    });
    match wait(&mut child, limit)? {
        Some(status) => {
            ensure!(status.success(), "{command:?} ended with {status}");
            Ok(())
        }
        None => {
            // SAFETY: takes two integers. The group's leader was not waited for, so its number belongs to nobody else.
            unsafe { libc::kill(-group, libc::SIGKILL) };
            child.wait()?;
            let running = running.lock().unwrap_or_else(PoisonError::into_inner);
            match running.as_deref() {
                Some(name) => bail!("the tests took longer than {limit:?}; {name} was running"),
                None => bail!("the tests took longer than {limit:?}: they were still being built"),
            }
        }
    }
}

/// What cargo says that it runs next.
fn announced(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let binary = line.strip_prefix("Running ");
    binary.or_else(|| line.starts_with("Doc-tests ").then_some(line))
}

/// The end of a process, if it comes in time.
fn wait(child: &mut Child, limit: Duration) -> Result<Option<ExitStatus>> {
    let begun = Instant::now();
    while begun.elapsed() < limit {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        thread::sleep(LOOK_EVERY);
    }
    Ok(None)
}

/// While this lives, an interrupt from the terminal, which knows nothing of the other group, ends that, too.
struct Forwarding;

impl Forwarding {
    fn of(group: i32) -> Self {
        GROUP.store(group, Ordering::SeqCst);
        for signal in [libc::SIGINT, libc::SIGTERM] {
            // SAFETY: the handler makes async-signal-safe calls only.
            unsafe { libc::signal(signal, hand_on as extern "C" fn(i32) as libc::sighandler_t) };
        }
        Self
    }
}

impl Drop for Forwarding {
    fn drop(&mut self) {
        GROUP.store(0, Ordering::SeqCst);
    }
}

extern "C" fn hand_on(signal: i32) {
    let group = GROUP.load(Ordering::SeqCst);
    // SAFETY: all three calls are async-signal-safe.
    unsafe {
        if group != 0 {
            libc::kill(-group, libc::SIGKILL);
        }
        libc::signal(signal, libc::SIG_DFL);
        libc::raise(signal);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_slow_is_killed_and_named() {
        let script = "echo '     Running tests/slow.rs (target/slow-1)' >&2; sleep 1000 & wait";
        let begun = Instant::now();
        let mut command = Command::new("sh");
        let limit = Duration::from_secs(1);
        let error = test_must_succeed_within(limit, command.args(["-c", script])).unwrap_err();
        assert!(error.to_string().contains("tests/slow.rs"), "{error}");
        assert!(begun.elapsed() < Duration::from_secs(60));
    }

    #[test]
    fn what_ends_in_time_says_how() {
        let limit = Duration::from_secs(60);
        test_must_succeed_within(limit, &mut Command::new("true")).unwrap();
        let error = test_must_succeed_within(limit, &mut Command::new("false")).unwrap_err();
        assert!(error.to_string().contains("exit status: 1"), "{error}");
    }
}
