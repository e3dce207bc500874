//! What is known of the words of one object before they are read, by offset.

use rustc_hash::FxHashMap;

use super::edge::{EdgeKind, EdgeName};

/// Words up to here are looked up by their place. Few objects have names for words behind it, and those could be anywhere.
const NEAR: u64 = 256;

/// What is known of a word.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum WordName {
    /// Nothing.
    #[default]
    Unknown,
    /// Its edge is there already.
    Done,
    /// What its edge is called.
    Name(EdgeKind, EdgeName),
}

/// Names of words. Each word of a heap is looked up here once, so a hash of its offset would show.
#[derive(Debug, Default)]
pub(super) struct WordNames {
    near: Vec<WordName>,
    /// Words further away, and those that are not aligned.
    far: FxHashMap<u64, WordName>,
}

impl WordNames {
    /// Forgets all words.
    pub(super) fn clear(&mut self) {
        self.near.clear();
        self.far.clear();
    }

    /// Names a word of which nothing is known yet.
    pub(super) fn name(&mut self, offset: u64, kind: EdgeKind, name: EdgeName) {
        let place = self.place(offset);
        if *place == WordName::Unknown {
            *place = WordName::Name(kind, name);
        }
    }

    /// Has a word passed over.
    pub(super) fn set_done(&mut self, offset: u64) {
        *self.place(offset) = WordName::Done;
    }

    /// What is known of a word; from then on, nothing is.
    pub(super) fn take(&mut self, offset: u64) -> WordName {
        match near(offset) {
            Some(index) => self.near.get_mut(index).map(std::mem::take),
            None if self.far.is_empty() => None,
            None => self.far.remove(&offset),
        }
        .unwrap_or_default()
    }

    fn place(&mut self, offset: u64) -> &mut WordName {
        match near(offset) {
            Some(index) => {
                if index >= self.near.len() {
                    self.near.resize(index + 1, WordName::Unknown);
                }
                &mut self.near[index]
            }
            None => self.far.entry(offset).or_default(),
        }
    }
}

fn near(offset: u64) -> Option<usize> {
    let word = offset / 8;
    (offset.is_multiple_of(8) && word < NEAR).then_some(word as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_known_by_their_offsets_near_and_far() {
        let mut names = WordNames::default();
        let all = [0, 8, 19, NEAR * 8 - 8, NEAR * 8, u64::MAX];
        for offset in all {
            names.name(offset, EdgeKind::Internal, offset.into());
            // The first name counts.
            names.name(offset, EdgeKind::Property, "other".into());
        }
        names.set_done(8);
        for offset in all {
            let known = names.take(offset);
            match offset {
                8 => assert_eq!(known, WordName::Done),
                _ => assert_eq!(known, WordName::Name(EdgeKind::Internal, offset.into())),
            }
            assert_eq!(names.take(offset), WordName::Unknown);
        }
        names.name(16, EdgeKind::Internal, "gone".into());
        names.name(17, EdgeKind::Internal, "gone".into());
        names.clear();
        assert_eq!(names.take(16), WordName::Unknown);
        assert_eq!(names.take(17), WordName::Unknown);
    }
}
