//! What a segment is packed from: memory, and the objects in it.

use crate::limits::{SEGMENT_MAX, SEGMENT_RANGES_MAX};
use crate::memory::MemoryRange;

use super::super::group::{Class, LEAD_MAX, Tail};
use super::{RawItem, word};

/// Collects the memory of a segment and the objects in it.
///
/// Ranges come in the order of their addresses, and so do objects. What no object covers is
/// stored as bytes, or as nothing where it is zero. What cannot be, an object outside of all ranges for instance, is left out, and its bytes are stored so, too.
#[derive(Debug, Default)]
pub struct SegmentBuilder {
    pub(super) memory: Vec<u8>,
    pub(super) ranges: Vec<MemoryRange>,
    pub(super) classes: Vec<Class>,
    /// By number of the class: that of the same objects with nothing but zeros behind their lead; 0 if there are none so far.
    zeroed: Vec<u32>,
    pub(super) items: Vec<RawItem>,
    /// First word that no item covers.
    covered: u32,
    /// Number of the range that it lies in, and the first word of that.
    current: (usize, u32),
}

/// Number of the class of what no object covers.
pub(super) const GAP: u32 = 0;

/// Number of the class of zeros that no object covers.
const ZEROS: u32 = 1;

/// So many words that are zero, and that no object covers, are an item of their own.
const ZEROS_FROM: usize = 32;

impl SegmentBuilder {
    /// An empty segment.
    pub fn new() -> Self {
        let gap = Class {
            tail: Tail::Bytes,
            is_gap: true,
            ..Class::default()
        };
        let zeros = Class {
            tail: Tail::Numbers,
            ..gap
        };
        Self {
            classes: vec![gap, zeros],
            zeroed: vec![GAP; 2],
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
        let copy = |room: &mut [u8]| {
            room.copy_from_slice(bytes);
            true
        };
        self.range_read(start, bytes.len() as u64, copy)
    }

    /// As [`Self::range`], with what `read` fills in; false if it says so, too, and then no more can be done with the segment.
    #[must_use]
    pub fn range_read(
        &mut self,
        start: u64,
        len: u64,
        read: impl FnOnce(&mut [u8]) -> bool,
    ) -> bool {
        let end = self.ranges.last().map_or(0, MemoryRange::end);
        let fits = len > 0
            && (start | len).is_multiple_of(8)
            && start >= end
            && start.checked_add(len).is_some()
            && len <= SEGMENT_MAX.saturating_sub(self.len())
            && (self.ranges.len() as u64) < SEGMENT_RANGES_MAX;
        if !fits {
            return false;
        }
        let at = self.memory.len();
        self.memory.resize(at + len as usize, 0);
        self.ranges.push(MemoryRange { start, len });
        read(self.memory.get_mut(at..).unwrap_or_default())
    }

    /// Allocates what ranges of so many bytes in all will take.
    pub fn reserve(&mut self, bytes: u64) {
        self.memory.reserve_exact(bytes.min(SEGMENT_MAX) as usize);
    }

    /// The memory at an address, if all of it is in one range.
    pub fn bytes(&self, address: u64, len: usize) -> Option<&[u8]> {
        let mut before = 0;
        for range in &self.ranges {
            if range.contains(address) {
                let distance = usize::try_from(address - range.start).ok()?;
                let room = usize::try_from(range.len).ok()?.checked_sub(distance)?;
                let bytes = self.memory.get(before + distance..)?;
                return bytes.get(..len).filter(|_| len <= room);
            }
            before += range.len as usize;
        }
        None
    }

    /// Makes a class known; the number is for [`Self::object`].
    pub fn class(&mut self, class: Class) -> u32 {
        let lead = class.lead.clamp(u8::from(class.head != 0), LEAD_MAX as u8);
        self.classes.push(Class { lead, ..class });
        self.zeroed.push(GAP);
        self.classes.len() as u32 - 1
    }

    /// Adds an object: its address and its size in bytes. It is behind all others so far.
    pub fn object(&mut self, address: u64, size: u64, class: u32) {
        // Ranges in front of the object are done with.
        while let Some(range) = self.ranges.get(self.current.0)
            && address >= range.end()
        {
            self.finish_range();
        }
        let (Some(range), Some(shape)) = (
            self.ranges.get(self.current.0),
            self.classes.get(class as usize).copied(),
        ) else {
            return;
        };
        let inside = address.checked_sub(range.start).filter(|distance| {
            distance
                .checked_add(size)
                .is_some_and(|end| end <= range.len)
        });
        let Some(distance) = inside.filter(|_| (address | size).is_multiple_of(8)) else {
            return;
        };
        let at = self.current.1 + (distance / 8) as u32;
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
        let class = self.class_of(class, shape, at, size);
        self.items.push(RawItem { at, size, class });
        self.covered = at + size;
    }

    fn word(&self, at: u32) -> u64 {
        word(&self.memory, at)
    }

    /// The class of an object: of one with bytes that are all zero, one that stores none of them.
    fn class_of(&mut self, class: u32, shape: Class, at: u32, size: u32) -> u32 {
        let first = (at + u32::from(shape.lead)) as usize * 8;
        let end = (at + size) as usize * 8;
        let bytes = self.memory.get(first..end).unwrap_or_default();
        if shape.tail != Tail::Bytes || bytes.is_empty() || !is_zero(bytes) {
            return class;
        }
        let known = self.zeroed.get(class as usize).copied();
        if let Some(known) = known.filter(|known| *known != GAP) {
            return known;
        }
        let twin = self.class(Class {
            tail: Tail::Numbers,
            ..shape
        });
        if let Some(place) = self.zeroed.get_mut(class as usize) {
            *place = twin;
        }
        twin
    }

    /// Covers what lies before a word and is not covered; long runs of zeros apart from the rest.
    fn gap_before(&mut self, at: u32) {
        let words = self.memory.as_chunks::<8>().0;
        let Some(gap) = words.get(self.covered as usize..at as usize) else {
            return;
        };
        let first = self.covered;
        let mut item = |from: usize, to: usize, class| {
            if from < to {
                self.items.push(RawItem {
                    at: first + from as u32,
                    size: (to - from) as u32,
                    class,
                });
            }
        };
        let (mut from, mut next) = (0, 0);
        while let Some(rest) = gap.get(next..).filter(|rest| !rest.is_empty()) {
            let zeros = rest.iter().take_while(|word| **word == [0; 8]).count();
            if zeros >= ZEROS_FROM {
                item(from, next, GAP);
                item(next, next + zeros, ZEROS);
                from = next + zeros;
            }
            next += zeros.max(1);
        }
        item(from, gap.len(), GAP);
        self.covered = at;
    }

    /// Covers the rest of the current range, and goes on with the next.
    fn finish_range(&mut self) {
        let (number, first) = self.current;
        let len = self.ranges.get(number).map_or(0, |range| range.len / 8);
        let end = first + len as u32;
        self.gap_before(end);
        self.current = (number + 1, end);
    }

    /// Covers all that is not covered.
    pub(super) fn fill(&mut self) {
        while self.current.0 < self.ranges.len() {
            self.finish_range();
        }
    }
}

fn is_zero(bytes: &[u8]) -> bool {
    // Block by block: most that are not zero are not from the start.
    let (blocks, rest) = bytes.as_chunks::<64>();
    blocks.iter().all(|block| *block == [0; 64]) && rest.iter().all(|byte| *byte == 0)
}
