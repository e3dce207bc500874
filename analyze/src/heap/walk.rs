//! The walk over all objects of the heap, on all cores.
//!
//! It is linear: page by page, object by object, so it also meets objects that are dead but not yet swept.

use std::cmp::Reverse;
use std::ops::Range;

use rayon::prelude::*;
use v8mini_format::model::{Page, Space};
use v8mini_format::{Memory, MemoryRange};

use super::page_walk::{PageWalk, Span};
use super::{Coverage, HeapObject, SpaceCoverage};
use crate::v8::Objects;

/// Of a page that holds one large object, no more than this is read: its map and the words that tell its size.
const LARGE_PAGE_PREFIX: u64 = 4096;

/// So many zero bytes before the end of what is stored of a code page mean that it was not used up to there. Code ends with
/// metadata that is not zero, and is padded to no more than this.
const UNTOUCHED_TAIL: usize = 64;

/// Pages are handed to the cores in runs of this many: long enough to learn the maps once, short enough to share out.
const PAGES_PER_TASK: usize = 16;

/// What is done with each object. One visitor serves one run of pages; all of them are returned.
pub trait Visitor: Send {
    /// Called for each object, in address order within a visitor.
    fn visit(&mut self, object: &HeapObject<'_>);

    /// Called for each free-list entry and filler, in address order with the objects.
    fn free(&mut self, _entry: &HeapObject<'_>) {}

    /// Called for each range in which no object was recognised, with the word that it begins with.
    fn gap(&mut self, _page: &Page, _range: Range<u64>, _first_word: u64) {}

    /// Called before the first object of a page.
    fn page(&mut self, _page: &Page) {}
}

/// Which pages to walk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PageSelection {
    /// Only pages of this `Heap` (an isolate's); all if `None`.
    pub heap: Option<u64>,
}

impl PageSelection {
    fn contains(self, page: &Page) -> bool {
        self.heap.is_none_or(|heap| page.heap == heap)
    }
}

/// Walks all selected pages. The visitors come back in address order of their pages.
pub fn walk<V: Visitor>(
    objects: &Objects,
    selection: PageSelection,
    make: impl Fn() -> V + Sync,
) -> (Vec<V>, Coverage) {
    walk_pages(objects, |page| selection.contains(page), make)
}

/// As [`walk`], of the pages that `is_wanted` accepts.
pub(super) fn walk_pages<V: Visitor>(
    objects: &Objects,
    is_wanted: impl Fn(&Page) -> bool,
    make: impl Fn() -> V + Sync,
) -> (Vec<V>, Coverage) {
    let pages: Vec<&Page> = objects
        .pages()
        .pages()
        .iter()
        .filter(|page| is_wanted(page))
        .collect();
    let areas = unallocated_areas(objects);
    let stored = objects.memory().ranges();
    let parts: Vec<(V, Coverage)> = pages
        .par_chunks(PAGES_PER_TASK)
        .map_init(
            || (PageWalk::new(objects), Vec::new()),
            |(walk, buffer), pages| {
                walk.begin();
                let mut visitor = make();
                let mut coverage = Coverage::default();
                for page in pages {
                    visitor.page(page);
                    let space = coverage.spaces.entry(page.space).or_default();
                    walk_page(
                        objects,
                        objects.memory(),
                        page,
                        &stored,
                        &areas,
                        walk,
                        buffer,
                        &mut visitor,
                        space,
                    );
                }
                (visitor, coverage)
            },
        )
        .collect();
    let mut total = Coverage::default();
    let visitors = parts
        .into_iter()
        .map(|(visitor, coverage)| {
            total.merge(&coverage);
            visitor
        })
        .collect();
    (visitors, total)
}

/// Walks pages that the caller chooses, on the caller's thread: for whoever works page by page, and has their memory at hand.
pub(crate) struct PageWalker<'a> {
    objects: &'a Objects,
    stored: Vec<MemoryRange>,
    areas: Vec<Range<u64>>,
}

impl<'a> PageWalker<'a> {
    pub(crate) fn new(objects: &'a Objects) -> Self {
        Self {
            objects,
            stored: objects.memory().ranges(),
            areas: unallocated_areas(objects),
        }
    }

    /// What is stored, sorted by address.
    pub(crate) fn stored(&self) -> &[MemoryRange] {
        &self.stored
    }

    /// Walks pages, whose memory is read from `memory`.
    pub(crate) fn walk<V: Visitor>(&self, memory: &dyn Memory, pages: &[&Page], visitor: &mut V) {
        let mut walk = PageWalk::new(self.objects);
        let mut buffer = Vec::new();
        let mut coverage = SpaceCoverage::default();
        for page in pages {
            walk_page(
                self.objects,
                memory,
                page,
                &self.stored,
                &self.areas,
                &mut walk,
                &mut buffer,
                visitor,
                &mut coverage,
            );
        }
    }
}

#[expect(
    clippy::too_many_arguments,
    reason = "the state of one worker, borrowed apart"
)]
fn walk_page<'a, V: Visitor>(
    objects: &'a Objects,
    memory: &dyn Memory,
    page: &Page,
    stored: &[MemoryRange],
    areas: &[Range<u64>],
    walk: &mut PageWalk<'a>,
    buffer: &mut Vec<u8>,
    visitor: &mut V,
    coverage: &mut SpaceCoverage,
) {
    // The index has seen to it that the area lies within the page.
    let (area_start, area_end) = (page.area_start, page.area_end);
    coverage.pages += 1;
    coverage.committed += page.size;
    if page.space == Space::NewFrom {
        coverage.idle += page.size;
        return;
    }
    coverage.overhead += page.size - (area_end - area_start);
    if objects.pages().is_large(page) {
        walk_large_page(
            memory,
            page,
            area_start..area_end,
            walk,
            buffer,
            visitor,
            coverage,
        );
        return;
    }
    let areas = beginning_in(areas, area_start, area_end);
    let mut at = area_start;
    let mut in_step = true;
    let first = stored.partition_point(|range| range.end() <= area_start);
    for range in stored.get(first..).unwrap_or_default() {
        if range.start >= area_end {
            break;
        }
        let start = range.start.max(at).next_multiple_of(8);
        let end = range.end().min(area_end) & !7;
        if start >= end {
            continue;
        }
        in_step &= start == at;
        coverage.absent(objects.pages(), at..start);
        at = end;
        if !read_into(memory, start, end - start, buffer) {
            coverage.missing += end - start;
            in_step = false;
            continue;
        }
        let span = Span {
            start,
            bytes: buffer,
            limit: area_end,
            is_code: page.space == Space::Code,
        };
        if start == area_start && walk.is_left_over(page, span, areas) {
            coverage.idle += end - start;
            continue;
        }
        at = walk.span(page, span, in_step, areas, visitor, coverage);
        in_step = true;
    }
    // Code space is populated as it is used: after a tail of zeros comes memory that was never touched, which no capture has.
    if page.space == Space::Code && buffer.ends_with(&[0; UNTOUCHED_TAIL]) {
        coverage.unallocated += area_end - at;
    } else {
        coverage.absent(objects.pages(), at..area_end);
    }
}

fn walk_large_page<V: Visitor>(
    memory: &dyn Memory,
    page: &Page,
    area: Range<u64>,
    walk: &mut PageWalk<'_>,
    buffer: &mut Vec<u8>,
    visitor: &mut V,
    coverage: &mut SpaceCoverage,
) {
    let room = area.end - area.start;
    if !read_into(memory, area.start, room.min(LARGE_PAGE_PREFIX), buffer) {
        coverage.missing += room;
        return;
    }
    match walk.large_object(area.start, buffer, room, visitor) {
        Some(size) => {
            coverage.objects += size;
            // An array that was trimmed leaves its tail behind.
            coverage.free += room - size;
        }
        None => {
            coverage.unknown += room;
            coverage.gaps += 1;
            let first_word = buffer.first_chunk().copied().map_or(0, u64::from_le_bytes);
            visitor.gap(page, area, first_word);
        }
    }
}

fn read_into(memory: &dyn Memory, start: u64, len: u64, buffer: &mut Vec<u8>) -> bool {
    let Ok(len) = usize::try_from(len) else {
        return false;
    };
    // What was read before is overwritten: only what is longer is filled first.
    buffer.resize(len, 0);
    let is_read = memory.read_at(start, buffer).is_ok();
    if !is_read {
        buffer.clear();
    }
    is_read
}

/// Where the isolates' allocation areas are still empty, sorted, one for each address that they begin at: a hostile capture
/// may hold a million for one page.
fn unallocated_areas(objects: &Objects) -> Vec<Range<u64>> {
    let isolates = &objects.image().metadata.isolates;
    let mut areas: Vec<_> = isolates
        .iter()
        .flat_map(|isolate| &isolate.allocation_areas)
        .map(|area| {
            // V8 lowers the limit to be told of the next allocation; what follows in a semispace page is empty all the same.
            let page = objects.pages().page_of(area.top);
            let end = match page.filter(|page| page.space == Space::New) {
                Some(page) => page.area_end,
                None => area.limit,
            };
            area.top..end
        })
        .filter(|area| !area.is_empty())
        .collect();
    // Of those that begin at one address, the longest stays.
    areas.sort_unstable_by_key(|area| (area.start, Reverse(area.end)));
    areas.dedup_by_key(|area| area.start);
    areas
}

/// The areas that begin in a range.
fn beginning_in(areas: &[Range<u64>], start: u64, end: u64) -> &[Range<u64>] {
    let first = areas.partition_point(|area| area.start < start);
    let last = areas.partition_point(|area| area.start < end);
    areas.get(first..last.max(first)).unwrap_or_default()
}
