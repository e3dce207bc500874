//! Where the memory of strings goes: equal ones, long ones, slices of long ones, concatenations, and such as take two
//! bytes for a character that needs one.

mod census;
mod duplicates;
mod ropes;
mod slices;

use std::collections::BTreeMap;

use regex::Regex;

use crate::heap::{Coverage, PageSelection, walk};
use crate::top::Top;
use crate::v8::{Address, Objects, Representation};

pub use duplicates::{Duplicates, SameText};
pub use ropes::{Rope, Ropes};
pub use slices::{PinnedParent, Slices};

use census::Census;

/// Of a text, so many code units are compared with a filter: of a million slices of one text, each may be as long as it.
const FILTERED_UNITS: usize = 1024;

/// Which strings are looked at, and how many of each finding are kept.
#[derive(Debug, Clone, Copy)]
pub struct Options<'a> {
    /// Only strings whose beginning, of 1,024 code units, matches.
    pub filter: Option<&'a Regex>,
    /// So many rows of each finding.
    pub limit: usize,
    /// By what duplicates are ranked.
    pub order: Order,
}

/// By what duplicates are ranked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Bytes that all copies but one take.
    Wasted,
    /// Number of copies.
    Count,
    /// Length of the text.
    Length,
}

/// Strings of one kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct KindCount {
    /// How many.
    pub count: u64,
    /// Their bytes in the heap.
    pub bytes: u64,
    /// Bytes of their characters outside of the heap.
    pub outside_bytes: u64,
    /// Code units.
    pub units: u64,
}

/// How a string is stored, and whether it is internalized.
pub type StringKind = (Representation, bool);

/// A single string.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct OneString {
    /// Where it lies.
    pub address: Address,
    /// Code units.
    pub length: u64,
    /// Its bytes, those outside of the heap included.
    pub bytes: u64,
    /// How it is stored.
    pub representation: Representation,
}

/// Two-byte strings whose characters would all fit into one byte.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Narrowable {
    /// How many.
    pub count: u64,
    /// What they would save.
    pub wasted_bytes: u64,
    /// Those that would save most.
    pub examples: Vec<OneString>,
}

/// What was found out about the strings of a heap.
#[derive(Debug)]
pub struct StringReport {
    /// By kind.
    pub kinds: BTreeMap<StringKind, KindCount>,
    /// Equal texts.
    pub duplicates: Duplicates,
    /// The longest that are part of no other.
    pub longest: Vec<OneString>,
    /// Slices of long strings.
    pub slices: Slices,
    /// Concatenations.
    pub ropes: Ropes,
    /// Two-byte strings that need not be.
    pub narrowable: Narrowable,
    /// Strings whose characters are not in the image.
    pub unreadable: u64,
    /// How much of the heap was walked.
    pub coverage: Coverage,
}

impl StringReport {
    /// Looks at all strings of the selected pages.
    ///
    /// Takes 24 bytes for each string that has characters of its own or is short, and 32 for each slice and concatenation:
    /// less than the strings themselves take.
    pub fn of(objects: &Objects, selection: PageSelection, options: &Options<'_>) -> Self {
        let (parts, coverage) = walk(objects, selection, || Census::new(objects, options));
        let mut all = Census::new(objects, options);
        for part in parts {
            all.merge(part);
        }
        let rank = |top: Top<OneString>| {
            let sorted = top.into_sorted().into_iter();
            sorted.map(|(_, string)| string).collect()
        };
        let (ropes, inner) = Ropes::of(objects, all.concatenations, options);
        for rope in &ropes.longest {
            all.longest.push(rope.length, *rope);
        }
        Self {
            kinds: all.kinds,
            duplicates: Duplicates::among(objects, all.texts, &inner, options),
            longest: rank(all.longest),
            slices: Slices::of(objects, all.slices, options.limit),
            ropes,
            narrowable: Narrowable {
                count: all.narrowable_count,
                wasted_bytes: all.narrowable_bytes,
                examples: rank(all.narrowable),
            },
            unreadable: all.unreadable,
            coverage,
        }
    }
}

/// Whether a string's beginning matches the filter; all do if there is none.
fn matches(objects: &Objects, filter: Option<&Regex>, string: Address) -> bool {
    let Some(filter) = filter else { return true };
    objects
        .read_string(string, FILTERED_UNITS)
        .is_ok_and(|text| filter.is_match(&text.to_text()))
}
