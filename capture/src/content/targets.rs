//! Which of many ranges anything points into.

use std::sync::atomic::{AtomicBool, Ordering};

use v8mini_format::memory::{Memory, MemoryRange};

use super::address_set::AddressSet;
use super::scan::{outside, scan};

/// Ranges, and whether anything points into them.
pub(super) struct Targets {
    /// Sorted by address, disjoint.
    ranges: Vec<MemoryRange>,
    hit: Vec<AtomicBool>,
    addresses: AddressSet,
}

impl Targets {
    /// Targets at `ranges`, which are sorted and disjoint.
    pub(super) fn new(ranges: Vec<MemoryRange>) -> Self {
        let addresses = AddressSet::new(&ranges);
        let hit = ranges.iter().map(|_| AtomicBool::new(false)).collect();
        Self {
            ranges,
            hit,
            addresses,
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
        scan(memory, places, |_, word, found| {
            if word & 1 == 1
                && self.addresses.contains(word)
                && let Some(at) = self.find(word & !7)
                && let Some(hit) = self.hit.get(at)
                && !hit.swap(true, Ordering::Relaxed)
            {
                found.push(at);
            }
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
}
