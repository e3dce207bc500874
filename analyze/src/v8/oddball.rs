//! `undefined`, `null`, `true`, `false`, and the values that only V8 sees.

use std::collections::BTreeMap;
use std::ops::Range;

use rustc_hash::{FxHashMap, FxHashSet};
use v8mini_format::model::{Page, Space};

use super::{Address, ObjectError, Objects, Tagged};
use crate::layout::Field;

/// An oddball, or a hole (V8 12 and later, where holes have a type of their own).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Oddball {
    /// `undefined`
    Undefined,
    /// `null`
    Null,
    /// `true` or `false`
    Boolean(bool),
    /// A hole: no value.
    Hole,
    /// Another internal marker: how V8 prints it.
    Other(String),
}

/// `Oddball::kFalse`, `kTrue`, `kTheHole`, `kNull`: the same from V8 4.5 to 14.6.
const FALSE: u64 = 0;
const TRUE: u64 = 1;
const THE_HOLE: u64 = 2;
const NULL: u64 = 3;

/// Read-only space has a few pages of 256 KiB for each isolate at most. More than so many bytes, or so many pages, are not
/// searched.
const READ_ONLY_MAX: u64 = 64 << 20;
const READ_ONLY_PAGES_MAX: usize = 256;

impl Objects {
    /// The oddball at `address`.
    ///
    /// # Errors
    /// [`ObjectError::WrongType`] if it is none; other errors if it cannot be read.
    pub fn read_oddball(&self, address: Address) -> Result<Oddball, ObjectError> {
        let instance_type = self.map_of(address)?.instance_type;
        if self.is_type(instance_type, "HOLE_TYPE") {
            return Ok(Oddball::Hole);
        }
        if !self.is_type(instance_type, "ODDBALL_TYPE") {
            return Err(ObjectError::WrongType {
                address,
                found: self.type_name(instance_type),
                expected: "oddball",
            });
        }
        let kind = self.field(address, Field::OddballKind)?;
        if self.layout().number(Field::OddballUndefined).ok() == Some(kind) {
            return Ok(Oddball::Undefined);
        }
        Ok(match kind {
            FALSE => Oddball::Boolean(false),
            TRUE => Oddball::Boolean(true),
            THE_HOLE => Oddball::Hole,
            NULL => Oddball::Null,
            _ => {
                let text = self
                    .tagged_field(address, Field::OddballToString)?
                    .strong()
                    .and_then(|text| self.read_string(text, 64).ok());
                Oddball::Other(
                    text.map_or_else(|| format!("oddball {kind}"), |text| text.to_text()),
                )
            }
        })
    }

    /// Whether a word is a hole: no value.
    pub fn is_hole(&self, word: Tagged) -> bool {
        self.is_oddball(word, &Oddball::Hole)
    }

    /// Whether a word is `undefined`.
    pub fn is_undefined(&self, word: Tagged) -> bool {
        self.is_oddball(word, &Oddball::Undefined)
    }

    /// Whether a word is `null`.
    pub fn is_null(&self, word: Tagged) -> bool {
        self.is_oddball(word, &Oddball::Null)
    }

    fn is_oddball(&self, word: Tagged, wanted: &Oddball) -> bool {
        let Some(object) = word.strong() else {
            return false;
        };
        let known = self.oddballs.get_or_init(|| ReadOnlyOddballs::find(self));
        if let Some(known) = known {
            // Most words that are asked about lead elsewhere, and to look there would cost a read at random.
            if !known.could_be(object) {
                return false;
            }
            if let Some(found) = known.list.get(&object) {
                return found == wanted;
            }
        }
        self.instance_type(object).is_some_and(|found| {
            self.is_type(found, "ODDBALL_TYPE") || self.is_type(found, "HOLE_TYPE")
        }) && self
            .read_oddball(object)
            .is_ok_and(|found| found == *wanted)
    }
}

/// The oddballs of an image that has all of them in read-only space, as V8 does since that space exists.
#[derive(Debug)]
pub(super) struct ReadOnlyOddballs {
    /// The object areas of read-only pages.
    areas: Vec<Range<u64>>,
    list: FxHashMap<Address, Oddball>,
}

impl ReadOnlyOddballs {
    /// Looks through the read-only pages. `None` if there are none, or if `undefined`, `null` and the hole are not there.
    fn find(objects: &Objects) -> Option<Self> {
        let types = &objects.layout().types;
        let wanted = [types.number("ODDBALL_TYPE"), types.number("HOLE_TYPE")];
        let pages = objects.pages().pages().iter();
        let pages: Vec<&Page> = pages.filter(|page| page.space == Space::ReadOnly).collect();
        let bytes: u64 = pages
            .iter()
            .map(|page| page.area_end - page.area_start)
            .sum();
        if pages.len() > READ_ONLY_PAGES_MAX || bytes > READ_ONLY_MAX {
            return None;
        }
        let mut words = Vec::new();
        for page in &pages {
            words.extend(words_of(objects, page));
        }
        // Maps are what has a meta-map for a map; oddballs, what has one of the few maps of their types.
        let maps: FxHashSet<u64> = words
            .iter()
            .filter(|(address, word)| {
                let is_map = Tagged(*word)
                    .strong()
                    .is_some_and(|map| objects.is_meta_map(map));
                is_map
                    && objects
                        .map(*address)
                        .is_some_and(|map| wanted.contains(&Some(map.instance_type)))
            })
            .map(|(address, _)| address.tagged().0)
            .collect();
        let list: FxHashMap<Address, Oddball> = words
            .iter()
            .filter(|(_, word)| maps.contains(word))
            .filter_map(|(address, _)| Some((*address, objects.read_oddball(*address).ok()?)))
            .collect();
        // Up to V8 9 each isolate has read-only pages of its own.
        let mut by_heap: BTreeMap<u64, Vec<&Oddball>> = BTreeMap::new();
        for page in &pages {
            by_heap.entry(page.heap).or_default();
        }
        for (address, oddball) in &list {
            let page = objects.pages().page_of(address.0)?;
            by_heap.entry(page.heap).or_default().push(oddball);
        }
        let all = [Oddball::Undefined, Oddball::Null, Oddball::Hole];
        let complete = by_heap
            .values()
            .all(|found| all.iter().all(|wanted| found.contains(&wanted)));
        (complete && !pages.is_empty()).then(|| Self {
            areas: pages
                .iter()
                .map(|page| page.area_start..page.area_end)
                .collect(),
            list,
        })
    }

    fn could_be(&self, object: Address) -> bool {
        self.areas.iter().any(|area| area.contains(&object.0))
    }
}

/// The words of a page that are stored, with their addresses.
fn words_of(objects: &Objects, page: &Page) -> Vec<(Address, u64)> {
    let ranges = objects.memory().ranges();
    let first = ranges.partition_point(|range| range.end() <= page.area_start);
    let mut words = Vec::new();
    for range in ranges.get(first..).unwrap_or_default() {
        if range.start >= page.area_end {
            break;
        }
        let start = range.start.max(page.area_start).next_multiple_of(8);
        let len = range.end().min(page.area_end).saturating_sub(start);
        let Some(bytes) = usize::try_from(len)
            .ok()
            .and_then(|len| objects.bytes(Address(start), len).ok())
        else {
            continue;
        };
        let (chunks, _) = bytes.as_chunks::<8>();
        let chunks = (start..).step_by(8).zip(chunks);
        words.extend(chunks.map(|(at, word)| (Address(at), u64::from_le_bytes(*word))));
    }
    words
}
