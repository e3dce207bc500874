//! Which chunk holds the bytes of which address.

use std::collections::BinaryHeap;

use crate::memory::MemoryRange;

/// A run of addresses whose bytes are all in one chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) start: u64,
    /// Number of the chunk in the directory.
    pub(crate) chunk: u32,
    pub(crate) len: u32,
}

impl Segment {
    pub(crate) const fn end(&self) -> u64 {
        self.start + self.len as u64
    }
}

/// Disjoint segments, sorted by address.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct MemoryMap {
    segments: Vec<Segment>,
}

impl MemoryMap {
    /// Lays out what chunks hold (number in the directory, range); where two overlap, the one with the
    /// higher number, later in the file, holds. Lengths were checked against the limits, and ends
    /// against the address space.
    pub(crate) fn new(chunks: impl Iterator<Item = (u32, MemoryRange)>) -> Self {
        let mut segments: Vec<Segment> = chunks
            .filter(|(_, range)| range.len > 0)
            .map(|(chunk, range)| Segment {
                start: range.start,
                chunk,
                len: range.len as u32,
            })
            .collect();
        segments.sort_unstable_by_key(|segment| (segment.start, segment.chunk));
        let disjoint = segments
            .iter()
            .zip(segments.iter().skip(1))
            .all(|(a, b)| a.end() <= b.start);
        Self {
            segments: if disjoint {
                segments
            } else {
                resolve(&segments)
            },
        }
    }

    /// The segment that holds `addr`.
    pub(crate) fn find(&self, addr: u64) -> Option<&Segment> {
        let after = self
            .segments
            .partition_point(|segment| segment.start <= addr);
        self.segments
            .get(after.checked_sub(1)?)
            .filter(|segment| addr < segment.end())
    }

    /// Everything that is stored, neighbours merged.
    pub(crate) fn ranges(&self) -> Vec<MemoryRange> {
        let mut ranges: Vec<MemoryRange> = Vec::new();
        for segment in &self.segments {
            let len = u64::from(segment.len);
            match ranges.last_mut() {
                Some(last) if last.end() == segment.start => last.len += len,
                _ => ranges.push(MemoryRange {
                    start: segment.start,
                    len,
                }),
            }
        }
        ranges
    }
}

/// Cuts overlapping segments, sorted by start, into disjoint ones: a sweep in O(n log n) whatever
/// the overlaps are, because a hostile file may overlap as it likes. Each start and each end makes
/// at most one piece.
fn resolve(sorted: &[Segment]) -> Vec<Segment> {
    let mut out: Vec<Segment> = Vec::new();
    // Segments that have begun, the latest chunk on top; those that have ended are dropped when
    // they come up.
    let mut open: BinaryHeap<(u32, u64)> = BinaryHeap::new();
    let mut upcoming = sorted.iter().peekable();
    let mut at = 0;
    loop {
        while open.peek().is_some_and(|(_, end)| *end <= at) {
            open.pop();
        }
        let next_start = upcoming.peek().map(|segment| segment.start);
        if let Some((chunk, end)) = open.peek().copied() {
            let until = next_start.map_or(end, |start| start.min(end));
            if until > at {
                push(
                    &mut out,
                    Segment {
                        start: at,
                        chunk,
                        len: (until - at) as u32,
                    },
                );
            }
            at = until;
        } else if let Some(start) = next_start {
            at = start;
        } else {
            return out;
        }
        while let Some(segment) = upcoming.next_if(|segment| segment.start <= at) {
            open.push((segment.chunk, segment.end()));
        }
    }
}

/// Appends a piece; one that continues the last piece of the same chunk becomes part of it.
fn push(out: &mut Vec<Segment>, piece: Segment) {
    match out.last_mut() {
        Some(last) if last.chunk == piece.chunk && last.end() == piece.start => {
            last.len += piece.len;
        }
        _ => out.push(piece),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn map(chunks: &[(u64, u64)]) -> MemoryMap {
        let ranges = chunks.iter().map(|(start, len)| MemoryRange {
            start: *start,
            len: *len,
        });
        MemoryMap::new((0..).zip(ranges))
    }

    #[test]
    fn a_later_chunk_covers_the_middle_of_an_earlier_one() {
        let map = map(&[(100, 100), (120, 10)]);
        let chunk = |addr| map.find(addr).map(|segment| segment.chunk);
        assert_eq!(
            [
                chunk(99),
                chunk(119),
                chunk(120),
                chunk(129),
                chunk(130),
                chunk(199),
                chunk(200)
            ],
            [None, Some(0), Some(1), Some(1), Some(0), Some(0), None]
        );
        assert_eq!(
            map.ranges(),
            [MemoryRange {
                start: 100,
                len: 100
            }]
        );
    }

    proptest! {
        #[test]
        fn every_address_belongs_to_the_last_chunk_that_covers_it(
            chunks in prop::collection::vec((0_u64..64, 0_u64..24), 0..24)
        ) {
            let map = map(&chunks);
            for addr in 0..100 {
                let covers = |(start, len): &(u64, u64)| (*start..start + len).contains(&addr);
                let expected = chunks.iter().rposition(covers).map(|i| i as u32);
                prop_assert_eq!(map.find(addr).map(|segment| segment.chunk), expected);
            }
            for (a, b) in map.segments.iter().zip(map.segments.iter().skip(1)) {
                prop_assert!(a.end() <= b.start);
            }
        }
    }
}
