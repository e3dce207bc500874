//! From the address of an object to the place of its node in the file, which every edge asks for: in most cases, one access to memory.

use rustc_hash::FxHashMap;

use crate::v8::Address;

/// Addresses of a block: one for each bit.
const BLOCK_SHIFT: u32 = 9;
/// Addresses are looked up in windows of so many bytes: few enough that a lonely object costs little, enough that all windows of a
/// gigabyte are in the caches.
const WINDOW_SHIFT: u32 = 15;

/// The places of nodes by the addresses of their objects.
#[derive(Debug, Default)]
pub(super) struct Places {
    windows: FxHashMap<u64, Window>,
    blocks: Vec<Block>,
}

/// The blocks of a window, without those before the first object and behind the last.
#[derive(Debug, Clone, Copy)]
struct Window {
    /// In `blocks`.
    first: usize,
    /// Which of all blocks of the address space that is.
    number: u64,
    count: u32,
}

/// 64 words of the heap.
#[derive(Debug, Clone, Copy)]
struct Block {
    /// At which of them objects begin that have nodes.
    bits: u64,
    /// The place of the first of them.
    place: u64,
}

impl Places {
    /// The places of nodes that follow each other from `first` on, by the addresses of their objects, which ascend and are multiples of 8.
    pub(super) fn new(first: u64, addresses: impl Iterator<Item = Address>) -> Self {
        let mut places = Self::default();
        let mut last: Option<(u64, Window)> = None;
        for (place, address) in (first..).zip(addresses) {
            let (key, number) = (address.0 >> WINDOW_SHIFT, address.0 >> BLOCK_SHIFT);
            let mut window = match last {
                Some((of, window)) if of == key => window,
                _ => {
                    places.end(last);
                    Window {
                        first: places.blocks.len(),
                        number,
                        count: 0,
                    }
                }
            };
            // Fewer than a window has.
            window.count = (number - window.number) as u32 + 1;
            let block = Block { bits: 0, place };
            places
                .blocks
                .resize(window.first + window.count as usize, block);
            if let Some(block) = places.blocks.last_mut() {
                block.bits |= bit(address);
            }
            last = Some((key, window));
        }
        places.end(last);
        places
    }

    fn end(&mut self, last: Option<(u64, Window)>) {
        self.windows.extend(last);
    }

    /// The place of the node of the object at an address.
    pub(super) fn get(&self, object: Address) -> Option<u64> {
        let window = self.windows.get(&(object.0 >> WINDOW_SHIFT))?;
        let at = (object.0 >> BLOCK_SHIFT).checked_sub(window.number)?;
        if at >= u64::from(window.count) || !object.0.is_multiple_of(8) {
            return None;
        }
        let block = self.blocks.get(window.first + at as usize)?;
        let bit = bit(object);
        let before = (block.bits & (bit - 1)).count_ones();
        (block.bits & bit != 0).then(|| block.place + u64::from(before))
    }
}

const fn bit(address: Address) -> u64 {
    1 << (address.0 >> 3 & 63)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_object_has_its_place_and_nothing_else_has_one() {
        let near = (0..40_000).map(|word| 0x7000_0000_0000 + word * word % 7 * 8 + word * 64);
        let far = (1..500).map(|page| 0x7100_0000_0000 + page * 0x4_0ff8);
        let addresses: Vec<Address> = near.chain(far).map(Address).collect();
        assert!(addresses.is_sorted_by(|a, b| a < b));
        let places = Places::new(7, addresses.iter().copied());
        for (place, address) in (7..).zip(&addresses) {
            assert_eq!(places.get(*address), Some(place));
            for other in [
                address.0 - 8,
                address.0 + 8,
                address.0 + 4,
                address.0 ^ 1 << 47,
            ] {
                let other = Address(other);
                let expected = addresses.binary_search(&other).ok();
                assert_eq!(places.get(other), expected.map(|at| at as u64 + 7));
            }
        }
        assert_eq!(Places::new(7, std::iter::empty()).get(Address(0)), None);
    }
}
