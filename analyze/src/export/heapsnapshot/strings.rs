//! The table of strings: every name once, in the order in which it was first needed.

use std::hash::{DefaultHasher, Hasher};
use std::io::{self, Write};

use rustc_hash::FxHashMap;

use super::json;
use super::spool::Spool;

/// The table of strings. Only fingerprints stay in memory: the strings of a heap may be as large as the heap.
pub(super) struct Strings {
    /// Index by fingerprint.
    known: FxHashMap<u128, u32>,
    texts: Spool,
}

impl Strings {
    /// A table that holds V8's placeholder, number 0.
    ///
    /// # Errors
    /// If no temporary file can be made.
    pub(super) fn new() -> io::Result<Self> {
        let mut strings = Self {
            known: FxHashMap::default(),
            texts: Spool::new()?,
        };
        strings.index_of("<dummy>")?;
        Ok(strings)
    }

    /// The number of a string, new or not.
    ///
    /// # Errors
    /// If the temporary file cannot be written, or there are more strings than the format can number.
    pub(super) fn index_of(&mut self, text: &str) -> io::Result<u32> {
        let next = u32::try_from(self.known.len()).map_err(|_| {
            io::Error::other("there are more strings than a heap snapshot can number")
        })?;
        match self.known.entry(fingerprint(text)) {
            std::collections::hash_map::Entry::Occupied(known) => Ok(*known.get()),
            std::collections::hash_map::Entry::Vacant(new) => {
                if next > 0 {
                    self.texts.write_all(b",\n")?;
                }
                json::write_string(&mut self.texts, text)?;
                Ok(*new.insert(next))
            }
        }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.known.len()
    }

    /// Writes all of them, as the elements of a JSON array.
    ///
    /// # Errors
    /// As reading the temporary file, and writing.
    pub(super) fn write_to(self, out: &mut dyn Write) -> io::Result<u64> {
        self.texts.copy_to(out)
    }
}

/// 128 bits that tell strings apart: of ten million strings, two have the same with a probability below 10^-24.
fn fingerprint(text: &str) -> u128 {
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
    use super::*;

    #[test]
    fn every_string_once() {
        let mut strings = Strings::new().unwrap();
        assert_eq!(strings.index_of("a").unwrap(), 1);
        assert_eq!(strings.index_of("b\"\n\u{1}\u{2028}").unwrap(), 2);
        assert_eq!(strings.index_of("a").unwrap(), 1);
        assert_eq!(strings.len(), 3);
        let mut out = b"[".to_vec();
        strings.write_to(&mut out).unwrap();
        out.push(b']');
        let read: Vec<String> = serde_json::from_slice(&out).unwrap();
        assert_eq!(read, ["<dummy>", "a", "b\"\n\u{1}\u{2028}"]);
    }
}
