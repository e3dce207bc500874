//! What this machine can do at best: how fast all cores together read memory, and decode a capture without looking at it.

use std::hint::black_box;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use v8mini_format::{CaptureFile, Memory};

/// Bytes that are read to measure memory: far more than the caches hold.
const MEMORY_BYTES: usize = 1 << 30;
/// The best of so many tries counts.
const TRIES: usize = 3;
/// A chunk of a capture at most.
const CHUNK: u64 = 256 << 10;

/// Rates in bytes per second, of all cores together.
#[derive(Debug, Clone, Copy)]
pub(super) struct Machine {
    pub(super) cores: usize,
    /// Reading memory.
    pub(super) memory: f64,
    /// Reading a capture: checksums and zstd, nothing else.
    pub(super) decoding: f64,
    /// Bytes of heap in that capture.
    pub(super) heap_bytes: u64,
}

impl Machine {
    /// Measures, with this capture.
    ///
    /// # Errors
    /// If it cannot be read.
    pub(super) fn measure(capture: &Path) -> Result<Self> {
        let cores = thread::available_parallelism()?.get();
        let file = CaptureFile::open(capture)?;
        let mut pieces = Vec::new();
        for range in file.ranges() {
            let mut at = range.start;
            while at < range.end() {
                // Chunks are cut at multiples of their size.
                let end = ((at / CHUNK + 1) * CHUNK).min(range.end());
                pieces.push((at, end - at));
                at = end;
            }
        }
        let heap_bytes = pieces.iter().map(|(_, len)| len).sum();
        let decoding = best(|| decode(&file, &pieces, cores))?;
        let words = vec![1_u64; MEMORY_BYTES / 8];
        let memory = best(|| Ok(read(&words, cores)))?;
        Ok(Self {
            cores,
            memory: MEMORY_BYTES as f64 / memory.as_secs_f64(),
            decoding: heap_bytes as f64 / decoding.as_secs_f64(),
            heap_bytes,
        })
    }
}

fn best(mut run: impl FnMut() -> Result<Duration>) -> Result<Duration> {
    let mut times = Vec::new();
    for _ in 0..TRIES {
        times.push(run()?);
    }
    times.into_iter().min().context("no tries")
}

fn read(words: &[u64], cores: usize) -> Duration {
    let start = Instant::now();
    thread::scope(|scope| {
        for part in words.chunks(words.len().div_ceil(cores)) {
            scope.spawn(move || {
                black_box(part.iter().fold(0_u64, |sum, word| sum.wrapping_add(*word)))
            });
        }
    });
    start.elapsed()
}

fn decode(file: &CaptureFile, pieces: &[(u64, u64)], cores: usize) -> Result<Duration> {
    let start = Instant::now();
    let done: Vec<Result<()>> = thread::scope(|scope| {
        let workers: Vec<_> = (0..cores)
            .map(|core| {
                scope.spawn(move || {
                    let mut buffer = vec![0; CHUNK as usize];
                    for (address, len) in pieces.iter().skip(core).step_by(cores) {
                        let piece = buffer.get_mut(..*len as usize).context("a long piece")?;
                        file.read_at(*address, piece)?;
                        black_box(&piece);
                    }
                    Ok(())
                })
            })
            .collect();
        workers
            .into_iter()
            .map(|worker| {
                worker
                    .join()
                    .unwrap_or_else(|_| Err(anyhow::anyhow!("a thread panicked")))
            })
            .collect()
    });
    done.into_iter().collect::<Result<()>>()?;
    Ok(start.elapsed())
}
