//! Which parts of a large mapping hold anything: `/proc/PID/pagemap`.

use std::fs::File;
use std::os::unix::fs::FileExt;

use v8mini_format::memory::MemoryRange;

/// One entry per operating-system page; without privileges the kernel hides the frame number but not these bits.
const PRESENT: u64 = 1 << 63;
const SWAPPED: u64 = 1 << 62;
const ENTRY_BYTES: u64 = 8;
/// Entries read at once: 256 KiB of pagemap for 128 MiB of memory.
const BATCH: u64 = 32 << 10;

/// The parts of `start..end` that are in memory or in swap, neighbours merged. Everything else reads as zero.
///
/// If the pagemap cannot be read, the answer is the whole range.
pub(super) fn populated(pagemap: &File, start: u64, end: u64, page_size: u64) -> Vec<MemoryRange> {
    let mut found: Vec<MemoryRange> = Vec::new();
    let mut buffer = vec![0; usize::try_from(BATCH * ENTRY_BYTES).unwrap_or(0)];
    let mut at = start;
    while at < end {
        let pages = (end - at).div_ceil(page_size).min(BATCH);
        let len = usize::try_from(pages * ENTRY_BYTES).unwrap_or(0);
        let read = buffer.get_mut(..len).is_some_and(|b| {
            pagemap
                .read_exact_at(b, at / page_size * ENTRY_BYTES)
                .is_ok()
        });
        if !read {
            return vec![MemoryRange {
                start,
                len: end - start,
            }];
        }
        let (entries, _) = buffer.get(..len).unwrap_or_default().as_chunks::<8>();
        for (address, entry) in (at..)
            .step_by(usize::try_from(page_size).unwrap_or(4096))
            .zip(entries)
        {
            if u64::from_ne_bytes(*entry) & (PRESENT | SWAPPED) == 0 {
                continue;
            }
            match found.last_mut() {
                Some(last) if last.end() == address => last.len += page_size,
                _ => found.push(MemoryRange {
                    start: address,
                    len: page_size,
                }),
            }
        }
        at += pages * page_size;
    }
    found
}
