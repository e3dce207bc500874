//! What one thread remembers of the objects that it met, so that it need not ask again what all threads share.

use rustc_hash::FxHashMap;

use super::plan::NO_PLACE;
use crate::v8::{Address, MapInfo, Objects, Tagged};

/// So many maps are remembered.
const MAPS: usize = 1 << 14;
/// So many places are remembered: as many as the caches of one core hold.
const PLACES: usize = 1 << 12;

/// Copies of maps. Those of [`Objects`] are counted in memory that all cores write to, once for every object.
pub(super) struct OwnMaps<'a> {
    objects: &'a Objects,
    known: FxHashMap<Address, MapInfo>,
}

impl<'a> OwnMaps<'a> {
    pub(super) fn new(objects: &'a Objects) -> Self {
        Self {
            objects,
            known: FxHashMap::default(),
        }
    }

    /// The map of an object, if it has one.
    pub(super) fn of(&mut self, object: Address) -> Option<MapInfo> {
        let address = Tagged(self.objects.word(object, 0).ok()?).strong()?;
        if let Some(known) = self.known.get(&address) {
            return Some(*known);
        }
        let map = *self.objects.map(address)?;
        if self.known.len() < MAPS {
            self.known.insert(address, map);
        }
        Some(map)
    }
}

/// The places in the file of objects that were referred to lately: half of all references lead to maps, prototypes and the like.
pub(super) struct RecentPlaces(Vec<(Address, u64)>);

impl Default for RecentPlaces {
    fn default() -> Self {
        // No object is there.
        Self(vec![(Address(u64::MAX), NO_PLACE); PLACES])
    }
}

impl RecentPlaces {
    /// The place of an object, which `find` finds out.
    pub(super) fn get(
        &mut self,
        object: Address,
        find: impl FnOnce() -> Option<u64>,
    ) -> Option<u64> {
        // Objects lie at multiples of 8, maps of 80 or so, and pages begin at multiples of 2^18.
        let index = ((object.0 >> 3) ^ (object.0 >> 18)) as usize % PLACES;
        match self.0.get(index) {
            Some((known, place)) if *known == object => (*place != NO_PLACE).then_some(*place),
            _ => {
                let found = find();
                if let Some(slot) = self.0.get_mut(index) {
                    *slot = (object, found.unwrap_or(NO_PLACE));
                }
                found
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_asked_for_once_and_never_mixed_up() {
        let mut recent = RecentPlaces::default();
        let place = |address: u64| (!address.is_multiple_of(3)).then_some(address * 7);
        for _ in 0..2 {
            // More than are remembered, of which several share a slot.
            for address in (0..PLACES as u64 * 40).step_by(8) {
                let found = recent.get(Address(address), || place(address));
                assert_eq!(found, place(address), "{address}");
            }
        }
        let again = |address: u64| move || panic!("{address} was asked for again");
        let last = (PLACES as u64 * 40) - 8;
        assert_eq!(recent.get(Address(last), again(last)), place(last));
    }
}
