//! Passes over memory on all cores.

use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};

use v8mini_format::memory::{Memory, MemoryRange};

use crate::locate::words_of;

/// Memory is read in pieces of this many bytes.
const PIECE_BYTES: usize = 256 << 10;

/// Calls `visit` with every word of `ranges` and its address; what it pushes is returned, in no order.
pub(super) fn scan<T: Send>(
    memory: &dyn Memory,
    ranges: &[MemoryRange],
    visit: impl Fn(u64, u64, &mut Vec<T>) + Sync,
) -> Vec<T> {
    let room = || vec![0; PIECE_BYTES];
    on_all_cores(&pieces(ranges), room, |range, piece, found| {
        words_of(memory, *range, piece, |address, word| {
            visit(address, word, found);
        });
    })
}

/// Calls `work` with each item and room of the worker's own; what it pushes is returned, in no order.
pub(super) fn on_all_cores<I: Sync, R, T: Send>(
    items: &[I],
    room: impl Fn() -> R + Sync,
    work: impl Fn(&I, &mut R, &mut Vec<T>) + Sync,
) -> Vec<T> {
    let workers = std::thread::available_parallelism().map_or(1, NonZero::get);
    let next = AtomicUsize::new(0);
    let share = || {
        let (mut room, mut found) = (room(), Vec::new());
        while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
            work(item, &mut room, &mut found);
        }
        found
    };
    std::thread::scope(|scope| {
        // The threads that a container's limit on tasks denies are not missed: this one works, too.
        let others: Vec<_> = (1..workers.min(items.len()))
            .map_while(|_| {
                let thread = std::thread::Builder::new();
                thread.spawn_scoped(scope, share).ok()
            })
            .collect();
        let mut found = share();
        for other in others {
            match other.join() {
                Ok(part) => found.extend(part),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        found
    })
}

/// Sorts ranges and joins those that overlap or touch.
pub(super) fn merge(ranges: &mut Vec<MemoryRange>) {
    ranges.sort_unstable();
    ranges.dedup_by(|next, last| {
        let touches = next.start <= last.end();
        if touches {
            last.len = next.end().max(last.end()) - last.start;
        }
        touches
    });
}

/// `ranges` without what lies in `holes`; both sorted and disjoint.
pub(crate) fn outside(ranges: &[MemoryRange], holes: &[MemoryRange]) -> Vec<MemoryRange> {
    let mut left = Vec::new();
    for range in ranges {
        let mut at = range.start;
        let first = holes.partition_point(|hole| hole.end() <= at);
        let inside = holes.iter().skip(first);
        for hole in inside.take_while(|hole| hole.start < range.end()) {
            if let Some(len) = hole.start.checked_sub(at).filter(|&len| len > 0) {
                left.push(MemoryRange { start: at, len });
            }
            at = hole.end();
        }
        if let Some(len) = range.end().checked_sub(at).filter(|&len| len > 0) {
            left.push(MemoryRange { start: at, len });
        }
    }
    left
}

/// `ranges`, cut so that several threads can share the longest.
fn pieces(ranges: &[MemoryRange]) -> Vec<MemoryRange> {
    let mut pieces = Vec::new();
    for range in ranges {
        let mut start = range.start;
        while start < range.end() {
            let len = (range.end() - start).min(PIECE_BYTES as u64);
            pieces.push(MemoryRange { start, len });
            start += len;
        }
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(start: u64, len: u64) -> MemoryRange {
        MemoryRange { start, len }
    }

    #[test]
    fn holes_are_left_out() {
        let ranges = [range(0, 100), range(200, 100)];
        let holes = [range(0, 10), range(50, 10), range(90, 150)];
        assert_eq!(
            outside(&ranges, &holes),
            [range(10, 40), range(60, 30), range(240, 60)]
        );
    }
}
