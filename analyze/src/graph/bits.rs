//! A set of nodes, one bit each, that several threads may add to.

use std::sync::atomic::{AtomicU64, Ordering};

/// A set of small numbers.
#[derive(Debug, Default)]
pub(crate) struct BitSet(Vec<AtomicU64>);

impl BitSet {
    /// An empty set for numbers below `len`.
    pub(crate) fn new(len: usize) -> Self {
        Self((0..len.div_ceil(64)).map(|_| AtomicU64::new(0)).collect())
    }

    /// Adds a number; whether it was missing. Numbers that are too great are left out.
    pub(crate) fn insert(&self, number: usize) -> bool {
        let bit = 1 << (number % 64);
        self.0.get(number / 64).is_some_and(|word| {
            // Most are there already, and reading a shared word costs less than writing it.
            word.load(Ordering::Relaxed) & bit == 0
                && word.fetch_or(bit, Ordering::Relaxed) & bit == 0
        })
    }

    /// Whether a number is in the set.
    pub(crate) fn contains(&self, number: usize) -> bool {
        let bit = 1 << (number % 64);
        self.0
            .get(number / 64)
            .is_some_and(|word| word.load(Ordering::Relaxed) & bit != 0)
    }

    /// The bits, 64 to a word.
    pub(super) fn words(&self) -> Vec<u64> {
        let words = self.0.iter();
        words.map(|word| word.load(Ordering::Relaxed)).collect()
    }

    /// The set for numbers below `len` whose bits these are.
    pub(super) fn of_words(words: Vec<u64>, len: usize) -> Option<Self> {
        (words.len() == len.div_ceil(64))
            .then(|| Self(words.into_iter().map(AtomicU64::new).collect()))
    }
}
