//! Threads that can be used without a trace.
//!
//! An interrupted system call ends with a number that says how the kernel will go on with it. A thread that waits for a
//! futex without a time limit ends with `-ERESTARTSYS`: the kernel simply makes the same call again, and so can we. With a time
//! limit it is `-ERESTART_RESTARTBLOCK`: the rest of the time is kept in the kernel, and `rt_sigreturn` would drop it, so that the
//! program would see `EINTR`. The same holds for `nanosleep` and `poll`. Every Node.js since 4 has threads of the first kind: the
//! idle workers of V8.

use std::fs;

use nix::errno::Errno;
use nix::libc::{self, pid_t, user_regs_struct};
use nix::unistd::Pid;
use v8mini_format::model::Region;

use super::Why;
use super::chain::HANDLER_ROOM;
use super::xstate::Xstate;
use crate::linux::{procfs, ptrace};

/// Errors inside the kernel (`include/linux/errno.h`), which only a tracer sees.
const ERESTARTSYS: i64 = 512;
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
        if !is_idle(&registers) || stack_room(regions, registers.rsp) < bytes + HANDLER_ROOM {
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
        }))
    }

    /// The registers with which the thread makes its interrupted call again, as the kernel would have it do.
    pub(super) fn resumption(&self) -> user_regs_struct {
        user_regs_struct {
            rax: self.registers.orig_rax,
            rip: self.registers.rip.wrapping_sub(SYSCALL_BYTES),
            ..self.registers
        }
    }
}

/// Whether a stopped thread waits for a futex without a time limit.
fn is_idle(registers: &user_regs_struct) -> bool {
    registers.cs == USER_CS
        && registers.rax.cast_signed() == -ERESTARTSYS
        && is_untimed_futex_wait(registers.orig_rax, registers.rsi, registers.r10)
}

fn is_untimed_futex_wait(number: u64, operation: u64, timeout: u64) -> bool {
    libc::c_long::try_from(number) == Ok(libc::SYS_futex)
        && FUTEX_WAITS.contains(&(operation & FUTEX_COMMAND))
        && timeout == 0
}

/// Bytes of the stack below the stack pointer.
fn stack_room(regions: &[Region], stack_pointer: u64) -> u64 {
    let at = regions.partition_point(|region| region.end <= stack_pointer);
    let stack = regions.get(at).filter(|region| {
        region.start <= stack_pointer && region.permissions.write && !region.permissions.shared
    });
    stack.map_or(0, |region| stack_pointer - region.start)
}

/// Whether a thread runs with CET's shadow stack, which the kernel tells since 6.6.
fn has_shadow_stack(pid: pid_t, tid: pid_t) -> bool {
    procfs::thread_status_field(pid, tid, "x86_Thread_features")
        .is_some_and(|features| features.contains("shstk"))
}

/// The threads of a process that seem to be idle, as far as can be seen from outside, the likeliest first.
///
/// Where the kernel does not tell (`/proc/PID/task/TID/syscall` wants the right to trace), all are candidates; the main thread
/// is the last.
pub(super) fn candidates(pid: pid_t) -> Result<Vec<pid_t>, Why> {
    let tids = procfs::threads(pid).map_err(|_| Why::Exited { tid: pid })?;
    let mut rated: Vec<(u8, pid_t)> = tids
        .into_iter()
        .filter_map(|tid| {
            let rating = match seems_idle(pid, tid) {
                Some(true) => 0,
                None => 1,
                Some(false) => return None,
            };
            Some((rating + u8::from(tid == pid) * 2, tid))
        })
        .collect();
    rated.sort_unstable();
    Ok(rated.into_iter().map(|(_, tid)| tid).collect())
}

/// Whether a running thread waits for a futex without a time limit; `None` if the kernel does not tell.
fn seems_idle(pid: pid_t, tid: pid_t) -> Option<bool> {
    let text = fs::read_to_string(procfs::path(pid, &format!("task/{tid}/syscall"))).ok()?;
    let mut fields = text.split_ascii_whitespace();
    // `running`, or the number of the call in decimal and its six arguments in hexadecimal.
    let Some(number) = fields.next().and_then(|number| number.parse().ok()) else {
        return Some(false);
    };
    let mut argument = |index| {
        let text = fields.nth(index)?.strip_prefix("0x")?;
        u64::from_str_radix(text, 16).ok()
    };
    let (operation, timeout) = (argument(1)?, argument(1)?);
    Some(is_untimed_futex_wait(number, operation, timeout))
}

/// Reading a thread's state failed because it is gone, or for another reason.
pub(super) fn trace_error(what: &'static str, tid: pid_t, errno: Errno) -> Why {
    match errno {
        Errno::ESRCH => Why::Exited { tid },
        errno => Why::Trace { what, tid, errno },
    }
}
