//! The class of any object: which map it has, and whether it is one of the literal boilerplates.

use rustc_hash::FxHashMap;

use super::{Class, Classifier, Count, Tally};
use crate::v8::{Address, MapInfo, Objects};

/// The classes of a heap, numbered.
#[derive(Debug, Default)]
pub struct Classes {
    list: Vec<Class>,
    by_map: FxHashMap<Address, usize>,
    boilerplates: FxHashMap<Address, usize>,
}

impl Classes {
    /// The classes of what was counted.
    pub fn new(objects: &Objects, tally: &Tally) -> Self {
        let classifier = Classifier::new(objects);
        let mut counts: FxHashMap<Address, Count> = FxHashMap::default();
        for ((map, _), count) in &tally.by_map {
            counts.entry(*map).or_default().merge(count);
        }
        let mut classes = Self::default();
        let mut numbers: FxHashMap<Class, usize> = FxHashMap::default();
        let mut number = |list: &mut Vec<Class>, class: Class| {
            *numbers.entry(class).or_insert_with_key(|class| {
                list.push(class.clone());
                list.len() - 1
            })
        };
        // In the order of addresses, so that the numbers do not depend on the order of a hash map.
        let mut maps: Vec<(Address, Count)> = counts.into_iter().collect();
        maps.sort_unstable_by_key(|(map, _)| *map);
        for (address, count) in maps {
            if let Some(map) = objects.map(address) {
                let class = classifier.class_of(&map, tally.sample(&count));
                let number = number(&mut classes.list, class);
                classes.by_map.insert(address, number);
            }
        }
        let mut boilerplates: Vec<Address> = tally.boilerplate_addresses.iter().copied().collect();
        boilerplates.sort_unstable();
        for address in boilerplates {
            if let Ok(map) = objects.map_of(address) {
                let class = classifier.boilerplate_class_of(&map as &MapInfo);
                let number = number(&mut classes.list, class);
                classes.boilerplates.insert(address, number);
            }
        }
        classes
    }

    /// All of them, by number.
    pub fn list(&self) -> &[Class] {
        &self.list
    }

    /// The number of the class of a map's objects that are no boilerplates.
    pub fn of_map(&self, map: Address) -> Option<usize> {
        self.by_map.get(&map).copied()
    }

    /// The literal boilerplates, each with the number of its class.
    pub fn boilerplates(&self) -> impl Iterator<Item = (Address, usize)> {
        self.boilerplates
            .iter()
            .map(|(address, class)| (*address, *class))
    }
}
