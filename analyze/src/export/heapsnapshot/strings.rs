//! The table of strings: every name once, in the order in which it was first needed.

use std::hash::{DefaultHasher, Hasher};
use std::io::{self, Write};

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use super::json;
use super::spool::Spool;

/// A string of the table. There are millions of them, so their size shows.
#[derive(Debug, Clone, Copy)]
struct Known {
    print: Fingerprint,
    number: u32,
}

/// The table of strings. Only fingerprints stay in memory: the strings of a heap may be as large as the heap.
pub(super) struct Strings {
    known: HashTable<Known>,
    /// Numbers of the strings that are small numbers.
    numbers: NumberTable,
    len: u32,
    texts: Spool,
    /// The JSON of a string.
    json: Vec<u8>,
}

impl Strings {
    /// A table that holds V8's placeholder, number 0.
    ///
    /// # Errors
    /// If the temporary file cannot be written.
    pub(super) fn new(texts: Spool) -> io::Result<Self> {
        let mut strings = Self {
            known: HashTable::new(),
            numbers: NumberTable::default(),
            len: 0,
            texts,
            json: Vec::new(),
        };
        strings.index_of("<dummy>", fingerprint("<dummy>"))?;
        Ok(strings)
    }

    /// The number of a string with this fingerprint, new or not, for which [`small_number`] has none.
    ///
    /// # Errors
    /// If the temporary file cannot be written, or there are more strings than the format can number.
    pub(super) fn index_of(&mut self, text: &str, print: Fingerprint) -> io::Result<u32> {
        let number = self.len;
        let entry = self.known.entry(
            hash_of(print),
            |known| known.print == print,
            |known| hash_of(known.print),
        );
        match entry {
            Entry::Occupied(known) => Ok(known.get().number),
            Entry::Vacant(new) => {
                new.insert(Known { print, number });
                self.push(text)
            }
        }
    }

    /// The number of the string that is a small number, new or not.
    ///
    /// # Errors
    /// As [`Self::index_of`].
    pub(super) fn index_of_number(&mut self, number: u32) -> io::Result<u32> {
        match self.numbers.get_or_insert(number, self.len) {
            new if new == self.len => self.push(itoa::Buffer::new().format(number)),
            known => Ok(known),
        }
    }

    /// Writes a new string, and says its number.
    fn push(&mut self, text: &str) -> io::Result<u32> {
        let number = self.len;
        self.len = number.checked_add(1).ok_or_else(|| {
            io::Error::other("there are more strings than a heap snapshot can number")
        })?;
        self.json.clear();
        if number > 0 {
            self.json.extend(b",\n");
        }
        json::push_string(&mut self.json, text);
        self.texts.write_all(&self.json)?;
        Ok(number)
    }

    /// How many there are.
    pub(super) const fn len(&self) -> u32 {
        self.len
    }

    /// All of them, as the elements of a JSON array.
    pub(super) fn into_texts(self) -> Spool {
        self.texts
    }
}

/// What tells strings apart.
pub(super) type Fingerprint = [u32; 4];

/// Fingerprints are as good as random: a part of one needs no hash.
fn hash_of([a, b, ..]: Fingerprint) -> u64 {
    u64::from(a) << 32 | u64::from(b)
}

/// 128 bits that tell strings apart: of ten million strings, two have the same with a probability below 10^-24.
pub(super) fn fingerprint(text: &str) -> Fingerprint {
    let half = |salt: u8| -> [u32; 2] {
        // SipHash with keys that are the same in every run, so that equal captures make equal snapshots.
        let mut hasher = DefaultHasher::new();
        hasher.write_u8(salt);
        hasher.write(text.as_bytes());
        let hash = hasher.finish();
        [(hash >> 32) as u32, hash as u32]
    };
    let ([a, b], [c, d]) = (half(0), half(1));
    [a, b, c, d]
}

/// Strings that are numbers below this are told apart by these.
const NUMBERS: u32 = 1 << 22;

/// The number that a text is, as V8 would write it, if it is a small one.
pub(super) fn small_number(text: &str) -> Option<u32> {
    match text.as_bytes() {
        [b'0'] => Some(0),
        [b'1'..=b'9', ..] if text.len() <= 7 => {
            let number = text.parse().ok()?;
            NumberTable::fitting(number)
        }
        _ => None,
    }
}

/// What is known of small numbers, by these: quicker than a hash table, because the words of an array are numbered one after the other.
#[derive(Debug, Default)]
pub(super) struct NumberTable(Vec<u32>);

impl NumberTable {
    /// Stands for numbers of which nothing is known.
    const NONE: u32 = u32::MAX;

    /// A number, if it is one of those for which the table has room.
    pub(super) fn fitting(number: u64) -> Option<u32> {
        let number = u32::try_from(number).ok();
        number.filter(|number| *number < NUMBERS)
    }

    /// What is known of a number that fits, which is `new` (no [`Self::NONE`]) if it is new.
    pub(super) fn get_or_insert(&mut self, number: u32, new: u32) -> u32 {
        let at = number as usize;
        if at >= self.0.len() {
            self.0.resize(at + 1, Self::NONE);
        }
        match self.0.get_mut(at) {
            Some(known) if *known == Self::NONE => {
                *known = new;
                new
            }
            Some(known) => *known,
            None => new,
        }
    }

    /// Forgets all, and keeps the room.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::super::spool::Out;
    use super::*;

    #[test]
    fn every_string_once() {
        let mut strings = Strings::new(Spool::new(None).unwrap()).unwrap();
        let mut index_of = |text| strings.index_of(text, fingerprint(text)).unwrap();
        assert_eq!(index_of("a"), 1);
        assert_eq!(index_of("b\"\n\u{1}\u{2028}"), 2);
        assert_eq!(index_of("a"), 1);
        assert_eq!(strings.index_of_number(7).unwrap(), 3);
        assert_eq!(strings.index_of_number(7).unwrap(), 3);
        assert_eq!(strings.len(), 4);
        let mut out = b"[".to_vec();
        strings
            .into_texts()
            .copy_to(&mut Out::Stream(&mut out))
            .unwrap();
        out.push(b']');
        let read: Vec<String> = serde_json::from_slice(&out).unwrap();
        assert_eq!(read, ["<dummy>", "a", "b\"\n\u{1}\u{2028}", "7"]);
    }

    #[test]
    fn only_what_v8_would_write_is_a_number() {
        for number in [0, 1, 9, 10, 4096, NUMBERS - 1] {
            assert_eq!(small_number(&number.to_string()), Some(number));
        }
        for text in ["", "00", "01", "+1", "-1", "1a", "1.5", " 1", "\u{661}"] {
            assert_eq!(small_number(text), None, "{text}");
        }
        assert_eq!(small_number(&NUMBERS.to_string()), None);
        assert_eq!(small_number("18446744073709551616"), None);
    }
}
