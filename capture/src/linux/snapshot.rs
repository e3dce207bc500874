//! An image of a process that did not change meanwhile.
//!
//! [`Snapshotter`] is the narrow interface behind which strategies differ: what it takes is a [`Planner`] that says which memory is wanted
//! once the process stands still; what it gives is that memory and the pause it cost.

use std::time::{Duration, SystemTime};

use memmap2::MmapMut;
use v8mini_format::memory::{Memory, MemoryRange, ReadError};
use v8mini_format::model::{Problem, Region, Thread};
use v8mini_format::{Frame, WriteError};

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
    /// The ranges to copy: sorted, disjoint, within the readable memory. Called while the process is stopped, where every
    /// microsecond counts, or of an image that has all that may be asked for.
    fn plan(&mut self, frozen: FrozenView<'_>) -> Vec<MemoryRange>;

    /// What to copy, and to watch, while the process runs, so that little is left to do in the stop.
    fn watch(&mut self, live: FrozenView<'_>) -> Watch;

    /// Looks again, shortly before the stop, for what it would take the stop long to find.
    fn prepare(&mut self, live: FrozenView<'_>);

    /// What hangs on the threads, and is known in the stop only. It is asked after [`Planner::watch`], and quick.
    fn at_stop(&mut self, frozen: FrozenView<'_>) -> AtStop;

    /// Whether a garbage collection is under way, as far as one look at the running process can tell. It takes a microsecond, and any
    /// time is good to ask it.
    fn is_collecting(&self) -> bool;

    /// What a page of the heap consists of that may have been made at `base` since [`Planner::watch`].
    fn new_page(&mut self, memory: &dyn Memory, base: u64) -> NewPage;
}

/// What to copy and to watch while a process runs.
#[derive(Debug, Clone, Default)]
pub struct Watch {
    /// Readable memory that belongs to the image, or may come to: sorted, disjoint.
    pub ranges: Vec<MemoryRange>,
    /// What else belongs to the image, outside of the heap's pages, and could not be read: what `malloc` has not had from
    /// the kernel yet, it may have later.
    pub beyond: Vec<MemoryRange>,
    /// The pages of the young generation, which belong to the image, too, as far as they exist, and are better left alone until shortly
    /// before the stop: each scavenge writes to all of them.
    pub young: Vec<MemoryRange>,
    /// Where the heap's pages lie, with the parts that are not in use yet.
    pub pages: Vec<MemoryRange>,
    /// Addresses at which a page of the heap could begin: a write there may mean a new page.
    pub vacant: Vec<u64>,
    /// Pages of the heap begin at multiples of this.
    pub alignment: u64,
}

/// What a stop finds besides the memory that was watched.
#[derive(Debug, Clone, Default)]
pub struct AtStop {
    /// Stacks, thread-local memory, isolates: in any order.
    pub ranges: Vec<MemoryRange>,
    /// Whether a garbage collection was under way: the image would be of objects half moved.
    pub collecting: bool,
}

/// Whether a page of the heap begins at an address.
#[derive(Debug, Clone)]
pub enum NewPage {
    /// No.
    None,
    /// Yes, and it consists of these ranges.
    Ranges(Vec<MemoryRange>),
    /// Yes, but of a heap that is new itself: only a new plan tells what it consists of.
    NewHeap,
}

/// Some stored memory of an image.
#[derive(Debug)]
pub enum Piece<'a> {
    /// Address and bytes.
    Bytes(u64, &'a [u8]),
    /// Compressed already.
    Frame(&'a Frame),
}

/// The memory of an image: what is written to the file.
pub trait Image: Memory + std::fmt::Debug {
    /// Hands over all memory, in order of addresses.
    ///
    /// # Errors
    /// Those of `each`, and [`WriteError::Compress`] if what is stored is damaged.
    fn visit(
        &self,
        each: &mut dyn FnMut(Piece<'_>) -> Result<(), WriteError>,
    ) -> Result<(), WriteError>;

    /// Bytes of memory.
    fn len_bytes(&self) -> u64 {
        self.ranges().iter().map(|range| range.len).sum()
    }
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
    pub memory: Box<dyn Image>,
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
    /// What is worth knowing of how it was taken, in words; nothing is missing because of it.
    pub notes: Vec<String>,
}

/// A copied range, and where its bytes are in the buffer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Copied {
    pub(super) range: MemoryRange,
    pub(super) offset: usize,
}

/// The copied memory.
#[derive(Debug)]
pub struct SnapshotMemory {
    buffer: MmapMut,
    /// Sorted by address.
    pieces: Vec<Copied>,
}

impl SnapshotMemory {
    /// The pieces, sorted by address, of a buffer.
    pub(super) fn new(buffer: MmapMut, pieces: Vec<Copied>) -> Self {
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
}

impl Image for SnapshotMemory {
    fn visit(
        &self,
        each: &mut dyn FnMut(Piece<'_>) -> Result<(), WriteError>,
    ) -> Result<(), WriteError> {
        self.pieces()
            .try_for_each(|(start, bytes)| each(Piece::Bytes(start, bytes)))
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
