//! What goes into which segment.

use v8mini_format::MemoryRange;
use v8mini_format::limits::{SEGMENT_MAX, SEGMENT_RANGES_MAX};
use v8mini_format::model::{Page, Region};

use crate::v8::Objects;

/// A segment has at most so many bytes. Four times as many would make a file 2 to 3 % smaller, and looking at a single object four
/// times as slow.
const SEGMENT_BYTES: u64 = SEGMENT_MAX;

/// So many bytes in a file are worth packing.
const FILE_BYTES: u64 = 1024;

/// Everything that is stored, sorted by what becomes of it.
#[derive(Debug, Default)]
pub(super) struct Plan<'a> {
    /// What is packed.
    pub(super) parts: Vec<Part<'a>>,
    /// What is not: sorted by address.
    pub(super) rest: Vec<MemoryRange>,
}

/// What goes into one segment.
#[derive(Debug, Default)]
pub(super) struct Part<'a> {
    /// Sorted by address.
    pub(super) ranges: Vec<MemoryRange>,
    /// The pages that begin in it.
    pub(super) pages: Vec<&'a Page>,
    /// The page of which the first range is a later piece.
    pub(super) continued: Option<&'a Page>,
}

impl Part<'_> {
    /// Bytes of memory.
    pub(super) fn len(&self) -> u64 {
        self.ranges.iter().map(|range| range.len).sum()
    }
}

impl<'a> Plan<'a> {
    /// Shares out `stored`, sorted and disjoint.
    pub(super) fn new(objects: &'a Objects, stored: &[MemoryRange]) -> Self {
        let mut plan = Self::default();
        let mut part = Part::default();
        let mut at = 0;
        let mut stored = stored.iter().copied().peekable();
        for page in objects.pages().pages() {
            let end = page.address + page.size;
            let mut is_new = true;
            while let Some(range) = stored.peek().copied() {
                let from = range.start.max(at);
                if from >= end {
                    break;
                }
                // What lies before the page, and odd bytes at its bounds, are none of its.
                let start = from.max(page.address).next_multiple_of(8);
                let stop = range.end().min(end) & !7;
                let before = start.min(range.end());
                plan.rest(from, before);
                if start < stop {
                    plan.take(&mut part, page, start, stop, &mut is_new);
                    at = stop;
                } else {
                    at = before;
                }
                if range.end() > end {
                    break;
                }
                plan.rest(at, range.end());
                at = range.end();
                stored.next();
            }
        }
        for range in stored {
            plan.rest(range.start.max(at), range.end());
        }
        plan.close(&mut part);
        plan.take_files(&objects.image().metadata.regions);
        plan
    }

    /// Packs what lies in files, too: the sources of Node's own modules, as a rule. In pieces of their own, they take a fifth more.
    fn take_files(&mut self, regions: &[Region]) {
        let mut part = Part::default();
        for range in std::mem::take(&mut self.rest) {
            let is_in_file = Region::at(regions, range.start).is_some_and(Region::is_file);
            let (start, stop) = (range.start.next_multiple_of(8), range.end() & !7);
            if is_in_file && start.saturating_add(FILE_BYTES) <= stop {
                self.rest(range.start, start);
                self.take_bytes(&mut part, start, stop);
                self.rest(stop, range.end());
            } else {
                self.rest.push(range);
            }
        }
        self.close(&mut part);
    }

    /// Adds a range without objects, in as many parts as it takes.
    fn take_bytes(&mut self, part: &mut Part<'a>, start: u64, stop: u64) {
        let mut start = start;
        while start < stop {
            let room = SEGMENT_BYTES.saturating_sub(part.len());
            if room == 0 || part.ranges.len() as u64 >= SEGMENT_RANGES_MAX {
                self.close(part);
                continue;
            }
            let len = (stop - start).min(room);
            part.ranges.push(MemoryRange { start, len });
            start += len;
        }
    }

    fn rest(&mut self, from: u64, to: u64) {
        if let Some(len) = to.checked_sub(from).filter(|len| *len > 0) {
            self.rest.push(MemoryRange { start: from, len });
        }
    }

    /// Adds a range of a page, in as many parts as it takes.
    fn take(
        &mut self,
        part: &mut Part<'a>,
        page: &'a Page,
        start: u64,
        stop: u64,
        is_new: &mut bool,
    ) {
        let mut start = start;
        while start < stop {
            let room = SEGMENT_BYTES.saturating_sub(part.len());
            let whole = stop - start;
            // A page stays together as long as a segment holds it.
            let wanted = if *is_new {
                page.size.min(SEGMENT_BYTES)
            } else {
                whole
            };
            let fits = wanted <= room && (part.ranges.len() as u64) < SEGMENT_RANGES_MAX;
            if !fits && !part.ranges.is_empty() {
                self.close(part);
                continue;
            }
            let len = whole.min(SEGMENT_BYTES);
            if std::mem::take(is_new) {
                part.pages.push(page);
            } else if part.ranges.is_empty() {
                part.continued = Some(page);
            }
            part.ranges.push(MemoryRange { start, len });
            start += len;
        }
    }

    fn close(&mut self, part: &mut Part<'a>) {
        if !part.ranges.is_empty() {
            self.parts.push(std::mem::take(part));
        }
    }
}
