//! Handles are found whatever lies beside what leads to them: `malloc` puts small objects side by side.

use v8mini_capture::locate::{Handles, find_handles, find_handles_again};
use v8mini_format::memory::MemoryRange;

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
    let image = memory.only(handles.memory.iter().copied().chain([BLOCK]));
    for found in [again, find_handles(&image, ISOLATE, BLOCK)] {
        assert_eq!(found.global, handles.global);
        assert_eq!(found.weak, handles.weak);
        assert_eq!(found.scopes, handles.scopes);
        assert_eq!(found.eternal, handles.eternal);
        assert_eq!(found.caches, handles.caches);
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
