//! Where allocation goes on is found, by the words that say so.

use v8mini_capture::locate::{IsolateClues, find_isolates, locate_pages};
use v8mini_format::model::AllocationArea;

use crate::heap::*;

/// A tagged pointer to a map, as the first word of an object is…
const SOME_MAP: u64 = PAGES_FROM + 0x2000 + 1;
/// …whose own map is its own map.
const META_MAP: u64 = PAGES_FROM + 0x3000 + 1;

#[test]
fn allocation_areas_with_a_start() {
    let (_, version, align, lay, ids) = SHAPES[7];
    let mut memory = heap(align, lay, ids);
    memory.word(SOME_MAP - 1, META_MAP);
    memory.word(META_MAP - 1, META_MAP);
    let page = PAGES_FROM + 10 * align;
    let area = AllocationArea {
        start: page + 0x1000,
        top: page + 0x1800,
        limit: page + align,
    };
    memory.word(area.start, SOME_MAP);
    memory.words(HEAP + 0x100, &[area.start, area.top, area.limit]);
    // V8's copy from the last time it looked: the same area, less far.
    memory.words(HEAP + 0x300, &[area.start, area.top - 0x400, area.limit]);
    // Lowered for an allocation observer: the limit is in the middle of nothing, the original follows.
    let lowered = PAGES_FROM + 8 * align;
    memory.word(lowered + 0x4000, SOME_MAP);
    memory.words(
        OLD_OWNER + 0x80,
        &[
            lowered + 0x3000,
            lowered + 0x3000,
            lowered + 0x3800,
            7,
            lowered + 0x4000,
        ],
    );
    // In order, but in the unused semispace; and in order, but with nothing at the start.
    let from = PAGES_FROM + 12 * align;
    memory.words(HEAP + 0x500, &[from + 0x1000, from + 0x1000, from + align]);
    memory.words(HEAP + 0x600, &[page + 0x5000, page + 0x5100, page + 0x5200]);
    let pages = locate_pages(&memory, &memory.regions, Some(version)).expect("pages");
    let isolates = find_isolates(&memory, &pages, &mut [], IsolateClues::default());
    let observed = AllocationArea {
        start: lowered + 0x3000,
        top: lowered + 0x3000,
        limit: lowered + 0x4000,
    };
    let mut expected = vec![observed, area];
    expected.sort_by_key(|area| area.limit);
    let isolate = isolates
        .iter()
        .find(|isolate| isolate.heap == HEAP)
        .expect("the isolate");
    assert_eq!(isolate.allocation_areas, expected);
}

#[test]
fn allocation_areas_without_a_start() {
    let (_, version, align, lay, ids) = SHAPES[3];
    let mut memory = heap(align, lay, ids);
    let page = PAGES_FROM + 10 * align;
    let (top, limit) = (page + 0x1800, page + align);
    memory.words(NEW_OWNER - 0x200, &[top, limit, top - 0x800, limit]);
    let pages = locate_pages(&memory, &memory.regions, Some(version)).expect("pages");
    let isolates = find_isolates(&memory, &pages, &mut [], IsolateClues::default());
    let isolate = isolates
        .iter()
        .find(|isolate| isolate.heap == HEAP)
        .expect("the isolate");
    assert_eq!(
        isolate.allocation_areas,
        [AllocationArea {
            start: top,
            top,
            limit
        }]
    );
}
