//! Finds linear allocation areas: where V8 is about to place the next objects.
//!
//! `LinearAllocationArea { start, top, limit }` lives in the isolate's data (V8 11 and later), in the heap (10) or in the
//! spaces (before). Its place moves with every version; its look does not: three addresses in order in one page, with an
//! object's first word at the start and at the limit.

use std::collections::BTreeMap;

use v8mini_format::memory::{Memory, MemoryExt, MemoryRange};
use v8mini_format::model::{AllocationArea, Isolate, Page, Space};

use super::isolate::isolate_block;

/// Around a space's address: `NewSpace` is found through the `SemiSpace` inside it, whose area comes first.
const SPACE_BEFORE: u64 = 0x400;
const SPACE_AFTER: u64 = 0x600;
/// How many words after the limit V8 keeps the limit that it had before it was lowered for allocation observers.
const ORIGINAL_LIMIT_WORDS: usize = 8;

/// The areas of an isolate, sorted by address.
pub(super) fn find(memory: &dyn Memory, pages: &[Page], isolate: &Isolate) -> Vec<AllocationArea> {
    let mut places = vec![isolate_block(memory, isolate.address, isolate.heap)];
    let mut owners: Vec<u64> = pages
        .iter()
        .filter(|p| p.heap == isolate.heap && p.owner != 0)
        .map(|p| p.owner)
        .collect();
    owners.sort_unstable();
    owners.dedup();
    places.extend(owners.into_iter().map(|owner| MemoryRange {
        start: owner.saturating_sub(SPACE_BEFORE),
        len: SPACE_BEFORE + SPACE_AFTER,
    }));
    let mut found = BTreeMap::new();
    for place in places {
        for words in readable_words(memory, place) {
            let starts = 0..words.len().saturating_sub(2);
            for area in starts.filter_map(|at| area(memory, pages, isolate.heap, words.get(at..)?))
            {
                found.entry(area.top).or_insert(area);
            }
        }
    }
    found.into_values().collect()
}

/// The words of the readable parts of a range.
fn readable_words(memory: &dyn Memory, place: MemoryRange) -> Vec<Vec<u64>> {
    let ranges = memory.ranges();
    let first = ranges.partition_point(|range| range.end() <= place.start);
    let overlapping = ranges
        .iter()
        .skip(first)
        .take_while(|range| range.start < place.end());
    overlapping
        .filter_map(|range| {
            let start = range.start.max(place.start).checked_next_multiple_of(8)?;
            let len = range.end().min(place.end()).checked_sub(start)?;
            let bytes = memory.read_vec(start, usize::try_from(len).ok()?).ok()?;
            Some(
                bytes
                    .as_chunks::<8>()
                    .0
                    .iter()
                    .map(|word| u64::from_le_bytes(*word))
                    .collect(),
            )
        })
        .collect()
}

/// The area at the start of `words`, if it is one with room left.
fn area(memory: &dyn Memory, pages: &[Page], heap: u64, words: &[u64]) -> Option<AllocationArea> {
    let [start, top, limit, rest @ ..] = words else {
        return None;
    };
    let (start, top, limit) = (*start, *top, *limit);
    if start > top || top >= limit || (start | top | limit) & 7 != 0 {
        return None;
    }
    let page = page_of(pages, start)?;
    let within = |limit: u64| limit <= page.area_end;
    if page.heap != heap
        || page.space == Space::NewFrom
        || start < page.area_start
        || !within(limit)
    {
        return None;
    }
    // What V8 has placed in the area begins with an object, and what follows the area does.
    if start < top && !is_object(memory, pages, start) {
        return None;
    }
    let ends = |limit: u64| limit == page.area_end || is_object(memory, pages, limit);
    let lowered = || {
        let later = rest.iter().take(ORIGINAL_LIMIT_WORDS).copied();
        later
            .filter(|&word| word > limit && word & 7 == 0 && within(word))
            .find(|&word| ends(word))
    };
    let limit = if ends(limit) { limit } else { lowered()? };
    Some(AllocationArea { start, top, limit })
}

/// Whether an object seems to begin at `address`: its first word is a tagged pointer into a page, as to a map.
fn is_object(memory: &dyn Memory, pages: &[Page], address: u64) -> bool {
    memory
        .read_u64(address)
        .is_ok_and(|map| map & 3 == 1 && page_of(pages, map - 1).is_some())
}

/// The page that an address lies in. `pages` is sorted by address.
fn page_of(pages: &[Page], address: u64) -> Option<&Page> {
    let at = pages
        .partition_point(|page| page.address <= address)
        .checked_sub(1)?;
    pages
        .get(at)
        .filter(|page| address - page.address < page.size)
}
