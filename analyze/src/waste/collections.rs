//! Arrays, collections, buffers and plain objects that take more than they hold.

use super::{Category, Inspector};
use crate::heap::HeapObject;
use crate::layout::Field;
use crate::v8::{ElementsKind, FixedArray, Kind, Tagged};

/// An object with no more properties than this is faster and smaller without a dictionary.
const FEW_PROPERTIES: u64 = 64;
/// V8 grows a store by half and 16 words: what is more than that and this is room for nothing.
const SLACK: u64 = 16;
/// Holes are counted in arrays of at least so many elements, and of at most so many.
const COUNTED: std::ops::RangeInclusive<u64> = 16..=1 << 20;
/// `OrderedHashTable::kLoadFactor`: entries per bucket.
const LOAD_FACTOR: u64 = 2;

impl Inspector<'_> {
    pub(super) fn array(&mut self, object: &HeapObject<'_>) {
        let objects = self.objects;
        let address = object.address;
        let (Ok(length), Some(store)) = (objects.array_length(address), self.elements(object))
        else {
            return;
        };
        if length == 0 && store.length == 0 {
            return self
                .found
                .add(Category::EmptyArrays, address, object.size, || {
                    "empty".to_owned()
                });
        }
        let kind = object.map.elements(objects.layout());
        if kind == ElementsKind::Dictionary || kind == ElementsKind::Other {
            return;
        }
        let unused = store.length.saturating_sub(length);
        if unused > length / 2 + SLACK {
            self.found
                .add(Category::OvergrownArrays, address, unused * 8, || {
                    format!("{length} elements, room for {}", store.length)
                });
        }
        let holey = object.map.elements_kind & 1 == 1;
        if holey && kind != ElementsKind::Double && COUNTED.contains(&length) {
            let mut holes = 0;
            let counted = store.for_each_group(objects, 0, 1, |index, words| {
                holes += u64::from(words.iter().any(|word| objects.is_hole(Tagged(*word))));
                index + 1 < length
            });
            if counted.is_ok() && holes > length / 2 {
                self.found
                    .add(Category::SparseArrays, address, holes * 8, || {
                        format!("{holes} of {length} elements are holes")
                    });
            }
        }
    }

    pub(super) fn collection(&mut self, object: &HeapObject<'_>, kind: Kind) {
        let objects = self.objects;
        let table = objects.tagged_field(object.address, Field::CollectionTable);
        let Some(table) = table.ok().and_then(Tagged::strong) else {
            return;
        };
        let Ok(array) = FixedArray::read(objects, table) else {
            return;
        };
        let counter = |field| objects.field(table, field).unwrap_or(0).min(array.length);
        let entries = counter(Field::OrderedHashTableElements);
        let capacity = counter(Field::OrderedHashTableBuckets) * LOAD_FACTOR;
        let size = object.size + (array.length + 2) * 8;
        let name = if kind == Kind::Map { "Map" } else { "Set" };
        if entries == 0 {
            return self
                .found
                .add(Category::EmptyCollections, object.address, size, || {
                    format!("empty {name}, room for {capacity} entries")
                });
        }
        let words = if kind == Kind::Map { 3 } else { 2 };
        let unused = capacity.saturating_sub(entries);
        // A table doubles when it is full: half of it may be unused.
        if unused > entries + SLACK {
            let wasted = unused * words * 8;
            self.found.add(
                Category::OvergrownCollections,
                object.address,
                wasted,
                || format!("{name} of {entries} entries, room for {capacity}"),
            );
        }
    }

    pub(super) fn buffer(&mut self, object: &HeapObject<'_>) {
        let buffer = self.objects.read_array_buffer(object.address);
        if buffer.is_ok_and(|buffer| buffer.is_detached) {
            self.found.add(
                Category::DetachedBuffers,
                object.address,
                object.size,
                || "detached".to_owned(),
            );
        }
    }

    pub(super) fn object(&mut self, object: &HeapObject<'_>) {
        let map = object.map;
        let address = object.address;
        let elements = self.elements(object).map_or(0, |store| store.length);
        if map.is_dictionary {
            return self.dictionary(object);
        }
        let used = u64::from(map.own_descriptors);
        if used == 0 && elements == 0 {
            return self
                .found
                .add(Category::EmptyObjects, address, object.size, || {
                    "neither properties nor elements".to_owned()
                });
        }
        let capacity = map.in_object_capacity();
        let unused = capacity.saturating_sub(used);
        if unused > 0 {
            self.found
                .add(Category::InObjectSlack, address, unused * 8, || {
                    format!("{used} properties, room for {capacity}")
                });
        }
        self.constants.add(object);
    }

    fn dictionary(&mut self, object: &HeapObject<'_>) {
        let objects = self.objects;
        // An object without a prototype is meant to be a dictionary.
        let is_dictionary_by_design = object
            .map
            .prototype
            .strong()
            .is_none_or(|prototype| objects.has_type(prototype, "ODDBALL_TYPE"));
        let table = objects.tagged_field(object.address, Field::JSReceiverProperties);
        let Some(table) = table.ok().and_then(Tagged::strong) else {
            return;
        };
        let Ok(array) = FixedArray::read(objects, table) else {
            return;
        };
        let properties = array
            .get(objects, 0)
            .ok()
            .and_then(Tagged::smi)
            .and_then(|count| u64::try_from(count).ok());
        let Some(properties) = properties.filter(|count| (1..=FEW_PROPERTIES).contains(count))
        else {
            return;
        };
        if is_dictionary_by_design {
            return;
        }
        let wasted = ((array.length + 2) * 8).saturating_sub(properties * 8);
        self.found
            .add(Category::DictionaryObjects, object.address, wasted, || {
                format!(
                    "{properties} properties in a dictionary of {} words",
                    array.length
                )
            });
    }

    fn elements(&self, object: &HeapObject<'_>) -> Option<FixedArray> {
        let place = self.objects.layout().place(Field::JSObjectElements).ok()?;
        let store = Tagged(place.load(object.bytes)?).strong()?;
        FixedArray::read(self.objects, store).ok()
    }
}
