//! Handles are found whatever lies beside what leads to them: `malloc` puts small objects side by side.

use std::sync::Mutex;

use v8mini_capture::locate::{DispatchTable, Handles, find_handles, find_handles_again};
use v8mini_format::memory::{Memory, MemoryRange, ReadError};

use crate::synthetic::Synthetic;

const ISOLATE: u64 = 0x10_0000;
const BLOCK: MemoryRange = MemoryRange {
    start: ISOLATE,
    len: 0x1000,
};
/// `HandleScopeImplementer`, and right behind it `GlobalHandles`.
const SCOPES: u64 = 0x11_0000;
const GLOBAL: u64 = SCOPES + 0xa0;
/// The contexts that were entered, and right behind them the `NodeSpace` of `GlobalHandles`.
const ENTERED: u64 = 0x11_1000;
const SPACE: u64 = ENTERED + 0x40;
const NODES: u64 = 0x11_2000;
const SCOPE_BLOCKS: u64 = 0x11_5000;
const SCOPE_BLOCK: u64 = 0x11_6000;
const ETERNAL: u64 = 0x11_9000;
const ETERNAL_BLOCKS: u64 = 0x11_9100;
const ETERNAL_BLOCK: u64 = 0x11_a000;

/// What handles refer to: a context, and others.
const CONTEXT: u64 = 0x2000_0101;
const KEPT: u64 = 0x2000_0201;
const WEAK: u64 = 0x2000_0301;
const FOREVER: u64 = 0x2000_0401;
const OPEN: u64 = 0x2000_0501;

/// An isolate of V8 13.6 in one context, with a strong and a weak global handle, an eternal one, and no handle scope with a handle.
fn isolate() -> Synthetic {
    let mut memory = Synthetic::default();
    memory.map(ISOLATE, 0x1000, "rw", "[heap]");
    memory.map(SCOPES, 0x1_0000, "rw", "[heap]");
    memory.words(ISOLATE, &[ISOLATE, SCOPES, GLOBAL, ETERNAL]);
    memory.words(
        SCOPES,
        &[ISOLATE, SCOPE_BLOCKS, 8, 0, ENTERED, 8, 1, ENTERED, 8, 0],
    );
    memory.word(ENTERED, CONTEXT);
    memory.words(GLOBAL, &[ISOLATE, SPACE]);
    memory.words(SPACE, &[GLOBAL, NODES, NODES]);
    for index in 0..256 {
        memory.words(NODES + index * 32, &[0, index << 16]);
    }
    let (normal, weak) = (1 << 24, 2 << 24);
    memory.words(NODES, &[KEPT, normal]);
    memory.words(NODES + 32, &[WEAK, 1 << 16 | weak]);
    memory.words(
        ETERNAL,
        &[1, ETERNAL_BLOCKS, ETERNAL_BLOCKS + 8, ETERNAL_BLOCKS + 8],
    );
    memory.word(ETERNAL_BLOCKS, ETERNAL_BLOCK);
    memory.word(ETERNAL_BLOCK, FOREVER);
    memory
}

/// The same with one handle in a scope.
fn isolate_in_scope() -> Synthetic {
    let mut memory = isolate();
    memory.words(SCOPES, &[ISOLATE, SCOPE_BLOCKS, 8, 1]);
    memory.word(SCOPE_BLOCKS, SCOPE_BLOCK);
    memory.word(SCOPE_BLOCK, OPEN);
    let (next, limit) = (SCOPE_BLOCK + 8, SCOPE_BLOCK + 1022 * 8);
    memory.words(ISOLATE + 0x200, &[next, limit]);
    memory
}

/// What is found is found again, knowing where it was, and in an image that has only the memory that it was read from.
fn found(memory: &Synthetic) -> Handles {
    let handles = find_handles(memory, ISOLATE, BLOCK);
    let again = find_handles_again(memory, ISOLATE, BLOCK, &handles.holders);
    let table = handles.dispatch_table.clone().unwrap_or_default();
    let ranges = handles.memory.iter().copied().chain(table.memory);
    let image = memory.only(ranges.chain([BLOCK]));
    for found in [again, find_handles(&image, ISOLATE, BLOCK)] {
        assert_eq!(found.global, handles.global);
        assert_eq!(found.weak, handles.weak);
        assert_eq!(found.scopes, handles.scopes);
        assert_eq!(found.eternal, handles.eternal);
        assert_eq!(found.caches, handles.caches);
        assert_eq!(found.dispatch_table, handles.dispatch_table);
    }
    handles
}

#[test]
fn of_an_isolate_that_waits() {
    let handles = found(&isolate());
    assert_eq!(handles.global, Some(vec![KEPT]));
    assert_eq!(handles.weak, [WEAK]);
    assert_eq!(handles.eternal, Some(vec![FOREVER]));
    // The contexts that were entered: what lies in front of `GlobalHandles` is not taken for it.
    assert_eq!(handles.scopes, Some(vec![CONTEXT]));
}

#[test]
fn of_an_isolate_that_is_in_a_scope() {
    let handles = found(&isolate_in_scope());
    assert_eq!(handles.global, Some(vec![KEPT]));
    assert_eq!(handles.scopes, Some(vec![OPEN]));
}

/// Memory that notes where it is read.
struct Noting<'a> {
    memory: &'a Synthetic,
    read: Mutex<Vec<u64>>,
}

impl Memory for Noting<'_> {
    fn read_at(&self, addr: u64, buf: &mut [u8]) -> Result<(), ReadError> {
        self.read.lock().unwrap().push(addr);
        self.memory.read_at(addr, buf)
    }

    fn ranges(&self) -> Vec<MemoryRange> {
        self.memory.ranges()
    }
}

/// A worker has no handle in a scope most of the time. All that its isolate points to was searched for one in each stop: 2 ms per
/// worker.
#[test]
fn what_led_to_no_handles_is_not_searched_again() {
    const ELSEWHERE: u64 = 0x12_0000;
    for mut memory in [isolate(), isolate_in_scope()] {
        memory.map(ELSEWHERE, 0x1000, "rw", "[heap]");
        memory.word(ISOLATE + 0x40, ELSEWHERE);
        let noting = Noting {
            memory: &memory,
            read: Mutex::default(),
        };
        let handles = find_handles(&noting, ISOLATE, BLOCK);
        assert!(noting.read.lock().unwrap().contains(&ELSEWHERE));
        noting.read.lock().unwrap().clear();
        let again = find_handles_again(&noting, ISOLATE, BLOCK, &handles.holders);
        assert_eq!(again.scopes, handles.scopes);
        assert!(!noting.read.lock().unwrap().contains(&ELSEWHERE));
    }
}

#[test]
fn scopes_may_get_their_first_handle_and_lose_their_last() {
    let (waiting, in_scope) = (isolate(), isolate_in_scope());
    for (before, after, expected) in [(&waiting, &in_scope, OPEN), (&in_scope, &waiting, CONTEXT)] {
        let holders = find_handles(before, ISOLATE, BLOCK).holders;
        let again = find_handles_again(after, ISOLATE, BLOCK, &holders);
        assert_eq!(again.scopes, Some(vec![expected]));
        assert_eq!(again.global, Some(vec![KEPT]));
    }
}

/// Another object of the isolate keeps what it refers to, and nothing that its neighbour refers to.
#[test]
fn of_another_object_that_lies_in_front() {
    let mut memory = isolate_in_scope();
    let cache = SCOPES - 0x20;
    memory.map(SCOPES - 0x1000, 0x1000, "rw", "[heap]");
    memory.words(cache, &[ISOLATE, KEPT]);
    memory.word(SCOPES + 0x80, WEAK);
    memory.word(ISOLATE + 0x20, cache);
    assert_eq!(found(&memory).caches, [KEPT]);
}

/// Where the table of functions' code is reserved, which need not be a multiple of a segment (V8 14.6); what a segment of it has, and
/// the code of all its functions.
const TABLE: u64 = 0x4000_c000;
const SEGMENT: u64 = 0x1_0000;
const CODE: u64 = 0x2000_0800;
const INSTRUCTIONS: u64 = 0x3000_0040;

/// A segment of the table: a function with one parameter, one that is marked as alive, and entries that are free.
fn segment(memory: &mut Synthetic, at: u64) {
    memory.map(at, SEGMENT, "rw", "");
    memory.words(at, &[INSTRUCTIONS, CODE << 16 | 2]);
    memory.words(at + 16, &[INSTRUCTIONS, (CODE | 1) << 16 | 1]);
    for entry in (at + 32..at + SEGMENT).step_by(16) {
        memory.word(entry, (0xffff << 48) | ((entry - TABLE) / 16 + 1));
    }
}

/// The same isolate with a table of which the second segment was given back.
fn isolate_with_table() -> Synthetic {
    let mut memory = isolate_in_scope();
    memory.map(TABLE, SEGMENT, "r", "");
    for number in [1, 3, 4] {
        segment(&mut memory, TABLE + number * SEGMENT);
    }
    memory.word(ISOLATE + 0x28, TABLE);
    memory
}

fn segments(from: u64, count: u64) -> MemoryRange {
    MemoryRange {
        start: TABLE + from * SEGMENT,
        len: count * SEGMENT,
    }
}

#[test]
fn the_table_of_code_is_found_with_its_gaps() {
    let handles = found(&isolate_with_table());
    let table = handles.dispatch_table.unwrap();
    assert_eq!(table.base, TABLE);
    assert_eq!(table.memory, [segments(1, 1), segments(3, 2)]);
    for segment in table.memory {
        assert!(handles.tags.contains(&segment));
    }
    assert_eq!(DispatchTable::code(CODE << 16 | 2), Some(CODE));
    assert_eq!(DispatchTable::code((CODE | 1) << 16 | 1), Some(CODE));
    assert_eq!(DispatchTable::code(0), None);
}

/// While V8 takes an entry, only one of its words may have been written.
#[test]
fn an_entry_may_be_half_written() {
    let mut memory = isolate_with_table();
    memory.words(TABLE + SEGMENT + 32, &[INSTRUCTIONS, 0]);
    memory.word(TABLE + SEGMENT + 56, CODE << 16);
    let table = found(&memory).dispatch_table.unwrap();
    assert_eq!(table.memory, [segments(1, 1), segments(3, 2)]);
}

#[test]
fn what_has_other_words_is_no_table_of_code() {
    for (offset, word) in [
        (0, 0),
        (8, (CODE | 2) << 16),
        (SEGMENT - 16, 1),
        (SEGMENT - 8, 1),
    ] {
        let mut memory = isolate_with_table();
        memory.word(TABLE + SEGMENT + offset, word);
        assert_eq!(
            found(&memory).dispatch_table,
            None,
            "{word:#x} at {offset:#x}"
        );
    }
    let mut memory = isolate_with_table();
    memory.word(TABLE + 4 * SEGMENT + 0x800, 1);
    let table = find_handles(&memory, ISOLATE, BLOCK)
        .dispatch_table
        .unwrap();
    assert_eq!(table.memory, [segments(1, 1), segments(3, 1)]);
}
