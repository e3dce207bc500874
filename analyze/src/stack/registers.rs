//! The registers that a walk carries from frame to frame.

use v8mini_format::model::{UnwindBase, UnwindRow, UnwindRule};
use v8mini_format::{Memory, MemoryExt};

/// DWARF numbers of x86-64 registers.
const RBP: u16 = 6;
const RSP: u16 = 7;

/// The registers of a frame, as far as a walk needs them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Registers {
    pub(super) pc: u64,
    pub(super) sp: u64,
    pub(super) fp: u64,
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
        let cfa = self.rule(memory, row.cfa, None)?;
        let pc = self.rule(memory, row.return_address, Some(cfa))?;
        let fp = match row.frame_pointer {
            UnwindRule::Unchanged => self.fp,
            // Lost: only a caller that needs it will miss it.
            rule => self.rule(memory, rule, Some(cfa)).unwrap_or(0),
        };
        // Stacks grow downwards; a signal handler may have one of its own.
        (cfa > self.sp || row.is_signal_frame).then_some(Self {
            pc,
            sp: cfa,
            fp,
            is_exact: row.is_signal_frame,
        })
    }

    fn rule(&self, memory: &dyn Memory, rule: UnwindRule, cfa: Option<u64>) -> Option<u64> {
        let base = |base| match base {
            UnwindBase::Cfa => cfa,
            UnwindBase::Register(RBP) => Some(self.fp),
            UnwindBase::Register(RSP) => Some(self.sp),
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
        Some(Self {
            pc,
            sp: fp.checked_add(16)?,
            fp: memory.read_u64(fp).ok()?,
            is_exact: false,
        })
    }
}
