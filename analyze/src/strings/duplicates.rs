//! Texts that are in the heap more than once.

use rayon::prelude::*;
use rustc_hash::FxHashSet;

use super::census::Text;
use super::{Options, Order};
use crate::top::Top;
use crate::v8::{Address, Objects};

/// Texts are compared in windows of so many code units.
const WINDOW: u64 = 64 << 10;
/// So many copies of a text are named.
const EXAMPLES: usize = 3;

/// Texts with more than one copy.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Duplicates {
    /// How many texts, by the hash of their characters.
    pub texts: u64,
    /// How many copies they have together.
    pub copies: u64,
    /// What all copies but the smallest of each take.
    pub wasted_bytes: u64,
    /// The texts that come first in the order that was asked for, compared character by character.
    pub first: Vec<SameText>,
}

/// A text and its copies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SameText {
    /// Code units.
    pub length: u64,
    /// How many strings have it.
    pub copies: u64,
    /// What all copies but the smallest take.
    pub wasted_bytes: u64,
    /// Some of the copies, lowest address first.
    pub examples: Vec<Address>,
}

impl Duplicates {
    /// Finds equal texts. `parts` are concatenations inside of others: they go where those go.
    pub(super) fn among(
        objects: &Objects,
        mut texts: Vec<Text>,
        parts: &FxHashSet<Address>,
        options: &Options<'_>,
    ) -> Self {
        if !parts.is_empty() {
            texts.retain(|text| !parts.contains(&text.address));
        }
        texts.par_sort_unstable_by_key(|text| (text.hash, text.length, text.address));
        let mut found = Self::default();
        let mut top = Top::new(options.limit);
        let mut start = 0;
        for group in texts.chunk_by(|a, b| (a.hash, a.length) == (b.hash, b.length)) {
            let range = start..start + group.len();
            start = range.end;
            if group.len() < 2 {
                continue;
            }
            let wasted = wasted(group);
            found.texts += 1;
            found.copies += group.len() as u64;
            found.wasted_bytes += wasted;
            let length = group.first().map_or(0, |text| u64::from(text.length));
            let rank = match options.order {
                Order::Wasted => wasted,
                Order::Count => group.len() as u64,
                Order::Length => length,
            };
            top.push(rank, (range.start, range.end));
        }
        let groups: Vec<(u64, (usize, usize))> = top.into_sorted();
        found.first = groups
            .into_par_iter()
            .filter_map(|(_, (start, end))| compare(objects, texts.get(start..end)?))
            .collect();
        found
    }
}

fn wasted(group: &[Text]) -> u64 {
    let bytes = || group.iter().map(|text| u64::from(text.bytes));
    bytes().sum::<u64>() - bytes().min().unwrap_or(0)
}

/// Those of a group that really equal its first: hashes of different texts may be the same, and in a hostile capture are.
fn compare(objects: &Objects, group: &[Text]) -> Option<SameText> {
    let (first, others) = group.split_first()?;
    let equal = others
        .par_iter()
        .filter(|other| same_text(objects, first, other));
    let mut copies: Vec<Text> = equal.copied().collect();
    copies.insert(0, *first);
    (copies.len() > 1).then(|| SameText {
        length: u64::from(first.length),
        copies: copies.len() as u64,
        wasted_bytes: wasted(&copies),
        examples: copies
            .iter()
            .take(EXAMPLES)
            .map(|text| text.address)
            .collect(),
    })
}

fn same_text(objects: &Objects, one: &Text, other: &Text) -> bool {
    let length = u64::from(one.length);
    let mut start = 0;
    while start < length {
        let end = length.min(start + WINDOW);
        let units = |text: &Text| objects.string_units(text.address, start, end);
        match (units(one), units(other)) {
            (Ok(ours), Ok(theirs)) if ours == theirs => start = end,
            _ => return false,
        }
    }
    true
}
