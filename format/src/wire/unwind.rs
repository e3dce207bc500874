//! `uNWD`: how to unwind native code.

use bincode::{Decode, Encode};

use super::bincode_record;
use crate::chunk::ChunkKind;
use crate::model::{UnwindBase, UnwindRow, UnwindRule};

#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub(crate) struct UnwindRowV1 {
    start: u64,
    end: u64,
    is_signal_frame: bool,
    cfa: RuleV1,
    frame_pointer: RuleV1,
    return_address: RuleV1,
}

bincode_record!(UnwindRowV1, ChunkKind::UNWIND_ROWS, |_row| 0_usize);

#[derive(Debug, Clone, PartialEq, Encode, Decode)]
struct RuleV1 {
    kind: u8,
    base: u32,
    offset: i64,
}

const UNDEFINED: u8 = 0;
const UNCHANGED: u8 = 1;
const VALUE: u8 = 2;
const MEMORY: u8 = 3;
/// The base that is no register.
const CFA: u32 = u32::MAX;

impl From<&UnwindRow> for UnwindRowV1 {
    fn from(row: &UnwindRow) -> Self {
        Self {
            start: row.start,
            end: row.end,
            is_signal_frame: row.is_signal_frame,
            cfa: row.cfa.into(),
            frame_pointer: row.frame_pointer.into(),
            return_address: row.return_address.into(),
        }
    }
}

impl From<UnwindRowV1> for UnwindRow {
    fn from(row: UnwindRowV1) -> Self {
        let UnwindRowV1 {
            start,
            end,
            is_signal_frame,
            cfa,
            frame_pointer,
            return_address,
        } = row;
        Self {
            start,
            end,
            is_signal_frame,
            cfa: cfa.into(),
            frame_pointer: frame_pointer.into(),
            return_address: return_address.into(),
        }
    }
}

impl From<UnwindRule> for RuleV1 {
    fn from(rule: UnwindRule) -> Self {
        let (kind, base, offset) = match rule {
            UnwindRule::Undefined => (UNDEFINED, None, 0),
            UnwindRule::Unchanged => (UNCHANGED, None, 0),
            UnwindRule::Value(base, offset) => (VALUE, Some(base), offset),
            UnwindRule::Memory(base, offset) => (MEMORY, Some(base), offset),
        };
        let base = match base {
            None => 0,
            Some(UnwindBase::Cfa) => CFA,
            Some(UnwindBase::Register(number)) => u32::from(number),
        };
        Self { kind, base, offset }
    }
}

impl From<RuleV1> for UnwindRule {
    /// What cannot be understood is undefined: the stack ends there.
    fn from(rule: RuleV1) -> Self {
        let base = match rule.base {
            CFA => Some(UnwindBase::Cfa),
            number => u16::try_from(number).ok().map(UnwindBase::Register),
        };
        match (rule.kind, base) {
            (UNCHANGED, _) => Self::Unchanged,
            (VALUE, Some(base)) => Self::Value(base, rule.offset),
            (MEMORY, Some(base)) => Self::Memory(base, rule.offset),
            _ => Self::Undefined,
        }
    }
}
