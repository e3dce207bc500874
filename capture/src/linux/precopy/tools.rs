//! What watching takes from the kernel, and whether it gives it.

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::libc::{self, pid_t};

use crate::linux::fault_log::{self, Entries, FaultLog};
use crate::linux::inject::{Argument, Call, Injector};
use crate::linux::pagemap_scan::PagemapScan;
use crate::linux::userfaultfd::{self, Userfaultfd};

/// How long the system calls in the process may take.
const INJECTION_LIMIT: Duration = Duration::from_secs(1);

/// What the kernel gives for watching a process.
#[derive(Debug)]
pub(super) struct Tools {
    pub(super) userfaultfd: Userfaultfd,
    pub(super) scan: PagemapScan,
    /// Missing in the mode `precopy`.
    pub(super) log: Option<FaultLog>,
}

impl Tools {
    /// Adds what the log has to tell, if there is one.
    pub(super) fn drain(&mut self, entries: &mut Entries) {
        if let Some(log) = &mut self.log {
            log.drain(entries);
        }
    }

    /// Prepares to watch a process, `with_log` of its page faults: it makes two system calls in it, and leaves no trace.
    ///
    /// # Errors
    /// In words: what is missing.
    pub(super) fn acquire(
        pid: pid_t,
        page_size: u64,
        injector: Injector,
        with_log: bool,
    ) -> Result<Self, String> {
        let scan = PagemapScan::open(pid).map_err(|errno| match errno {
            Errno::ENOTTY | Errno::EINVAL => {
                "the kernel has no PAGEMAP_SCAN, which came with Linux 6.7".to_owned()
            }
            errno => format!("/proc/{pid}/pagemap cannot be scanned: {errno}"),
        })?;
        // The log comes first: it asks nothing of the process.
        let log = match with_log {
            true => Some(FaultLog::open(pid, page_size).map_err(fault_log::why_not)?),
            false => None,
        };
        let fd = open_in(pid, injector)?;
        let userfaultfd = Userfaultfd::new(fd).map_err(|errno| match errno {
            Errno::EINVAL => {
                "the kernel has no asynchronous write protection, which came with Linux 6.7"
                    .to_owned()
            }
            errno => format!("userfaultfd does not answer: {errno}"),
        })?;
        Ok(Self {
            userfaultfd,
            scan,
            log,
        })
    }
}

/// Has the process open a userfaultfd, takes it over, and has the process close its own descriptor, in one go.
fn open_in(pid: pid_t, injector: Injector) -> Result<OwnedFd, String> {
    let calls = [
        Call::new(userfaultfd::SYSCALL, [Argument::Value(userfaultfd::FLAGS)]),
        Call::new(libc::SYS_close, [Argument::ResultOf(0)]),
    ];
    let mut taken: Option<Result<OwnedFd, Errno>> = None;
    let returned = injector
        .run(&calls, INJECTION_LIMIT, &mut |call, returned| {
            if let (0, Ok(fd)) = (call, returned) {
                taken = Some(take_over(pid, fd));
            }
        })
        .map_err(|why| why.to_string())?;
    match (taken, returned.first()) {
        (Some(Ok(fd)), _) => Ok(fd),
        (Some(Err(errno)), _) => Err(format!(
            "the descriptor of a userfaultfd cannot be taken over: {errno}"
        )),
        (None, Some(Err(Errno::ENOSYS))) => Err("the kernel has no userfaultfd".to_owned()),
        (None, Some(Err(Errno::EPERM))) => {
            Err("userfaultfd is not permitted in the process".to_owned())
        }
        (None, Some(Err(errno))) => Err(format!("userfaultfd fails in the process: {errno}")),
        (None, _) => Err("no system call was made in the process".to_owned()),
    }
}

/// Takes a descriptor of another process: `pidfd_getfd(2)`, Linux 5.6.
fn take_over(pid: pid_t, fd: u64) -> Result<OwnedFd, Errno> {
    let process = descriptor(
        // SAFETY: the arguments are integers.
        unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) },
    )?;
    let number = process.as_raw_fd();
    descriptor(
        // SAFETY: the arguments are integers, the first an open descriptor.
        unsafe { libc::syscall(libc::SYS_pidfd_getfd, number, fd, 0) },
    )
}

/// The descriptor that a system call has returned.
fn descriptor(returned: libc::c_long) -> Result<OwnedFd, Errno> {
    let fd = i32::try_from(Errno::result(returned)?).map_err(|_| Errno::EBADF)?;
    // SAFETY: the kernel has just made this descriptor for us; nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}
