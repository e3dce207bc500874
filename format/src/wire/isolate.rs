//! `ISOL`: V8 isolates.

use bincode::{Decode, Encode};

use super::bincode_record;
use crate::chunk::ChunkKind;
use crate::codes::{gc_state_code, gc_state_from_code};
use crate::model::{AllocationArea, Isolate};

#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub(crate) struct IsolateV1 {
    address: u64,
    heap: u64,
    tid: u32,
    allocation_areas: Vec<AllocationAreaV1>,
    gc_state: u8,
}

#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub(crate) struct AllocationAreaV1 {
    start: u64,
    top: u64,
    limit: u64,
}

bincode_record!(IsolateV1, ChunkKind::ISOLATES, |i| {
    i.allocation_areas.len() * size_of::<AllocationAreaV1>()
});

impl From<&Isolate> for IsolateV1 {
    fn from(isolate: &Isolate) -> Self {
        let area = |a: &AllocationArea| AllocationAreaV1 {
            start: a.start,
            top: a.top,
            limit: a.limit,
        };
        Self {
            address: isolate.address,
            heap: isolate.heap,
            tid: isolate.tid,
            allocation_areas: isolate.allocation_areas.iter().map(area).collect(),
            gc_state: gc_state_code(isolate.gc_state),
        }
    }
}

impl From<IsolateV1> for Isolate {
    fn from(isolate: IsolateV1) -> Self {
        let area = |a: AllocationAreaV1| AllocationArea {
            start: a.start,
            top: a.top,
            limit: a.limit,
        };
        Self {
            address: isolate.address,
            heap: isolate.heap,
            tid: isolate.tid,
            allocation_areas: isolate.allocation_areas.into_iter().map(area).collect(),
            gc_state: gc_state_from_code(isolate.gc_state),
        }
    }
}
