//! `Map`, `Set`, `WeakMap`, `WeakSet`.

use super::hash_table::for_each_entry;
use super::{Address, FixedArray, Kind, ObjectError, Objects, Tagged};
use crate::layout::Field;

/// `OrderedHashTable::kLoadFactor`: entries per bucket.
const LOAD_FACTOR: u64 = 2;
/// Words before the buckets: elements, deleted elements, buckets, in an order that is data.
const COUNTERS: u64 = 3;

/// Entries of a collection.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Entries {
    /// The first ones: key (or member) and value. The value of a set's entry is the key again.
    pub list: Vec<(Tagged, Tagged)>,
    /// Number of all entries, as the collection counts them.
    pub size: u64,
    /// Why the list ends before the entries do.
    pub missing: Option<ObjectError>,
}

impl Objects {
    /// The first `limit` entries of a `Map`, in order of insertion.
    ///
    /// # Errors
    /// If the map or its table cannot be read or believed.
    pub fn map_entries(&self, map: Address, limit: usize) -> Result<Entries, ObjectError> {
        self.ordered_entries(map, 2, limit)
    }

    /// The first `limit` members of a `Set`, in order of insertion.
    ///
    /// # Errors
    /// If the set or its table cannot be read or believed.
    pub fn set_members(&self, set: Address, limit: usize) -> Result<Entries, ObjectError> {
        self.ordered_entries(set, 1, limit)
    }

    /// How many entries of a `Map` or `Set` were deleted since its table was last made anew; `None` of another object.
    ///
    /// # Errors
    /// If the collection or its table cannot be read.
    pub fn deleted_entries(&self, collection: Address) -> Result<Option<u64>, ObjectError> {
        let map = self.map_of(collection)?;
        if !matches!(self.kind_of(collection, &map), Kind::Map | Kind::Set) {
            return Ok(None);
        }
        let table = self.tagged_field(collection, Field::CollectionTable)?;
        match table.strong() {
            Some(table) => self.field(table, Field::OrderedHashTableDeleted).map(Some),
            None => Ok(None),
        }
    }

    /// An `OrderedHashTable`: counters, buckets, then entries in order of insertion, each with a link after it. A deleted
    /// entry stays in its place, with a hole as its key.
    fn ordered_entries(
        &self,
        collection: Address,
        width: u64,
        limit: usize,
    ) -> Result<Entries, ObjectError> {
        let word = self.tagged_field(collection, Field::CollectionTable)?;
        let table = word.strong().ok_or(ObjectError::NotAnObject {
            address: collection,
            word: word.0,
        })?;
        let array = FixedArray::read(self, table)?;
        let counter = |field| {
            let value = self.field(table, field)?;
            if value > array.length {
                return Err(ObjectError::Implausible {
                    address: table,
                    what: "number of entries",
                    value,
                    why: "the table is smaller",
                });
            }
            Ok(value)
        };
        let size = counter(Field::OrderedHashTableElements)?;
        let deleted = counter(Field::OrderedHashTableDeleted)?;
        let buckets = counter(Field::OrderedHashTableBuckets)?;
        let used = (size + deleted).min(buckets * LOAD_FACTOR);
        let mut entries = Entries {
            size,
            ..Entries::default()
        };
        let start = COUNTERS + buckets;
        let end = array.for_each_group(self, start, width + 1, |index, words| {
            let (Some(key), Some(value)) = (words.first(), words.get(width as usize - 1)) else {
                return false;
            };
            if index >= used || entries.list.len() >= limit {
                return false;
            }
            if !self.is_hole(Tagged(*key)) {
                entries.list.push((Tagged(*key), Tagged(*value)));
            }
            true
        });
        entries.missing = end.err();
        Ok(entries)
    }

    /// The first `limit` entries of a `WeakMap` or `WeakSet`, in no particular order.
    ///
    /// # Errors
    /// If the collection or its table cannot be read or believed.
    pub fn weak_entries(&self, collection: Address, limit: usize) -> Result<Entries, ObjectError> {
        let mut entries = Entries::default();
        let word = self.tagged_field(collection, Field::WeakCollectionTable)?;
        let Some(table) = word.strong() else {
            return Ok(entries);
        };
        let end = for_each_entry(self, table, 0, 2, |_, words| {
            let &[key, value] = words else { return false };
            let (key, value) = (Tagged(key), Tagged(value));
            // Unused entries hold undefined, deleted ones a hole.
            if !self.is_undefined(key) && !self.is_hole(key) {
                entries.size += 1;
                if entries.list.len() < limit {
                    entries.list.push((key, value));
                }
            }
            true
        });
        entries.missing = end.err();
        Ok(entries)
    }
}
