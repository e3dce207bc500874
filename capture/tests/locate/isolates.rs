//! Isolates are paired with the threads that have entered them.

use v8mini_capture::locate::{IsolateClues, find_isolates, locate_pages};
use v8mini_capture::symbols::{CurrentIsolate, V8Symbols};
use v8mini_format::model::{GcState, Register, Thread};

use crate::heap::*;
use crate::synthetic::Synthetic;

/// The thread's control block, and the isolates that hold the two heaps.
const THREAD: u64 = 0x7f00_0000_1000;
const ISOLATE: u64 = HEAP - 0x1230;
const OTHER_ISOLATE: u64 = OTHER_HEAP - 0x1230;

fn thread(tid: u32, fs_base: u64) -> Thread {
    Thread {
        tid,
        registers: vec![Register {
            name: "fs_base".to_owned(),
            value: fs_base,
        }],
        ..Thread::default()
    }
}

/// A heap with thread-local memory for two threads.
fn heap_with_threads() -> (Synthetic, Vec<Thread>) {
    let (_, _, align, lay, ids) = SHAPES[7];
    let mut memory = heap(align, lay, ids);
    memory.map(THREAD - 0x1000, 0x4000, "rw", "");
    (
        memory,
        vec![
            thread(11, THREAD),
            thread(12, THREAD + 0x2000),
            thread(13, 0),
        ],
    )
}

/// Which thread has entered which isolate.
fn paired(
    memory: &Synthetic,
    threads: &mut [Thread],
    clues: IsolateClues<'_>,
) -> Vec<(u64, u64, u32)> {
    let pages = locate_pages(memory, &memory.regions, None).expect("pages");
    let isolates = find_isolates(memory, &pages, threads, clues);
    isolates
        .iter()
        .map(|isolate| (isolate.heap, isolate.address, isolate.tid))
        .collect()
}

#[test]
fn isolates_by_thread_local_variable() {
    let (mut memory, mut threads) = heap_with_threads();
    memory.word(THREAD - 0x68, OTHER_ISOLATE);
    let symbols = V8Symbols {
        current_isolate: Some(CurrentIsolate::ThreadLocal {
            below_thread_pointer: 0x68,
        }),
        gc_state_offset: Some(0x198),
        ..V8Symbols::default()
    };
    memory.word(HEAP + 0x198, 2);
    let clues = IsolateClues {
        symbols: Some(&symbols),
        load_bias: 0,
    };
    // The other isolate has been entered by no thread, but lies as the first does.
    let expected = [(OTHER_HEAP, OTHER_ISOLATE, 11), (HEAP, ISOLATE, 0)];
    assert_eq!(paired(&memory, &mut threads, clues), expected);
    assert_eq!(
        threads
            .iter()
            .map(|thread| thread.isolate)
            .collect::<Vec<_>>(),
        [OTHER_ISOLATE, 0, 0]
    );
    let pages = locate_pages(&memory, &memory.regions, None).expect("pages");
    let states = find_isolates(&memory, &pages, &mut threads, clues);
    assert_eq!(
        states
            .iter()
            .map(|isolate| isolate.gc_state)
            .collect::<Vec<_>>(),
        [GcState::Idle, GcState::Collecting]
    );
    let unknown = find_isolates(&memory, &pages, &mut threads, IsolateClues::default());
    assert!(
        unknown
            .iter()
            .all(|isolate| isolate.gc_state == GcState::Unknown)
    );
}

#[test]
fn isolates_by_key() {
    let (mut memory, mut threads) = heap_with_threads();
    // The binary is loaded at a bias; its key variable says 3. glibc: 16 bytes per key from 0x310 on, the value second.
    let (bias, variable) = (0x0100_0000, 0x2_0000);
    memory.word(bias + variable, 3);
    memory.word(THREAD + 0x310 + 3 * 16 + 8, ISOLATE);
    memory.word(THREAD + 0x2000 + 0x310 + 3 * 16 + 8, OTHER_ISOLATE);
    let symbols = V8Symbols {
        current_isolate: Some(CurrentIsolate::PthreadKey { address: variable }),
        ..V8Symbols::default()
    };
    let clues = IsolateClues {
        symbols: Some(&symbols),
        load_bias: bias,
    };
    let expected = [(HEAP, ISOLATE, 11), (OTHER_HEAP, OTHER_ISOLATE, 12)];
    assert_eq!(paired(&memory, &mut threads, clues), expected);
}

#[test]
fn isolates_without_symbols() {
    let (mut memory, mut threads) = heap_with_threads();
    // Something in thread-local memory that points near the heap, but is no allocation around it; then the isolate, with the
    // allocator's size in front.
    memory.word(THREAD - 0x10, HEAP - 0x400);
    memory.word(THREAD - 0x20, ISOLATE);
    memory.word(ISOLATE - 8, 0x6000 | 1);
    let expected = [(HEAP, ISOLATE, 11), (OTHER_HEAP, OTHER_ISOLATE, 0)];
    assert_eq!(
        paired(&memory, &mut threads, IsolateClues::default()),
        expected
    );
}
