//! The clone: it never runs, and is gone when it is not needed any more.

use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::libc::{self, pid_t};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::linux::inject::{Argument, Call, Injector};
use crate::linux::procfs;
use crate::linux::ptrace::{self, ThreadEvent};

/// How long to wait for the clone to stop, or to end: killing one of a gigabyte takes 50 ms.
const LIMIT: Duration = Duration::from_secs(10);
const CALL_LIMIT: Duration = Duration::from_secs(2);
/// Times that the target is asked to wait for its child: the kernel may not have told it yet.
const REAPINGS: u32 = 50;

/// Has the target forget a child with this number, if it has ended.
pub(super) fn wait_for(inner_pid: u64) -> Call {
    let options: Argument = u64::from((libc::__WALL | libc::WNOHANG).cast_unsigned()).into();
    Call::new(
        libc::SYS_wait4,
        [inner_pid.into(), 0.into(), options, 0.into()],
    )
}

/// A clone of the target, stopped where it began, and traced by this thread.
///
/// If this thread ends, it runs: it can do nothing but exit.
#[derive(Debug)]
pub(super) struct Child {
    pid: pid_t,
    /// Its number in the target's namespace.
    inner_pid: u64,
    injector: Injector,
    is_gone: bool,
}

impl Child {
    /// Takes charge of a clone.
    pub(super) fn new(pid: pid_t, inner_pid: u64, injector: Injector) -> Self {
        let child = Self {
            pid,
            inner_pid,
            injector,
            is_gone: false,
        };
        // Its copies of pages that the target writes to are what may exhaust a limit: then it is the one to go. Raising the score is
        // always allowed.
        let _unchanged = std::fs::write(procfs::path(pid, "oom_score_adj"), "1000");
        child
    }

    /// Its number here.
    pub(super) fn pid(&self) -> pid_t {
        self.pid
    }

    /// Waits until it stands still.
    ///
    /// # Errors
    /// If it does not exist any more.
    pub(super) fn wait_until_stopped(&mut self) -> Result<(), Errno> {
        match ptrace::wait(self.pid, Instant::now() + LIMIT)? {
            ThreadEvent::Exited => {
                self.is_gone = true;
                Err(Errno::ESRCH)
            }
            ThreadEvent::None => Err(Errno::ETIMEDOUT),
            _ => Ok(()),
        }
    }

    /// Ends it and has the target forget it; whether that succeeded. Otherwise it is a zombie until the target's end or the next
    /// capture.
    pub(super) fn end(mut self) -> bool {
        self.kill();
        let wait4 = [wait_for(self.inner_pid)];
        for _ in 0..REAPINGS {
            match self
                .injector
                .run(&wait4, CALL_LIMIT, &mut |_, _| {})
                .as_deref()
            {
                Ok([Ok(0)]) => std::thread::sleep(Duration::from_millis(1)),
                Ok([Ok(_) | Err(Errno::ECHILD)]) => return true,
                _ => return false,
            }
        }
        false
    }

    fn kill(&mut self) {
        if std::mem::replace(&mut self.is_gone, true) {
            return;
        }
        // ESRCH: it is gone already.
        let _gone = kill(Pid::from_raw(self.pid), Signal::SIGKILL);
        let deadline = Instant::now() + LIMIT;
        while let Ok(event) = ptrace::wait(self.pid, deadline) {
            if matches!(event, ThreadEvent::Exited | ThreadEvent::None) {
                break;
            }
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.kill();
    }
}
