//! Which of many ranges anything points into.

use std::num::NonZero;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use v8mini_format::memory::{Memory, MemoryRange};

use crate::locate::words_of;

/// Addresses are looked up by blocks of this size, in bits.
const BLOCK_BITS: u32 = 18;
/// Words in a block.
const BLOCK_WORDS: usize = 1 << (BLOCK_BITS - 3);
/// Memory is read in pieces of this many bytes.
const PIECE_BYTES: usize = 256 << 10;

/// Ranges, and whether anything points into them.
///
/// Every pointer of the heap is looked up, so a look-up is a few instructions: one word of a sparse bitmap with a bit for each word of memory.
pub(super) struct Targets {
    /// Sorted by address, disjoint.
    ranges: Vec<MemoryRange>,
    hit: Vec<AtomicBool>,
    bitmap: Bitmap,
}

impl Targets {
    /// Targets at `ranges`, which are sorted and disjoint.
    pub(super) fn new(ranges: Vec<MemoryRange>) -> Self {
        let mut bitmap = Bitmap::with_room_for(&ranges);
        for range in &ranges {
            bitmap.add(*range);
        }
        let hit = ranges.iter().map(|_| AtomicBool::new(false)).collect();
        Self {
            ranges,
            hit,
            bitmap,
        }
    }

    /// Whether something was found that points into the range that begins at `start`.
    pub(super) fn is_hit(&self, start: u64) -> bool {
        self.find(start)
            .and_then(|at| self.hit.get(at))
            .is_some_and(|hit| hit.load(Ordering::Relaxed))
    }

    /// Finds all that is pointed to by a tagged word in `stored` which lies in none of the ranges, or in one that is itself pointed to.
    pub(super) fn follow(&mut self, memory: &dyn Memory, stored: &[MemoryRange]) {
        if self.ranges.is_empty() {
            return;
        }
        let mut work = outside(stored, &self.ranges);
        while !work.is_empty() {
            let mut newly: Vec<usize> = self.search(memory, &work);
            newly.sort_unstable();
            work = newly
                .iter()
                .filter_map(|at| self.ranges.get(*at).copied())
                .collect();
        }
    }

    /// The ranges that were not pointed to yet, and are from `places`.
    fn search(&self, memory: &dyn Memory, places: &[MemoryRange]) -> Vec<usize> {
        let workers = std::thread::available_parallelism().map_or(1, NonZero::get);
        let next = AtomicU64::new(0);
        let pieces = pieces(places);
        std::thread::scope(|scope| {
            let work = || {
                let mut found = Vec::new();
                let mut piece = vec![0; PIECE_BYTES];
                while let Some(range) = usize::try_from(next.fetch_add(1, Ordering::Relaxed))
                    .ok()
                    .and_then(|at| pieces.get(at))
                {
                    words_of(memory, *range, &mut piece, |_, word| {
                        if word & 1 == 1
                            && self.bitmap.contains(word)
                            && let Some(at) = self.find(word & !7)
                            && let Some(hit) = self.hit.get(at)
                            && !hit.swap(true, Ordering::Relaxed)
                        {
                            found.push(at);
                        }
                    });
                }
                found
            };
            let threads: Vec<_> = (0..workers.min(pieces.len()))
                .map(|_| scope.spawn(work))
                .collect();
            threads
                .into_iter()
                .flat_map(|thread| thread.join().unwrap_or_default())
                .collect()
        })
    }

    fn find(&self, address: u64) -> Option<usize> {
        let at = self.ranges.partition_point(|range| range.end() <= address);
        self.ranges
            .get(at)
            .filter(|range| range.contains(address))
            .map(|_| at)
    }
}

/// `ranges` without what lies in `holes`; both sorted and disjoint.
fn outside(ranges: &[MemoryRange], holes: &[MemoryRange]) -> Vec<MemoryRange> {
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

/// A bit for each word of memory, of the blocks that have any: an open hash table of blocks.
struct Bitmap {
    /// Numbers of blocks plus one; 0: empty.
    keys: Vec<u64>,
    /// For each key, where its bits begin.
    starts: Vec<u32>,
    bits: Vec<u64>,
    /// How far a product is shifted to become a place in `keys`.
    shift: u32,
}

/// 64-bit words of bits that a block takes.
const BITS_PER_BLOCK: usize = BLOCK_WORDS / 64;

impl Bitmap {
    fn with_room_for(ranges: &[MemoryRange]) -> Self {
        let blocks: u64 = ranges
            .iter()
            .map(|range| (range.len >> BLOCK_BITS) + 2)
            .sum();
        // At most half full, of blocks that each have several ranges as a rule.
        let size_bits = (64 - blocks.leading_zeros()).clamp(4, 30) + 1;
        let size = 1_usize << size_bits;
        Self {
            keys: vec![0; size],
            starts: vec![0; size],
            bits: Vec::new(),
            shift: 64 - size_bits,
        }
    }

    /// Where a block is, or would be.
    fn place(&self, block: u64) -> usize {
        // 2^64 divided by the golden ratio spreads neighbours.
        let mut at = (block.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> self.shift) as usize;
        loop {
            match self.keys.get(at) {
                Some(&key) if key != 0 && key != block + 1 => at = (at + 1) % self.keys.len(),
                _ => return at,
            }
        }
    }

    fn add(&mut self, range: MemoryRange) {
        let mut word = range.start >> 3;
        let end = range.end().div_ceil(8);
        while word < end {
            let block = word >> (BLOCK_BITS - 3);
            let at = self.place(block);
            if let (Some(key), Some(start)) = (self.keys.get_mut(at), self.starts.get_mut(at))
                && *key == 0
            {
                let Ok(free) = u32::try_from(self.bits.len()) else {
                    return;
                };
                (*key, *start) = (block + 1, free);
                self.bits.resize(self.bits.len() + BITS_PER_BLOCK, 0);
            }
            let start = self.starts.get(at).map_or(0, |start| *start as usize);
            let last = end.min((block + 1) << (BLOCK_BITS - 3));
            for word in word..last {
                let bit = word as usize % BLOCK_WORDS;
                if let Some(bits) = self.bits.get_mut(start + bit / 64) {
                    *bits |= 1 << (bit % 64);
                }
            }
            word = last;
        }
    }

    #[inline]
    fn contains(&self, address: u64) -> bool {
        let block = address >> BLOCK_BITS;
        let at = self.place(block);
        if self.keys.get(at) != Some(&(block + 1)) {
            return false;
        }
        let start = self.starts.get(at).map_or(0, |start| *start as usize);
        let bit = (address >> 3) as usize % BLOCK_WORDS;
        self.bits
            .get(start + bit / 64)
            .is_some_and(|bits| bits & 1 << (bit % 64) != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use v8mini_format::memory::ReadError;

    struct Words(u64, Vec<u64>);

    impl Memory for Words {
        fn read_at(&self, addr: u64, buf: &mut [u8]) -> Result<(), ReadError> {
            let bytes: Vec<u8> = self.1.iter().flat_map(|word| word.to_le_bytes()).collect();
            let from = (addr - self.0) as usize;
            let part = bytes.get(from..from + buf.len());
            buf.copy_from_slice(part.ok_or(ReadError::Unmapped {
                addr,
                len: buf.len() as u64,
            })?);
            Ok(())
        }

        fn ranges(&self) -> Vec<MemoryRange> {
            vec![range(self.0, self.1.len() as u64 * 8)]
        }
    }

    fn range(start: u64, len: u64) -> MemoryRange {
        MemoryRange { start, len }
    }

    #[test]
    fn what_is_pointed_to_leads_on() {
        let base = 0x7f12_3456_0000_u64;
        let mut words = vec![0; 64];
        words[0] = base + 0x80 + 1; // into the first range
        words[17] = base + 0x120 + 3; // from there, weakly, into the third
        words[40] = base + 0xc0 + 1; // from the fourth, which nobody points to, into the second
        words[1] = base + 0x140; // not tagged
        let memory = Words(base, words);
        let ranges: Vec<_> = [0x80, 0xc0, 0x118, 0x140]
            .map(|at| range(base + at, 0x20))
            .to_vec();
        let mut targets = Targets::new(ranges.clone());
        targets.follow(&memory, &memory.ranges());
        let hit: Vec<bool> = ranges
            .iter()
            .map(|range| targets.is_hit(range.start))
            .collect();
        assert_eq!(hit, [true, false, true, false]);
    }

    #[test]
    fn the_bitmap_knows_every_word() {
        let ranges = [
            range(0x3_fff0, 0x20),
            range(0x10_0000, 3 << BLOCK_BITS),
            range(u64::MAX - 0xffff, 8),
        ];
        let mut bitmap = Bitmap::with_room_for(&ranges);
        for range in ranges {
            bitmap.add(range);
        }
        for range in ranges {
            assert!(bitmap.contains(range.start) && bitmap.contains(range.end() - 1));
            assert!(!bitmap.contains(range.start - 8) && !bitmap.contains(range.end()));
        }
        assert!(!bitmap.contains(0));
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
