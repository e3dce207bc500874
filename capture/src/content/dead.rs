//! What of the heap holds no objects: the inside of free-list entries, and what lies behind the top of an allocation area.
//!
//! It is full of what lived there before, and takes 3 to 31 % of a file. No object can lie in it as long as nothing points there. V8
//! does leave pointers behind: in objects that died and are not swept yet, to objects or maps that are. What they point to
//! stays, or the heap could not be walked over them.

use v8mini_format::memory::{Memory, MemoryExt, MemoryRange};
use v8mini_format::model::{GcState, Isolate, Page, Space};

use super::edits::{Edit, Edits, Fill};
use super::free_space::FreeSpace;
use super::scan::merge;
use super::targets::Targets;
use crate::locate::{clipped, page_of};

/// What stays of a free-list entry: its map and its size. The link to the next may never have been written.
const HEADER_BYTES: u64 = 16;

/// Memory that holds no objects.
///
/// Of a process that stands still, or an image of one, this is exact. It may also be asked about a process that runs, whose memory is
/// then stored while it goes on, under one condition: whoever does so knows, by write protection, which
/// operating-system pages were written to since before this was asked. What was free then and was not written to is free
/// still. Where the head of a free-list entry was written to, [`DeadMemory::doubted`] names the memory that must be stored
/// again as it is.
#[derive(Debug, Clone, Default)]
pub struct DeadMemory {
    /// Sorted by address, disjoint.
    dead: Vec<Dead>,
}

/// A range that holds no objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Dead {
    range: MemoryRange,
    /// The head of the free-list entry that says so; 0 if it is the allocator's word.
    witness: u64,
}

impl DeadMemory {
    /// Finds what is dead in `memory`.
    ///
    /// `stored` is what of it will be stored, sorted and disjoint: what nothing in there points to, nobody will miss. The
    /// allocation areas of `isolates` count; of a process that runs they move, so leave them out then. During a garbage
    /// collection nothing is dead for sure.
    pub fn find(
        memory: &dyn Memory,
        stored: &[MemoryRange],
        pages: &[Page],
        isolates: &[Isolate],
    ) -> Self {
        let collecting = |isolate: &Isolate| isolate.gc_state == GcState::Collecting;
        if isolates.iter().any(collecting) {
            return Self::default();
        }
        let mut claims = claims(memory, stored, pages, isolates);
        // No free list has entries in a semispace, and one that is still unused is as the last collection left it: what looks like
        // an entry there may lie across what tells that (V8 7.8).
        let is_young = |address| page_of(pages, address).is_some_and(|p| p.space == Space::New);
        claims.retain(|dead| dead.witness == 0 || !is_young(dead.witness));
        let mut new = Self {
            dead: disjoint(claims),
        };
        let mut targets = Targets::new(new.ranges().collect());
        targets.follow(memory, stored);
        new.dead.retain(|dead| !targets.is_hit(dead.range.start));
        new
    }

    /// Everything that V8 says is dead, whatever points there and whatever else is said.
    pub(super) fn claimed(
        memory: &dyn Memory,
        stored: &[MemoryRange],
        pages: &[Page],
        isolates: &[Isolate],
    ) -> Vec<MemoryRange> {
        let claims = claims(memory, stored, pages, isolates);
        let mut ranges = claims.into_iter().map(|dead| dead.range).collect();
        merge(&mut ranges);
        ranges
    }

    /// The ranges, sorted and disjoint.
    pub(super) fn ranges(&self) -> impl Iterator<Item = MemoryRange> + '_ {
        self.dead.iter().map(|dead| dead.range)
    }

    /// What is to be written there: zeros.
    pub fn edits(&self) -> Edits {
        let fill = Fill::ZERO;
        self.ranges().map(|range| Edit { range, fill }).collect()
    }

    /// How many bytes are dead.
    pub fn len_bytes(&self) -> u64 {
        self.ranges().map(|range| range.len).sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.dead.is_empty()
    }

    /// What must be stored again as it is, because the word that it was free may have been in the making: `was_written` says
    /// whether an address was written to since before [`DeadMemory::find`].
    pub fn doubted(&self, mut was_written: impl FnMut(u64) -> bool) -> Vec<MemoryRange> {
        self.dead
            .iter()
            .filter(|dead| dead.witness != 0 && was_written(dead.witness))
            .map(|dead| dead.range)
            .collect()
    }
}

/// What free-list entries, allocation areas and unused pages say is dead.
fn claims(
    memory: &dyn Memory,
    stored: &[MemoryRange],
    pages: &[Page],
    isolates: &[Isolate],
) -> Vec<Dead> {
    let mut dead = entries(memory, stored, pages);
    dead.extend(unallocated(pages, isolates));
    dead.extend(left_over(memory, pages, isolates));
    dead
}

/// Of claims that overlap, the allocator's: what overlaps something else is not what it seems.
fn disjoint(mut claims: Vec<Dead>) -> Vec<Dead> {
    claims.sort_unstable();
    claims.dedup_by(|next, last| {
        let overlaps = next.range.start < last.range.end();
        if overlaps && last.witness != 0 && next.witness == 0 {
            *last = *next;
        }
        overlaps
    });
    claims
}

/// Pages with more than one object, in which free-list entries may lie.
fn ordinary(pages: &[Page]) -> impl Iterator<Item = &Page> {
    let large = |space: Space| {
        matches!(
            space,
            Space::LargeObject
                | Space::NewLargeObject
                | Space::CodeLargeObject
                | Space::TrustedLargeObject
                | Space::SharedLargeObject
        )
    };
    pages
        .iter()
        .filter(move |page| !large(page.space) && page.space != Space::ReadOnly)
}

/// The insides of all free-list entries.
fn entries(memory: &dyn Memory, stored: &[MemoryRange], pages: &[Page]) -> Vec<Dead> {
    let ordinary: Vec<&Page> = ordinary(pages).collect();
    let Some(free_space) = FreeSpace::find(memory, stored, pages, &ordinary) else {
        return Vec::new();
    };
    let mut dead = Vec::new();
    let mut bytes = Vec::new();
    for page in ordinary {
        for range in clipped(stored, page.area_start, page.area_end) {
            bytes.resize(usize::try_from(range.len).unwrap_or(0), 0);
            if memory.read_at(range.start, &mut bytes).is_err() {
                continue;
            }
            free_space.entries(memory, page, range.start, &bytes, |entry| {
                if let Some(len) = entry.len.checked_sub(HEADER_BYTES) {
                    dead.push(Dead {
                        range: MemoryRange {
                            start: entry.start.saturating_add(HEADER_BYTES),
                            len,
                        },
                        witness: entry.start,
                    });
                }
            });
        }
    }
    dead.retain(|dead| dead.range.len > 0);
    dead
}

/// What lies behind the tops of the allocation areas. V8 lowers the limit to be told of the next allocation; what follows in a
/// semispace page is empty all the same.
fn unallocated(pages: &[Page], isolates: &[Isolate]) -> Vec<Dead> {
    let areas = isolates
        .iter()
        .flat_map(|isolate| &isolate.allocation_areas);
    areas
        .filter_map(|area| {
            let page = page_of(pages, area.top)?;
            let end = if page.space == Space::New {
                page.area_end
            } else {
                area.limit.min(page.area_end)
            };
            let len = end.checked_sub(area.top).filter(|&len| len > 0)?;
            Some(Dead {
                range: MemoryRange {
                    start: area.top,
                    len,
                },
                witness: 0,
            })
        })
        .collect()
}

/// Pages of the semispace in use that are not in use yet: up to V8 10, the last collection left a forwarding address in
/// place of the map of each object that moved away, so of most pages' first. Without isolates the process runs, and nothing is claimed.
fn left_over(memory: &dyn Memory, pages: &[Page], isolates: &[Isolate]) -> Vec<Dead> {
    let is_forwarding = |word: u64| word & 3 == 0 && page_of(pages, word).is_some();
    let unused = |page: &&Page| {
        page.space == Space::New
            && memory.read_u64(page.area_start).is_ok_and(is_forwarding)
            && isolates
                .iter()
                .flat_map(|isolate| &isolate.allocation_areas)
                .all(|area| !(page.area_start..page.area_end).contains(&area.top))
    };
    let pages = pages.iter().filter(|_| !isolates.is_empty());
    pages
        .filter(unused)
        .map(|page| Dead {
            range: MemoryRange {
                // The forwarding address itself tells readers that the page is not in use.
                start: page.area_start.saturating_add(8),
                len: page
                    .area_end
                    .saturating_sub(page.area_start.saturating_add(8)),
            },
            witness: 0,
        })
        .collect()
}
