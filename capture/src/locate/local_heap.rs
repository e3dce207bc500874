//! Finds the allocators of an isolate's `LocalHeap`.
//!
//! From V8 11 on, what a compiler places in the old space through the main thread's `LocalHeap` goes to an allocation area of
//! its own, `ConcurrentAllocator::lab_` (seen on 11.8, gone in 12.4). `Heap` points to the `LocalHeap`, and that to its
//! allocators, which are allocated apart; their fields point back, which tells them from everything else.
//!
//! From V8 12.4 on, the `LocalHeap` holds a `MainAllocator` for each space, and that of code space and of trusted space its
//! area: `IsolateData` has those of new and of old space only. Free memory of code space keeps the code that was there, where
//! a walk that does not know the area takes constants of the code for objects.

use std::collections::BTreeSet;

use v8mini_format::memory::{Memory, MemoryExt, MemoryRange};

use super::header::is_pointer;
use super::words::readable_words;

/// So far into `Heap` is `main_thread_local_heap_` looked for, in bytes (11.8: at 0x1d8).
const HEAP_BYTES: u64 = 0x400;
/// So far into `LocalHeap` are pointers to allocators looked for, in bytes (11.8: at 0x50).
const LOCAL_HEAP_BYTES: u64 = 0x100;
/// Bytes of a `ConcurrentAllocator`: its local heap, its space, its heap, and the area's start, top and limit.
const ALLOCATOR_BYTES: u64 = 0x30;
/// So far into `LocalHeap` its `MainAllocator`s reach (12.4: from 0x68 to 0x560).
const LOCAL_HEAP_WITH_ALLOCATORS_BYTES: u64 = 0x800;

/// The memory of what belongs to one heap.
#[derive(Debug, Clone, Default)]
pub struct LocalAllocators {
    /// The memory that the allocators lie in.
    pub allocators: Vec<MemoryRange>,
    /// The `LocalHeap` that points to them, where they lie apart.
    pub local_heap: Option<MemoryRange>,
}

impl LocalAllocators {
    /// Finds the allocators of the heap at an address; none in a V8 without them.
    pub fn find(memory: &dyn Memory, heap: u64) -> Self {
        let mut local_heaps =
            pointers(memory, heap, HEAP_BYTES).filter(|&word| memory.read_u64(word) == Ok(heap));
        // Other objects begin with a pointer to the heap, too; only one of them has allocators.
        let found = local_heaps.find_map(|local_heap| {
            let range = |len| MemoryRange {
                start: local_heap,
                len,
            };
            let apart = allocators(memory, local_heap, heap);
            if !apart.is_empty() {
                return Some(Self {
                    allocators: apart,
                    local_heap: Some(range(LOCAL_HEAP_BYTES)),
                });
            }
            let whole = range(LOCAL_HEAP_WITH_ALLOCATORS_BYTES);
            has_allocators(memory, whole, heap).then(|| Self {
                allocators: vec![whole],
                local_heap: None,
            })
        });
        found.unwrap_or_default()
    }

    /// All that has to be in a capture for the allocators to be found in it.
    pub fn ranges(&self) -> impl Iterator<Item = MemoryRange> {
        self.local_heap
            .into_iter()
            .chain(self.allocators.iter().copied())
    }
}

/// The allocators that the local heap at an address points to, each once.
fn allocators(memory: &dyn Memory, local_heap: u64, heap: u64) -> Vec<MemoryRange> {
    let points_back = |&allocator: &u64| {
        let [of, _space, within] = [0, 8, 16].map(|at| memory.read_u64(allocator.wrapping_add(at)));
        of == Ok(local_heap) && within == Ok(heap)
    };
    let found: BTreeSet<u64> = pointers(memory, local_heap, LOCAL_HEAP_BYTES)
        .filter(points_back)
        .collect();
    let range = |start| MemoryRange {
        start,
        len: ALLOCATOR_BYTES,
    };
    found.into_iter().map(range).collect()
}

/// Whether a local heap holds allocators itself: each begins with its local heap and its heap.
fn has_allocators(memory: &dyn Memory, local_heap: MemoryRange, heap: u64) -> bool {
    let parts = readable_words(memory, local_heap);
    let begins_allocator = |pair: &[u64]| *pair == [local_heap.start, heap];
    parts
        .iter()
        .any(|words| words.windows(2).any(begins_allocator))
}

/// What may be pointers among the words from an address on.
fn pointers(memory: &dyn Memory, start: u64, len: u64) -> impl Iterator<Item = u64> {
    let parts = readable_words(memory, MemoryRange { start, len });
    parts.into_iter().flatten().filter(|&word| is_pointer(word))
}

#[cfg(test)]
mod tests {
    use v8mini_format::memory::ReadError;

    use super::*;

    const HEAP: u64 = 0x10_0000;
    const LOCAL_HEAP: u64 = 0x20_0000;
    const ALLOCATOR: u64 = 0x30_0000;

    /// Memory of single words, by their addresses; all others are 0.
    struct Words(Vec<(u64, u64)>);

    impl Memory for Words {
        fn ranges(&self) -> Vec<MemoryRange> {
            let len = ALLOCATOR * 2;
            vec![MemoryRange { start: 0, len }]
        }

        fn read_at(&self, address: u64, buffer: &mut [u8]) -> Result<(), ReadError> {
            let (words, _) = buffer.as_chunks_mut::<8>();
            for (word, at) in words.iter_mut().zip((address..).step_by(8)) {
                let known = self.0.iter().find(|(known, _)| *known == at);
                *word = known.map_or(0, |(_, word)| *word).to_le_bytes();
            }
            Ok(())
        }
    }

    fn found(allocator_is_of: u64) -> LocalAllocators {
        let words = vec![
            (HEAP + 0x10, ALLOCATOR),
            (HEAP + 0x1d8, LOCAL_HEAP),
            (LOCAL_HEAP, HEAP),
            (LOCAL_HEAP + 0x50, ALLOCATOR),
            (ALLOCATOR, LOCAL_HEAP),
            (ALLOCATOR + 16, allocator_is_of),
        ];
        LocalAllocators::find(&Words(words), HEAP)
    }

    #[test]
    fn an_allocator_is_known_by_what_points_back() {
        let found = found(HEAP);
        let starts: Vec<u64> = found.ranges().map(|range| range.start).collect();
        assert_eq!(starts, [LOCAL_HEAP, ALLOCATOR]);
    }

    #[test]
    fn allocators_may_lie_in_the_local_heap() {
        let words = |of| {
            Words(vec![
                (HEAP + 0x190, LOCAL_HEAP),
                (LOCAL_HEAP, HEAP),
                (LOCAL_HEAP + 0x438, LOCAL_HEAP),
                (LOCAL_HEAP + 0x440, of),
            ])
        };
        let found = LocalAllocators::find(&words(HEAP), HEAP);
        let ranges: Vec<MemoryRange> = found.ranges().collect();
        assert_eq!(
            ranges,
            [MemoryRange {
                start: LOCAL_HEAP,
                len: LOCAL_HEAP_WITH_ALLOCATORS_BYTES
            }]
        );
        let found = LocalAllocators::find(&words(HEAP + 8), HEAP);
        assert_eq!(found.ranges().count(), 0);
    }

    #[test]
    fn what_belongs_to_another_heap_is_none() {
        assert_eq!(found(HEAP + 8).ranges().count(), 0);
    }
}
