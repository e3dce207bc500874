//! The table of strings: every name once, in the order in which it was first needed.

use std::hash::{DefaultHasher, Hasher};
use std::io::{self, Write};

use rustc_hash::FxHashMap;

use super::json;
use super::spool::Spool;

/// The table of strings. Only fingerprints stay in memory: the strings of a heap may be as large as the heap.
pub(super) struct Strings {
    /// Index by fingerprint.
    known: FxHashMap<Fingerprint, u32>,
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
            known: FxHashMap::default(),
            texts,
            json: Vec::new(),
        };
        strings.index_of("<dummy>", fingerprint("<dummy>"))?;
        Ok(strings)
    }

    /// The number of a string with this fingerprint, new or not.
    ///
    /// # Errors
    /// If the temporary file cannot be written, or there are more strings than the format can number.
    pub(super) fn index_of(&mut self, text: &str, print: Fingerprint) -> io::Result<u32> {
        let next = u32::try_from(self.known.len()).map_err(|_| {
            io::Error::other("there are more strings than a heap snapshot can number")
        })?;
        match self.known.entry(print) {
            std::collections::hash_map::Entry::Occupied(known) => Ok(*known.get()),
            std::collections::hash_map::Entry::Vacant(new) => {
                self.json.clear();
                if next > 0 {
                    self.json.extend(b",\n");
                }
                json::push_string(&mut self.json, text);
                self.texts.write_all(&self.json)?;
                Ok(*new.insert(next))
            }
        }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.known.len()
    }

    /// All of them, as the elements of a JSON array.
    pub(super) fn into_texts(self) -> Spool {
        self.texts
    }
}

/// What tells strings apart.
pub(super) type Fingerprint = u128;

/// 128 bits that tell strings apart: of ten million strings, two have the same with a probability below 10^-24.
pub(super) fn fingerprint(text: &str) -> Fingerprint {
    let half = |salt: u8| {
        // SipHash with keys that are the same in every run, so that equal captures make equal snapshots.
        let mut hasher = DefaultHasher::new();
        hasher.write_u8(salt);
        hasher.write(text.as_bytes());
        hasher.finish()
    };
    u128::from(half(0)) << 64 | u128::from(half(1))
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
        assert_eq!(strings.len(), 3);
        let mut out = b"[".to_vec();
        strings
            .into_texts()
            .copy_to(&mut Out::Stream(&mut out))
            .unwrap();
        out.push(b']');
        let read: Vec<String> = serde_json::from_slice(&out).unwrap();
        assert_eq!(read, ["<dummy>", "a", "b\"\n\u{1}\u{2028}"]);
    }
}
