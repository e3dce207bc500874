//! Recognises free-list entries.
//!
//! V8 writes an object over free memory, `FreeSpace`, that says how long it is, so that a page can be walked. Its instance type moves with
//! every version, and some binaries do not name it; its size is in bytes up to V8 12 and in words since 13. But it is
//! the one kind of object of varying size whose second word is its whole size: where it says that it ends, another object begins,
//! or the page ends. So the map under which that is true nearly always is its map.

use v8mini_format::memory::{Memory, MemoryExt, MemoryRange};
use v8mini_format::model::Page;

use crate::locate::{clipped, immortal_maps, is_variable_size};

/// Pages that are looked at to find out which map it is, spread over the heap.
const SAMPLED_PAGES: usize = 256;
/// So many entries must have been seen…
const MIN_ENTRIES: u32 = 3;
/// …of which so many in a hundred end where they should: heads that were swallowed by longer entries are counted, too.
const MIN_PERCENT: u32 = 50;

/// How free-list entries look in this image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FreeSpace {
    /// Their map, tagged.
    map: u64,
    /// What their size counts, in bytes: 1 or 8.
    unit: u64,
}

/// How often a map behaved like that of free-list entries.
#[derive(Debug, Clone, Copy, Default)]
struct Votes {
    seen: u32,
    /// In bytes, and in words.
    ends_well: [u32; 2],
}

impl FreeSpace {
    const UNITS: [u64; 2] = [1, 8];

    /// Finds out which objects are free-list entries.
    pub(super) fn find(
        memory: &dyn Memory,
        stored: &[MemoryRange],
        pages: &[Page],
        ordinary: &[&Page],
    ) -> Option<Self> {
        let maps: Vec<u64> = immortal_maps(memory, pages)
            .into_iter()
            .filter(|map| is_variable_size(memory, *map))
            .collect();
        let mut votes = vec![Votes::default(); maps.len()];
        let step = ordinary.len().div_ceil(SAMPLED_PAGES).max(1);
        let mut bytes = Vec::new();
        for page in ordinary.iter().step_by(step) {
            for range in clipped(stored, page.area_start, page.area_end) {
                bytes.resize(usize::try_from(range.len).unwrap_or(0), 0);
                if memory.read_at(range.start, &mut bytes).is_err() {
                    continue;
                }
                for (address, [word, size]) in pairs(range.start, &bytes) {
                    let Ok(known) = maps.binary_search(&word) else {
                        continue;
                    };
                    let (Some(votes), Some(size)) = (votes.get_mut(known), smi(size)) else {
                        continue;
                    };
                    // Short arrays and strings end anywhere.
                    if size < 32 {
                        continue;
                    }
                    votes.seen += 1;
                    for (unit, ends_well) in Self::UNITS.iter().zip(&mut votes.ends_well) {
                        let entry = size.checked_mul(*unit).map(|len| MemoryRange {
                            start: address,
                            len,
                        });
                        *ends_well +=
                            u32::from(entry.is_some_and(|entry| ends_well_at(memory, page, entry)));
                    }
                }
            }
        }
        let candidates = maps.iter().zip(&votes).flat_map(|(map, votes)| {
            let per_unit = Self::UNITS.iter().zip(votes.ends_well);
            per_unit.map(move |(unit, ends_well)| (ends_well, votes.seen, *map, *unit))
        });
        let (ends_well, seen, map, unit) = candidates.max()?;
        let sure = ends_well >= MIN_ENTRIES
            && ends_well.saturating_mul(100) >= seen.saturating_mul(MIN_PERCENT);
        sure.then_some(Self { map, unit })
    }

    /// Calls `visit` with each entry in a run of a page's bytes.
    pub(super) fn entries(
        self,
        memory: &dyn Memory,
        page: &Page,
        start: u64,
        bytes: &[u8],
        mut visit: impl FnMut(MemoryRange),
    ) {
        let needle = self.map.to_le_bytes();
        let mut covered = 0;
        for at in memchr::memmem::find_iter(bytes, &needle) {
            let address = start.saturating_add(at as u64);
            // Inside of an entry there may be the heads of those that it swallowed.
            if at % 8 != 0 || address < covered {
                continue;
            }
            let size = at
                .checked_add(8)
                .and_then(|at| bytes.get(at..)?.first_chunk())
                .and_then(|word| smi(u64::from_le_bytes(*word)));
            let Some(len) = size.and_then(|size| size.checked_mul(self.unit)) else {
                continue;
            };
            let entry = MemoryRange {
                start: address,
                len,
            };
            if len >= 16 && ends_well_at(memory, page, entry) {
                covered = entry.end();
                visit(entry);
            }
        }
    }
}

/// Each word at a multiple of 8 with the one behind it.
fn pairs(start: u64, bytes: &[u8]) -> impl Iterator<Item = (u64, [u64; 2])> {
    let words = bytes.as_chunks::<8>().0;
    (start..)
        .step_by(8)
        .zip(words.windows(2))
        .filter_map(|(address, pair)| {
            let [first, second] = pair else { return None };
            Some((
                address,
                [u64::from_le_bytes(*first), u64::from_le_bytes(*second)],
            ))
        })
}

/// The value of a Smi that is not negative. Nothing that Node is built from compresses pointers: it is the upper half of the word.
fn smi(word: u64) -> Option<u64> {
    (word & 0xffff_ffff == 0 && word >> 63 == 0).then_some(word >> 32)
}

/// Whether an entry ends where the page does, or where another object begins.
fn ends_well_at(memory: &dyn Memory, page: &Page, entry: MemoryRange) -> bool {
    let end = entry.end();
    let pointer = |address: u64| {
        let word = memory.read_u64(address).ok()?;
        word.checked_sub(1).filter(|_| word & 3 == 1)
    };
    // An object's map has a map that is its own.
    let is_object = |address: u64| {
        let meta_map = pointer(address).and_then(pointer);
        meta_map.is_some_and(|meta_map| pointer(meta_map) == Some(meta_map))
    };
    end.is_multiple_of(8) && end <= page.area_end && (end == page.area_end || is_object(end))
}
