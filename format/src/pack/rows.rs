//! The rows of columns, and the words of memory that they stand for.

use super::items::Item;

/// Some rows of a column, in order.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a> {
    pub(super) all: &'a [Item],
    /// Where the column's word is in each, in words from `at`.
    pub(super) distance: u32,
    /// Which of them; `None`: each.
    pub(super) picks: Option<&'a [u32]>,
}

impl<'a> Rows<'a> {
    pub(super) const fn of(all: &'a [Item], distance: u32) -> Self {
        Self {
            all,
            distance,
            picks: None,
        }
    }

    pub(super) const fn picked(self, picks: &'a [u32]) -> Self {
        Self {
            picks: Some(picks),
            ..self
        }
    }

    pub(super) fn len(&self) -> usize {
        self.picks.map_or(self.all.len(), <[u32]>::len)
    }

    /// Does something with each row and what belongs to it.
    #[inline]
    pub(super) fn zip<T>(self, others: impl Iterator<Item = T>, mut with: impl FnMut(&Item, T)) {
        match self.picks {
            None => {
                for (row, other) in self.all.iter().zip(others) {
                    with(row, other);
                }
            }
            Some(picks) => {
                for (pick, other) in picks.iter().zip(others) {
                    if let Some(row) = self.all.get(*pick as usize) {
                        with(row, other);
                    }
                }
            }
        }
    }

    /// Writes a word for each row.
    #[inline]
    pub(super) fn put(self, memory: &mut [[u8; 8]], words: impl Iterator<Item = u64>) {
        self.zip(words, |row, word| put(memory, row.at + self.distance, word));
    }
}

/// The words of items behind the first `lead`: those of one of `phases` columns, counted from the items' ends.
pub(super) fn tail_rows(items: &[Item], lead: u32, phases: u32, phase: u32, rows: &mut Vec<Item>) {
    rows.clear();
    for item in items {
        let first = lead + (item.size - lead + phases - phase) % phases;
        let row = |word| Item {
            at: item.at + word,
            ..*item
        };
        // Most arrays have one column.
        match phases {
            1 => rows.extend((first..item.size).map(row)),
            _ => rows.extend((first..item.size).step_by(phases as usize).map(row)),
        }
    }
}

/// Writes a word of the memory.
#[inline]
pub(super) fn put(memory: &mut [[u8; 8]], at: u32, word: u64) {
    if let Some(room) = memory.get_mut(at as usize) {
        *room = word.to_le_bytes();
    }
}

/// A word of the memory.
#[inline]
pub(super) fn get(memory: &[[u8; 8]], at: u32) -> u64 {
    let word = memory.get(at as usize);
    word.map_or(0, |word| u64::from_le_bytes(*word))
}

/// The bytes of an item behind its first `lead` words.
pub(super) fn room<'m>(memory: &'m mut [[u8; 8]], item: &Item, lead: u32) -> &'m mut [u8] {
    let range = (item.at + lead) as usize..(item.at + item.size) as usize;
    memory.get_mut(range).unwrap_or_default().as_flattened_mut()
}
