//! What differs from processor to processor in how stacks are built.

use v8mini_format::model::{Metadata, Thread};

use super::registers::Registers;

/// `mov x29, sp`: how code on AArch64 makes its frame, after the pair of frame pointer and return address was pushed.
const AARCH64_FRAME_SETUP: [u8; 4] = [0xfd, 0x03, 0x00, 0x91];
/// `ret`, to the address in x30.
const AARCH64_RETURN: [u8; 4] = [0xc0, 0x03, 0x5f, 0xd6];
/// `push rbp; mov rbp, rsp`: how code on x86-64 makes its frame.
const X86_64_FRAME_SETUP: [u8; 4] = [0x55, 0x48, 0x89, 0xe5];
/// Bits of an address in user space on AArch64. Those above may hold a signature of a return address (`paciasp`).
const AARCH64_ADDRESS: u64 = (1 << 48) - 1;

/// A kind of processor whose stacks can be followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Processor {
    X86_64,
    Aarch64,
}

/// How far code has got with making or taking down its frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FrameState {
    /// The frame pointer is that of the frame.
    Built,
    /// The frame pointer is still or again the caller's.
    Absent(ReturnAddress),
}

/// Where the address to return to is while there is no frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ReturnAddress {
    /// So many bytes above the stack pointer.
    Above(u64),
    /// In the link register.
    InRegister,
}

impl Processor {
    /// The processor of a process; `None` for one whose stacks are not known.
    pub(super) fn of(metadata: &Metadata) -> Option<Self> {
        match metadata.process.architecture.as_str() {
            "x86_64" => Some(Self::X86_64),
            "aarch64" => Some(Self::Aarch64),
            _ => None,
        }
    }

    /// The registers of a stopped thread, if the image has them.
    pub(super) fn registers(self, thread: &Thread) -> Option<Registers> {
        let [pc, sp, fp] = match self {
            Self::X86_64 => ["rip", "rsp", "rbp"],
            Self::Aarch64 => ["pc", "sp", "x29"],
        };
        let link = match self {
            Self::X86_64 => None,
            Self::Aarch64 => thread.register("x30").map(|link| self.code_address(link)),
        };
        Some(Registers {
            processor: self,
            pc: thread.register(pc)?,
            sp: thread.register(sp)?,
            fp: thread.register(fp)?,
            link,
            is_sp_known: true,
            is_exact: true,
        })
    }

    /// DWARF's numbers of the frame pointer, the stack pointer and the link register.
    pub(super) const fn dwarf_numbers(self) -> [u16; 3] {
        match self {
            // There is no link register: a number that no register has.
            Self::X86_64 => [6, 7, u16::MAX],
            Self::Aarch64 => [29, 31, 30],
        }
    }

    /// An address to return to, without what a processor may have signed it with.
    pub(super) const fn code_address(self, word: u64) -> u64 {
        match self {
            Self::X86_64 => word,
            Self::Aarch64 => word & AARCH64_ADDRESS,
        }
    }

    /// How far code has got with its frame: `next` are the bytes of the instruction to be executed, at `offset` in the code that begins
    /// with `prologue`.
    pub(super) fn frame_state(self, next: [u8; 4], prologue: &[u8], offset: u64) -> FrameState {
        match self {
            Self::X86_64 => {
                // `ret`, with or without a number of bytes: the frame is gone.
                if matches!(next[0], 0xc2 | 0xc3) {
                    return FrameState::Absent(ReturnAddress::Above(0));
                }
                let mut places = prologue.windows(X86_64_FRAME_SETUP.len());
                match places.position(|window| window == X86_64_FRAME_SETUP) {
                    Some(setup) if offset <= setup as u64 => {
                        FrameState::Absent(ReturnAddress::Above(0))
                    }
                    Some(setup) if offset == setup as u64 + 1 => {
                        FrameState::Absent(ReturnAddress::Above(8))
                    }
                    _ => FrameState::Built,
                }
            }
            Self::Aarch64 => {
                let (instructions, _) = prologue.as_chunks::<4>();
                let setup = instructions
                    .iter()
                    .position(|one| *one == AARCH64_FRAME_SETUP);
                if next == AARCH64_RETURN || setup.is_some_and(|setup| offset <= 4 * setup as u64) {
                    FrameState::Absent(ReturnAddress::InRegister)
                } else {
                    FrameState::Built
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ABOVE: fn(u64) -> FrameState = |bytes| FrameState::Absent(ReturnAddress::Above(bytes));

    #[test]
    fn frames_on_x86_64() {
        let prologue = [0x90, 0x55, 0x48, 0x89, 0xe5, 0x56];
        let state =
            |next, offset| Processor::X86_64.frame_state([next, 0, 0, 0], &prologue, offset);
        assert_eq!(state(0x90, 0), ABOVE(0));
        assert_eq!(state(0x55, 1), ABOVE(0));
        assert_eq!(state(0x48, 2), ABOVE(8));
        assert_eq!(state(0x56, 5), FrameState::Built);
        assert_eq!(state(0xc3, 77), ABOVE(0));
    }

    #[test]
    fn frames_on_aarch64() {
        // stp x29, x30, [sp, #-16]!; mov x29, sp; a push.
        let prologue = [
            0xfd, 0x7b, 0xbf, 0xa9, 0xfd, 0x03, 0x00, 0x91, 0xe0, 0x03, 0xbf, 0xa9,
        ];
        let state = |next, offset| Processor::Aarch64.frame_state(next, &prologue, offset);
        let absent = FrameState::Absent(ReturnAddress::InRegister);
        assert_eq!(state([0xfd, 0x7b, 0xbf, 0xa9], 0), absent);
        assert_eq!(state(AARCH64_FRAME_SETUP, 4), absent);
        assert_eq!(state([0xe0, 0x03, 0xbf, 0xa9], 8), FrameState::Built);
        assert_eq!(state(AARCH64_RETURN, 80), absent);
        // The bytes of `ret` on the other processor are no end here.
        assert_eq!(state([0xc3, 0, 0, 0], 80), FrameState::Built);
    }

    #[test]
    fn signatures_are_taken_off() {
        let signed = 0x0025_7f12_3456_7890;
        assert_eq!(Processor::Aarch64.code_address(signed), 0x7f12_3456_7890);
        assert_eq!(Processor::X86_64.code_address(0x7f12), 0x7f12);
    }
}
