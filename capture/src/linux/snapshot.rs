//! An image of a process that did not change meanwhile.
//!
//! [`Snapshotter`] is the narrow interface behind which strategies differ: what it takes is a [`Planner`] that says which memory is wanted
//! once the process stands still; what it gives is that memory and the pause it cost.

use std::time::{Duration, SystemTime};

use memmap2::MmapMut;
use v8mini_format::memory::{Memory, MemoryRange, ReadError};
use v8mini_format::model::{Problem, Region, Thread};

use super::error::CaptureError;

/// A process that stands still.
#[derive(Clone, Copy)]
pub struct FrozenView<'a> {
    /// Its memory.
    pub memory: &'a dyn Memory,
    /// Its memory map.
    pub regions: &'a [Region],
    /// Its threads with their registers, main thread first.
    pub threads: &'a [Thread],
}

/// Says which memory a snapshot consists of.
pub trait Planner: Send {
    /// The ranges to copy: sorted, disjoint, within the readable memory. Called while the process is stopped: every
    /// microsecond counts.
    fn plan(&mut self, frozen: FrozenView<'_>) -> Vec<MemoryRange>;
}

/// A strategy for taking an image.
pub trait Snapshotter {
    /// Name of the strategy, as recorded in the capture.
    fn mode(&self) -> &'static str;

    /// Takes the image.
    ///
    /// # Errors
    /// When the process is gone, may not be traced, or does not fit in memory. It goes on in every case.
    fn snapshot(&mut self, planner: &mut dyn Planner) -> Result<Snapshot, CaptureError>;
}

/// An image of a process at one moment.
#[derive(Debug)]
pub struct Snapshot {
    /// The copied memory.
    pub memory: SnapshotMemory,
    /// The memory map at that moment.
    pub regions: Vec<Region>,
    /// The threads at that moment, main thread first.
    pub threads: Vec<Thread>,
    /// How long the threads were stopped.
    pub pause: Duration,
    /// The moment.
    pub at: SystemTime,
    /// The same moment on `CLOCK_MONOTONIC`.
    pub at_monotonic: Duration,
    /// Bytes that the plan asked for.
    pub wanted_bytes: u64,
    /// What went wrong without being fatal.
    pub problems: Vec<Problem>,
}

/// A copied range, and where its bytes are in the buffer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Piece {
    pub(super) range: MemoryRange,
    pub(super) offset: usize,
}

/// The copied memory.
#[derive(Debug)]
pub struct SnapshotMemory {
    buffer: MmapMut,
    /// Sorted by address.
    pieces: Vec<Piece>,
}

impl SnapshotMemory {
    /// The pieces, sorted by address, of a buffer.
    pub(super) fn new(buffer: MmapMut, pieces: Vec<Piece>) -> Self {
        Self { buffer, pieces }
    }

    /// The copied pieces in order of their addresses.
    pub fn pieces(&self) -> impl Iterator<Item = (u64, &[u8])> + '_ {
        self.pieces.iter().filter_map(|piece| {
            let len = usize::try_from(piece.range.len).ok()?;
            Some((
                piece.range.start,
                self.buffer
                    .get(piece.offset..piece.offset.checked_add(len)?)?,
            ))
        })
    }

    /// Bytes copied.
    pub fn len_bytes(&self) -> u64 {
        self.pieces.iter().map(|piece| piece.range.len).sum()
    }
}

impl Memory for SnapshotMemory {
    fn read_at(&self, addr: u64, buf: &mut [u8]) -> Result<(), ReadError> {
        let unmapped = ReadError::Unmapped {
            addr,
            len: buf.len() as u64,
        };
        let at = self
            .pieces
            .partition_point(|piece| piece.range.end() <= addr);
        let found = self.pieces.get(at).and_then(|piece| {
            let start = piece
                .offset
                .checked_add(usize::try_from(addr.checked_sub(piece.range.start)?).ok()?)?;
            let end = start.checked_add(buf.len())?;
            let limit = piece
                .offset
                .checked_add(usize::try_from(piece.range.len).ok()?)?;
            (end <= limit).then(|| self.buffer.get(start..end))?
        });
        buf.copy_from_slice(found.ok_or(unmapped)?);
        Ok(())
    }

    fn ranges(&self) -> Vec<MemoryRange> {
        self.pieces.iter().map(|piece| piece.range).collect()
    }
}
