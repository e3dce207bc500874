//! Unpacked segments in a file, for programs that look all over a heap: each is unpacked once.

use std::collections::HashMap;
use std::fs::File;
use std::sync::OnceLock;

use crate::limits::SEGMENT_MAX;
use crate::source::Scratch;

/// A file with room for all segments.
#[derive(Debug)]
pub(crate) struct SegmentSpool {
    file: Scratch,
    /// By number of the chunk.
    slots: HashMap<u32, Slot>,
}

#[derive(Debug)]
struct Slot {
    /// Where the segment's memory is in the file.
    offset: u64,
    /// Whether it is there yet, or why it will not be.
    state: OnceLock<Result<(), Unspooled>>,
}

/// Why a segment is not in the file.
#[derive(Debug, Clone)]
pub(crate) enum Unspooled {
    /// It is damaged.
    Damaged(String),
    /// The file refused it: the disk is full, for instance.
    NoRoom,
}

impl SegmentSpool {
    /// Room for segments in an empty file.
    pub(crate) fn new(file: File, chunks: impl Iterator<Item = u32>) -> Self {
        let slot = |(index, chunk): (u64, u32)| {
            let offset = index.saturating_mul(SEGMENT_MAX);
            let state = OnceLock::new();
            (chunk, Slot { offset, state })
        };
        Self {
            file: Scratch::new(file),
            slots: (0..).zip(chunks).map(slot).collect(),
        }
    }

    /// Fills `buf` with the bytes at a distance into a segment, which is unpacked by `unpack` the first time.
    pub(crate) fn read(
        &self,
        chunk: u32,
        distance: u64,
        buf: &mut [u8],
        unpack: impl FnOnce() -> Result<Vec<u8>, String>,
    ) -> Result<(), Unspooled> {
        let slot = self.slots.get(&chunk).ok_or(Unspooled::NoRoom)?;
        let fill = || {
            let memory = unpack().map_err(Unspooled::Damaged)?;
            let written = self.file.write(slot.offset, &memory);
            written.map_err(|_| Unspooled::NoRoom)
        };
        slot.state.get_or_init(fill).clone()?;
        let at = slot.offset.saturating_add(distance);
        self.file.read(at, buf).map_err(|_| Unspooled::NoRoom)
    }
}
