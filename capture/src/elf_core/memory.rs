//! The address space of a core.

use std::sync::Arc;

use memmap2::Mmap;
use v8mini_format::memory::{Memory, MemoryRange, ReadError};

/// Memory that lies in mapped files: the core, and the binary whose parts the core left out.
#[derive(Debug, Clone, Default)]
pub(super) struct CoreMemory {
    sources: Vec<Arc<Mmap>>,
    /// Sorted by address, disjoint; each within its source.
    pieces: Vec<Piece>,
}

/// A run of addresses whose bytes are one run of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Piece {
    start: u64,
    len: u64,
    offset: u64,
    source: usize,
}

impl Piece {
    /// Never overflows: checked when the piece was added.
    const fn end(&self) -> u64 {
        self.start + self.len
    }

    /// The part within `start..end`.
    fn cut(&self, start: u64, end: u64) -> Option<Self> {
        let from = start.max(self.start);
        let len = end.min(self.end()).checked_sub(from)?;
        (len > 0).then_some(Self {
            start: from,
            len,
            offset: self.offset + (from - self.start),
            source: self.source,
        })
    }
}

/// Bytes of a file and where they were in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Backed {
    /// First virtual address.
    pub(super) start: u64,
    /// Bytes.
    pub(super) len: u64,
    /// Offset in the file.
    pub(super) offset: u64,
}

impl Backed {
    /// What of `parts` lies outside `ranges` (sorted, disjoint).
    pub(super) fn outside(parts: Vec<Self>, ranges: &[MemoryRange]) -> Vec<Self> {
        let mut left = Vec::new();
        for part in parts {
            let Some(end) = part.start.checked_add(part.len) else {
                continue;
            };
            let mut push = |from: u64, to: u64| {
                if let Some(len) = to.min(end).checked_sub(from).filter(|&len| len > 0) {
                    left.push(Self {
                        start: from,
                        len,
                        offset: part.offset.saturating_add(from - part.start),
                    });
                }
            };
            let mut from = part.start;
            let first = ranges.partition_point(|range| range.end() <= from);
            let within = ranges.iter().skip(first);
            for range in within.take_while(|range| range.start < end) {
                push(from, range.start);
                from = from.max(range.end());
            }
            push(from, end);
        }
        left
    }
}

impl CoreMemory {
    /// Adds parts of a file where nothing is yet. Of parts that overlap each other, the one with the lower address holds.
    pub(super) fn add_under(&mut self, file: Arc<Mmap>, mut parts: Vec<Backed>) {
        let source = self.sources.len();
        let file_len = file.len() as u64;
        self.sources.push(file);
        parts.sort_unstable();
        let mut added = Vec::new();
        let mut done = 0;
        for part in parts {
            let len = part.len.min(file_len.saturating_sub(part.offset));
            let Some(end) = part.start.checked_add(len) else {
                continue;
            };
            let piece = Piece {
                start: part.start,
                len,
                offset: part.offset,
                source,
            };
            let mut from = part.start.max(done);
            let first = self.pieces.partition_point(|above| above.end() <= from);
            for above in self
                .pieces
                .iter()
                .skip(first)
                .take_while(|above| above.start < end)
            {
                added.extend(piece.cut(from, above.start));
                from = from.max(above.end());
            }
            added.extend(piece.cut(from, end));
            done = done.max(end);
        }
        self.pieces.extend(added);
        self.pieces.sort_unstable();
    }

    /// The part of this memory that lies in `ranges` (sorted, disjoint).
    pub(super) fn restrict(&self, ranges: &[MemoryRange]) -> Self {
        let mut pieces = Vec::new();
        for range in ranges {
            let first = self
                .pieces
                .partition_point(|piece| piece.end() <= range.start);
            let overlapping = self.pieces.iter().skip(first);
            pieces.extend(
                overlapping
                    .take_while(|piece| piece.start < range.end())
                    .filter_map(|piece| piece.cut(range.start, range.end())),
            );
        }
        Self {
            sources: self.sources.clone(),
            pieces,
        }
    }

    /// Bytes that can be read.
    pub(super) fn len_bytes(&self) -> u64 {
        self.pieces.iter().map(|piece| piece.len).sum()
    }

    /// What can be read, without copying: pieces in order of their addresses, neighbours not merged.
    pub(super) fn pieces(&self) -> impl Iterator<Item = (u64, &[u8])> + '_ {
        self.pieces
            .iter()
            .filter_map(|piece| Some((piece.start, self.bytes(piece, piece.start)?)))
    }

    /// The bytes of a piece from `addr` on.
    fn bytes(&self, piece: &Piece, addr: u64) -> Option<&[u8]> {
        let within = addr.checked_sub(piece.start)?;
        let start = usize::try_from(piece.offset.checked_add(within)?).ok()?;
        let end = usize::try_from(piece.offset.checked_add(piece.len)?).ok()?;
        self.sources.get(piece.source)?.get(start..end)
    }
}

impl Memory for CoreMemory {
    fn read_at(&self, addr: u64, buf: &mut [u8]) -> Result<(), ReadError> {
        let unmapped = ReadError::Unmapped {
            addr,
            len: buf.len() as u64,
        };
        let mut at = addr;
        let mut rest = buf;
        let first = self.pieces.partition_point(|piece| piece.end() <= addr);
        for piece in self.pieces.iter().skip(first) {
            if rest.is_empty() {
                break;
            }
            let Some(bytes) = self.bytes(piece, at) else {
                return Err(unmapped);
            };
            let len = bytes.len().min(rest.len());
            let (filled, unfilled) = rest.split_at_mut(len);
            filled.copy_from_slice(bytes.get(..len).unwrap_or_default());
            rest = unfilled;
            at = at.saturating_add(len as u64);
        }
        if rest.is_empty() {
            Ok(())
        } else {
            Err(unmapped)
        }
    }

    fn ranges(&self) -> Vec<MemoryRange> {
        let mut ranges: Vec<MemoryRange> = Vec::new();
        for piece in &self.pieces {
            match ranges.last_mut() {
                Some(last) if last.end() == piece.start => last.len += piece.len,
                _ => ranges.push(MemoryRange {
                    start: piece.start,
                    len: piece.len,
                }),
            }
        }
        ranges
    }
}
