//! What the seccomp filters of a thread would say to system calls, found out without making them.
//!
//! A filter may answer a call by ending the process. So nothing is tried: the filters are read (`PTRACE_SECCOMP_GET_FILTER`,
//! which takes `CAP_SYS_ADMIN`) and run here on the very calls. Where they cannot be read, no call is made.

mod bpf;

use nix::errno::Errno;
use nix::libc::{self, c_void, pid_t};

use self::bpf::{Data, Instruction};
use super::Why;
use super::call::Call;
use super::gadgets::Gadgets;
use crate::linux::procfs;

/// `SECCOMP_MODE_FILTER`, as `/proc/PID/task/TID/status` shows it; 0 is none, 1 allows only read, write and exit.
const MODE_NONE: &str = "0";
/// Not in the `libc` crate: `include/uapi/linux/ptrace.h`.
const PTRACE_SECCOMP_GET_FILTER: libc::c_uint = 0x420c;
/// `BPF_MAXINSNS`.
const MAX_INSTRUCTIONS: usize = 4096;
/// The kernel allows filters of 32768 instructions in all (`MAX_INSNS_PER_PATH`), and each counts for four more.
const MAX_FILTERS: usize = 8192;
/// `SECCOMP_RET_ACTION_FULL`.
const ACTION: u32 = 0xffff_0000;
/// A file descriptor for a call that takes one which is not known yet.
const SOME_DESCRIPTOR: u64 = 32;

/// Whether a stopped thread may make these calls, and return from a signal handler, and its clone may exit.
///
/// # Errors
/// [`Why::Seccomp`] if a filter does anything but let one pass, [`Why::SeccompUnknown`] if nobody can know.
pub(super) fn check(pid: pid_t, tid: pid_t, calls: &[Call], gadgets: &Gadgets) -> Result<(), Why> {
    let mode = procfs::thread_status_field(pid, tid, "Seccomp");
    // Kernels without seccomp do not have the line.
    if mode.is_none_or(|mode| mode == MODE_NONE) {
        return Ok(());
    }
    let filters = read(tid).map_err(|errno| Why::SeccompUnknown { errno })?;
    let sigreturn = (libc::SYS_rt_sigreturn, [0; 6], gadgets.sigreturn_end);
    let exit = (libc::SYS_exit_group, [0; 6], gadgets.syscall_end());
    let of_calls = calls.iter().flat_map(|call| {
        [u64::MAX, SOME_DESCRIPTOR].map(|unknown| {
            (
                call.number,
                call.values(unknown, unknown),
                gadgets.syscall_end(),
            )
        })
    });
    for (number, arguments, instruction) in [sigreturn, exit].into_iter().chain(of_calls) {
        let action = verdict(&filters, &Data::new(number, instruction, arguments));
        if !matches!(
            action & ACTION,
            libc::SECCOMP_RET_ALLOW | libc::SECCOMP_RET_LOG
        ) {
            return Err(Why::Seccomp {
                call: name(number),
                action: describe(action),
            });
        }
    }
    Ok(())
}

/// The filters of a stopped thread, the newest first.
fn read(tid: pid_t) -> Result<Vec<Vec<Instruction>>, Errno> {
    let mut filters = Vec::new();
    while filters.len() < MAX_FILTERS {
        let mut filter = vec![Instruction::default(); MAX_INSTRUCTIONS];
        let index = std::ptr::without_provenance_mut::<c_void>(filters.len());
        // SAFETY: the kernel writes at most BPF_MAXINSNS instructions, for which there is room; their layout is the kernel's.
        let result =
            unsafe { libc::ptrace(PTRACE_SECCOMP_GET_FILTER, tid, index, filter.as_mut_ptr()) };
        match Errno::result(result) {
            Ok(len) => {
                filter.truncate(usize::try_from(len).unwrap_or(0));
                filters.push(filter);
            }
            Err(Errno::ENOENT) if !filters.is_empty() => return Ok(filters),
            Err(errno) => return Err(errno),
        }
    }
    Err(Errno::E2BIG)
}

/// What the kernel makes of several answers: the most drastic wins, which is the smallest signed number.
fn verdict(filters: &[Vec<Instruction>], data: &Data) -> u32 {
    let answers = filters.iter().map(|filter| bpf::run(filter, data));
    answers
        .min_by_key(|answer| (answer & ACTION).cast_signed())
        .unwrap_or(libc::SECCOMP_RET_ALLOW)
}

fn name(number: libc::c_long) -> String {
    match number {
        libc::SYS_userfaultfd => "userfaultfd",
        libc::SYS_clone => "clone",
        libc::SYS_madvise => "madvise",
        libc::SYS_wait4 => "wait4",
        libc::SYS_close => "close",
        libc::SYS_exit_group => "exit_group",
        libc::SYS_rt_sigreturn => "rt_sigreturn",
        other => return format!("system call {other}"),
    }
    .to_owned()
}

fn describe(answer: u32) -> String {
    match answer & ACTION {
        libc::SECCOMP_RET_ERRNO => {
            let number = i32::try_from(answer & libc::SECCOMP_RET_DATA).unwrap_or(0);
            format!("{:?}", Errno::from_raw(number))
        }
        libc::SECCOMP_RET_KILL_PROCESS | libc::SECCOMP_RET_KILL_THREAD => "death".to_owned(),
        libc::SECCOMP_RET_TRAP => "SIGSYS".to_owned(),
        libc::SECCOMP_RET_TRACE | libc::SECCOMP_RET_USER_NOTIF => {
            "a question to another process".to_owned()
        }
        other => format!("action {other:#x}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn returning(answer: u32) -> Vec<Instruction> {
        vec![Instruction::ret(answer)]
    }

    #[test]
    fn the_most_drastic_answer_wins() {
        let data = Data::new(libc::SYS_clone, 0, [0; 6]);
        let answers = [
            libc::SECCOMP_RET_ALLOW,
            libc::SECCOMP_RET_ERRNO | 1,
            libc::SECCOMP_RET_LOG,
        ];
        let filters: Vec<_> = answers.into_iter().map(returning).collect();
        assert_eq!(verdict(&filters, &data), libc::SECCOMP_RET_ERRNO | 1);
        assert_eq!(verdict(&filters[..1], &data), libc::SECCOMP_RET_ALLOW);
        // KILL_THREAD is 0, KILL_PROCESS is negative.
        let filters = [
            returning(libc::SECCOMP_RET_KILL_THREAD),
            returning(libc::SECCOMP_RET_KILL_PROCESS),
        ];
        assert_eq!(verdict(&filters, &data), libc::SECCOMP_RET_KILL_PROCESS);
    }

    #[test]
    fn answers_in_words() {
        assert_eq!(describe(libc::SECCOMP_RET_ERRNO | 1), "EPERM");
        assert_eq!(describe(libc::SECCOMP_RET_KILL_PROCESS), "death");
        assert_eq!(name(libc::SYS_userfaultfd), "userfaultfd");
        assert_eq!(name(12345), "system call 12345");
    }
}
