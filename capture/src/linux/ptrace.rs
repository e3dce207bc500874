//! The `ptrace` requests that stop a thread, look at it, and let it go.
//!
//! Signal numbers stay plain integers: `nix`'s `Signal` has no real-time signals, and a tracer that cannot pass one on would swallow it.

use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::libc::{self, c_int, c_void, pid_t};

/// What `waitid` says about a traced thread.
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
    /// Stopped as it enters or leaves a system call, under [`resume_to_syscall`].
    Syscall,
    /// Stopped in `clone`, which has made a thread or process: [`event_message`] has its number.
    Cloned,
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

/// Has a stopped thread mark its system-call stops as such, and report what it clones.
pub(super) fn report_syscalls_and_clones(tid: pid_t) -> Result<(), Errno> {
    let options = libc::PTRACE_O_TRACESYSGOOD | libc::PTRACE_O_TRACECLONE;
    request(libc::PTRACE_SETOPTIONS, tid, options)
}

/// Lets a stopped thread run until it enters or leaves a system call, delivering `signal` if it is not 0.
pub(super) fn resume_to_syscall(tid: pid_t, signal: c_int) -> Result<(), Errno> {
    request(libc::PTRACE_SYSCALL, tid, signal)
}

/// What belongs to the event at which a thread has stopped.
pub(super) fn event_message(tid: pid_t) -> Result<u64, Errno> {
    let mut message: libc::c_ulong = 0;
    // SAFETY: the kernel writes one unsigned long to `message`.
    let result = unsafe {
        libc::ptrace(
            libc::PTRACE_GETEVENTMSG,
            tid,
            std::ptr::null_mut::<c_void>(),
            &raw mut message,
        )
    };
    Errno::result(result).map(|_| message)
}

/// The signals that a stopped thread blocks, one bit each from signal 1 on.
pub(super) fn signal_mask(tid: pid_t) -> Result<u64, Errno> {
    let mut mask = 0_u64;
    let size = std::ptr::without_provenance_mut::<c_void>(size_of_val(&mask));
    // SAFETY: the kernel writes as many bytes to `mask` as `size` says: its own.
    let result = unsafe { libc::ptrace(libc::PTRACE_GETSIGMASK, tid, size, &raw mut mask) };
    Errno::result(result).map(|_| mask)
}

/// Reads the register set of a type (`NT_…`) of a stopped thread; returns how many bytes it has.
pub(super) fn register_set(tid: pid_t, kind: c_int, buffer: &mut [u8]) -> Result<usize, Errno> {
    let mut vector = libc::iovec {
        iov_base: buffer.as_mut_ptr().cast(),
        iov_len: buffer.len(),
    };
    let kind = std::ptr::without_provenance_mut::<c_void>(usize::try_from(kind).unwrap_or(0));
    // SAFETY: the kernel writes at most `iov_len` bytes to the buffer, and to `vector` how many it has written.
    let result = unsafe { libc::ptrace(libc::PTRACE_GETREGSET, tid, kind, &raw mut vector) };
    Errno::result(result).map(|_| vector.iov_len)
}

/// Waits until something happens to the thread; [`ThreadEvent::None`] if nothing does before `deadline`.
pub(super) fn wait(tid: pid_t, deadline: Instant) -> Result<ThreadEvent, Errno> {
    let mut polls = 0_u32;
    loop {
        match poll(tid)? {
            ThreadEvent::None if Instant::now() < deadline => {}
            event => return Ok(event),
        }
        // What is waited for takes microseconds, unless there are fewer processors than threads.
        polls += 1;
        match polls {
            0..64 => std::hint::spin_loop(),
            64..128 => std::thread::yield_now(),
            _ => std::thread::sleep(Duration::from_micros(20)),
        }
    }
}

/// What happened to the thread, without waiting.
///
/// A stop is looked at and left to be seen again (`WNOWAIT`): a thread that has stopped on its way to handle a signal goes
/// on to handle it if its tracer dies, but not once the stop has been taken note of, which clears what the kernel keeps
/// of the signal (`wait_task_stopped`).
pub(super) fn poll(tid: pid_t) -> Result<ThreadEvent, Errno> {
    let Ok(id) = libc::id_t::try_from(tid) else {
        return Err(Errno::EINVAL);
    };
    let options = libc::__WALL | libc::WNOHANG | libc::WSTOPPED | libc::WEXITED | libc::WNOWAIT;
    // SAFETY: zeros are a valid `siginfo_t`; the kernel writes one, and none if nothing has happened.
    let (waited, info) = unsafe {
        let mut info: libc::siginfo_t = std::mem::zeroed();
        let waited = libc::waitid(libc::P_PID, id, &raw mut info, options);
        (waited, info)
    };
    match Errno::result(waited) {
        // SAFETY: the fields are those of a `SIGCHLD`, or the zeros from above.
        Ok(_) if unsafe { info.si_pid() } == 0 => Ok(ThreadEvent::None),
        Ok(_) if matches!(info.si_code, libc::CLD_TRAPPED | libc::CLD_STOPPED) => {
            // SAFETY: as above.
            Ok(decode(unsafe { info.si_status() }))
        }
        Ok(_) => {
            reap(tid);
            Ok(ThreadEvent::Exited)
        }
        Err(Errno::EINTR) => Ok(ThreadEvent::None),
        Err(Errno::ECHILD) => Ok(ThreadEvent::Exited),
        Err(errno) => Err(errno),
    }
}

/// Takes note of the end of a thread, which stays a zombie until its tracer does.
fn reap(tid: pid_t) {
    // SAFETY: no status is asked for.
    let _gone = unsafe { libc::waitpid(tid, std::ptr::null_mut(), libc::__WALL | libc::WNOHANG) };
}

/// How `PTRACE_O_TRACESYSGOOD` marks the stops at system calls (ptrace(2)).
const SYSCALL_STOP: c_int = libc::SIGTRAP | 0x80;

/// The reason of a stop, from the signal and the event that `waitid` has as its status.
fn decode(status: c_int) -> ThreadEvent {
    let signal = status & 0xff;
    match status >> 8 {
        0 if signal == SYSCALL_STOP => ThreadEvent::Syscall,
        0 => ThreadEvent::Signal(signal),
        libc::PTRACE_EVENT_STOP if signal == libc::SIGTRAP => ThreadEvent::Interrupted,
        libc::PTRACE_EVENT_STOP => ThreadEvent::GroupStop,
        libc::PTRACE_EVENT_CLONE => ThreadEvent::Cloned,
        _ => ThreadEvent::OtherStop,
    }
}

fn request(request: libc::c_uint, tid: pid_t, data: c_int) -> Result<(), Errno> {
    let none = std::ptr::null_mut::<c_void>();
    let data = std::ptr::without_provenance_mut::<c_void>(usize::try_from(data).unwrap_or(0));
    // SAFETY: the requests made here take no pointers; `data` is an integer that travels in a pointer.
    let result = unsafe { libc::ptrace(request, tid, none, data) };
    Errno::result(result).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stopped(signal: c_int, event: c_int) -> c_int {
        (event << 8) | signal
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
            decode(stopped(libc::SIGTRAP | 0x80, 0)),
            ThreadEvent::Syscall
        );
        assert_eq!(
            decode(stopped(libc::SIGTRAP, libc::PTRACE_EVENT_CLONE)),
            ThreadEvent::Cloned
        );
        assert_eq!(
            decode(stopped(libc::SIGTRAP, libc::PTRACE_EVENT_EXEC)),
            ThreadEvent::OtherStop
        );
    }
}
