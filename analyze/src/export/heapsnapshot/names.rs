//! What the objects and references of a batch are called, each name once.

use std::hash::BuildHasher;

use hashbrown::HashTable;
use rustc_hash::{FxBuildHasher, FxHashMap};

use super::strings::{Fingerprint, NumberTable, fingerprint, small_number};

/// Room for the numbers of more names than this is not kept: a single array may have so many words.
const MOST_KEPT: usize = 1 << 16;

/// A name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Name<'n> {
    /// Any, but for those that are small numbers.
    Text(&'n str, Fingerprint),
    /// One for which [`small_number`] has this number. The words of arrays are called so, millions of them in a single array.
    Number(u32),
}

/// A name as it is kept.
#[derive(Debug, Clone, Copy)]
enum Kept {
    /// So many bytes of the text.
    Text {
        start: usize,
        len: u32,
    },
    Number(u32),
}

/// The names of a batch, numbered in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// All texts, one after the other: each would need memory of its own otherwise.
    text: String,
    names: Vec<Kept>,
    /// The places of texts among the names, by what they say.
    places: HashTable<u32>,
    /// The places of small numbers.
    small_numbers: NumberTable,
    /// The places of other numbers.
    numbers: FxHashMap<u64, u32>,
    /// Of each text, once they are sealed.
    fingerprints: Vec<Fingerprint>,
}

impl Names {
    /// Forgets all names, but keeps the room for as many.
    pub(super) fn clear(&mut self) {
        if self.names.capacity() > MOST_KEPT {
            *self = Self::default();
        }
        self.text.clear();
        self.names.clear();
        self.places.clear();
        self.small_numbers.clear();
        self.numbers.clear();
        self.fingerprints.clear();
    }

    /// The number of a name.
    pub(super) fn number_of(&mut self, name: &str) -> u32 {
        match small_number(name) {
            Some(number) => self.place_of_small(number),
            None => self.place_of_text(name),
        }
    }

    /// The number of a name that is a number.
    pub(super) fn number_of_number(&mut self, number: u64) -> u32 {
        if let Some(small) = NumberTable::fitting(number) {
            return self.place_of_small(small);
        }
        if let Some(place) = self.numbers.get(&number) {
            return *place;
        }
        let place = self.place_of_text(itoa::Buffer::new().format(number));
        self.numbers.insert(number, place);
        place
    }

    fn place_of_small(&mut self, number: u32) -> u32 {
        let next = self.names.len() as u32;
        let place = self.small_numbers.get_or_insert(number, next);
        if place == next {
            self.names.push(Kept::Number(number));
        }
        place
    }

    fn place_of_text(&mut self, name: &str) -> u32 {
        let Self {
            text,
            names,
            places,
            ..
        } = self;
        let next = names.len() as u32;
        let entry = places.entry(
            FxBuildHasher.hash_one(name),
            |place| text_at(text, names, *place) == name,
            |place| FxBuildHasher.hash_one(text_at(text, names, *place)),
        );
        let place = *entry.or_insert(next).get();
        if place == next {
            names.push(Kept::Text {
                start: text.len(),
                // No string of V8's has so many characters.
                len: name.len() as u32,
            });
            text.push_str(name);
        }
        place
    }

    /// Takes the texts' fingerprints: no more names come.
    pub(super) fn seal(&mut self) {
        let texts = self.names.iter().filter_map(|name| match name {
            Kept::Text { start, len } => Some(text_of(&self.text, *start, *len)),
            Kept::Number(_) => None,
        });
        self.fingerprints.extend(texts.map(fingerprint));
    }

    /// All, once they are sealed.
    pub(super) fn all(&self) -> impl Iterator<Item = Name<'_>> {
        let mut prints = self.fingerprints.iter().copied();
        self.names.iter().map(move |name| match name {
            Kept::Text { start, len } => {
                let text = text_of(&self.text, *start, *len);
                Name::Text(text, prints.next().unwrap_or_default())
            }
            Kept::Number(number) => Name::Number(*number),
        })
    }
}

fn text_at<'t>(text: &'t str, names: &[Kept], place: u32) -> &'t str {
    match names.get(place as usize) {
        Some(Kept::Text { start, len }) => text_of(text, *start, *len),
        _ => "",
    }
}

fn text_of(text: &str, start: usize, len: u32) -> &str {
    let rest = text.get(start..).unwrap_or_default();
    rest.get(..len as usize).unwrap_or_default()
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
            let large = u64::from(u32::MAX) * 10;
            for (name, number) in [
                ("", 1000),
                ("17", 1001),
                ("017", 1002),
                ("42949672950", 1003),
            ] {
                assert_eq!(names.number_of(name), number);
                expected.push(name.to_owned());
            }
            for (number, place) in [(17, 1001), (large, 1003), (18, 1004), (large + 1, 1005)] {
                assert_eq!(names.number_of_number(number), place);
                assert_eq!(names.number_of_number(number), place);
                assert_eq!(names.number_of(&number.to_string()), place);
            }
            expected.extend(["18".to_owned(), (large + 1).to_string()]);
            names.seal();
            let all: Vec<_> = names.all().collect();
            assert_eq!(all.len(), expected.len());
            for (name, expected) in all.into_iter().zip(&expected) {
                match small_number(expected) {
                    Some(number) => assert_eq!(name, Name::Number(number)),
                    None => assert_eq!(name, Name::Text(expected, fingerprint(expected))),
                }
            }
            names.clear();
            assert_eq!(names.all().count(), 0);
        }
    }
}
