//! Where references may lead to.

use crate::memory::MemoryRange;

/// Addresses are looked up in blocks of so many bits: the pages of V8 begin at multiples of 256 KiB.
pub(super) const BLOCK_BITS: u32 = 18;

/// An empty place of the table; no address has this block.
const EMPTY: u64 = u64::MAX;

/// A hash table from blocks of addresses to small numbers.
#[derive(Debug, Clone)]
pub(super) struct BlockTable {
    places: Vec<(u64, u32)>,
}

impl BlockTable {
    /// A table with room for all blocks of some ranges.
    pub(super) fn with_room_for(ranges: &[MemoryRange]) -> Self {
        let blocks: u64 = ranges
            .iter()
            .map(|range| (range.len >> BLOCK_BITS).saturating_add(2))
            .fold(0, u64::saturating_add);
        let len = usize::try_from(blocks.saturating_mul(2))
            .unwrap_or(usize::MAX)
            .min(1 << 28)
            .next_power_of_two();
        Self {
            places: vec![(EMPTY, 0); len],
        }
    }

    /// Gives the blocks of a range a number, where they have none yet.
    pub(super) fn insert(&mut self, range: MemoryRange, number: u32) {
        let last = range.end().saturating_sub(1) >> BLOCK_BITS;
        for block in range.start >> BLOCK_BITS..=last {
            let mask = self.places.len().wrapping_sub(1);
            let mut at = hash(block) & mask;
            for _ in 0..self.places.len() {
                match self.places.get_mut(at) {
                    Some(place) if place.0 == EMPTY => {
                        *place = (block, number);
                        break;
                    }
                    Some(place) if place.0 == block => break,
                    _ => at = (at + 1) & mask,
                }
            }
        }
    }

    /// The number of an address' block.
    #[inline]
    pub(super) fn get(&self, address: u64) -> Option<u32> {
        let block = address >> BLOCK_BITS;
        let mask = self.places.len().wrapping_sub(1);
        let mut at = hash(block) & mask;
        // There is always an empty place.
        loop {
            let (found, number) = *self.places.get(at)?;
            if found == block {
                return Some(number);
            }
            if found == EMPTY {
                return None;
            }
            at = (at + 1) & mask;
        }
    }
}

#[inline]
const fn hash(block: u64) -> usize {
    (block.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 36) as usize
}

/// The memory that references may lead to: that of the pages of V8.
#[derive(Debug, Clone)]
pub struct Blocks {
    table: BlockTable,
}

impl Blocks {
    /// All of some ranges, in any order, 64 GiB of them at most.
    pub fn new(ranges: &[MemoryRange]) -> Self {
        let mut table = BlockTable::with_room_for(ranges);
        let mut left: u64 = 1 << 36;
        for range in ranges {
            let Some(rest) = left.checked_sub(range.len) else {
                break;
            };
            left = rest;
            table.insert(*range, 0);
        }
        Self { table }
    }

    #[inline]
    pub(super) fn contain(&self, address: u64) -> bool {
        self.table.get(address).is_some()
    }
}
