//! Threads that can be used without a trace.
//!
//! An interrupted system call ends with a number that says how the kernel will go on with it. A thread that waits for a
//! futex without a time limit ends with `-ERESTARTSYS`: the kernel simply makes the same call again, and so can we. With a time
//! limit it is `-ERESTART_RESTARTBLOCK`: the rest of the time is kept in the kernel, and `rt_sigreturn` would drop it, so that the
//! program would see `EINTR`. The same holds for `nanosleep` and `poll`. Every Node.js since 4 has threads of the first kind: the
//! idle workers of V8.
//!
//! Where there are none (`--v8-pool-size=0`), a thread in `epoll_wait` will do. That ends with `EINTR` for good whenever a thread is
//! stopped, as by any debugger, and is left at that: an event loop waits again.

use std::fs;

use nix::errno::Errno;
use nix::libc::{self, pid_t, user_regs_struct};
use nix::unistd::Pid;
use v8mini_format::model::Region;

use super::Why;
use super::chain::HANDLER_ROOM;
use super::xstate::Xstate;
use crate::linux::{procfs, ptrace};

/// An error inside the kernel (`include/linux/errno.h`), which only a tracer sees.
const ERESTARTSYS: i64 = 512;
const EINTR: i64 = libc::EINTR as i64;
/// `FUTEX_WAIT` and `FUTEX_WAIT_BITSET` (`include/uapi/linux/futex.h`).
const FUTEX_WAITS: [u64; 2] = [0, 9];
/// The command without `FUTEX_PRIVATE_FLAG` and `FUTEX_CLOCK_REALTIME`.
const FUTEX_COMMAND: u64 = 0x7f;
/// Bytes of the instruction `syscall`, which is made again by stepping back over it.
const SYSCALL_BYTES: u64 = 2;
/// Code segment of 64-bit programs (`__USER_CS`).
const USER_CS: u64 = 0x33;

/// A stopped thread that can be used, with all that must be as it was afterwards.
#[derive(Debug)]
pub(super) struct IdleThread {
    pub(super) tid: pid_t,
    pub(super) registers: user_regs_struct,
    pub(super) signal_mask: u64,
    pub(super) xstate: Xstate,
    wait: Wait,
}

/// A system call in which a thread waits, and that can be interrupted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Wait {
    /// A futex without a time limit: the call is made again.
    Futex,
    /// Events: the call has ended with `EINTR`.
    Epoll,
}

impl Wait {
    /// The wait of a thread in the system call with this number and these arguments.
    fn of(number: u64, arguments: [u64; 6]) -> Option<Self> {
        let [_, operation, _, timeout, signal_mask, _] = arguments;
        match libc::c_long::try_from(number).ok()? {
            libc::SYS_futex
                if FUTEX_WAITS.contains(&(operation & FUTEX_COMMAND)) && timeout == 0 =>
            {
                Some(Self::Futex)
            }
            libc::SYS_epoll_wait => Some(Self::Epoll),
            // With a signal mask of its own, the thread would have to be given back another than it shows.
            libc::SYS_epoll_pwait if signal_mask == 0 => Some(Self::Epoll),
            _ => None,
        }
    }

    /// The wait of a stopped thread, if it has been interrupted in one.
    fn interrupted(r: &user_regs_struct) -> Option<Self> {
        let wait = Self::of(r.orig_rax, [r.rdi, r.rsi, r.rdx, r.r10, r.r8, r.r9])?;
        let ends_with = match wait {
            Self::Futex => -ERESTARTSYS,
            Self::Epoll => -EINTR,
        };
        (r.cs == USER_CS && r.rax.cast_signed() == ends_with).then_some(wait)
    }
}

impl IdleThread {
    /// Looks at a thread stopped by `PTRACE_INTERRUPT`: `None` if it is not idle, or has too little stack for `bytes` more.
    pub(super) fn of(
        pid: pid_t,
        tid: pid_t,
        regions: &[Region],
        bytes: u64,
    ) -> Result<Option<Self>, Why> {
        let trace = |errno| Why::Trace {
            what: "reading the registers of",
            tid,
            errno,
        };
        let registers = nix::sys::ptrace::getregs(Pid::from_raw(tid)).map_err(trace)?;
        let Some(wait) = Wait::interrupted(&registers) else {
            return Ok(None);
        };
        if stack_room(regions, registers.rsp) < bytes.saturating_add(HANDLER_ROOM) {
            return Ok(None);
        }
        if has_shadow_stack(pid, tid) {
            return Err(Why::ShadowStack { tid });
        }
        Ok(Some(Self {
            tid,
            registers,
            signal_mask: ptrace::signal_mask(tid).map_err(trace)?,
            xstate: Xstate::read(tid)?,
            wait,
        }))
    }

    /// The registers with which the thread goes on, as the kernel would have it do.
    pub(super) fn resumption(&self) -> user_regs_struct {
        match self.wait {
            Wait::Futex => user_regs_struct {
                rax: self.registers.orig_rax,
                rip: self.registers.rip.wrapping_sub(SYSCALL_BYTES),
                ..self.registers
            },
            Wait::Epoll => self.registers,
        }
    }
}

/// Bytes of the stack below the stack pointer.
fn stack_room(regions: &[Region], stack_pointer: u64) -> u64 {
    let stack = Region::at(regions, stack_pointer)
        .filter(|region| region.permissions.write && !region.permissions.shared);
    stack.map_or(0, |region| stack_pointer - region.start)
}

/// Whether a thread runs with CET's shadow stack, which the kernel tells since 6.6.
fn has_shadow_stack(pid: pid_t, tid: pid_t) -> bool {
    procfs::thread_status_field(pid, tid, "x86_Thread_features")
        .is_some_and(|features| features.contains("shstk"))
}

/// Of several stopped threads, the one that ranks least is the best; `None` if it is not idle. Everybody waits for the main thread: it
/// comes last.
pub(super) fn rank(pid: pid_t, tid: pid_t) -> Option<impl Ord> {
    let registers = nix::sys::ptrace::getregs(Pid::from_raw(tid)).ok()?;
    Some((tid == pid, Wait::interrupted(&registers)?))
}

/// The threads of a process that seem to be idle, as far as can be seen from outside, the best first.
///
/// Where the kernel does not tell (`/proc/PID/task/TID/syscall` wants the right to trace), all are candidates.
pub(super) fn candidates(pid: pid_t) -> Result<Vec<pid_t>, Why> {
    let tids = procfs::threads(pid).map_err(|_| Why::Exited { tid: pid })?;
    let mut rated: Vec<_> = tids
        .into_iter()
        .filter_map(|tid| match system_call(pid, tid) {
            Some(SystemCall::In(number, arguments)) => {
                Some((Some(Wait::of(number, arguments)?), tid))
            }
            Some(SystemCall::None) => None,
            None => Some((None, tid)),
        })
        .collect();
    // Everybody waits for the main thread: it comes last.
    rated.sort_unstable_by_key(|(wait, tid)| (*tid == pid, *wait, *tid));
    Ok(rated.into_iter().map(|(_, tid)| tid).collect())
}

/// What a running thread is doing.
enum SystemCall {
    /// It runs, or is stopped elsewhere.
    None,
    /// It is in the call with this number and these arguments.
    In(u64, [u64; 6]),
}

/// `None` if the kernel does not tell.
fn system_call(pid: pid_t, tid: pid_t) -> Option<SystemCall> {
    let path = procfs::path(pid, &format!("task/{tid}/syscall"));
    let text = fs::read_to_string(path).ok()?;
    // `running`; or the number of the call in decimal, its six arguments and two registers in hexadecimal.
    let mut fields = text.split_ascii_whitespace();
    let Some(number) = fields.next().and_then(|number| number.parse().ok()) else {
        return Some(SystemCall::None);
    };
    let mut arguments = [0; 6];
    for (place, field) in arguments.iter_mut().zip(fields) {
        *place = u64::from_str_radix(field.strip_prefix("0x")?, 16).ok()?;
    }
    Some(SystemCall::In(number, arguments))
}

/// Reading a thread's state failed because it is gone, or for another reason.
pub(super) fn trace_error(what: &'static str, tid: pid_t, errno: Errno) -> Why {
    match errno {
        Errno::ESRCH => Why::Exited { tid },
        errno => Why::Trace { what, tid, errno },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_waits_without_a_rest_will_do() {
        let futex = libc::SYS_futex.cast_unsigned();
        let epoll = libc::SYS_epoll_pwait.cast_unsigned();
        // FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME, as glibc's condition variables call it.
        assert_eq!(Wait::of(futex, [1, 0x189, 0, 0, 0, 7]), Some(Wait::Futex));
        assert_eq!(Wait::of(futex, [1, 0x80, 2, 0, 0, 0]), Some(Wait::Futex));
        assert_eq!(Wait::of(futex, [1, 0x189, 0, 0x7fff_0000, 0, 7]), None);
        // FUTEX_WAKE and FUTEX_LOCK_PI.
        assert_eq!(Wait::of(futex, [1, 0x81, 1, 0, 0, 0]), None);
        assert_eq!(Wait::of(futex, [1, 0x86, 0, 0, 0, 0]), None);
        assert_eq!(Wait::of(epoll, [5, 1, 1024, 1000, 0, 8]), Some(Wait::Epoll));
        assert_eq!(Wait::of(epoll, [5, 1, 1024, 1000, 0x7fff_0000, 8]), None);
        assert_eq!(Wait::of(libc::SYS_poll.cast_unsigned(), [0; 6]), None);
        assert_eq!(Wait::of(u64::MAX, [0; 6]), None);
    }

    #[test]
    fn own_thread_is_in_a_call() {
        let pid = nix::unistd::getpid().as_raw();
        let tid = nix::unistd::gettid().as_raw();
        // Reading the file, that is what it does.
        match system_call(pid, tid) {
            Some(SystemCall::In(number, _)) => {
                assert_eq!(number, libc::SYS_read.cast_unsigned());
            }
            Some(SystemCall::None) => {}
            None => println!("not tested: this kernel has no such file"),
        }
    }
}
