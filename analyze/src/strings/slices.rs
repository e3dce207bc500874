//! Slices: strings that are a part of a longer one, and keep all of it.

use super::census::Slice;
use crate::top::Top;
use crate::v8::{Address, Objects};

/// The slices of a heap.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Slices {
    /// How many strings have slices.
    pub parents: u64,
    /// How many slices they have.
    pub count: u64,
    /// Bytes of the parents which no slice shows: what is pinned, if nothing but the slices refers to the parents.
    pub pinned_bytes: u64,
    /// The parents of which most is pinned.
    pub largest: Vec<PinnedParent>,
}

/// A string that has slices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PinnedParent {
    /// The string.
    pub address: Address,
    /// Code units.
    pub length: u64,
    /// Its bytes, those outside of the heap included.
    pub bytes: u64,
    /// How many slices it has.
    pub slices: u64,
    /// Code units that the slices show, at most: where they overlap, a unit is counted more than once.
    pub used_units: u64,
    /// Bytes that no slice shows.
    pub pinned_bytes: u64,
    /// One of the slices.
    pub example: Address,
}

impl Slices {
    pub(super) fn of(objects: &Objects, mut all: Vec<Slice>, limit: usize) -> Self {
        all.sort_unstable_by_key(|slice| (slice.parent, slice.address));
        let mut found = Self {
            count: all.len() as u64,
            ..Self::default()
        };
        let mut top = Top::new(limit);
        for group in all.chunk_by(|a, b| a.parent == b.parent) {
            let Some(first) = group.first() else { continue };
            let Ok(length) = objects.string_length(first.parent) else {
                continue;
            };
            let bytes = objects.string_size(first.parent);
            let used = group
                .iter()
                .fold(0, |sum: u64, slice| sum.saturating_add(slice.length))
                .min(length);
            // The part of the bytes that the unused units take; both factors are below 2^32.
            let pinned = bytes.saturating_mul(length - used) / length.max(1);
            found.parents += 1;
            found.pinned_bytes = found.pinned_bytes.saturating_add(pinned);
            let parent = PinnedParent {
                address: first.parent,
                length,
                bytes,
                slices: group.len() as u64,
                used_units: used,
                pinned_bytes: pinned,
                example: first.address,
            };
            top.push(pinned, parent);
        }
        found.largest = top
            .into_sorted()
            .into_iter()
            .map(|(_, parent)| parent)
            .collect();
        found
    }
}
