//! Finds linear allocation areas: where V8 is about to place the next objects.
//!
//! `LinearAllocationArea { start, top, limit }` lives in the isolate's data (V8 11 and later), in the heap (10) or in the
//! spaces (before, and without the start), and in the allocators of a `LocalHeap` (11 and 12). Its place moves with every version; its look does not: addresses in order in one
//! page, with an object's first word at the start and at the limit.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use v8mini_format::memory::{Memory, MemoryExt, MemoryRange};
use v8mini_format::model::{AllocationArea, Isolate, Page, Space};

use super::isolate::isolate_block;
use super::local_heap::LocalAllocators;
use super::scan::Pages;
use super::words::readable_words;

/// Around a space's address: `NewSpace` is found through the `SemiSpace` inside it, whose area comes first.
const SPACE_BEFORE: u64 = 0x400;
const SPACE_AFTER: u64 = 0x600;
/// How many words after the limit V8 keeps the limit that it had before it was lowered for allocation observers.
const ORIGINAL_LIMIT_WORDS: usize = 8;

/// The areas of an isolate, sorted by address.
///
/// Where two overlap, one is a copy that V8 keeps from earlier (`original_top_`, `original_limit_`): the one whose top has
/// moved further is current.
pub(super) fn find(memory: &dyn Memory, pages: &Pages, isolate: &Isolate) -> Vec<AllocationArea> {
    let mut places = Vec::new();
    // Areas without a start are in the spaces only; what looks like one in the heap is the scavenger's queue of what it has
    // promoted (up to V8 6), which lies at the end of the semispace: to take it for the top would hide where that really is.
    if pages.kind.area_has_start {
        places.push(isolate_block(memory, isolate.address, isolate.heap));
    }
    let owned = pages
        .pages
        .iter()
        .filter(|p| p.heap == isolate.heap && p.owner != 0);
    let owners: BTreeSet<u64> = owned.map(|page| page.owner).collect();
    places.extend(owners.into_iter().map(|owner| MemoryRange {
        start: owner.saturating_sub(SPACE_BEFORE),
        len: SPACE_BEFORE + SPACE_AFTER,
    }));
    places.extend(LocalAllocators::find(memory, isolate.heap).allocators);
    let finder = Finder {
        memory,
        pages,
        heap: isolate.heap,
    };
    let mut found: Vec<AllocationArea> = Vec::new();
    for words in places
        .into_iter()
        .flat_map(|place| readable_words(memory, place))
    {
        finder.search(&words, &mut found);
    }
    found.sort_unstable_by_key(|area| (area.limit, Reverse(area.top)));
    let mut kept: Vec<AllocationArea> = Vec::new();
    for area in found {
        match kept.last_mut() {
            Some(last) if area.top < last.limit => {
                last.top = last.top.max(area.top);
                last.limit = last.limit.max(area.limit);
            }
            _ => kept.push(area),
        }
    }
    kept
}

struct Finder<'a> {
    memory: &'a dyn Memory,
    pages: &'a Pages,
    heap: u64,
}

impl Finder<'_> {
    /// Adds the areas among `words`.
    fn search(&self, words: &[u64], found: &mut Vec<AllocationArea>) {
        let mut rest = words;
        while let Some(tail) = rest.get(1..) {
            let after = if self.pages.kind.area_has_start {
                self.triple(rest, found)
            } else {
                self.pair(rest, found)
            };
            rest = after.unwrap_or(tail);
        }
    }

    /// `start`, `top`, `limit` at the beginning of `words`; the words behind it.
    ///
    /// A full area is none, but has to be recognised: else its top would pass for a start.
    fn triple<'w>(&self, words: &'w [u64], found: &mut Vec<AllocationArea>) -> Option<&'w [u64]> {
        let [start, top, limit, rest @ ..] = words else {
            return None;
        };
        let page = self
            .page(*start)
            .filter(|page| within(page, *top) && within(page, *limit))?;
        if start > top || top > limit || (start | top) & 7 != 0 {
            return None;
        }
        // What V8 has placed in the area begins with an object.
        if start < top && !self.is_object(*start) {
            return None;
        }
        let limit = self.limit(page, *limit, rest)?;
        if *top < limit {
            found.push(AllocationArea {
                start: *start,
                top: *top,
                limit,
            });
        }
        Some(rest)
    }

    /// `top`, `limit` at the beginning of `words`; the words behind it. Up to V8 8.5 there is no start.
    fn pair<'w>(&self, words: &'w [u64], found: &mut Vec<AllocationArea>) -> Option<&'w [u64]> {
        let [top, limit, rest @ ..] = words else {
            return None;
        };
        let page = self.page(*top).filter(|page| within(page, *limit))?;
        if top > limit || top & 7 != 0 {
            return None;
        }
        // V8 5.4 to 6.x keep the original top before the top: between the two are objects, which must not be hidden. There the
        // third word is the limit.
        let third_is_limit = rest
            .first()
            .is_some_and(|third| third > limit && within(page, *third));
        if third_is_limit && self.is_object(*top) {
            return None;
        }
        let limit = self.limit(page, *limit, rest)?;
        if *top < limit {
            found.push(AllocationArea {
                start: *top,
                top: *top,
                limit,
            });
        }
        Some(rest)
    }

    /// The end of the area: the limit, if what follows it is an object or the end of the page. Else the limit was lowered for
    /// an allocation observer, and the original is among the next words, or, in a semispace, where objects are placed one
    /// after the other up to the end, the end of the page.
    fn limit(&self, page: &Page, limit: u64, rest: &[u64]) -> Option<u64> {
        // V8 5.1 lowers it to addresses where no object can begin, such as 0x…7d7.
        let ends = |limit: u64| limit == page.area_end || (limit & 7 == 0 && self.is_object(limit));
        if ends(limit) {
            return Some(limit);
        }
        let mut later = rest.iter().take(ORIGINAL_LIMIT_WORDS).copied();
        later
            .find(|&word| word > limit && within(page, word) && ends(word))
            .or((page.space == Space::New).then_some(page.area_end))
    }

    /// The page of this heap with objects in it that an address lies in.
    fn page(&self, address: u64) -> Option<&Page> {
        let page = self.pages.containing(address)?;
        let holds = page.heap == self.heap && page.space != Space::NewFrom && within(page, address);
        holds.then_some(page)
    }

    /// Whether an object begins at `address`: its map's map is its own map, as in every V8.
    fn is_object(&self, address: u64) -> bool {
        let pointer = |address: u64| {
            let word = self.memory.read_u64(address).ok()?;
            let target = word.checked_sub(1)?;
            (word & 3 == 1 && self.pages.containing(target).is_some()).then_some(target)
        };
        let meta_map = pointer(address).and_then(pointer);
        meta_map.is_some_and(|meta_map| pointer(meta_map) == Some(meta_map))
    }
}

fn within(page: &Page, address: u64) -> bool {
    (page.area_start..=page.area_end).contains(&address)
}
