//! Which space a page belongs to.
//!
//! The page's owner is a `v8::internal::Space`, and a `Space` of every version holds its heap's address followed by its
//! number in `enum AllocationSpace`. So the number is found without any offset; only the enum's order depends on the version.

use std::collections::BTreeMap;

use v8mini_format::memory::{Memory, MemoryExt};
use v8mini_format::model::{Page, Space, V8Version};

use super::header::is_pointer;

/// How far into a `Space` its heap pointer is looked for. It is at 8 (4.5 and from 8.6 on) to 64 (7.0 to 8.4).
const SPACE_HEAD_BYTES: usize = 0x80;

/// `enum AllocationSpace` of a range of versions.
#[derive(Debug, PartialEq, Eq)]
pub struct SpaceIds {
    /// First V8 (major, minor) with this order.
    pub first: (u32, u32),
    /// The spaces in the order of the enum.
    pub spaces: &'static [Space],
}

use Space::{
    Code, CodeLargeObject, LargeObject, Map, New, NewLargeObject, Old, ReadOnly, Shared,
    SharedLargeObject, Trusted, TrustedLargeObject, Unknown,
};

/// The orders of the enum, oldest first; each holds until the next. Source: `src/globals.h`, later `src/common/globals.h`;
/// verified against `v8.getHeapSpaceStatistics()`, which lists the spaces in this order.
const SPACE_IDS: &[SpaceIds] = &[
    SpaceIds {
        first: (4, 5),
        spaces: &[New, Old, Code, Map, LargeObject],
    },
    SpaceIds {
        first: (6, 7),
        spaces: &[ReadOnly, New, Old, Code, Map, LargeObject, NewLargeObject],
    },
    SpaceIds {
        first: (7, 2),
        spaces: &[
            ReadOnly,
            New,
            Old,
            Code,
            Map,
            LargeObject,
            CodeLargeObject,
            NewLargeObject,
        ],
    },
    SpaceIds {
        first: (9, 0),
        spaces: &[
            ReadOnly,
            Old,
            Code,
            Map,
            LargeObject,
            CodeLargeObject,
            NewLargeObject,
            New,
        ],
    },
    SpaceIds {
        first: (10, 5),
        spaces: &[
            ReadOnly,
            Old,
            Code,
            Map,
            New,
            LargeObject,
            CodeLargeObject,
            NewLargeObject,
        ],
    },
    SpaceIds {
        first: (10, 8),
        spaces: &[
            ReadOnly,
            Old,
            Code,
            Map,
            Shared,
            New,
            LargeObject,
            CodeLargeObject,
            NewLargeObject,
            SharedLargeObject,
        ],
    },
    SpaceIds {
        first: (11, 0),
        spaces: &[
            ReadOnly,
            New,
            Old,
            Code,
            Shared,
            NewLargeObject,
            LargeObject,
            CodeLargeObject,
            SharedLargeObject,
        ],
    },
    SpaceIds {
        first: (12, 1),
        spaces: &[
            ReadOnly,
            New,
            Old,
            Code,
            Shared,
            Trusted,
            NewLargeObject,
            LargeObject,
            CodeLargeObject,
            SharedLargeObject,
            TrustedLargeObject,
        ],
    },
    // The shared trusted spaces (6 and 11) exist only with a shared heap, which Node does not build.
    SpaceIds {
        first: (12, 9),
        spaces: &[
            ReadOnly,
            New,
            Old,
            Code,
            Shared,
            Trusted,
            Unknown,
            NewLargeObject,
            LargeObject,
            CodeLargeObject,
            SharedLargeObject,
            Unknown,
            TrustedLargeObject,
        ],
    },
];

impl SpaceIds {
    /// The order that this version uses.
    pub fn of(version: V8Version) -> Option<&'static Self> {
        SPACE_IDS
            .iter()
            .rev()
            .find(|ids| ids.first <= (version.major, version.minor))
    }

    fn space(&self, id: usize) -> Space {
        self.spaces.get(id).copied().unwrap_or(Unknown)
    }
}

/// The number of the space at `owner`, if the memory there is a space of this heap.
fn space_id(memory: &dyn Memory, owner: u64, heap: u64) -> Option<usize> {
    let head: [u8; SPACE_HEAD_BYTES] = memory.read_array(owner).ok()?;
    let (words, _) = head.as_chunks::<8>();
    let at = words
        .iter()
        .position(|word| u64::from_le_bytes(*word) == heap)?;
    let (id, _) = words.get(at + 1)?.split_first_chunk::<4>()?;
    usize::try_from(u32::from_le_bytes(*id))
        .ok()
        .filter(|&id| id < 32)
}

/// The number of pages whose owner is a space of the page's heap.
pub(super) fn count_owned(memory: &dyn Memory, pages: &[Page]) -> usize {
    let ids = owner_ids(memory, pages);
    pages
        .iter()
        .filter(|page| ids.contains_key(&page.owner))
        .count()
}

fn owner_ids(memory: &dyn Memory, pages: &[Page]) -> BTreeMap<u64, usize> {
    let mut ids = BTreeMap::new();
    let mut rejected = std::collections::BTreeSet::new();
    for page in pages
        .iter()
        .filter(|page| page.heap != 0 && is_pointer(page.owner))
    {
        if ids.contains_key(&page.owner) || rejected.contains(&page.owner) {
            continue;
        }
        match space_id(memory, page.owner, page.heap) {
            Some(id) => drop(ids.insert(page.owner, id)),
            None => drop(rejected.insert(page.owner)),
        }
    }
    ids
}

/// Semispace flag pairs (from, to): V8 4.6 and later, and 4.5, where two more flags came first.
const SEMISPACE_FLAGS: [(u64, u64); 2] = [(1 << 3, 1 << 4), (1 << 5, 1 << 6)];

/// Fills in the space of every page.
pub(super) fn assign(memory: &dyn Memory, pages: &mut [Page], version: Option<V8Version>) {
    let ids = owner_ids(memory, pages);
    let order = version
        .and_then(SpaceIds::of)
        .or_else(|| guess_order(pages, &ids));
    for page in pages.iter_mut() {
        page.space = match (ids.get(&page.owner), order) {
            (Some(&id), Some(order)) => order.space(id),
            // Shared between isolates, the read-only space has no owner from V8 9 on.
            _ if page.heap == 0 => ReadOnly,
            _ => Unknown,
        };
    }
    mark_from_space(pages);
}

/// Tells the unused semispace from the used one.
fn mark_from_space(pages: &mut [Page]) {
    let new: Vec<u64> = pages
        .iter()
        .filter(|p| p.space == New)
        .map(|p| p.flags)
        .collect();
    let tells = |&&(from, to): &&(u64, u64)| {
        new.iter()
            .all(|flags| (flags & from != 0) != (flags & to != 0))
            && new.iter().any(|flags| flags & from != 0)
            && new.iter().any(|flags| flags & to != 0)
    };
    let Some(&(from, _)) = SEMISPACE_FLAGS.iter().find(tells) else {
        return;
    };
    for page in pages
        .iter_mut()
        .filter(|p| p.space == New && p.flags & from != 0)
    {
        page.space = Space::NewFrom;
    }
}

/// The order of the enum from the image alone: the one that calls the owners of semispace pages new space, and knows all numbers.
fn guess_order(pages: &[Page], ids: &BTreeMap<u64, usize>) -> Option<&'static SpaceIds> {
    let semispace = |page: &&Page| {
        let (from, to) = SEMISPACE_FLAGS[0];
        (page.flags & from != 0) != (page.flags & to != 0)
    };
    let new_ids: std::collections::BTreeSet<usize> = pages
        .iter()
        .filter(semispace)
        .filter_map(|page| ids.get(&page.owner).copied())
        .collect();
    SPACE_IDS.iter().rev().find(|order| {
        !new_ids.is_empty()
            && new_ids.iter().all(|&id| order.space(id) == New)
            && ids.values().all(|&id| order.space(id) != Unknown)
    })
}
