//! All objects of some maps.

use super::{HeapObject, PageSelection, Visitor, walk};
use crate::layout::Field;
use crate::v8::{Address, FixedArray, MapInfo, Objects, Tagged};

/// So many objects are collected of each call.
const MAX_INSTANCES: usize = 1 << 22;

/// Dictionaries of more words are not looked through: they hold some hundred properties.
const MAX_DICTIONARY_WORDS: u64 = 1 << 10;

/// Collects objects whose maps are wanted.
struct Collector<'a, F> {
    is_wanted: &'a F,
    /// What was decided of each map, by its index in the walk.
    known: Vec<Option<bool>>,
    found: Vec<Address>,
}

impl<F: Fn(&MapInfo) -> bool + Sync> Visitor for Collector<'_, F> {
    fn visit(&mut self, object: &HeapObject<'_>) {
        if self.known.len() <= object.map_index {
            self.known.resize(object.map_index + 1, None);
        }
        let Some(known) = self.known.get_mut(object.map_index) else {
            return;
        };
        if *known.get_or_insert_with(|| (self.is_wanted)(object.map))
            && self.found.len() < MAX_INSTANCES
        {
            self.found.push(object.address);
        }
    }
}

/// The objects of all maps that `is_wanted` accepts, by address. It is asked a few times at most of each map.
pub fn instances_of(
    objects: &Objects,
    selection: PageSelection,
    is_wanted: impl Fn(&MapInfo) -> bool + Sync,
) -> Vec<Address> {
    let (collectors, _) = walk(objects, selection, || Collector {
        is_wanted: &is_wanted,
        known: Vec::new(),
        found: Vec::new(),
    });
    collectors
        .into_iter()
        .flat_map(|collector| collector.found)
        .collect()
}

/// The objects of the language that have all these properties, by address. Of those in dictionary mode, such as any literal with
/// `__proto__: null`, the small ones.
pub fn instances_with(objects: &Objects, names: &[&str]) -> Vec<Address> {
    let mut found = instances_of(objects, PageSelection::default(), |map| {
        !map.is_prototype
            && objects.is_receiver_type(map.instance_type)
            && (map.is_dictionary || has_descriptors(objects, map, names))
    });
    found.retain(|object| {
        let is_dictionary = objects.map_of(*object).is_ok_and(|map| map.is_dictionary);
        !is_dictionary || has_entries(objects, *object, names)
    });
    found
}

/// Whether the dictionary of an object is small and has all these names.
fn has_entries(objects: &Objects, object: Address, names: &[&str]) -> bool {
    let table = objects.tagged_field(object, Field::JSReceiverProperties);
    let table = table.ok().and_then(Tagged::strong);
    let array = table.and_then(|table| FixedArray::read(objects, table).ok());
    if array.is_none_or(|array| array.length > MAX_DICTIONARY_WORDS) {
        return false;
    }
    let Ok(properties) = objects.properties(object) else {
        return false;
    };
    let keys: Vec<_> = properties
        .list
        .iter()
        .filter_map(|property| objects.read_name(property.key).ok())
        .collect();
    names.iter().all(|name| keys.iter().any(|key| key.is(name)))
}

/// Whether the descriptors of a map have all these names.
fn has_descriptors(objects: &Objects, map: &MapInfo, names: &[&str]) -> bool {
    let keys = objects.descriptor_keys(map);
    names.iter().all(|name| {
        keys.iter()
            .any(|key| objects.read_name(*key).is_ok_and(|key| key.is(name)))
    })
}
