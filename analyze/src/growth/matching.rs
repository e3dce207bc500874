//! Which objects of a later capture were there in an earlier one of the same process.
//!
//! V8 moves objects: an address is no identity. What stayed at its address with the same contents is taken for the same
//! object; what has the contents of one that is gone from its address, for one that moved; the rest is new. Contents are
//! what the object itself says: its shape, numbers (an identity hash among them, where V8 gave it one), and the texts of its
//! strings. Of a redacted capture these are lengths only, so that more objects look alike.

use std::hash::Hasher;

use rustc_hash::{FxHashMap, FxHashSet, FxHasher};

use super::By;
use crate::heap::{Class, Classifier, HeapObject, PageSelection, Tally, Visitor, walk};
use crate::v8::{Address, Number, Objects, Tagged};

/// Of an object, so many words are compared…
const WORDS: usize = 64;
/// …and of a string in it, so many code units.
const UNITS: usize = 64;

/// The objects of a class in two captures, put side by side.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Matched {
    /// At the same address, with the same contents.
    pub same: u64,
    /// At the same address, with other contents: changed since, or another object in the place of one that died.
    pub changed: u64,
    /// At another address, with the contents of one that is gone from its own: moved by the garbage collector, as far as
    /// contents tell.
    pub moved: u64,
    /// Those of the moved whose contents several objects have: which is which cannot be told.
    pub ambiguous: u64,
    /// In the later capture only, lowest address first.
    pub new: Vec<Address>,
    /// In the earlier capture only.
    pub gone: u64,
}

/// Puts the objects of a class in an earlier and a later capture side by side. `same_process` says whether addresses can be
/// compared at all.
pub fn match_objects(
    (before, tally_before): (&Objects, &Tally),
    (after, tally_after): (&Objects, &Tally),
    class: &Class,
    by: By,
    same_process: bool,
) -> Matched {
    let old = contents(before, tally_before, class, by);
    let new = contents(after, tally_after, class, by);
    let mut matched = Matched::default();
    let mut left: Vec<(Address, u64)> = Vec::new();
    for (address, hash) in &new {
        match old.get(address).filter(|_| same_process) {
            Some(earlier) if earlier == hash => matched.same += 1,
            _ => left.push((*address, *hash)),
        }
    }
    // How many of the earlier ones with the same contents are not where they were.
    let mut unmatched: FxHashMap<u64, u64> = FxHashMap::default();
    for (address, hash) in &old {
        if !same_process || new.get(address) != Some(hash) {
            *unmatched.entry(*hash).or_default() += 1;
        }
    }
    let alike = unmatched.clone();
    left.sort_unstable();
    let mut rest = Vec::new();
    for (address, hash) in left {
        match unmatched.get_mut(&hash) {
            Some(count) if *count > 0 => {
                *count -= 1;
                matched.moved += 1;
                matched.ambiguous += u64::from(alike.get(&hash).is_some_and(|count| *count > 1));
            }
            _ => rest.push(address),
        }
    }
    let mut gone: u64 = unmatched.values().sum();
    for address in rest {
        // Nobody has its contents, but there was an object of the class in its place, which is nowhere else.
        if same_process && gone > 0 && old.contains_key(&address) {
            matched.changed += 1;
            gone -= 1;
        } else {
            matched.new.push(address);
        }
    }
    matched.gone = gone;
    matched
}

/// Some objects of a class that are new as far as addresses tell: without a look at the others. `was_there` tells of an object
/// whether an earlier capture has one of its class at its address.
pub fn newcomers(
    objects: &Objects,
    tally: &Tally,
    class: &Class,
    by: By,
    was_there: impl Fn(Address) -> bool,
) -> Vec<Address> {
    let maps = maps_of(objects, tally, class, by);
    let counts = tally.by_map.iter();
    let of_class = counts.filter(|((map, _), _)| maps.contains(map));
    let mut found: Vec<Address> = of_class
        .filter_map(|(_, count)| count.ends)
        .flat_map(|(first, last)| [first, last])
        .filter(|address| !was_there(*address))
        .collect();
    found.sort_unstable();
    found.dedup();
    found
}

/// The maps of a class.
fn maps_of(objects: &Objects, tally: &Tally, class: &Class, by: By) -> FxHashSet<Address> {
    let classifier = Classifier::new(objects);
    let counts = tally.by_map.iter();
    counts
        .filter_map(|((address, _), count)| {
            let map = objects.map(*address)?;
            let sample = tally.sample(count);
            let found = match by {
                By::Class => classifier.class_of(&map, sample),
                By::Shape => classifier.shape_of(&map, sample),
            };
            (found == *class).then_some(*address)
        })
        .collect()
}

/// The objects of a class, and a hash of the contents of each.
fn contents(objects: &Objects, tally: &Tally, class: &Class, by: By) -> FxHashMap<Address, u64> {
    let maps = maps_of(objects, tally, class, by);
    let (parts, _) = walk(objects, PageSelection::default(), || Contents {
        objects,
        maps: &maps,
        found: Vec::new(),
    });
    parts
        .into_iter()
        .flat_map(|part| part.found)
        .filter(|(address, _)| !tally.boilerplate_addresses.contains(address))
        .collect()
}

struct Contents<'a> {
    objects: &'a Objects,
    maps: &'a FxHashSet<Address>,
    found: Vec<(Address, u64)>,
}

impl Visitor for Contents<'_> {
    fn visit(&mut self, object: &HeapObject<'_>) {
        if self.maps.contains(&object.map.address) {
            let hash = self.hash(object);
            self.found.push((object.address, hash));
        }
    }
}

impl Contents<'_> {
    fn hash(&self, object: &HeapObject<'_>) -> u64 {
        let mut hasher = FxHasher::default();
        hasher.write_u64(object.size);
        if self.objects.is_string_type(object.map.instance_type) {
            self.hash_string(object.address, &mut hasher);
            return hasher.finish();
        }
        // The map is the class, which is known; it may itself have moved.
        let (words, _) = object.bytes.as_chunks::<8>();
        for word in words.iter().take(WORDS).skip(1) {
            self.hash_word(Tagged(u64::from_le_bytes(*word)), &mut hasher);
        }
        hasher.finish()
    }

    fn hash_word(&self, word: Tagged, hasher: &mut FxHasher) {
        let Some(target) = word.object() else {
            return hasher.write_u64(word.0);
        };
        let Some(instance_type) = self.objects.instance_type(target) else {
            return hasher.write_u64(word.0);
        };
        hasher.write_u16(instance_type);
        if self.objects.is_string_type(instance_type) {
            self.hash_string(target, hasher);
        } else if let Ok(Some(Number::Double(bits))) = self.objects.read_number(word) {
            hasher.write_u64(bits);
        }
    }

    fn hash_string(&self, string: Address, hasher: &mut FxHasher) {
        if let Ok(text) = self.objects.read_string(string, UNITS) {
            hasher.write_u64(text.length);
            for unit in text.units {
                hasher.write_u16(unit);
            }
        }
    }
}
