//! Packing a segment.

mod blocks;
mod choose;
mod classify;
mod columns;
mod groups;
mod pool;
mod repeats;
mod streams;
mod window;
mod words;

use crate::limits::{SEGMENT_MAX, SEGMENT_RANGES_MAX};
use crate::memory::MemoryRange;

use super::group::{Class, LEAD_MAX, Tail};
use super::head::{Segment, SegmentHead, SegmentTables};

use blocks::BlockTable;
pub use blocks::Blocks;
use classify::Codes;
use columns::Packer;
use groups::Grouping;
use streams::Streams;
pub use window::TextWindow;

/// How hard to compress.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PackOptions {
    /// zstd level of characters and other bytes.
    pub text_level: i32,
    /// zstd level of everything else.
    pub level: i32,
}

impl Default for PackOptions {
    fn default() -> Self {
        Self {
            text_level: 9,
            level: 6,
        }
    }
}

/// An item on its way into a segment.
#[derive(Debug, Clone, Copy)]
pub(super) struct RawItem {
    /// Where it begins, in words of the segment's memory.
    pub(super) at: u32,
    /// Its size in words.
    pub(super) size: u32,
    /// Number of its class.
    pub(super) class: u32,
}

/// Collects the memory of a segment and the objects in it.
///
/// Ranges come in the order of their addresses, and so do the objects of each, before the next range. What no object covers is
/// stored as bytes. What cannot be, an object outside of its range for instance, is left out, and its bytes are stored so, too.
#[derive(Debug, Default)]
pub struct SegmentBuilder {
    memory: Vec<u8>,
    ranges: Vec<MemoryRange>,
    classes: Vec<Class>,
    items: Vec<RawItem>,
    /// First word that no item covers.
    covered: u32,
}

/// Number of the class of what no object covers.
const GAP: u32 = 0;

impl SegmentBuilder {
    /// An empty segment.
    pub fn new() -> Self {
        Self {
            classes: vec![Class {
                tail: Tail::Bytes,
                is_gap: true,
                ..Class::default()
            }],
            ..Self::default()
        }
    }

    /// Bytes of memory so far.
    pub fn len(&self) -> u64 {
        self.memory.len() as u64
    }

    /// Whether there is no memory yet.
    pub fn is_empty(&self) -> bool {
        self.memory.is_empty()
    }

    /// Adds memory. False if it does not fit: the segment is full, the range is not behind all others, or its bounds are no multiples of 8.
    #[must_use]
    pub fn range(&mut self, start: u64, bytes: &[u8]) -> bool {
        let len = bytes.len() as u64;
        let end = self.ranges.last().map_or(0, MemoryRange::end);
        let fits = len > 0
            && (start | len).is_multiple_of(8)
            && start >= end
            && start.checked_add(len).is_some()
            && self.len() + len <= SEGMENT_MAX
            && (self.ranges.len() as u64) < SEGMENT_RANGES_MAX;
        if fits {
            self.fill();
            self.ranges.push(MemoryRange { start, len });
            self.memory.extend_from_slice(bytes);
        }
        fits
    }

    /// Makes a class known; the number is for [`Self::object`].
    pub fn class(&mut self, class: Class) -> u32 {
        let lead = class.lead.clamp(u8::from(class.head != 0), LEAD_MAX as u8);
        self.classes.push(Class { lead, ..class });
        self.classes.len() as u32 - 1
    }

    /// Adds an object of the range that was added last: its address and its size in bytes.
    pub fn object(&mut self, address: u64, size: u64, class: u32) {
        let Some(range) = self.ranges.last() else {
            return;
        };
        let inside = address.checked_sub(range.start).filter(|distance| {
            distance
                .checked_add(size)
                .is_some_and(|end| end <= range.len)
        });
        let Some(shape) = self.classes.get(class as usize) else {
            return;
        };
        let Some(distance) = inside.filter(|_| (address | size).is_multiple_of(8)) else {
            return;
        };
        let at = ((self.len() - range.len + distance) / 8) as u32;
        let size = (size / 8) as u32;
        // One word cannot be referred to and have a tail.
        if at < self.covered || size < 2 || size < u32::from(shape.lead) {
            return;
        }
        if shape.head != 0 && self.word(at) != shape.head {
            return;
        }
        let width = match shape.tail {
            Tail::Text8(_) => 1,
            Tail::Text16(_) => 2,
            _ => 0,
        };
        let count_word = shape.tail.count_word();
        if width > 0 && count_word > 0 {
            let count = self.word(at + u32::from(count_word)) >> 32;
            let room = u64::from(size - u32::from(shape.lead)) * 8;
            if count_word >= shape.lead || count * width > room {
                return;
            }
        }
        self.gap_before(at);
        self.items.push(RawItem { at, size, class });
        self.covered = at + size;
    }

    fn word(&self, at: u32) -> u64 {
        word(&self.memory, at)
    }

    /// Covers what lies before a word and is not covered.
    fn gap_before(&mut self, at: u32) {
        if let Some(size) = at.checked_sub(self.covered).filter(|size| *size > 0) {
            self.items.push(RawItem {
                at: self.covered,
                size,
                class: GAP,
            });
            self.covered = at;
        }
    }

    /// Covers the rest of the last range.
    fn fill(&mut self) {
        self.gap_before((self.len() / 8) as u32);
    }

    /// Packs the segment. `blocks` is where references may lead to.
    ///
    /// # Errors
    /// If zstd fails.
    pub fn finish(self, blocks: &Blocks, options: PackOptions) -> std::io::Result<Segment> {
        self.draft(blocks).finish(options)
    }

    /// Packs the segment, up to what is left to do about its text, and to compressing it.
    pub fn draft(mut self, blocks: &Blocks) -> SegmentDraft {
        self.fill();
        let mut grouping = Grouping::new(&self.classes, &self.items);
        let codes = Codes::new(
            &self.memory,
            &self.ranges,
            &self.items,
            &mut grouping,
            blocks,
        );
        let mut streams = Streams::default();
        let constant_count = Packer {
            memory: &self.memory,
            items: &self.items,
            classes: &self.classes,
            grouping: &grouping,
            codes: &codes,
            streams: &mut streams,
            estimator: Default::default(),
            scratch: Default::default(),
        }
        .pack();
        let tables = SegmentTables {
            head: SegmentHead {
                memory_len: self.len(),
                range_count: self.ranges.len() as u32,
                frame_count: 0,
                group_count: grouping.groups.len() as u32,
                item_count: self.items.len() as u32,
                far_count: codes.far.len() as u32,
                constant_count,
                source_count: 0,
                tables_crc: 0,
            },
            ranges: self.ranges,
            sources: Vec::new(),
        };
        SegmentDraft { tables, streams }
    }
}

/// A segment before it is compressed.
#[derive(Debug)]
pub struct SegmentDraft {
    tables: SegmentTables,
    streams: Streams,
}

impl SegmentDraft {
    fn addr(&self) -> u64 {
        let first = self.tables.ranges.first();
        first.map_or(0, |range| range.start)
    }

    /// Compresses it.
    ///
    /// # Errors
    /// If zstd fails.
    pub fn finish(self, options: PackOptions) -> std::io::Result<Segment> {
        let frames = self.streams.compress(options)?;
        let addr = self.addr();
        let mut tables = self.tables;
        tables.head.frame_count = frames.count;
        tables.head.source_count = tables.sources.len() as u32;
        let mut payload = tables.to_bytes();
        payload.extend(frames.table);
        payload.extend(frames.bytes);
        Ok(Segment {
            addr,
            version: if tables.sources.is_empty() { 1 } else { 2 },
            memory_len: tables.head.memory_len,
            payload,
        })
    }
}

/// A word of the memory.
#[inline]
pub(super) fn word(memory: &[u8], at: u32) -> u64 {
    let at = at as usize * 8;
    let word = memory.get(at..).and_then(|rest| rest.first_chunk());
    word.map_or(0, |word| u64::from_le_bytes(*word))
}
