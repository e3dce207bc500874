//! A stopped thread's general registers.

use nix::errno::Errno;
use nix::libc::pid_t;
use nix::sys::ptrace;
use nix::unistd::Pid;
use v8mini_format::model::Register;

/// GNU name of the architecture that this program was built for.
pub(super) const ARCHITECTURE: &str = std::env::consts::ARCH;

/// Reads the general registers of a stopped thread, in the order of `struct user_regs_struct`.
pub(super) fn read(tid: pid_t) -> Result<Vec<Register>, Errno> {
    let regs = ptrace::getregset::<ptrace::regset::NT_PRSTATUS>(Pid::from_raw(tid))?;
    Ok(named(&regs))
}

#[cfg(target_arch = "x86_64")]
fn named(regs: &nix::libc::user_regs_struct) -> Vec<Register> {
    macro_rules! registers {
        ($($name:ident)*) => {
            vec![$(Register { name: stringify!($name).to_owned(), value: regs.$name }),*]
        };
    }
    registers! {
        r15 r14 r13 r12 rbp rbx r11 r10 r9 r8 rax rcx rdx rsi rdi orig_rax rip cs eflags rsp ss fs_base
        gs_base ds es fs gs
    }
}

#[cfg(target_arch = "aarch64")]
fn named(regs: &nix::libc::user_regs_struct) -> Vec<Register> {
    let general = (0..).zip(regs.regs).map(|(n, value)| Register {
        name: format!("x{n}"),
        value,
    });
    let special =
        [("sp", regs.sp), ("pc", regs.pc), ("pstate", regs.pstate)].map(|(name, value)| Register {
            name: name.to_owned(),
            value,
        });
    general.chain(special).collect()
}
