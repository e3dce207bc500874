//! The registers that a walk carries from frame to frame.

use v8mini_format::model::{UnwindBase, UnwindRow, UnwindRule};
use v8mini_format::{Memory, MemoryExt};

use super::processor::Processor;

/// The registers of a frame, as far as a walk needs them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Registers {
    pub(super) processor: Processor,
    pub(super) pc: u64,
    pub(super) sp: u64,
    pub(super) fp: u64,
    /// The link register, which a call puts the address to return to into, where there is one. Only that of the innermost frame is
    /// known.
    pub(super) link: Option<u64>,
    /// Whether `sp` is the stack pointer and not only an address below it: on AArch64, compilers put the pair of frame pointer and
    /// return address at the bottom of a frame, so that the pair does not tell where the frame ends.
    pub(super) is_sp_known: bool,
    /// Whether `pc` is an instruction that was interrupted, and not one that a call returns to.
    pub(super) is_exact: bool,
}

impl Registers {
    /// An address inside the instruction that is under way: a call may be the last instruction of its function, so that the
    /// address that it returns to lies in the next one.
    pub(super) const fn lookup_pc(&self) -> u64 {
        if self.is_exact {
            self.pc
        } else {
            self.pc.wrapping_sub(1)
        }
    }

    /// The caller's registers by a row of the call-frame table; `None` if it cannot be read or makes no sense.
    pub(super) fn by_row(&self, memory: &dyn Memory, row: &UnwindRow) -> Option<Self> {
        let [_, sp, _] = self.processor.dwarf_numbers();
        if !self.is_sp_known
            && let UnwindRule::Value(UnwindBase::Register(base), _)
            | UnwindRule::Memory(UnwindBase::Register(base), _) = row.cfa
            && base == sp
        {
            return self.by_native_frame_pointer(memory);
        }
        let cfa = self.rule(memory, row.cfa, None)?;
        let pc = self.rule(memory, row.return_address, Some(cfa))?;
        let fp = match row.frame_pointer {
            UnwindRule::Unchanged => self.fp,
            // Lost: only a caller that needs it will miss it.
            rule => self.rule(memory, rule, Some(cfa)).unwrap_or(0),
        };
        // Stacks grow downwards; a signal handler may have one of its own.
        // A leaf function of a processor with a link register need not use the stack at all.
        let moves = cfa > self.sp || (cfa == self.sp && self.link.is_some());
        (moves || row.is_signal_frame).then_some(Self {
            pc: self.processor.code_address(pc),
            sp: cfa,
            fp,
            link: None,
            is_sp_known: true,
            is_exact: row.is_signal_frame,
            ..*self
        })
    }

    /// The registers of a caller.
    pub(super) const fn caller(&self, pc: u64, sp: u64, fp: u64) -> Self {
        Self {
            processor: self.processor,
            pc: self.processor.code_address(pc),
            sp,
            fp,
            link: None,
            is_sp_known: true,
            is_exact: false,
        }
    }

    /// As [`Registers::by_frame_pointer`], from a frame that a compiler of native code has made.
    pub(super) fn by_native_frame_pointer(&self, memory: &dyn Memory) -> Option<Self> {
        self.by_frame_pointer(memory).map(|caller| Self {
            is_sp_known: self.processor == Processor::X86_64,
            ..caller
        })
    }

    fn rule(&self, memory: &dyn Memory, rule: UnwindRule, cfa: Option<u64>) -> Option<u64> {
        let [fp, sp, link] = self.processor.dwarf_numbers();
        let base = |base| match base {
            UnwindBase::Cfa => cfa,
            UnwindBase::Register(number) if number == fp => Some(self.fp),
            UnwindBase::Register(number) if number == sp => Some(self.sp),
            UnwindBase::Register(number) if number == link => self.link,
            UnwindBase::Register(_) => None,
        };
        match rule {
            UnwindRule::Undefined | UnwindRule::Unchanged => None,
            UnwindRule::Value(from, offset) => base(from)?.checked_add_signed(offset),
            UnwindRule::Memory(from, offset) => memory
                .read_u64(base(from)?.checked_add_signed(offset)?)
                .ok(),
        }
    }

    /// The caller's registers by the chain of frame pointers; `None` if it leads nowhere further up.
    pub(super) fn by_frame_pointer(&self, memory: &dyn Memory) -> Option<Self> {
        let fp = self.fp;
        if fp < self.sp || !fp.is_multiple_of(8) {
            return None;
        }
        let pc = memory.read_u64(fp.checked_add(8)?).ok()?;
        Some(self.caller(pc, fp.checked_add(16)?, memory.read_u64(fp).ok()?))
    }
}
