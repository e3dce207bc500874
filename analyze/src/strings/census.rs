//! The walk over all strings: each is counted by its kind, and remembered by a hash of its text.

use std::collections::BTreeMap;
use std::hash::Hasher;

use regex::Regex;
use rustc_hash::FxHasher;
use v8mini_format::model::Page;

use super::{KindCount, OneString, Options, StringKind, matches};
use crate::heap::{HeapObject, Visitor};
use crate::layout::{Field, Place};
use crate::top::Top;
use crate::v8::{Address, Characters, Objects, Representation, StringType};

/// Concatenations up to this length are compared with other texts. What a program builds by `+=` leaves one of each length
/// behind: comparing longer ones would take time with the square of the text.
const COMPARED_ROPE: u64 = 1024;

/// A text that may have copies.
#[derive(Debug, Clone, Copy)]
pub(super) struct Text {
    /// Of the characters, however they are stored, and of the isolate: copies in another cannot be shared.
    pub(super) hash: u64,
    pub(super) address: Address,
    /// Code units.
    pub(super) length: u32,
    /// Of the string, those outside of the heap included.
    pub(super) bytes: u32,
}

/// A slice and the flat string that it was cut from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Slice {
    pub(super) parent: Address,
    pub(super) address: Address,
    pub(super) length: u64,
}

/// A concatenation that was never flattened.
#[derive(Debug, Clone, Copy)]
pub(super) struct Concatenation {
    pub(super) address: Address,
    pub(super) first: Address,
    pub(super) second: Address,
    pub(super) length: u64,
}

/// What one visitor has met.
pub(super) struct Census<'a> {
    objects: &'a Objects,
    filter: Option<&'a Regex>,
    length: Option<Place>,
    /// By the map's index in the walk; `None` for what is not looked at yet, `Some(None)` for what is no string.
    types: Vec<Option<Option<StringType>>>,
    heap: u64,
    narrow: Vec<u8>,
    pub(super) kinds: BTreeMap<StringKind, KindCount>,
    pub(super) texts: Vec<Text>,
    pub(super) longest: Top<OneString>,
    pub(super) slices: Vec<Slice>,
    pub(super) concatenations: Vec<Concatenation>,
    pub(super) narrowable: Top<OneString>,
    pub(super) narrowable_count: u64,
    pub(super) narrowable_bytes: u64,
    pub(super) unreadable: u64,
}

impl<'a> Census<'a> {
    pub(super) fn new(objects: &'a Objects, options: &Options<'a>) -> Self {
        Self {
            objects,
            filter: options.filter,
            length: objects.layout().place(Field::StringLength).ok(),
            types: Vec::new(),
            heap: 0,
            narrow: Vec::new(),
            kinds: BTreeMap::new(),
            texts: Vec::new(),
            longest: Top::new(options.limit),
            slices: Vec::new(),
            concatenations: Vec::new(),
            narrowable: Top::new(options.limit),
            narrowable_count: 0,
            narrowable_bytes: 0,
            unreadable: 0,
        }
    }

    pub(super) fn merge(&mut self, other: Self) {
        for (kind, count) in other.kinds {
            let sum = self.kinds.entry(kind).or_default();
            sum.count += count.count;
            sum.bytes += count.bytes;
            sum.outside_bytes += count.outside_bytes;
            sum.units += count.units;
        }
        self.texts.extend(other.texts);
        self.longest.merge(other.longest);
        self.slices.extend(other.slices);
        self.concatenations.extend(other.concatenations);
        self.narrowable.merge(other.narrowable);
        self.narrowable_count += other.narrowable_count;
        self.narrowable_bytes += other.narrowable_bytes;
        self.unreadable += other.unreadable;
    }

    fn type_of(&mut self, object: &HeapObject<'_>) -> Option<StringType> {
        if self.types.len() <= object.map_index {
            self.types.resize(object.map_index + 1, None);
        }
        let known = self.types.get_mut(object.map_index)?;
        *known.get_or_insert_with(|| self.objects.string_type(object.map.instance_type))
    }

    /// Hashes the characters of a string that has its own, and says whether each would fit into one byte.
    fn hash_characters(&mut self, object: &HeapObject<'_>) -> Option<(u64, bool)> {
        let mut hasher = FxHasher::default();
        hasher.write_u64(self.heap);
        let mut fits = true;
        let narrow = &mut self.narrow;
        let read =
            self.objects.for_each_piece(
                object.address,
                object.bytes,
                |characters| match characters {
                    Characters::OneByte(bytes) => hasher.write(bytes),
                    Characters::TwoByte(bytes) => {
                        let (units, _) = bytes.as_chunks::<2>();
                        if units.iter().all(|unit| unit[1] == 0) {
                            narrow.clear();
                            narrow.extend(units.iter().map(|unit| unit[0]));
                            hasher.write(narrow);
                        } else {
                            fits = false;
                            hasher.write(bytes);
                        }
                    }
                },
            );
        read.ok()?;
        Some((hasher.finish(), fits))
    }

    /// The same hash of a short string that is made of others.
    fn hash_units(&self, string: Address) -> Option<u64> {
        let text = self.objects.read_string(string, COMPARED_ROPE as usize);
        let units = text.ok().filter(|text| text.is_complete())?.units;
        let mut hasher = FxHasher::default();
        hasher.write_u64(self.heap);
        let narrow: Option<Vec<u8>> = units.iter().map(|unit| u8::try_from(*unit).ok()).collect();
        match narrow {
            Some(bytes) => hasher.write(&bytes),
            None => {
                let bytes: Vec<u8> = units.iter().flat_map(|unit| unit.to_le_bytes()).collect();
                hasher.write(&bytes);
            }
        }
        Some(hasher.finish())
    }

    fn remember_text(&mut self, string: &OneString, hash: u64) {
        self.texts.push(Text {
            hash,
            address: string.address,
            // Both are below 2^32: no string has more than 2^30 code units.
            length: u32::try_from(string.length).unwrap_or(u32::MAX),
            bytes: u32::try_from(string.bytes).unwrap_or(u32::MAX),
        });
    }

    fn string(&mut self, object: &HeapObject<'_>, kind: StringType, string: OneString) {
        match kind.representation {
            Representation::Sliced => match self.objects.slice_parent(object.address) {
                Ok(parent) => self.slices.push(Slice {
                    parent,
                    address: object.address,
                    length: string.length,
                }),
                Err(_) => self.unreadable += 1,
            },
            Representation::Cons => match self.objects.cons_halves(object.address) {
                Ok(Some((first, second))) => {
                    self.concatenations.push(Concatenation {
                        address: object.address,
                        first,
                        second,
                        length: string.length,
                    });
                    if string.length <= COMPARED_ROPE
                        && let Some(hash) = self.hash_units(object.address)
                    {
                        self.remember_text(&string, hash);
                    }
                }
                Ok(None) => {}
                Err(_) => self.unreadable += 1,
            },
            Representation::Thin => {}
            _ => match self.hash_characters(object) {
                Some((hash, fits)) => {
                    self.remember_text(&string, hash);
                    if fits && kind.width() == 2 && string.length > 0 {
                        self.narrowable_count += 1;
                        self.narrowable_bytes += string.length;
                        self.narrowable.push(string.length, string);
                    }
                }
                None => self.unreadable += 1,
            },
        }
    }
}

impl Visitor for Census<'_> {
    fn page(&mut self, page: &Page) {
        self.heap = page.heap;
    }

    fn visit(&mut self, object: &HeapObject<'_>) {
        let Some(kind) = self.type_of(object) else {
            return;
        };
        let Some(length) = self.length.and_then(|place| place.load(object.bytes)) else {
            return;
        };
        // Reading the beginning of a concatenation takes time with its depth: of long ones, only whole ones are compared, later.
        let is_long = kind.representation == Representation::Cons && length > COMPARED_ROPE;
        if !is_long && !matches(self.objects, self.filter, object.address) {
            return;
        }
        let outside = if kind.is_external() {
            length.saturating_mul(kind.width())
        } else {
            0
        };
        let count = self
            .kinds
            .entry((kind.representation, kind.internalized))
            .or_default();
        count.count += 1;
        count.bytes += object.size;
        count.outside_bytes = count.outside_bytes.saturating_add(outside);
        count.units = count.units.saturating_add(length);
        let string = OneString {
            address: object.address,
            length,
            bytes: object.size.saturating_add(outside),
            representation: kind.representation,
        };
        if kind.has_characters() {
            self.longest.push(length, string);
        }
        self.string(object, kind, string);
    }
}
