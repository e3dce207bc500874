//! How much of the heap was walked: figures that add up, space by space.

use std::collections::BTreeMap;
use std::ops::Range;

use v8mini_format::model::Space;

use crate::image::PageIndex;

/// What became of the bytes of one space. All but `pages` and `gaps` are bytes; the parts add up to `committed`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SpaceCoverage {
    /// Number of pages.
    pub pages: u64,
    /// Size of the pages.
    pub committed: u64,
    /// In objects.
    pub objects: u64,
    /// In free-list entries and fillers.
    pub free: u64,
    /// Between the top and the limit of allocation areas, and where there is nothing but zeros: no object was made there yet.
    pub unallocated: u64,
    /// In the idle semispace, in the pages of the other that are not in use yet, and in pages that were evacuated.
    pub idle: u64,
    /// Page headers, marking bitmaps, guard pages and other memory that the process itself cannot read.
    pub overhead: u64,
    /// Where no object could be recognised.
    pub unknown: u64,
    /// Not in the image.
    pub missing: u64,
    /// Number of separate unknown ranges.
    pub gaps: u64,
}

impl SpaceCoverage {
    /// Adds a range that is not in the image: missing where the process could have read it, overhead elsewhere.
    pub(super) fn absent(&mut self, pages: &PageIndex, range: Range<u64>) {
        let readable = pages.readable_bytes(&range);
        self.missing += readable;
        self.overhead += range.end.saturating_sub(range.start) - readable;
    }

    fn add(&mut self, other: &Self) {
        self.pages += other.pages;
        self.committed += other.committed;
        self.objects += other.objects;
        self.free += other.free;
        self.unallocated += other.unallocated;
        self.idle += other.idle;
        self.overhead += other.overhead;
        self.unknown += other.unknown;
        self.missing += other.missing;
        self.gaps += other.gaps;
    }

    /// Bytes that should have been walked: everything but overhead and the idle semispace.
    pub const fn walkable(&self) -> u64 {
        self.objects + self.free + self.unallocated + self.unknown + self.missing
    }

    /// Bytes that were walked.
    pub const fn walked(&self) -> u64 {
        self.objects + self.free + self.unallocated
    }
}

/// What became of the bytes of the heap, by space.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Coverage {
    /// By space.
    pub spaces: BTreeMap<Space, SpaceCoverage>,
}

impl Coverage {
    /// Adds the figures of another part of the heap.
    pub fn merge(&mut self, other: &Self) {
        for (space, coverage) in &other.spaces {
            self.spaces.entry(*space).or_default().add(coverage);
        }
    }

    /// The sum of all spaces.
    pub fn total(&self) -> SpaceCoverage {
        let mut total = SpaceCoverage::default();
        for coverage in self.spaces.values() {
            total.add(coverage);
        }
        total
    }

    /// The part of the walkable bytes that was walked, 0 to 1; 1 if there are none.
    pub fn ratio(&self) -> f64 {
        let total = self.total();
        if total.walkable() == 0 {
            1.0
        } else {
            total.walked() as f64 / total.walkable() as f64
        }
    }
}
