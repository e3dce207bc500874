//! Sets of addresses, as sorted ranges that neither touch nor overlap.

use v8mini_format::memory::MemoryRange;

/// A set of addresses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct RangeSet {
    ranges: Vec<MemoryRange>,
}

impl RangeSet {
    /// The addresses in any of `ranges`, which may come in any order and overlap.
    pub(super) fn new(mut ranges: Vec<MemoryRange>) -> Self {
        ranges.sort_unstable();
        let mut merged: Vec<MemoryRange> = Vec::with_capacity(ranges.len());
        for range in ranges.into_iter().filter(|range| range.len > 0) {
            match merged.last_mut() {
                Some(last) if range.start <= last.end() => {
                    last.len = last.end().max(range.end()) - last.start;
                }
                _ => merged.push(range),
            }
        }
        Self { ranges: merged }
    }

    /// The same, with every range enlarged to whole pages.
    pub(super) fn of_pages(ranges: impl IntoIterator<Item = MemoryRange>, page_size: u64) -> Self {
        let enlarged = ranges.into_iter().filter(|range| range.len > 0);
        let enlarged = enlarged.map(|range| {
            let start = range.start - range.start % page_size;
            let end = range
                .end()
                .checked_next_multiple_of(page_size)
                .unwrap_or(range.end());
            MemoryRange {
                start,
                len: end - start,
            }
        });
        Self::new(enlarged.collect())
    }

    /// The ranges, in order.
    pub(super) fn ranges(&self) -> &[MemoryRange] {
        &self.ranges
    }

    /// Whether the set is empty.
    pub(super) fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Number of addresses.
    pub(super) fn bytes(&self) -> u64 {
        self.ranges.iter().map(|range| range.len).sum()
    }

    /// The range with this address.
    pub(super) fn find(&self, address: u64) -> Option<MemoryRange> {
        let at = self.ranges.partition_point(|range| range.end() <= address);
        self.ranges
            .get(at)
            .copied()
            .filter(|range| range.contains(address))
    }

    /// Whether an address is in the set.
    pub(super) fn contains(&self, address: u64) -> bool {
        self.find(address).is_some()
    }

    /// The ranges that have addresses in common with `range`.
    pub(super) fn overlapping(&self, range: MemoryRange) -> &[MemoryRange] {
        let first = self.ranges.partition_point(|r| r.end() <= range.start);
        let rest = self.ranges.get(first..).unwrap_or_default();
        let count = rest.partition_point(|r| r.start < range.end());
        rest.get(..count).unwrap_or_default()
    }

    /// The addresses in both sets.
    pub(super) fn and(&self, other: &Self) -> Self {
        // A stopped process need not wait for a look at 15,000 mappings, of which a few are asked about.
        let (few, many) = match self.ranges.len() <= other.ranges.len() {
            true => (self, other),
            false => (other, self),
        };
        let mut both = Vec::new();
        for range in &few.ranges {
            for part in many.overlapping(*range) {
                let start = range.start.max(part.start);
                both.push(MemoryRange {
                    start,
                    len: range.end().min(part.end()) - start,
                });
            }
        }
        Self { ranges: both }
    }

    /// The addresses that are not in `other`.
    pub(super) fn without(&self, other: &Self) -> Self {
        let mut rest = Vec::new();
        for range in &self.ranges {
            let mut start = range.start;
            for part in other.overlapping(*range) {
                if part.start > start {
                    rest.push(MemoryRange {
                        start,
                        len: part.start - start,
                    });
                }
                start = start.max(part.end());
            }
            if start < range.end() {
                rest.push(MemoryRange {
                    start,
                    len: range.end() - start,
                });
            }
        }
        Self { ranges: rest }
    }

    /// The addresses in either set.
    pub(super) fn or(&self, other: &Self) -> Self {
        Self::new([self.ranges.as_slice(), &other.ranges].concat())
    }

    /// The ranges, joined wherever at most `gap` bytes lie between two of them, all of which are in `within`.
    pub(super) fn joined(&self, within: &Self, gap: u64) -> Vec<MemoryRange> {
        let mut joined: Vec<MemoryRange> = Vec::new();
        for range in &self.ranges {
            if let Some(last) = joined.last_mut()
                && range.start - last.end() <= gap
                && (within.find(last.end())).is_some_and(|around| around.end() >= range.start)
            {
                last.len = range.end() - last.start;
                continue;
            }
            joined.push(*range);
        }
        joined
    }

    /// The ranges, joined wherever nothing of `others` lies between two of them.
    ///
    /// A question about such a run costs one system call, and finds nothing in the gaps.
    pub(super) fn runs(&self, others: &Self) -> Vec<MemoryRange> {
        let mut runs: Vec<MemoryRange> = Vec::new();
        for range in &self.ranges {
            if let Some(last) = runs.last_mut() {
                let gap = MemoryRange {
                    start: last.end(),
                    len: range.start - last.end(),
                };
                if others.overlapping(gap).is_empty() {
                    last.len = range.end() - last.start;
                    continue;
                }
            }
            runs.push(*range);
        }
        runs
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_near_is_joined_where_all_between_belongs_to_it() {
        let set = |ranges: &[(u64, u64)]| {
            let ranges = ranges.iter().map(|&(start, end)| MemoryRange {
                start,
                len: end - start,
            });
            RangeSet::new(ranges.collect())
        };
        let within = set(&[(0, 40), (50, 100)]);
        let joined = set(&[(10, 12), (14, 16), (38, 40), (50, 52), (60, 62)]).joined(&within, 8);
        assert_eq!(RangeSet::new(joined), set(&[(10, 16), (38, 40), (50, 62)]));
    }

    const LIMIT: u64 = 64;

    fn set() -> impl Strategy<Value = RangeSet> {
        prop::collection::vec((0..LIMIT, 0..12_u64), 0..12).prop_map(|ranges| {
            let range = |(start, len)| MemoryRange { start, len };
            RangeSet::new(ranges.into_iter().map(range).collect())
        })
    }

    fn is_proper(set: &RangeSet) -> bool {
        let mut pairs = set.ranges.windows(2);
        pairs.all(|pair| pair[0].end() < pair[1].start) && set.ranges.iter().all(|r| r.len > 0)
    }

    proptest! {
        #[test]
        fn operations_agree_with_membership(a in set(), b in set(), c in set()) {
            let (and, or, without) = (a.and(&b), a.or(&b), a.without(&b));
            prop_assert!(is_proper(&a) && is_proper(&and) && is_proper(&or) && is_proper(&without));
            let runs = a.runs(&b);
            for at in 0..LIMIT + 16 {
                let (in_a, in_b) = (a.contains(at), b.contains(at));
                prop_assert_eq!(and.contains(at), in_a && in_b);
                prop_assert_eq!(or.contains(at), in_a || in_b);
                prop_assert_eq!(without.contains(at), in_a && !in_b);
                let in_runs = runs.iter().any(|run| run.contains(at));
                // A run has nothing of others but what the ranges themselves share with them.
                prop_assert!(in_a <= in_runs);
                prop_assert!(!(in_runs && !in_a && in_b));
            }
            prop_assert_eq!(or.bytes(), a.bytes() + b.bytes() - and.bytes());
            prop_assert_eq!(a.without(&b).or(&and), a.clone());
            prop_assert_eq!(a.and(&b.or(&c)), a.and(&b).or(&a.and(&c)));
        }
    }

    #[test]
    fn pages_are_whole() {
        let range = |start, len| MemoryRange { start, len };
        let set = RangeSet::of_pages([range(0x1ff0, 0x20), range(0x5000, 1), range(9, 0)], 0x1000);
        assert_eq!(set.ranges(), [range(0x1000, 0x2000), range(0x5000, 0x1000)]);
    }
}
