//! What a capture that was killed has left in the target, and cleaning it up.
//!
//! A clone that nobody waited for is a zombie child, and a `userfaultfd` that was open for a few microseconds may still be open.
//! Everything else restores itself.

use std::fs;
use std::time::Duration;

use nix::libc::{self, pid_t};

use super::inject::{Argument, Call, Injector, Why};
use super::procfs;

/// How long a `userfaultfd` must have been open to be nobody's: a capture that runs at the same time has one for less than
/// a millisecond.
const ABANDONED: Duration = Duration::from_millis(50);
const LIMIT: Duration = Duration::from_secs(2);
/// Calls at a time: a chain has to fit below a thread's stack.
const CALLS_AT_ONCE: usize = 32;

/// What was found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Leftovers {
    /// Zombies, by their numbers in the target's namespace.
    zombies: Vec<u64>,
    /// Numbers of file descriptors.
    userfaultfds: Vec<u64>,
}

impl Leftovers {
    /// Looks for them.
    pub(super) fn find(pid: pid_t) -> Self {
        let mut userfaultfds = userfaultfds(pid);
        if !userfaultfds.is_empty() {
            std::thread::sleep(ABANDONED);
            let still = self::userfaultfds(pid);
            userfaultfds.retain(|fd| still.contains(fd));
        }
        Self {
            zombies: zombies(pid),
            userfaultfds,
        }
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.zombies.is_empty() && self.userfaultfds.is_empty()
    }

    /// Has the target wait for the zombies and close the descriptors.
    ///
    /// # Errors
    /// When no call can be made in the target; what is left stays.
    pub(super) fn clean(&self, injector: &Injector) -> Result<(), Why> {
        let options: Argument = u64::from((libc::__WALL | libc::WNOHANG).cast_unsigned()).into();
        let waits = self.zombies.iter().map(|pid| {
            Call::new(
                libc::SYS_wait4,
                [(*pid).into(), 0.into(), options, 0.into()],
            )
        });
        let closes = self
            .userfaultfds
            .iter()
            .map(|fd| Call::new(libc::SYS_close, [(*fd).into()]));
        let calls: Vec<Call> = waits.chain(closes).collect();
        for calls in calls.chunks(CALLS_AT_ONCE) {
            // A call that fails has found that somebody else was faster.
            injector.run(calls, LIMIT, &mut |_, _| {})?;
        }
        Ok(())
    }
}

/// Children that have ended and that nobody was to be told of: the clones of a capture. The children that a program makes have
/// `SIGCHLD` as their exit signal.
fn zombies(pid: pid_t) -> Vec<u64> {
    let Ok(processes) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    processes
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|child| {
            procfs::Stat::read(*child, None)
                .is_ok_and(|stat| stat.state == 'Z' && stat.parent == pid && stat.exit_signal == 0)
        })
        .filter_map(innermost_pid)
        .collect()
}

/// The number of a process in its own namespace.
fn innermost_pid(pid: pid_t) -> Option<u64> {
    // Kernels before 4.1 do not have the line.
    match procfs::status_field(pid, "NSpid") {
        Some(numbers) => numbers.split_ascii_whitespace().next_back()?.parse().ok(),
        None => u64::try_from(pid).ok(),
    }
}

fn userfaultfds(pid: pid_t) -> Vec<u64> {
    let Ok(descriptors) = fs::read_dir(procfs::path(pid, "fd")) else {
        return Vec::new();
    };
    descriptors
        .flatten()
        .filter(|entry| {
            fs::read_link(entry.path())
                .is_ok_and(|link| link.as_os_str() == "anon_inode:[userfaultfd]")
        })
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect()
}
