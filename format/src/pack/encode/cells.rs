//! The words of columns, gathered from all over a segment's memory.

use super::classify::{Codes, WORD};
use super::columns::Row;

/// Columns next to each other are gathered together, up to so many: a cache line has eight words, and is fetched once for all of them.
const TOGETHER: usize = 8;

/// So many words are gathered at a time, but for a column that is longer.
const ROOM: usize = 256 * 1024;

/// Columns that were gathered, one after the other; the room is used again.
#[derive(Debug, Default)]
pub(super) struct Cells {
    words: Vec<u64>,
    /// What each word is.
    codes: Vec<u32>,
    /// What the item of each word is numbered as a target; of tails only.
    targets: Vec<u32>,
    /// Words in each column.
    len: usize,
}

impl Cells {
    /// How many columns of so many words are best gathered together.
    pub(super) fn columns(len: usize) -> usize {
        (ROOM / len.max(1)).clamp(1, TOGETHER)
    }

    /// Gathers `count` columns: the words of all items from `first` on, counted from where the item begins.
    pub(super) fn gather(
        &mut self,
        memory: &[[u8; 8]],
        coded: &Codes,
        items: &[Row],
        first: u32,
        count: usize,
    ) {
        let len = items.len();
        self.len = len;
        // What is left of earlier columns is overwritten.
        if self.words.len() < len * count {
            self.words.resize(len * count, 0);
            self.codes.resize(len * count, WORD);
        }
        for (row, item) in items.iter().enumerate() {
            let at = (item.at + first) as usize;
            let words = memory.get(at..at + count).unwrap_or_default();
            let codes = coded.range(at..at + count);
            let mut place = row;
            for (word, code) in words.iter().zip(codes) {
                if let (Some(to_word), Some(to_code)) =
                    (self.words.get_mut(place), self.codes.get_mut(place))
                {
                    *to_word = u64::from_le_bytes(*word);
                    *to_code = coded.last(*code);
                }
                place += len;
            }
        }
    }

    /// The words of one of the columns, and what they are.
    pub(super) fn column(&self, number: usize) -> (&[u64], &[u32]) {
        let range = number * self.len..(number + 1) * self.len;
        (
            self.words.get(range.clone()).unwrap_or_default(),
            self.codes.get(range).unwrap_or_default(),
        )
    }

    /// Gathers the words of items behind the first `lead`: those of one of `phases` columns, counted from the items' ends. What they are is taken
    /// from `coded`, or else they are words like any other.
    pub(super) fn gather_tail(
        &mut self,
        memory: &[[u8; 8]],
        coded: Option<&Codes>,
        items: &[Row],
        lead: u32,
        (phases, phase): (u32, u32),
    ) {
        self.words.clear();
        self.codes.clear();
        self.targets.clear();
        for item in items {
            // Counted from the end, the first word is this; those with the number `phase`, modulo `phases`, are wanted.
            let number = item.size - lead;
            let skipped = (number + phases - phase) % phases;
            let range = (item.at + lead + skipped) as usize..(item.at + item.size) as usize;
            let words = memory.get(range.clone()).unwrap_or_default().iter();
            let words = words.map(|word| u64::from_le_bytes(*word));
            let codes = coded.map_or(&[][..], |coded| coded.range(range)).iter();
            let last = |code: &u32| coded.map_or(WORD, |coded| coded.last(*code));
            // Most arrays have one column.
            if phases == 1 {
                self.words.extend(words);
                self.codes.extend(codes.map(last));
            } else {
                self.words.extend(words.step_by(phases as usize));
                self.codes.extend(codes.step_by(phases as usize).map(last));
            }
            self.targets.resize(self.words.len(), item.target);
        }
        // Where they were not coded, nothing in them is a reference.
        self.codes.resize(self.words.len(), WORD);
        self.len = self.words.len();
    }

    /// The targets of the items that the words of a tail are in.
    pub(super) fn targets(&self) -> &[u32] {
        &self.targets
    }
}
