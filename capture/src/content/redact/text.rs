//! What is left of strings whose heads were overwritten: told by what it reads as.

use v8mini_format::memory::MemoryRange;

use super::page::push;
use crate::content::edits::{Edit, Fill};

/// So many words of nothing but printable characters in a row are text, whatever they are part of: the rest of a string whose
/// head was overwritten.
const MIN_TEXT_WORDS: u64 = 2;

/// A run of words that look like text.
#[derive(Debug)]
pub(super) struct Text<'a> {
    /// The pages of the heap, sorted.
    heap: &'a [MemoryRange],
    start: u64,
    words: u64,
    /// Those of them that are full of characters; text begins and ends anywhere in a word.
    full: u64,
    /// Whether one of them can hardly be anything else.
    is_sure: bool,
}

impl<'a> Text<'a> {
    pub(super) const fn new(heap: &'a [MemoryRange]) -> Self {
        Self {
            heap,
            start: 0,
            words: 0,
            full: 0,
            is_sure: false,
        }
    }

    pub(super) fn word(&mut self, address: u64, word: u64, found: &mut Vec<Edit>) {
        let full = is_text(word);
        // The map of what comes next may be at 0x227451682c28, which reads `),hQt"`.
        if !full && (!is_edge_of_text(word) || self.is_pointer(word)) {
            return self.end(found);
        }
        if self.words == 0 {
            self.start = address;
        }
        self.words += 1;
        self.full += u64::from(full);
        self.is_sure |= (full && is_plain_text(word)) || is_last_letters(word);
    }

    pub(super) fn end(&mut self, found: &mut Vec<Edit>) {
        if self.is_sure || (self.words >= MIN_TEXT_WORDS && self.full > 0) {
            push(found, self.start, self.start + 8 * self.words, Fill::ZERO);
        }
        *self = Self::new(self.heap);
    }

    /// Whether a word is a tagged pointer into the heap.
    fn is_pointer(&self, word: u64) -> bool {
        let at = self.heap.partition_point(|page| page.end() <= word);
        word & 1 == 1 && self.heap.get(at).is_some_and(|page| page.contains(word))
    }
}

/// Whether a word is eight printable characters of one byte, or four of two.
fn is_text(word: u64) -> bool {
    let bytes = word.to_le_bytes();
    let (units, _) = bytes.as_chunks::<2>();
    bytes.iter().all(is_printable)
        || units
            .iter()
            .all(|[low, high]| is_printable(low) && *high == 0)
}

/// Whether a word that [is text](is_text) is letters, digits and spaces only. So are six of 100,000 numbers above 131,072 that are no integers,
/// and no others: alone between other words, it is the first or last eight letters of a string, of which the rest was overwritten.
fn is_plain_text(word: u64) -> bool {
    word.to_le_bytes()
        .iter()
        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, 0 | b' '))
}

/// Whether a word is seven letters or digits and a zero: the end of a string, or a short one, of which the rest was overwritten, as by the
/// head of free memory (V8 14.6). A number of which that is true is less than 10^-300, and no pointer has so many digits.
fn is_last_letters(word: u64) -> bool {
    let [letters @ .., last] = word.to_le_bytes();
    last == 0 && letters.iter().all(u8::is_ascii_alphanumeric)
}

/// Whether a word is printable characters, with zeros before or behind them.
fn is_edge_of_text(word: u64) -> bool {
    let bytes = word.to_le_bytes();
    let is_zero = |byte: &u8| *byte == 0;
    let first = bytes.iter().position(|byte| !is_zero(byte)).unwrap_or(8);
    let last = bytes.iter().rposition(|byte| !is_zero(byte)).unwrap_or(0);
    let text = bytes.get(first..=last).unwrap_or_default();
    !text.is_empty() && text.iter().all(is_printable)
}

const fn is_printable(byte: &u8) -> bool {
    matches!(*byte, 0x20..0x7f | b'\t' | b'\n' | b'\r')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_told_from_pointers_and_numbers() {
        assert!(is_text(u64::from_le_bytes(*b"password")));
        assert!(is_text(u64::from_le_bytes(*b"p\0a\0s\0s\0")));
        assert!(is_last_letters(u64::from_le_bytes(*b"passwor\0")));
        assert!(!is_last_letters(u64::from_le_bytes(*b"secret\0\0")));
        for word in [
            0x0000_3a12_3456_7891,
            0x7f12_3456_7890,
            5 << 32,
            1.5_f64.to_bits(),
            u64::MAX,
        ] {
            assert!(!is_text(word), "{word:#x}");
        }
    }

    /// What is replaced of words at 0, 8, 16 …
    fn replaced(words: &[u64]) -> Vec<(u64, u64)> {
        let mut found = Vec::new();
        let page = |start| MemoryRange {
            start,
            len: 1 << 18,
        };
        let heap = [page(0x2274_5168_0000), page(0x3a12_3454_0000)];
        let mut text = Text::new(&heap);
        for (address, word) in (0..).step_by(8).zip(words) {
            text.word(address, *word, &mut found);
        }
        text.end(&mut found);
        let range = |edit: &Edit| (edit.range.start, edit.range.len);
        found.iter().map(range).collect()
    }

    #[test]
    fn eight_letters_alone_are_text() {
        let word = |letters: &[u8; 8]| u64::from_le_bytes(*letters);
        let pointer = 0x0000_3a12_3456_7891;
        assert_eq!(replaced(&[pointer, word(b"kguqhlqc"), pointer]), [(8, 8)]);
        assert_eq!(replaced(&[pointer, word(b"k\0g\0u\0q\0")]), [(8, 8)]);
        assert_eq!(replaced(&[word(b"a-b-c-d-"), pointer]), Vec::new());
        assert_eq!(
            replaced(&[word(b"a-b-c-d-"), word(b"e\0\0\0\0\0\0\0"), pointer]),
            [(0, 16)]
        );
        assert_eq!(replaced(&[100.25_f64.to_bits(), 5 << 32]), Vec::new());
    }

    #[test]
    fn a_pointer_that_reads_as_text_is_none() {
        let word = |letters: &[u8; 8]| u64::from_le_bytes(*letters);
        let rest = [word(b"stomeven"), word(b"t\0\0\0\0\0\0\0")];
        let map = word(b"),hQt\"\0\0");
        assert_eq!(replaced(&[rest[0], rest[1], map]), [(0, 16)]);
        assert_eq!(replaced(&[map, rest[0], rest[1]]), [(8, 16)]);
        // Not in the heap, it may be the end of a text.
        let none = word(b"),hQtz\0\0");
        assert_eq!(replaced(&[rest[0], rest[1], none]), [(0, 24)]);
    }
}
