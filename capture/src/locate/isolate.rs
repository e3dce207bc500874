//! Finds the isolates: from the heap addresses that pages carry, and from what threads keep in their thread-local memory.

use v8mini_format::memory::{Memory, MemoryExt, MemoryRange};
use v8mini_format::model::{GcState, Isolate, Problem, Thread};

use super::allocation_area;
use super::scan::Pages;
use crate::symbols::{CurrentIsolate, V8Symbols};

/// The `Heap` lies inside the `Isolate`, at most this far behind its start (V8 14.6: 0xf3c0; up to 6.8: 0x20).
const MAX_HEAP_OFFSET: u64 = 0x18000;
/// Without the allocator's word for it, an isolate is taken to reach this far around its heap.
const BEFORE_HEAP: u64 = 0x12000;
const AFTER_HEAP: u64 = 0x8000;
/// An isolate's size lies between these, in bytes.
const ISOLATE_BYTES: std::ops::Range<u64> = 0x2000..0x80000;

/// `struct pthread` of glibc on x86-64: `specific_1stblock`, 32 pairs of sequence number and value.
const PTHREAD_FIRST_KEYS: u64 = 0x310;
const PTHREAD_KEYS: u64 = 32;
/// Thread-local words are looked for this far below the thread pointer if no symbol names them.
const TLS_BYTES: u64 = 0x1000;

/// What is known about the process's V8 besides its memory.
#[derive(Debug, Clone, Copy, Default)]
pub struct IsolateClues<'a> {
    /// Symbols of the binary that holds V8.
    pub symbols: Option<&'a V8Symbols>,
    /// Where that binary is loaded.
    pub load_bias: u64,
}

impl IsolateClues<'_> {
    /// Where a thread says which isolate it has entered: ranges that a capture must hold for that to be read offline.
    pub fn ranges(&self, thread: &Thread) -> Vec<MemoryRange> {
        let mut ranges = Vec::new();
        if let Some(CurrentIsolate::PthreadKey { address }) =
            self.symbols.and_then(|s| s.current_isolate)
        {
            ranges.push(MemoryRange {
                start: address.wrapping_add(self.load_bias),
                len: 4,
            });
        }
        if let Some(base) = thread_pointer(thread) {
            ranges.push(MemoryRange {
                start: base.saturating_sub(TLS_BYTES),
                len: TLS_BYTES + PTHREAD_FIRST_KEYS + PTHREAD_KEYS * 16,
            });
        }
        ranges
    }

    /// The isolate that a thread has entered: the value that V8 itself would read there.
    fn current(&self, memory: &dyn Memory, thread: &Thread) -> Option<u64> {
        let base = thread_pointer(thread)?;
        let address = match self.symbols?.current_isolate? {
            CurrentIsolate::ThreadLocal {
                below_thread_pointer,
            } => base.checked_sub(below_thread_pointer)?,
            CurrentIsolate::PthreadKey { address } => {
                let key = memory.read_u32(address.wrapping_add(self.load_bias)).ok()?;
                pthread_value(base, u64::from(key))?
            }
        };
        memory
            .read_u64(address)
            .ok()
            .filter(|&isolate| isolate != 0)
    }
}

fn thread_pointer(thread: &Thread) -> Option<u64> {
    thread.register("fs_base").filter(|&base| base != 0)
}

fn pthread_value(base: u64, key: u64) -> Option<u64> {
    (key < PTHREAD_KEYS).then(|| base.checked_add(PTHREAD_FIRST_KEYS + 16 * key + 8))?
}

/// The memory around a heap that belongs to its isolate.
///
/// glibc writes the size of an allocation in front of it, so where the isolate's address is known its end is, too. Less
/// than certain sizes are not believed; then it is a window around the heap.
pub fn isolate_block(memory: &dyn Memory, isolate: u64, heap: u64) -> MemoryRange {
    let around = || {
        let start = if isolate == 0 {
            heap.saturating_sub(BEFORE_HEAP)
        } else {
            isolate
        };
        MemoryRange {
            start,
            len: heap.saturating_add(AFTER_HEAP).saturating_sub(start),
        }
    };
    allocation(memory, isolate, heap).unwrap_or_else(around)
}

/// Where the isolate of `heap` probably begins, without knowing any thread: at the beginning of the `malloc` block.
pub fn likely_isolate(memory: &dyn Memory, heap: u64) -> Option<u64> {
    let nearest = heap - heap % 16;
    (0..=MAX_HEAP_OFFSET)
        .step_by(16)
        .filter_map(|distance| nearest.checked_sub(distance))
        .find(|&start| allocation(memory, start, heap).is_some())
}

/// The `malloc` block at `isolate`, if it reaches over `heap`.
fn allocation(memory: &dyn Memory, isolate: u64, heap: u64) -> Option<MemoryRange> {
    let size = memory.read_u64(isolate.checked_sub(8)?).ok()? & !7;
    let len = size
        .checked_sub(8)
        .filter(|_| ISOLATE_BYTES.contains(&size))?;
    (MemoryRange {
        start: isolate,
        len,
    })
    .contains(heap)
    .then_some(MemoryRange {
        start: isolate,
        len,
    })
}

/// Pairs every heap of `pages` with its isolate, and with the first thread that has entered it.
///
/// The result begins with the main thread's isolate if `threads` begins with the main thread.
pub fn pair_isolates(
    memory: &dyn Memory,
    pages: &Pages,
    threads: &[Thread],
    clues: IsolateClues<'_>,
) -> Vec<Isolate> {
    let heaps = pages.heaps();
    let mut found: Vec<Isolate> = heaps
        .iter()
        .map(|&heap| Isolate {
            heap,
            ..Isolate::default()
        })
        .collect();
    enter(&mut found, threads, |thread| clues.current(memory, thread));
    if found.iter().all(|isolate| isolate.address == 0) {
        // No symbols, or a C library that keeps its thread-local memory elsewhere.
        enter(&mut found, threads, |thread| {
            search_thread(memory, thread, &heaps)
        });
    }
    // Every isolate of one build has its heap at the same place.
    let offset = found
        .iter()
        .find(|i| i.address != 0)
        .and_then(|i| i.heap.checked_sub(i.address));
    for isolate in &mut found {
        isolate.address = offset
            .and_then(|offset| isolate.heap.checked_sub(offset))
            .unwrap_or(0);
        isolate.gc_state = gc_state(memory, isolate.heap, clues);
    }
    let order = |tid: u32| {
        threads
            .iter()
            .position(|thread| thread.tid == tid)
            .unwrap_or(usize::MAX)
    };
    found.sort_by_key(|isolate| (order(isolate.tid), isolate.heap));
    found
}

/// Notes which isolates threads have entered, where that is the isolate of one of the heaps.
fn enter(isolates: &mut [Isolate], threads: &[Thread], entered: impl Fn(&Thread) -> Option<u64>) {
    for thread in threads {
        let Some(address) = entered(thread) else {
            continue;
        };
        // The nearest heap above: isolates of several threads may lie close together.
        let inside = isolates
            .iter_mut()
            .filter(|isolate| encloses(address, isolate.heap));
        let Some(isolate) = inside.min_by_key(|isolate| isolate.heap) else {
            continue;
        };
        isolate.address = address;
        if isolate.tid == 0 {
            isolate.tid = thread.tid;
        }
    }
}

/// Finds all that is known of the isolates, and tells the threads which isolate they have entered.
pub fn find_isolates(
    memory: &dyn Memory,
    pages: &Pages,
    threads: &mut [Thread],
    clues: IsolateClues<'_>,
) -> Vec<Isolate> {
    let mut isolates = pair_isolates(memory, pages, threads, clues);
    for isolate in &mut isolates {
        isolate.allocation_areas = allocation_area::find(memory, pages, isolate);
    }
    for thread in threads {
        let entered = clues.current(memory, thread);
        let known = |address: &u64| isolates.iter().any(|isolate| isolate.address == *address);
        let by_thread = || {
            isolates
                .iter()
                .find(|isolate| isolate.tid == thread.tid)
                .map(|isolate| isolate.address)
        };
        thread.isolate = entered.filter(known).or_else(by_thread).unwrap_or(0);
    }
    isolates
}

fn encloses(isolate: u64, heap: u64) -> bool {
    heap.checked_sub(isolate)
        .is_some_and(|offset| (1..MAX_HEAP_OFFSET).contains(&offset))
}

/// Without symbols: a word of the thread's own memory that is the address of an allocation around one of the heaps.
fn search_thread(memory: &dyn Memory, thread: &Thread, heaps: &[u64]) -> Option<u64> {
    let base = thread_pointer(thread)?;
    let below = (1..=TLS_BYTES / 8).filter_map(|n| base.checked_sub(n * 8));
    let keys = (0..PTHREAD_KEYS).filter_map(|key| pthread_value(base, key));
    below
        .chain(keys)
        .filter_map(|address| memory.read_u64(address).ok())
        .find(|&word| {
            word.is_multiple_of(8)
                && heaps
                    .iter()
                    .any(|&heap| encloses(word, heap) && allocation(memory, word, heap).is_some())
        })
}

/// Reads `Heap::gc_state_`. Without the offset from the very binary, nothing is claimed.
pub fn gc_state(memory: &dyn Memory, heap: u64, clues: IsolateClues<'_>) -> GcState {
    let offset = clues.symbols.and_then(|symbols| symbols.gc_state_offset);
    let state = offset.and_then(|offset| memory.read_u32(heap.checked_add(offset)?).ok());
    match state {
        // enum HeapState { NOT_IN_GC, SCAVENGE, MARK_COMPACT, MINOR_MARK_COMPACT or _SWEEP, TEAR_DOWN }
        Some(0) => GcState::Idle,
        Some(1..=4) => GcState::Collecting,
        _ => GcState::Unknown,
    }
}

/// What a reader must know of isolates whose heap was being collected.
pub fn gc_problems(isolates: &[Isolate]) -> Vec<Problem> {
    isolates
        .iter()
        .filter(|isolate| isolate.gc_state == GcState::Collecting)
        .map(|isolate| Problem {
            stage: "gc".to_owned(),
            message: format!(
                "a garbage collection was under way in the isolate at {:#x}: objects may be half moved",
                isolate.address
            ),
            address: isolate.heap,
            bytes: 0,
        })
        .collect()
}
