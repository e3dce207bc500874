//! `tHRD`: threads and their registers.

use bincode::{Decode, Encode};

use super::{bincode_record, clip};
use crate::chunk::ChunkKind;
use crate::model::{Register, Thread};

#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub(crate) struct ThreadV1 {
    tid: u32,
    name: String,
    registers: Vec<RegisterV1>,
    stack_start: u64,
    stack_end: u64,
    isolate: u64,
    state: u32,
}

#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub(crate) struct RegisterV1 {
    name: String,
    value: u64,
}

bincode_record!(ThreadV1, ChunkKind::THREADS, |t| {
    let registers = t
        .registers
        .iter()
        .map(|r| size_of::<RegisterV1>() + r.name.len());
    t.name.len() + registers.sum::<usize>()
});

impl From<&Thread> for ThreadV1 {
    fn from(thread: &Thread) -> Self {
        let register = |r: &Register| RegisterV1 {
            name: clip(&r.name),
            value: r.value,
        };
        Self {
            tid: thread.tid,
            name: clip(&thread.name),
            registers: thread.registers.iter().map(register).collect(),
            stack_start: thread.stack_start,
            stack_end: thread.stack_end,
            isolate: thread.isolate,
            state: u32::from(thread.state),
        }
    }
}

impl From<ThreadV1> for Thread {
    fn from(thread: ThreadV1) -> Self {
        let register = |r: RegisterV1| Register {
            name: r.name,
            value: r.value,
        };
        Self {
            tid: thread.tid,
            name: thread.name,
            registers: thread.registers.into_iter().map(register).collect(),
            stack_start: thread.stack_start,
            stack_end: thread.stack_end,
            isolate: thread.isolate,
            state: char::from_u32(thread.state).unwrap_or('?'),
        }
    }
}
