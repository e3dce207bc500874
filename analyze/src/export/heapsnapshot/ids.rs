//! The ids of nodes: what DevTools shows behind an `@`.
//!
//! Readers keep ids in 32 bits, and take two nodes of two snapshots for the same object if their ids are equal. So an id is made of the
//! object's address: odd, with the place of its page in a table of 65,536 and the object's word in that page. It can be
//! turned back into the address by whoever knows the pages, and objects that did not move have mostly the same id in two
//! captures of one process.

use rustc_hash::FxHashMap;
use v8mini_format::model::Page;

use crate::v8::Address;

/// Places for pages.
const SLOTS: u32 = 1 << 16;
/// Objects begin at one of so many words: the first object of a large page is its only one.
const WORDS: u64 = 1 << 15;
/// A page begins at a multiple of this; those of V8 up to 5 are larger, and take several places.
const PAGE_BYTES: u64 = WORDS * 8;

/// The ids of the objects of some pages.
#[derive(Debug, Default)]
pub struct ObjectIds {
    slot_of: FxHashMap<u64, u32>,
    base_of: FxHashMap<u32, u64>,
}

impl ObjectIds {
    /// Gives each page its place.
    pub fn new(pages: &[Page]) -> Self {
        let mut ids = Self::default();
        for page in pages {
            // Only the first object of a large page has an id; ordinary pages are up to 1 MiB.
            let pieces = page.size.div_ceil(PAGE_BYTES).clamp(1, 4);
            for piece in 0..pieces {
                let base = (page.address / PAGE_BYTES + piece).wrapping_mul(PAGE_BYTES);
                if ids.slot_of.len() as u32 == SLOTS {
                    return ids;
                }
                if !ids.slot_of.contains_key(&base) {
                    let mut slot = (base / PAGE_BYTES % u64::from(SLOTS)) as u32;
                    while ids.base_of.contains_key(&slot) {
                        slot = (slot + 1) % SLOTS;
                    }
                    ids.slot_of.insert(base, slot);
                    ids.base_of.insert(slot, base);
                }
            }
        }
        ids
    }

    /// The id of the object at an address; `None` if there are more pages than places.
    pub fn id(&self, object: Address) -> Option<u32> {
        let slot = *self.slot_of.get(&(object.0 / PAGE_BYTES * PAGE_BYTES))?;
        let word = object.0 / 8 % WORDS;
        Some(slot << 16 | (word as u32) << 1 | 1)
    }

    /// The address that an id was made of.
    pub fn address(&self, id: u32) -> Option<Address> {
        let base = self.base_of.get(&(id >> 16)).filter(|_| id & 1 == 1)?;
        Some(Address(base + u64::from(id >> 1) % WORDS * 8))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(address: u64, size: u64) -> Page {
        Page {
            address,
            size,
            ..Page::default()
        }
    }

    #[test]
    fn ids_lead_back_to_addresses() {
        // The first and the last want the same place.
        let pages = [
            page(0x1234_0000_0000, 0x4_0000),
            page(0x1234_0004_0000, 0x10_0000),
            page(0x1234_0000_0000 + (u64::from(SLOTS) << 18), 0x4_0000),
        ];
        let ids = ObjectIds::new(&pages);
        let mut seen = std::collections::BTreeSet::new();
        for page in &pages {
            for offset in (0x100..page.size).step_by(0x1_0008) {
                let address = Address((page.address + offset) & !7);
                let id = ids.id(address).unwrap();
                assert_eq!(id & 1, 1);
                assert_eq!(ids.address(id), Some(address));
                assert!(seen.insert(id));
            }
        }
        assert_eq!(ids.id(Address(0x10)), None);
        assert_eq!(ids.address(2), None);
    }

    #[test]
    fn too_many_pages_leave_some_without_ids() {
        let pages: Vec<Page> = (0..70_000)
            .map(|n| page(n * PAGE_BYTES, PAGE_BYTES))
            .collect();
        let ids = ObjectIds::new(&pages);
        assert!(ids.id(Address(8)).is_some());
        assert_eq!(ids.id(Address(69_999 * PAGE_BYTES)), None);
    }
}
