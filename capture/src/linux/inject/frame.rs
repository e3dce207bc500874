//! The signal frame of x86-64, from which `rt_sigreturn` loads all registers of a thread at once.
//!
//! A frame in memory is what the kernel pushes before a signal handler runs: the handler's return address, then
//! `struct ucontext` (`include/uapi/asm-generic/ucontext.h` with `struct sigcontext_64` of
//! `arch/x86/include/uapi/asm/sigcontext.h`). `rt_sigreturn` finds it below the stack pointer and asks no further where it came from.

use nix::libc::user_regs_struct;

/// Bytes of a frame: 8 of the return address, 304 of `struct ucontext`, 8 to keep frames at multiples of 16.
pub(super) const FRAME_BYTES: u64 = 320;
const WORDS: usize = 40;

/// Words of the frame: the return address is 0, `uc_flags` 1, `uc_link` 2, `uc_stack` 3 to 5, `uc_mcontext` 6 to 37.
const RETURN_ADDRESS: usize = 0;
const FLAGS: usize = 1;
const ALTERNATE_STACK_FLAGS: usize = 4;
const REGISTERS: usize = 6;
const SEGMENTS: usize = 24;
const FPSTATE: usize = 29;
const SIGNAL_MASK: usize = 38;

/// Words of the registers of a call's arguments, in the order of the arguments: rdi, rsi, rdx, r10, r8, r9.
const ARGUMENTS: [usize; 6] = [14, 15, 18, 8, 6, 7];

/// `UC_FP_XSTATE | UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS` (`arch/x86/include/uapi/asm/ucontext.h`).
const UC_FLAGS: u64 = 0b111;
/// An impossible mode of `sigaltstack`, at which the kernel leaves the thread's alternate stack alone.
const NO_ALTERNATE_STACK: u64 = 0x7f;
/// No signal is delivered while a chain runs.
pub(super) const ALL_SIGNALS: u64 = u64::MAX;

/// What a frame does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Frame([u64; WORDS]);

impl Frame {
    /// A frame that makes a system call. `code` is the address of `syscall; ret`, `next` that of the frame which comes after;
    /// the segments are those of `thread`.
    pub(super) fn call(
        number: u64,
        arguments: [u64; 6],
        code: u64,
        next: u64,
        thread: &user_regs_struct,
    ) -> Self {
        let mut registers = user_regs_struct {
            rip: code,
            rsp: next,
            rax: number,
            cs: thread.cs,
            ss: thread.ss,
            ..NO_REGISTERS
        };
        // Interrupts on, and the bit that is always 1; above all no trap flag.
        registers.eflags = 0x202;
        let mut frame = Self::resume(&registers, ALL_SIGNALS, 0);
        for (place, value) in ARGUMENTS.into_iter().zip(arguments) {
            frame.set(place, value);
        }
        frame
    }

    /// A frame that gives a thread these registers and this signal mask, and the vector registers at address `fpstate`.
    pub(super) fn resume(r: &user_regs_struct, signal_mask: u64, fpstate: u64) -> Self {
        let mut frame = Self([0; WORDS]);
        frame.set(FLAGS, UC_FLAGS);
        frame.set(ALTERNATE_STACK_FLAGS, NO_ALTERNATE_STACK);
        let registers = [
            r.r8, r.r9, r.r10, r.r11, r.r12, r.r13, r.r14, r.r15, r.rdi, r.rsi, r.rbp, r.rbx,
            r.rdx, r.rax, r.rcx, r.rsp, r.rip, r.eflags,
        ];
        for (place, value) in (REGISTERS..).zip(registers) {
            frame.set(place, value);
        }
        // Code and stack segment, 16 bits each; 64-bit code has no use for the two between.
        frame.set(SEGMENTS, (r.cs & 0xffff) | (r.ss & 0xffff) << 48);
        frame.set(FPSTATE, fpstate);
        frame.set(SIGNAL_MASK, signal_mask);
        frame
    }

    /// The bytes, for a thread whose code at `sigreturn` calls `rt_sigreturn`.
    pub(super) fn bytes(&self, sigreturn: u64) -> impl Iterator<Item = u8> + '_ {
        let words = self.0.iter().enumerate();
        words.flat_map(move |(at, word)| {
            if at == RETURN_ADDRESS {
                sigreturn
            } else {
                *word
            }
            .to_le_bytes()
        })
    }

    fn set(&mut self, place: usize, value: u64) {
        if let Some(word) = self.0.get_mut(place) {
            *word = value;
        }
    }
}

/// Offset in a frame of the value that a call will get as its argument.
pub(super) fn argument_offset(argument: usize) -> Option<u64> {
    ARGUMENTS.get(argument).map(|place| *place as u64 * 8)
}

const NO_REGISTERS: user_regs_struct = user_regs_struct {
    r15: 0,
    r14: 0,
    r13: 0,
    r12: 0,
    rbp: 0,
    rbx: 0,
    r11: 0,
    r10: 0,
    r9: 0,
    r8: 0,
    rax: 0,
    rcx: 0,
    rdx: 0,
    rsi: 0,
    rdi: 0,
    orig_rax: 0,
    rip: 0,
    cs: 0,
    eflags: 0,
    rsp: 0,
    ss: 0,
    fs_base: 0,
    gs_base: 0,
    ds: 0,
    es: 0,
    fs: 0,
    gs: 0,
};

#[cfg(test)]
mod tests {
    use super::*;
    use nix::libc;
    use std::mem::offset_of;

    /// Where a word of the frame is in `ucontext_t`, which begins behind the return address.
    const fn word(offset_in_ucontext: usize) -> usize {
        1 + offset_in_ucontext / 8
    }

    #[test]
    fn has_the_c_librarys_layout() {
        let gregs = offset_of!(libc::ucontext_t, uc_mcontext);
        let greg = |index: libc::c_int| word(gregs) + usize::try_from(index).unwrap();
        assert_eq!(FLAGS, word(offset_of!(libc::ucontext_t, uc_flags)));
        assert_eq!(
            ALTERNATE_STACK_FLAGS,
            word(offset_of!(libc::ucontext_t, uc_stack) + offset_of!(libc::stack_t, ss_flags))
        );
        assert_eq!(REGISTERS, greg(libc::REG_R8));
        assert_eq!(SEGMENTS, greg(libc::REG_CSGSFS));
        assert_eq!(FPSTATE, word(gregs + offset_of!(libc::mcontext_t, fpregs)));
        assert_eq!(SIGNAL_MASK, word(offset_of!(libc::ucontext_t, uc_sigmask)));
        assert_eq!(
            ARGUMENTS,
            [
                libc::REG_RDI,
                libc::REG_RSI,
                libc::REG_RDX,
                libc::REG_R10,
                libc::REG_R8,
                libc::REG_R9
            ]
            .map(greg)
        );
    }

    #[test]
    fn registers_are_where_they_belong() {
        let registers = user_regs_struct {
            rax: 202,
            rip: 0x7000,
            rsp: 0x8000,
            eflags: 0x246,
            rdi: 1,
            cs: 0x33,
            ss: 0x2b,
            ..NO_REGISTERS
        };
        let frame = Frame::resume(&registers, 0x1_0000, 0x9000);
        let bytes: Vec<u8> = frame.bytes(0x1234).collect();
        assert_eq!(bytes.len() as u64, FRAME_BYTES);
        let at =
            |word: usize| u64::from_le_bytes(bytes[word * 8..word * 8 + 8].try_into().unwrap());
        assert_eq!(at(RETURN_ADDRESS), 0x1234);
        let greg = |index: libc::c_int| at(REGISTERS + usize::try_from(index).unwrap());
        assert_eq!(greg(libc::REG_RAX), 202);
        assert_eq!(greg(libc::REG_RIP), 0x7000);
        assert_eq!(greg(libc::REG_RSP), 0x8000);
        assert_eq!(greg(libc::REG_EFL), 0x246);
        assert_eq!(greg(libc::REG_RDI), 1);
        assert_eq!(at(SEGMENTS), 0x002b_0000_0000_0033);
        assert_eq!(at(FPSTATE), 0x9000);
        assert_eq!(at(SIGNAL_MASK), 0x1_0000);
    }

    #[test]
    fn a_call_returns_into_the_next_frame() {
        let thread = user_regs_struct {
            cs: 0x33,
            ss: 0x2b,
            eflags: 0x346,
            ..NO_REGISTERS
        };
        let frame = Frame::call(3, [1, 2, 3, 4, 5, 6], 0x7000, 0x8000, &thread);
        let greg = |index: libc::c_int| frame.0[REGISTERS + usize::try_from(index).unwrap()];
        let arguments = [14, 15, 18, 8, 6, 7].map(|place: usize| frame.0[place]);
        assert_eq!(arguments, [1, 2, 3, 4, 5, 6]);
        assert_eq!(greg(libc::REG_RAX), 3);
        assert_eq!(greg(libc::REG_RIP), 0x7000);
        assert_eq!(greg(libc::REG_RSP), 0x8000);
        assert_eq!(greg(libc::REG_EFL), 0x202);
        assert_eq!(frame.0[SIGNAL_MASK], ALL_SIGNALS);
    }
}
