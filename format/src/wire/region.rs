//! `rEGN`, `aCCT`: the memory map and what is resident.

use bincode::{Decode, Encode};

use super::{bincode_record, clip};
use crate::chunk::ChunkKind;
use crate::model::{MemoryUse, Permissions, Region};

const READ: u8 = 1;
const WRITE: u8 = 2;
const EXECUTE: u8 = 4;
const SHARED: u8 = 8;

#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub(crate) struct RegionV1 {
    start: u64,
    end: u64,
    permissions: u8,
    file_offset: u64,
    name: String,
}

bincode_record!(RegionV1, ChunkKind::REGIONS, |r| r.name.len());

impl From<&Region> for RegionV1 {
    fn from(region: &Region) -> Self {
        let Permissions {
            read,
            write,
            execute,
            shared,
        } = region.permissions;
        let bits = [
            (read, READ),
            (write, WRITE),
            (execute, EXECUTE),
            (shared, SHARED),
        ];
        Self {
            start: region.start,
            end: region.end,
            permissions: bits
                .iter()
                .filter(|(set, _)| *set)
                .map(|(_, bit)| bit)
                .sum(),
            file_offset: region.file_offset,
            name: clip(&region.name),
        }
    }
}

impl From<RegionV1> for Region {
    fn from(region: RegionV1) -> Self {
        let has = |bit| region.permissions & bit != 0;
        Self {
            start: region.start,
            end: region.end,
            permissions: Permissions {
                read: has(READ),
                write: has(WRITE),
                execute: has(EXECUTE),
                shared: has(SHARED),
            },
            file_offset: region.file_offset,
            name: region.name,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub(crate) struct MemoryUseV1 {
    kind: String,
    resident_bytes: u64,
    mapped_bytes: u64,
}

bincode_record!(MemoryUseV1, ChunkKind::ACCOUNTING, |m| m.kind.len());

impl From<&MemoryUse> for MemoryUseV1 {
    fn from(memory: &MemoryUse) -> Self {
        Self {
            kind: clip(&memory.kind),
            resident_bytes: memory.resident_bytes,
            mapped_bytes: memory.mapped_bytes,
        }
    }
}

impl From<MemoryUseV1> for MemoryUse {
    fn from(memory: MemoryUseV1) -> Self {
        let MemoryUseV1 {
            kind,
            resident_bytes,
            mapped_bytes,
        } = memory;
        Self {
            kind,
            resident_bytes,
            mapped_bytes,
        }
    }
}
