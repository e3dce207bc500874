//! A set of addresses that every pointer of a heap can be looked up in: a look-up is a few instructions.

use v8mini_format::memory::MemoryRange;

/// Addresses are looked up by blocks of this size, in bits.
const BLOCK_BITS: u32 = 18;
/// Words in a block.
const BLOCK_WORDS: usize = 1 << (BLOCK_BITS - 3);

/// Words of memory: a bit for each, of the blocks that have any, in an open hash table of blocks.
pub(super) struct AddressSet {
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

impl AddressSet {
    /// The words of `ranges`.
    pub(super) fn new(ranges: &[MemoryRange]) -> Self {
        let blocks: u64 = ranges
            .iter()
            .map(|range| (range.len >> BLOCK_BITS) + 2)
            .sum();
        // At most half full, of blocks that each have several ranges as a rule.
        let size_bits = (64 - blocks.leading_zeros()).clamp(4, 30) + 1;
        let size = 1_usize << size_bits;
        let mut new = Self {
            keys: vec![0; size],
            starts: vec![0; size],
            bits: Vec::new(),
            shift: 64 - size_bits,
        };
        for range in ranges {
            new.add(*range);
        }
        new
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

    /// Whether the word at an address is in the set.
    #[inline]
    pub(super) fn contains(&self, address: u64) -> bool {
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

    fn range(start: u64, len: u64) -> MemoryRange {
        MemoryRange { start, len }
    }

    #[test]
    fn the_set_knows_every_word() {
        let ranges = [
            range(0x3_fff0, 0x20),
            range(0x10_0000, 3 << BLOCK_BITS),
            range(u64::MAX - 0xffff, 8),
        ];
        let set = AddressSet::new(&ranges);
        for range in ranges {
            assert!(set.contains(range.start) && set.contains(range.end() - 1));
            assert!(!set.contains(range.start - 8) && !set.contains(range.end()));
        }
        assert!(!set.contains(0));
    }
}
