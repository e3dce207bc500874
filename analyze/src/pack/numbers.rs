//! Files without contents: the numbers of the program, which redaction leaves.

use std::borrow::Cow;

use rustc_hash::FxHashSet;
use v8mini_capture::content::{Edit, Edits, Fill};
use v8mini_format::model::Space;
use v8mini_format::{MemoryExt, MemoryRange};

use crate::heap::{HeapObject, PageSelection, Visitor, walk};
use crate::layout::Field;
use crate::v8::{Address, ElementsKind, Kind, Objects, Tagged};

/// A word.
const WORD: u64 = 8;
/// Where numbers, arrays and BigInts have what they consist of: behind the map, and behind the map and a length.
const AFTER_MAP: u64 = 8;
const AFTER_LENGTH: u64 = 16;

/// What replaces numbers by 0: those that have an object of their own, and small ones in properties, elements and BigInts. What V8 counts by
/// stays, and so do numbers that are keys or values of a `Map` or `Set`, in objects and arrays that are dictionaries, or variables of a closure.
pub fn zero_numbers(objects: &Objects) -> Edits {
    // Which arrays are elements of an object, and no table of V8's, only the object tells.
    let (parts, _) = walk(objects, PageSelection::default(), || Stores {
        objects,
        found: FxHashSet::default(),
    });
    let mut stores = FxHashSet::default();
    for part in parts {
        stores.extend(part.found);
    }
    let types = &objects.layout().types;
    let make = || Numbers {
        objects,
        stores: &stores,
        double_array: types.number("FIXED_DOUBLE_ARRAY_TYPE"),
        property_array: types.number("PROPERTY_ARRAY_TYPE"),
        edits: Vec::new(),
    };
    let (parts, _) = walk(objects, PageSelection::default(), make);
    parts.into_iter().flat_map(|part| part.edits).collect()
}

/// Collects the arrays that hold elements.
struct Stores<'a> {
    objects: &'a Objects,
    found: FxHashSet<Address>,
}

impl Visitor for Stores<'_> {
    fn visit(&mut self, object: &HeapObject<'_>) {
        if !self.objects.is_receiver_type(object.map.instance_type) {
            return;
        }
        let layout = self.objects.layout();
        let fast = matches!(
            object.map.elements(layout),
            ElementsKind::Smi | ElementsKind::Object
        );
        let place = layout.place(Field::JSObjectElements).ok();
        let word = place.and_then(|place| place.load(object.bytes));
        if let Some(store) = word.filter(|_| fast).and_then(|word| Tagged(word).strong()) {
            self.found.insert(store);
        }
    }
}

/// Finds the words of numbers.
struct Numbers<'a> {
    objects: &'a Objects,
    stores: &'a FxHashSet<Address>,
    double_array: Option<u16>,
    property_array: Option<u16>,
    edits: Vec<Edit>,
}

impl Numbers<'_> {
    /// Zeroes what of an object lies behind `from`.
    fn all(&mut self, object: &HeapObject<'_>, from: u64) {
        self.zero(object.address.0 + from, object.size.saturating_sub(from));
    }

    fn zero(&mut self, start: u64, len: u64) {
        if len > 0 {
            let range = MemoryRange { start, len };
            let fill = Fill::ZERO;
            self.edits.push(Edit { range, fill });
        }
    }

    /// Zeroes the words from `from` to `to` that are no references: small integers, and the doubles that V8 kept in objects up to 8.
    fn but_references(&mut self, object: &HeapObject<'_>, from: u64, to: u64) {
        // Of a large object the walk has the beginning only.
        let all = if (object.bytes.len() as u64) < to {
            let bytes = self
                .objects
                .memory()
                .read_vec(object.address.0, to as usize);
            bytes.map_or(Cow::Borrowed(object.bytes), Cow::Owned)
        } else {
            Cow::Borrowed(object.bytes)
        };
        let words = all.as_chunks::<8>().0.iter().enumerate();
        let (first, count) = (from / WORD, to.saturating_sub(from) / WORD);
        for (index, word) in words.skip(first as usize).take(count as usize) {
            let word = u64::from_le_bytes(*word);
            let refers = word & 1 == 1 && self.objects.pages().page_of(word & !3).is_some();
            if word != 0 && !refers {
                self.zero(object.address.0 + index as u64 * WORD, WORD);
            }
        }
    }
}

impl Visitor for Numbers<'_> {
    fn visit(&mut self, object: &HeapObject<'_>) {
        // There are no numbers but V8's own in its read-only space.
        let page = self.objects.pages().page_of(object.address.0);
        if page.is_some_and(|page| page.space == Space::ReadOnly) {
            return;
        }
        let number = object.map.instance_type;
        match self.objects.kind(number) {
            Kind::HeapNumber => return self.all(object, AFTER_MAP),
            Kind::BigInt => return self.all(object, AFTER_LENGTH),
            _ => {}
        }
        if Some(number) == self.double_array {
            self.all(object, AFTER_LENGTH);
        } else if Some(number) == self.property_array || self.stores.contains(&object.address) {
            self.but_references(object, AFTER_LENGTH, object.size);
        } else if self.objects.is_receiver_type(number) && object.map.instance_size > 0 {
            self.but_references(object, object.map.in_object_start, object.size);
        }
    }
}
