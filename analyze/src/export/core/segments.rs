//! Which segments a core has: each mapping of the process, divided where the capture's memory begins and ends.

use v8mini_format::MemoryRange;
use v8mini_format::model::{Permissions, Region};

/// Readable and writable: what captured memory is of which no mapping is known.
const USUAL: u32 = 6;

/// A segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) start: u64,
    pub(super) len: u64,
    /// `p_flags`.
    pub(super) flags: u32,
    /// Whether its bytes are in the core.
    pub(super) is_stored: bool,
}

impl Segment {
    pub(super) const fn range(&self) -> MemoryRange {
        MemoryRange {
            start: self.start,
            len: self.len,
        }
    }
}

/// The segments of a memory map, of which `stored` is captured: sorted by address, disjoint.
pub(super) fn segments(regions: &[Region], stored: &[MemoryRange]) -> Vec<Segment> {
    let mut regions: Vec<&Region> = regions.iter().filter(|it| it.start < it.end).collect();
    regions.sort_by_key(|region| region.start);
    let mut segments = Vec::new();
    let mut push = |start: u64, end: u64, flags: u32, is_stored: bool| {
        if let Some(len) = end.checked_sub(start).filter(|len| *len > 0) {
            segments.push(Segment {
                start,
                len,
                flags,
                is_stored,
            });
        }
    };
    // Up to where everything has its segment.
    let mut at = 0;
    let mut ranges = stored.iter().peekable();
    for region in regions {
        let (start, end) = (region.start.max(at), region.end);
        while at < end {
            match ranges
                .peek()
                .map(|range| (range.start.max(at), range.end()))
            {
                Some((_, to)) if to <= at => {
                    ranges.next();
                }
                // Before the mapping: captured, though no mapping is known.
                Some((from, to)) if from < start => {
                    let to = to.min(start);
                    push(from, to, USUAL, true);
                    at = to;
                }
                Some((from, to)) if from < end => {
                    let begin = start.max(at);
                    push(begin, from, flags(region.permissions), false);
                    push(from, to.min(end), flags(region.permissions), true);
                    at = to.min(end);
                }
                _ => {
                    push(start.max(at), end, flags(region.permissions), false);
                    at = end;
                }
            }
        }
    }
    for range in ranges {
        push(range.start.max(at), range.end(), USUAL, true);
    }
    segments
}

fn flags(permissions: Permissions) -> u32 {
    u32::from(permissions.read) << 2
        | u32::from(permissions.write) << 1
        | u32::from(permissions.execute)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn region(start: u64, end: u64) -> Region {
        Region {
            start,
            end,
            permissions: Permissions {
                read: true,
                execute: true,
                ..Permissions::default()
            },
            ..Region::default()
        }
    }

    fn of(regions: &[Region], stored: &[(u64, u64)]) -> Vec<(u64, u64, u32, bool)> {
        let stored: Vec<MemoryRange> = stored
            .iter()
            .map(|(start, end)| MemoryRange {
                start: *start,
                len: end - start,
            })
            .collect();
        segments(regions, &stored)
            .into_iter()
            .map(|it| (it.start, it.start + it.len, it.flags, it.is_stored))
            .collect()
    }

    #[test]
    fn mappings_are_divided_where_memory_was_captured() {
        let regions = [region(0x30, 0x40), region(0x10, 0x20)];
        assert_eq!(
            of(
                &regions,
                &[(0x04, 0x08), (0x12, 0x14), (0x18, 0x34), (0x50, 0x60)]
            ),
            [
                (0x04, 0x08, 6, true),
                (0x10, 0x12, 5, false),
                (0x12, 0x14, 5, true),
                (0x14, 0x18, 5, false),
                (0x18, 0x20, 5, true),
                (0x20, 0x30, 6, true),
                (0x30, 0x34, 5, true),
                (0x34, 0x40, 5, false),
                (0x50, 0x60, 6, true),
            ]
        );
        assert_eq!(of(&[], &[(1, 3)]), [(1, 3, 6, true)]);
        assert_eq!(
            of(&regions, &[]),
            [(0x10, 0x20, 5, false), (0x30, 0x40, 5, false)]
        );
        // Mappings that overlap, as in a hostile file.
        let overlapping = [
            region(0x10, 0x30),
            region(0x20, 0x28),
            region(0x28, u64::MAX),
        ];
        let found = of(&overlapping, &[(0x1c, 0x24)]);
        assert!(
            found.windows(2).all(|pair| pair[0].1 <= pair[1].0),
            "{found:x?}"
        );
    }
}
