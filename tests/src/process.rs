//! A Node.js process that runs a workload, and the protocol in which they talk: see `workloads/protocol.js`.

use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::patience::{PATIENCE, PatientLines, wait_for};
use crate::{nodes, workspace_root};

/// How long a workload may take to say that it is ready: the heaps of a gigabyte need about a minute on a busy machine.
const PATIENCE_FOR_HEAPS: Duration = Duration::from_secs(300);

/// What shall run: a program of `tests/workloads/`, on which Node.js, with which arguments.
#[derive(Debug)]
pub struct Workload {
    program: PathBuf,
    command: Command,
}

impl Workload {
    /// The program `tests/workloads/{name}` on a Node.js release (see [`nodes::ensure`]); every workload may call
    /// `gc()` unless it is [`Workload::on`] a binary of its own.
    ///
    /// # Errors
    /// If the release cannot be had.
    pub fn new(name: &str, release: &str) -> Result<Self> {
        let node = nodes::ensure(release)?;
        Ok(Self::on(node.path, name).node_argument("--expose-gc"))
    }

    /// The program `tests/workloads/{name}` on a Node.js binary.
    pub fn on(node: impl AsRef<OsStr>, name: &str) -> Self {
        Self {
            program: workspace_root().join("tests/workloads").join(name),
            command: Command::new(node),
        }
    }

    /// A bare command in `dir`, whose core the kernel writes there if it dies: for programs that are no workload.
    pub fn command_dumping_core(node: impl AsRef<OsStr>, dir: &Path) -> Command {
        let mut command = Command::new(node);
        command.current_dir(dir);
        without_limit_on_cores(&mut command);
        command
    }

    /// Adds an argument for Node.js itself.
    #[must_use]
    pub fn node_argument(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.command.arg(argument);
        self
    }

    /// Sets an environment variable of the process.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// Changes the command that is run, for what this type has no word for: a user, a sandbox.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut Command)) -> Self {
        change(&mut self.command);
        self
    }

    /// Has the kernel write a core into `dir` if the process dies: see [`crate::core_dump`].
    #[must_use]
    pub fn dumping_core_to(mut self, dir: &Path) -> Self {
        self.command.current_dir(dir);
        without_limit_on_cores(&mut self.command);
        self
    }

    /// Starts the program without arguments of its own, and waits until it is ready.
    ///
    /// # Errors
    /// As [`Workload::spawn_with`].
    pub fn spawn(self) -> Result<NodeProcess> {
        self.spawn_with(&[])
    }

    /// Starts the program with arguments of its own, and waits until it is ready.
    ///
    /// # Errors
    /// If it cannot be started, ends, or is not ready in time.
    pub fn spawn_with(mut self, arguments: &[&str]) -> Result<NodeProcess> {
        self.command.arg(&self.program).args(arguments);
        self.command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let_itself_be_traced(&mut self.command);
        let mut child = self
            .command
            .spawn()
            .with_context(|| format!("cannot start {:?}", self.command))?;
        let stdin = child.stdin.take();
        let stdout = child
            .stdout
            .take()
            .context("the child has no standard output")?;
        let mut process = NodeProcess {
            child,
            stdin,
            lines: PatientLines::new(stdout),
            truth: Value::Null,
        };
        process.truth = process
            .expect("READY", PATIENCE_FOR_HEAPS)
            .with_context(|| format!("{:?}", self.command))?;
        Ok(process)
    }
}

/// A running workload. It is killed when this is dropped; and if the test is killed instead, the workload ends by
/// itself, because its standard input does.
#[derive(Debug)]
pub struct NodeProcess {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: PatientLines,
    /// What the workload says about itself.
    pub truth: Value,
}

impl NodeProcess {
    /// Process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Gives the workload a command and returns its reply.
    ///
    /// # Errors
    /// If the workload is gone, or does not reply in time.
    pub fn ask(&mut self, command: &str) -> Result<Value> {
        self.tell(command)?;
        self.expect("REPLY", PATIENCE)
            .with_context(|| format!("the workload was asked {command:?}"))
    }

    /// The reply to a command that was given before.
    ///
    /// # Errors
    /// If the workload is gone, or does not reply in time.
    pub fn reply(&mut self) -> Result<Value> {
        self.expect("REPLY", PATIENCE)
    }

    /// Gives the workload a command without waiting for its reply.
    ///
    /// # Errors
    /// If the workload is gone.
    pub fn tell(&mut self, command: &str) -> Result<()> {
        let stdin = self
            .stdin
            .as_mut()
            .context("the workload's standard input is closed")?;
        writeln!(stdin, "{command}").context("the workload is gone")
    }

    /// Whether the process still runs.
    pub fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Waits for the end of the process.
    ///
    /// # Errors
    /// If it does not end in time.
    pub fn wait(&mut self) -> Result<ExitStatus> {
        wait_for(&mut self.child, "the workload")
    }

    /// Kills the process and waits for its end.
    ///
    /// # Errors
    /// If the operating system refuses.
    pub fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        wait_for(&mut self.child, "the killed workload")?;
        Ok(())
    }

    /// The JSON of the next line, which must begin with `word`; lines with neither word are the program's own output.
    fn expect(&mut self, word: &str, patience: Duration) -> Result<Value> {
        let deadline = Instant::now() + patience;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let Some(line) = self.lines.next_within(left, word)? else {
                bail!("the workload ended ({}) before its {word}", self.wait()?);
            };
            match line.split_once(' ') {
                Some((first, json)) if first == word => {
                    return serde_json::from_str(json)
                        .with_context(|| format!("{word} without JSON: {json}"));
                }
                _ => eprintln!("{line}"),
            }
        }
    }
}

impl Drop for NodeProcess {
    fn drop(&mut self) {
        // Both fail only for a process that has ended, which is what we want of it.
        let _ = self.child.kill();
        let _ = wait_for(&mut self.child, "the killed workload");
    }
}

/// Where the kernel lets a process be traced by its ancestors only (Yama's `ptrace_scope` 1, the default of Ubuntu), a
/// capture of a workload would need root: its captor is a sister. The workload therefore says that anyone may trace it.
#[cfg(target_os = "linux")]
fn let_itself_be_traced(command: &mut Command) {
    use std::os::unix::process::CommandExt;

    // SAFETY: prctl is async-signal-safe and allocates nothing, as is required between fork and exec. A kernel without
    // Yama refuses it, and needs it not.
    unsafe {
        command.pre_exec(|| {
            libc::prctl(libc::PR_SET_PTRACER, libc::PR_SET_PTRACER_ANY, 0, 0, 0);
            Ok(())
        });
    }
}

#[cfg(not(target_os = "linux"))]
fn let_itself_be_traced(_: &mut Command) {}

#[cfg(target_os = "linux")]
fn without_limit_on_cores(command: &mut Command) {
    use std::os::unix::process::CommandExt;

    // SAFETY: getrlimit and setrlimit are async-signal-safe and allocate nothing, as is required between fork and exec.
    unsafe {
        command.pre_exec(|| {
            let mut limit = std::mem::zeroed::<libc::rlimit>();
            if libc::getrlimit(libc::RLIMIT_CORE, &raw mut limit) != 0 {
                return Err(std::io::Error::last_os_error());
            }
            limit.rlim_cur = limit.rlim_max;
            if libc::setrlimit(libc::RLIMIT_CORE, &raw const limit) != 0 {
                return Err(std::io::Error::last_os_error());
            }
            Ok(())
        });
    }
}

#[cfg(not(target_os = "linux"))]
fn without_limit_on_cores(_: &mut Command) {}
