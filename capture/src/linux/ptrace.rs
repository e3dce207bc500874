//! The `ptrace` requests that stop a thread and let it go.
//!
//! Signal numbers stay plain integers: `nix`'s `Signal` has no real-time signals, and a tracer that cannot pass one on would swallow it.

use nix::errno::Errno;
use nix::libc::{self, c_int, c_void, pid_t};

/// What `waitpid` says about a traced thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ThreadEvent {
    /// Still running.
    None,
    /// Stopped by `PTRACE_INTERRUPT`.
    Interrupted,
    /// Stopped together with its process by a job-control signal (`SIGSTOP`, `SIGTSTP`, …).
    GroupStop,
    /// Stopped on its way to handle this signal, which is lost unless it is passed on.
    Signal(c_int),
    /// Stopped for another reason.
    OtherStop,
    /// No longer exists.
    Exited,
}

/// Starts tracing without stopping. If the tracer dies, the kernel detaches and the thread runs on.
pub(super) fn seize(tid: pid_t) -> Result<(), Errno> {
    request(libc::PTRACE_SEIZE, tid, 0)
}

/// Asks a seized thread to stop.
pub(super) fn interrupt(tid: pid_t) -> Result<(), Errno> {
    request(libc::PTRACE_INTERRUPT, tid, 0)
}

/// Lets a stopped thread go, delivering `signal` if it is not 0. A group-stop stays in force.
pub(super) fn detach(tid: pid_t, signal: c_int) -> Result<(), Errno> {
    request(libc::PTRACE_DETACH, tid, signal)
}

/// What happened to the thread, without waiting.
pub(super) fn poll(tid: pid_t) -> Result<ThreadEvent, Errno> {
    let mut status: c_int = 0;
    // SAFETY: `status` is a valid place for the one int that waitpid writes.
    let waited = unsafe { libc::waitpid(tid, &raw mut status, libc::__WALL | libc::WNOHANG) };
    match Errno::result(waited) {
        Ok(0) => Ok(ThreadEvent::None),
        Ok(_) => Ok(decode(status)),
        Err(Errno::EINTR) => Ok(ThreadEvent::None),
        Err(Errno::ECHILD) => Ok(ThreadEvent::Exited),
        Err(errno) => Err(errno),
    }
}

fn decode(status: c_int) -> ThreadEvent {
    if !libc::WIFSTOPPED(status) {
        return ThreadEvent::Exited;
    }
    let signal = libc::WSTOPSIG(status);
    match status >> 16 {
        0 => ThreadEvent::Signal(signal),
        libc::PTRACE_EVENT_STOP if signal == libc::SIGTRAP => ThreadEvent::Interrupted,
        libc::PTRACE_EVENT_STOP => ThreadEvent::GroupStop,
        _ => ThreadEvent::OtherStop,
    }
}

fn request(request: libc::c_uint, tid: pid_t, data: c_int) -> Result<(), Errno> {
    let none = std::ptr::null_mut::<c_void>();
    let data = std::ptr::without_provenance_mut::<c_void>(usize::try_from(data).unwrap_or(0));
    // SAFETY: the three requests made here take no pointers; `data` is an integer that travels in a pointer.
    let result = unsafe { libc::ptrace(request, tid, none, data) };
    Errno::result(result).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stopped(signal: c_int, event: c_int) -> c_int {
        (event << 16) | (signal << 8) | 0x7f
    }

    #[test]
    fn stops_are_told_apart() {
        assert_eq!(
            decode(stopped(libc::SIGTRAP, 128)),
            ThreadEvent::Interrupted
        );
        assert_eq!(decode(stopped(libc::SIGSTOP, 128)), ThreadEvent::GroupStop);
        assert_eq!(
            decode(stopped(libc::SIGUSR1, 0)),
            ThreadEvent::Signal(libc::SIGUSR1)
        );
        // A real-time signal, which libuv and glibc use.
        assert_eq!(decode(stopped(34, 0)), ThreadEvent::Signal(34));
        assert_eq!(
            decode(stopped(libc::SIGTRAP, libc::PTRACE_EVENT_EXEC)),
            ThreadEvent::OtherStop
        );
        assert_eq!(decode(0), ThreadEvent::Exited);
        assert_eq!(decode(libc::SIGKILL), ThreadEvent::Exited);
    }
}
