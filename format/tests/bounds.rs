//! Memory stays bounded, whatever is written and whatever is opened. A binary of its own, as it
//! counts every allocation.

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::io::{self, Write};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use common::foreign::Foreign;
use v8mini_format::limits::{CACHE_BYTES, MEMORY_CHUNK_MAX, RECORD_MAX};
use v8mini_format::model::Statistics;
use v8mini_format::{CaptureFile, Memory, MemoryExt, Metadata, WriteOptions, Writer};

const MIB: usize = 1024 * 1024;

static NOW: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);
/// Tests count in turn.
static TURN: Mutex<()> = Mutex::new(());

struct Counting;

// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let now = NOW.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        PEAK.fetch_max(now, Ordering::Relaxed);
        // SAFETY: as required of our caller.
        unsafe { System.alloc(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let now = NOW.fetch_add(size, Ordering::Relaxed) + size - layout.size();
        NOW.fetch_sub(layout.size(), Ordering::Relaxed);
        PEAK.fetch_max(now, Ordering::Relaxed);
        // SAFETY: as required of our caller.
        unsafe { System.realloc(block, layout, size) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as required of our caller.
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The most that was allocated at a time while `f` ran, beyond what was there before, in bytes.
fn peak_of<T>(f: impl FnOnce() -> T) -> (T, usize) {
    let before = NOW.load(Ordering::Relaxed);
    PEAK.store(before, Ordering::Relaxed);
    let result = f();
    (result, PEAK.load(Ordering::Relaxed).saturating_sub(before))
}

struct Sink;

impl Write for Sink {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        Ok(buf.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_writer_holds_a_few_chunks_whatever_it_writes() {
    let _turn = TURN.lock();
    let block: Vec<u8> = (0..MIB as u32)
        .map(|i| (i.wrapping_mul(0x9E37_79B9) >> 27) as u8)
        .collect();
    let ((), peak) = peak_of(|| {
        let options = WriteOptions {
            threads: 2,
            ..WriteOptions::default()
        };
        let mut writer = Writer::create(Sink, options, &Metadata::default()).unwrap();
        for i in 0..512 {
            writer.memory(i * MIB as u64, &block).unwrap();
        }
        let (_, written) = writer.finish(&[], &Statistics::default()).unwrap();
        assert_eq!(written.raw_bytes, 512 * MIB as u64);
    });
    // The contexts of zstd are allocated in C and not counted.
    assert!(peak < 8 * MIB, "{peak} bytes");
}

#[test]
fn a_reader_holds_its_cache_and_one_chunk() {
    let _turn = TURN.lock();
    let path = tempfile::NamedTempFile::new().unwrap();
    let file = io::BufWriter::new(path.reopen().unwrap());
    let mut writer = Writer::create(file, WriteOptions::default(), &Metadata::default()).unwrap();
    let block: Vec<u8> = (0..MIB as u32).map(|i| (i >> 5) as u8).collect();
    for i in 0..256 {
        writer.memory(i * MIB as u64, &block).unwrap();
    }
    writer.finish(&[], &Statistics::default()).unwrap();
    let ((), peak) = peak_of(|| {
        let file = CaptureFile::open(path.path()).unwrap();
        for addr in (0..256 * MIB as u64).step_by(5_000) {
            assert_eq!(
                file.read_u8(addr).unwrap(),
                ((addr % MIB as u64) >> 5) as u8
            );
        }
    });
    assert!(peak < CACHE_BYTES as usize + 2 * MIB, "{peak} bytes");
    // Whole chunks go straight to the caller.
    let ((), peak) = peak_of(|| {
        let file = CaptureFile::open(path.path()).unwrap();
        let mut buffer = vec![0; MIB];
        for i in 0..256 {
            file.read_at(i * MIB as u64, &mut buffer).unwrap();
            assert!(buffer == block);
        }
        assert!(file.verify().is_intact());
    });
    assert!(peak < 4 * MIB, "{peak} bytes");
}

/// Opens, reads and verifies a hostile file, and holds what that took against the bound.
fn open_hostile(what: &str, bytes: Vec<u8>) {
    let len = bytes.len();
    let ((), peak) = peak_of(|| {
        // The file itself is in memory already.
        if let Ok(file) = CaptureFile::from_bytes(bytes) {
            for range in file.ranges().iter().take(1000) {
                let _ = file.read_u8(range.start);
            }
            file.verify();
        }
    });
    assert!(
        peak < len + 80 * MIB,
        "{what}: {peak} bytes for a file of {len}"
    );
}

#[test]
fn hostile_files_cost_no_more_than_their_length_and_a_constant() {
    let _turn = TURN.lock();
    let zeros = |len: u64| zstd::bulk::compress(&vec![0; len as usize], 3).unwrap();

    let mut file = Foreign::new();
    let stored = zeros(MEMORY_CHUNK_MAX);
    for i in 0..2000 {
        file.chunk(*b"MEMY", 1, 2, i << 20, MEMORY_CHUNK_MAX, &stored);
    }
    open_hostile("memory that unpacks to 2 GB", file.finish());

    let pages = RECORD_MAX / 88 * 88;
    let stored = zeros(pages);
    for kind in [*b"PAGE", *b"mODS", *b"INDX", *b"sYMS"] {
        let mut file = Foreign::new();
        for _ in 0..200 {
            file.chunk(kind, 1, 1, 0, pages, &stored);
        }
        open_hostile("records that unpack to 1.6 GB", file.finish());
    }

    // Strings of no bytes: 8 bytes in the file, 24 in memory.
    let mut arguments = vec![0; RECORD_MAX as usize];
    arguments[..8].copy_from_slice(&1_u64.to_le_bytes());
    arguments[28..36].copy_from_slice(&(RECORD_MAX / 24 - 100).to_le_bytes());
    let stored = zstd::bulk::compress(&arguments, 3).unwrap();
    let mut file = Foreign::new();
    for _ in 0..200 {
        file.chunk(*b"PROC", 1, 1, 0, RECORD_MAX, &stored);
    }
    open_hostile("empty strings", file.finish());

    let mut file = Foreign::new();
    for i in 0..200_000 {
        file.memory(i % 1000 * 3, b"some");
    }
    open_hostile("tiny chunks that overlap", file.finish());

    let mut file = Foreign::new();
    for i in 0..200_000_u64 {
        file.memory(i % 1000 * 3, b"some");
    }
    let mut bytes = std::mem::take(&mut file.bytes);
    for chunk in file.listed.iter().step_by(2) {
        bytes[chunk.offset as usize + 22] ^= 1;
    }
    open_hostile("every second header damaged", bytes);
}
