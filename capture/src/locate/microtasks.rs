//! Finds the microtasks that wait in an isolate.
//!
//! From V8 7.1 on they lie in a ring of tagged words outside of the heap, of a `MicrotaskQueue` that the isolate points to. Such a queue tells
//! itself: numbers that fit a ring, words that are all tagged, and links to and from the other queues of the process, which
//! are a loop. It has been so from V8 7.4 to 14.6. Before, the queue is an object of the heap.

use std::collections::BTreeSet;

use v8mini_format::memory::MemoryRange;

use super::header::is_pointer;

/// The words of a queue: the pointer to its virtual functions, then these.
const SIZE: u64 = 8;
const CAPACITY: u64 = 16;
const START: u64 = 24;
const RING: u64 = 32;
const NEXT: u64 = 48;
const PREVIOUS: u64 = 56;
/// The upper half of this word begins with whether the queue is being run.
const IS_RUNNING: u64 = 72;
const QUEUE_BYTES: u64 = 80;
/// `MicrotaskQueue::kMinimumCapacity`.
const MIN_CAPACITY: u64 = 8;
/// Most room for microtasks that is believed.
const MAX_CAPACITY: u64 = 1 << 28;
/// Most microtasks that are read, of all queues together.
const MAX_TASKS: u64 = 1 << 22;
/// Most queues of one isolate that are looked at: contexts of `vm` may have some of their own.
const MAX_QUEUES: usize = 1 << 10;

/// A queue of microtasks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MicrotaskQueue {
    /// Where it is.
    pub address: u64,
    /// Tagged words that refer to the microtasks, the next to run first.
    pub tasks: Vec<u64>,
    /// Whether V8 is at work on them.
    pub is_running: bool,
    /// The memory that this was read from.
    pub(super) memory: Vec<MemoryRange>,
}

/// How memory is read: a word that is looked at in passing, and many at once.
pub(super) trait Words {
    /// The word at an address.
    fn peek(&mut self, address: u64) -> Option<u64>;
    /// The words of a range, if all of it can be read.
    fn words(&self, start: u64, len: u64) -> Option<Vec<u64>>;
}

/// The queue at an address, if there is one, and the others that it is linked with.
pub(super) fn queues_at(words: &mut impl Words, address: u64) -> Vec<MicrotaskQueue> {
    let mut found = Vec::new();
    let mut seen = BTreeSet::new();
    let mut at = address;
    let mut left = MAX_TASKS;
    while found.len() < MAX_QUEUES
        && seen.insert(at)
        && let Some((queue, next)) = queue_at(words, at, left)
    {
        left = left.saturating_sub(queue.tasks.len() as u64);
        found.push(queue);
        at = next;
    }
    found
}

/// The queue at an address, if there is one, with so many of its microtasks; and the queue after it.
fn queue_at(words: &mut impl Words, address: u64, limit: u64) -> Option<(MicrotaskQueue, u64)> {
    let mut at = |address: u64, offset: u64| words.peek(address.checked_add(offset)?);
    // Most of what is looked at has no such number here; one in which nothing ever was has no ring.
    let capacity = at(address, CAPACITY).filter(|capacity| {
        *capacity == 0
            || capacity.is_power_of_two() && (MIN_CAPACITY..=MAX_CAPACITY).contains(capacity)
    })?;
    let size = at(address, SIZE).filter(|size| *size <= capacity)?;
    let start = at(address, START).filter(|start| *start < capacity.max(1))?;
    let ring = at(address, RING).filter(|ring| match capacity {
        0 => *ring == 0,
        _ => is_pointer(*ring),
    })?;
    let next = at(address, NEXT).filter(|next| is_pointer(*next))?;
    let previous = at(address, PREVIOUS).filter(|previous| is_pointer(*previous))?;
    let state = at(address, IS_RUNNING)?;
    if at(next, PREVIOUS) != Some(address) || at(previous, NEXT) != Some(address) {
        return None;
    }
    let mut memory = vec![MemoryRange {
        start: address,
        len: QUEUE_BYTES,
    }];
    let size = size.min(limit);
    let to_end = size.min(capacity - start);
    let mut tasks = Vec::new();
    for (first, count) in [(start, to_end), (0, size - to_end)] {
        if count > 0 {
            let first = ring.checked_add(first * 8)?;
            tasks.extend(words.words(first, count * 8)?);
            memory.push(MemoryRange {
                start: first,
                len: count * 8,
            });
        }
    }
    let queue = MicrotaskQueue {
        address,
        tasks,
        is_running: state >> 32 & 0xff == 1,
        memory,
    };
    let is_all_tagged = queue.tasks.iter().all(|task| task & 3 == 1);
    is_all_tagged.then_some((queue, next))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    const QUEUE: u64 = 0x10_0000;
    const OTHER: u64 = 0x20_0000;
    const RING_AT: u64 = 0x30_0000;

    struct Known(BTreeMap<u64, u64>);

    impl Words for Known {
        fn peek(&mut self, address: u64) -> Option<u64> {
            self.0.get(&address).copied()
        }

        fn words(&self, start: u64, len: u64) -> Option<Vec<u64>> {
            let addresses = (start..start + len).step_by(8);
            addresses
                .map(|address| self.0.get(&address).copied())
                .collect()
        }
    }

    /// Two queues in a loop; the first has three microtasks, of which the second lies at the ring's end.
    fn known() -> Known {
        let queue = |at: u64, size, start, ring, other| {
            [
                (at + SIZE, size),
                (at + CAPACITY, 8),
                (at + START, start),
                (at + RING, ring),
                (at + NEXT, other),
                (at + PREVIOUS, other),
                (at + IS_RUNNING, size.min(1) << 32),
            ]
        };
        let mut words: BTreeMap<u64, u64> = queue(QUEUE, 3, 6, RING_AT, OTHER).into();
        words.extend(queue(OTHER, 0, 0, RING_AT + 0x100, QUEUE));
        words.extend([(RING_AT + 48, 0x61), (RING_AT + 56, 0x71), (RING_AT, 0x81)]);
        Known(words)
    }

    #[test]
    fn a_queue_is_read_around_the_end_of_its_ring() {
        let found = queues_at(&mut known(), QUEUE);
        let tasks: Vec<&[u64]> = found.iter().map(|queue| queue.tasks.as_slice()).collect();
        assert_eq!(tasks, [&[0x61, 0x71, 0x81][..], &[]]);
        assert_eq!([true, false], [found[0].is_running, found[1].is_running]);
        let len: u64 = found[0].memory.iter().map(|range| range.len).sum();
        assert_eq!(len, QUEUE_BYTES + 3 * 8);
    }

    #[test]
    fn a_queue_in_which_nothing_ever_was_is_one() {
        let mut words = known();
        for offset in [SIZE, CAPACITY, START, RING] {
            words.0.insert(QUEUE + offset, 0);
        }
        let found = queues_at(&mut words, QUEUE);
        let counts: Vec<usize> = found.iter().map(|queue| queue.tasks.len()).collect();
        assert_eq!(counts, [0, 0]);
        words.0.insert(QUEUE + RING, RING_AT);
        assert_eq!(queues_at(&mut words, QUEUE), []);
    }

    #[test]
    fn what_does_not_fit_is_no_queue() {
        for (address, word) in [
            (QUEUE + SIZE, 9),
            (QUEUE + CAPACITY, 12),
            (QUEUE + CAPACITY, 1 << 40),
            (QUEUE + START, 8),
            (QUEUE + RING, 0),
            (QUEUE + NEXT, QUEUE),
            (OTHER + PREVIOUS, OTHER),
            (RING_AT + 48, 0x60),
        ] {
            let mut words = known();
            words.0.insert(address, word);
            assert_eq!(queues_at(&mut words, QUEUE), [], "{address:#x}: {word:#x}");
        }
    }
}
