//! What the objects and references of a batch are called, each name once.

use std::hash::BuildHasher;

use hashbrown::HashTable;
use rustc_hash::{FxBuildHasher, FxHashMap};

use super::strings::{Fingerprint, fingerprint};

/// Numbers below this are small: the words of most arrays are called by these.
const SMALL: u64 = 1 << 12;
/// No name has this number.
const NONE: u32 = u32::MAX;

/// The names of a batch, numbered in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// All names, one after the other: each would need memory of its own otherwise.
    text: String,
    /// Where each ends.
    ends: Vec<usize>,
    /// The numbers of names, by what they say.
    places: HashTable<u32>,
    /// The numbers of names that are small numbers, by these; [`NONE`] for those that have not come.
    small_numbers: Vec<u32>,
    /// The numbers of names that are other numbers.
    numbers: FxHashMap<u64, u32>,
    /// Of each name, once they are sealed.
    fingerprints: Vec<Fingerprint>,
}

impl Names {
    /// Forgets all names, but keeps the room for as many.
    pub(super) fn clear(&mut self) {
        self.text.clear();
        self.ends.clear();
        self.places.clear();
        self.small_numbers.clear();
        self.numbers.clear();
        self.fingerprints.clear();
    }

    /// The number of a name.
    pub(super) fn number_of(&mut self, name: &str) -> u32 {
        let Self {
            text, ends, places, ..
        } = self;
        let next = ends.len() as u32;
        let entry = places.entry(
            FxBuildHasher.hash_one(name),
            |place| name_at(text, ends, *place) == name,
            |place| FxBuildHasher.hash_one(name_at(text, ends, *place)),
        );
        let place = *entry.or_insert(next).get();
        if place == next {
            text.push_str(name);
            ends.push(text.len());
        }
        place
    }

    /// The number of a name that is a number.
    pub(super) fn number_of_number(&mut self, number: u64) -> u32 {
        let small = (number < SMALL).then_some(number as usize);
        let known = match small {
            Some(small) => self.small_numbers.get(small),
            None => self.numbers.get(&number),
        };
        if let Some(place) = known
            && *place != NONE
        {
            return *place;
        }
        let place = self.number_of(itoa::Buffer::new().format(number));
        match small {
            Some(small) => {
                if small >= self.small_numbers.len() {
                    self.small_numbers.resize(small + 1, NONE);
                }
                if let Some(slot) = self.small_numbers.get_mut(small) {
                    *slot = place;
                }
            }
            None => {
                self.numbers.insert(number, place);
            }
        }
        place
    }

    /// Takes the names' fingerprints: no more names come.
    pub(super) fn seal(&mut self) {
        let names = 0..self.ends.len() as u32;
        let prints = names.map(|place| fingerprint(name_at(&self.text, &self.ends, place)));
        self.fingerprints.extend(prints);
    }

    /// All, once they are sealed.
    pub(super) fn all(&self) -> impl Iterator<Item = (&str, Fingerprint)> {
        let prints = (0..).zip(self.fingerprints.iter().copied());
        prints.map(|(place, print)| (name_at(&self.text, &self.ends, place), print))
    }
}

fn name_at<'t>(text: &'t str, ends: &[usize], place: u32) -> &'t str {
    let place = place as usize;
    let start = place.checked_sub(1).and_then(|before| ends.get(before));
    let range = start.copied().unwrap_or(0)..ends.get(place).copied().unwrap_or(0);
    text.get(range).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_has_one_number() {
        let mut names = Names::default();
        for round in 0..2 {
            let mut expected = Vec::new();
            for n in 0..3000_u64 {
                let name = format!("{}\u{e9}{round}", n % 1000);
                assert_eq!(u64::from(names.number_of(&name)), n % 1000);
                if n < 1000 {
                    expected.push(name);
                }
            }
            assert_eq!(names.number_of(""), 1000);
            assert_eq!(names.number_of("17"), 1001);
            assert_eq!(names.number_of_number(17), 1001);
            assert_eq!(names.number_of_number(18), 1002);
            assert_eq!(names.number_of("18"), 1002);
            assert_eq!(names.number_of_number(3), 1003);
            assert_eq!(names.number_of_number(SMALL), 1004);
            assert_eq!(names.number_of(&SMALL.to_string()), 1004);
            assert_eq!(names.number_of_number(SMALL), 1004);
            let numbers = [17, 18, 3, SMALL].map(|number| number.to_string());
            expected.push(String::new());
            expected.extend(numbers);
            names.seal();
            let all: Vec<_> = names.all().collect();
            assert_eq!(all.len(), expected.len());
            for ((name, print), expected) in all.into_iter().zip(expected) {
                assert_eq!(name, expected);
                assert_eq!(print, fingerprint(&expected));
            }
            names.clear();
            assert_eq!(names.all().count(), 0);
        }
    }
}
