//! What one thread remembers of the objects that it met, so that it need not ask again what all threads share.

use rustc_hash::FxHashMap;
use smol_str::SmolStr;

use super::plan::NO_PLACE;
use crate::v8::{Address, MapInfo, Objects, Tagged};

/// So many maps are remembered…
const MAPS: usize = 1 << 14;
/// …and the names of so many edges of their objects.
const EDGES_OF_MAP: usize = 32;
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

/// The numbers of the names that the last object of each map has needed. The next one has mostly the same, in the same order, and to compare a
/// name with another is quicker than to look it up.
#[derive(Debug, Default)]
pub(super) struct RecentNames {
    of_maps: FxHashMap<Address, NamesOfMap>,
    batch: u64,
}

/// The numbers of names for the objects of a map.
#[derive(Debug, Default)]
pub(super) struct NamesOfMap {
    /// In which batch the names have these numbers.
    batch: u64,
    node: Option<u32>,
    edges: Vec<(SmolStr, u32)>,
}

impl RecentNames {
    /// Begins another batch, in which names have other numbers.
    pub(super) fn begin_batch(&mut self) {
        self.batch += 1;
    }

    /// What is remembered for the objects of a map.
    pub(super) fn of_map(&mut self, map: Address) -> &mut NamesOfMap {
        if self.of_maps.len() >= MAPS && !self.of_maps.contains_key(&map) {
            self.of_maps.clear();
        }
        let names = self.of_maps.entry(map).or_default();
        if names.batch != self.batch {
            names.batch = self.batch;
            names.node = None;
            names.edges.clear();
        }
        names
    }
}

impl NamesOfMap {
    /// The number of the name that the nodes of all objects of the map have, which `find` finds out.
    pub(super) fn of_node(&mut self, find: impl FnOnce() -> u32) -> u32 {
        *self.node.get_or_insert_with(find)
    }

    /// The number of the name of an edge, which is `at` in the order of those edges of an object that have names; `find` finds it out.
    pub(super) fn of_edge(&mut self, at: usize, name: &SmolStr, find: impl FnOnce() -> u32) -> u32 {
        match self.edges.get_mut(at) {
            Some((known, number)) if known == name => *number,
            Some(other) => {
                *other = (name.clone(), find());
                other.1
            }
            None => {
                let number = find();
                if at == self.edges.len() && at < EDGES_OF_MAP {
                    self.edges.push((name.clone(), number));
                }
                number
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_asked_for_once_in_a_batch() {
        let mut recent = RecentNames::default();
        for batch in 1..4 {
            recent.begin_batch();
            for map in [Address(8), Address(16)] {
                let first = batch * 1000 + map.0 as u32;
                let number = |name: usize| move || first + name as u32;
                let asked = || -> u32 { panic!("asked for again") };
                let names: Vec<SmolStr> = (0..EDGES_OF_MAP)
                    .map(|name| name.to_string().into())
                    .collect();
                let of_map = recent.of_map(map);
                assert_eq!(of_map.of_node(number(0)), first);
                assert_eq!(of_map.of_node(asked), first);
                for (at, name) in names.iter().enumerate() {
                    assert_eq!(of_map.of_edge(at, name, number(at)), first + at as u32);
                }
                for (at, name) in names.iter().enumerate() {
                    assert_eq!(of_map.of_edge(at, name, asked), first + at as u32);
                }
                // Another name in the place of a known one, and one more than are remembered.
                assert_eq!(of_map.of_edge(0, &names[1], number(1)), first + 1);
                assert_eq!(of_map.of_edge(0, &names[1], asked), first + 1);
                let many = EDGES_OF_MAP;
                assert_eq!(of_map.of_edge(many, &names[0], number(2)), first + 2);
                assert_eq!(of_map.of_edge(many, &names[0], number(3)), first + 3);
            }
        }
    }

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
