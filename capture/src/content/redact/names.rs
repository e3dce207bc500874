//! Which strings are names or sources of functions: those stay.
//!
//! A name is a string that V8 itself uses as one: the key of a property in a descriptor array or a dictionary, what a function, a
//! variable or a class is called. A string that is a name here and a value there stays.

use std::collections::HashSet;

use v8mini_format::memory::{MemoryExt, MemoryRange};

use super::Image;
use super::kinds::{pointer, smi};
use super::shape::{Representation, Type};
use super::strings::{Head, outside_of, string_at};
use crate::content::scan::{merge, scan};

/// An object has no more words than this that are looked at for names: a scope with more variables does not occur.
const MAX_WORDS: u64 = 1 << 16;
/// Words of a descriptor or of an entry of a dictionary: key, value and details in some order.
const ENTRY_WORDS: u64 = 3;
/// A hash table begins with the numbers of its elements, of deleted ones and of places.
const TABLE_HEAD: u64 = 3;
/// Up to V8 7.3, a descriptor array is an array whose first elements are the number of descriptors and a cache.
const DESCRIPTORS_IN_ARRAY: u64 = 2;

/// What stays of strings.
#[derive(Debug, Default)]
pub(super) struct Kept {
    /// Addresses of strings of which all characters stay.
    strings: HashSet<u64>,
    /// Characters in the heap that stay besides, because a kept string is a slice of another: sorted, disjoint.
    pub(super) parts: Vec<MemoryRange>,
    /// Characters outside of the heap that stay: sorted, disjoint.
    pub(super) outside: Vec<MemoryRange>,
}

/// What refers to strings that stay.
#[derive(Debug, Clone, Copy)]
enum Holder {
    /// This very word.
    Word(u64),
    /// The key of a property.
    Key(u64),
}

impl Kept {
    /// Finds all names and sources in `heap`.
    pub(super) fn find(image: &Image<'_>, heap: &[MemoryRange]) -> Self {
        let search = Search { image };
        let mut holders = scan(image.memory, heap, |address, word, found| {
            search.object(address, word, found);
        });
        let arrays: HashSet<u64> = image
            .kinds
            .maps()
            .filter_map(|map| {
                let at = (map - 1).checked_add(image.shape.descriptors)?;
                pointer(image.memory.read_u64(at).ok()?)
            })
            .collect();
        for array in arrays {
            search.descriptors(array, &mut holders);
        }
        let mut kept = Self::default();
        for holder in holders {
            match holder {
                Holder::Word(word) => kept.keep(image, word),
                Holder::Key(word) => kept.keep_key(image, word),
            }
        }
        merge(&mut kept.parts);
        merge(&mut kept.outside);
        kept
    }

    /// Whether all characters of the string at `address` stay.
    pub(super) fn contains(&self, address: u64) -> bool {
        self.strings.contains(&address)
    }

    /// Keys are internalized strings, or symbols, whose descriptions stay then.
    fn keep_key(&mut self, image: &Image<'_>, word: u64) {
        let Some((address, facts)) = image.kinds.of_object(image.memory, word) else {
            return;
        };
        match facts.kind {
            Some(Type::String(kind)) if kind.internalized => self.keep(image, word),
            Some(Type::Symbol) => {
                /// `Symbol::description` in every version; the hash comes first.
                const DESCRIPTION: u64 = 16;
                if let Ok(description) = image.memory.read_u64(address + DESCRIPTION) {
                    self.keep(image, description);
                }
            }
            _ => {}
        }
    }

    /// Keeps the string that a word points to, in all its parts.
    fn keep(&mut self, image: &Image<'_>, word: u64) {
        let mut rest = vec![word];
        while let Some(word) = rest.pop() {
            let Some(string) = string_at(image, word) else {
                continue;
            };
            if !self.strings.insert(string.address) {
                continue;
            }
            match string.kind.representation {
                Representation::Sequential => {}
                Representation::Cons => {
                    rest.extend(string.indirect(image));
                    rest.extend(string.second(image));
                }
                Representation::Thin => rest.extend(string.indirect(image)),
                Representation::Sliced => {
                    let _not_a_slice = self.keep_slice(image, &string);
                }
                Representation::External => {
                    self.outside.extend(outside_of(image, &string));
                }
            }
        }
    }

    /// Of what a slice is cut from, only the slice stays.
    fn keep_slice(&mut self, image: &Image<'_>, slice: &Head) -> Option<()> {
        let offset = smi(slice.second(image)?)?;
        let mut parent = string_at(image, slice.indirect(image)?)?;
        // What a slice was cut from can have become thin since, and a flattened cons string has its whole in the first half.
        for _ in 0..3 {
            match parent.kind.representation {
                Representation::Thin | Representation::Cons => {
                    parent = string_at(image, parent.indirect(image)?)?;
                }
                _ => break,
            }
        }
        let (into, characters) = match parent.kind.representation {
            Representation::Sequential => (&mut self.parts, parent.characters(image)?),
            Representation::External => (&mut self.outside, outside_of(image, &parent)?),
            _ => return None,
        };
        let unit = parent.kind.unit_bytes;
        let start = characters.start.checked_add(offset.checked_mul(unit)?)?;
        let len = slice.length.checked_mul(unit)?;
        if start.checked_add(len)? > characters.end() {
            return None;
        }
        into.push(MemoryRange { start, len });
        Some(())
    }
}

struct Search<'a> {
    image: &'a Image<'a>,
}

impl Search<'_> {
    fn word(&self, address: u64, n: u64) -> Option<u64> {
        let at = address.checked_add(n.checked_mul(8)?)?;
        self.image.memory.read_u64(at).ok()
    }

    /// The words of an object behind its map: as many as its map says, or up to the next object's map.
    fn words(&self, address: u64, size: u64) -> impl Iterator<Item = u64> + '_ {
        let count = if size == 0 { MAX_WORDS } else { size / 8 };
        (1..count)
            .map_while(move |n| self.word(address, n))
            .take_while(move |word| size != 0 || self.image.kinds.of_map(*word).is_none())
    }

    /// What the object at `address`, with the map `word`, has to say about names.
    fn object(&self, address: u64, word: u64, found: &mut Vec<Holder>) {
        let Some(facts) = self.image.kinds.of_map(word) else {
            return;
        };
        match facts.kind {
            Some(Type::Names) => {
                found.extend(self.words(address, facts.size).filter_map(strong));
            }
            Some(Type::SharedFunctionInfo) => {
                found.extend(self.words(address, facts.size).filter_map(strong));
                if let Some(offset) = self.image.shape.scope_info
                    && let Some(array) = self.word(address, offset / 8).and_then(pointer)
                {
                    self.array(array, found);
                }
            }
            Some(Type::ScopeInfo) => {
                for word in self.words(address, facts.size) {
                    found.extend(strong(word));
                    // Names of modules, and the table of a scope with many variables.
                    let object = self.image.kinds.of_object(self.image.memory, word);
                    if let Some((array, facts)) = object
                        && facts.size == 0
                        && facts.kind.is_none()
                    {
                        self.array(array, found);
                    }
                }
            }
            // Source and name come first in every version.
            Some(Type::Script) => {
                found.extend((1..3).filter_map(|n| self.word(address, n).and_then(strong)));
            }
            Some(Type::PropertyCell) => self.property_cell(address, found),
            Some(Type::DescriptorArray) => self.descriptors(address, found),
            None if facts.is_dictionary && facts.size >= 24 => {
                if let Some(table) = self.word(address, 1).and_then(pointer) {
                    self.dictionary(table, found);
                }
            }
            _ => {}
        }
    }

    /// The strings in an array.
    fn array(&self, array: u64, found: &mut Vec<Holder>) {
        let length = self.word(array, 1).and_then(smi).unwrap_or(0);
        let elements = 2..(2 + length.min(MAX_WORDS));
        found.extend(elements.filter_map(|n| self.word(array, n).and_then(strong)));
    }

    /// The keys of a descriptor array.
    fn descriptors(&self, array: u64, found: &mut Vec<Holder>) {
        let Some(head) = self.word(array, 1) else {
            return;
        };
        let (first, count) = match smi(head) {
            Some(length) => (
                2 + DESCRIPTORS_IN_ARRAY,
                length.saturating_sub(DESCRIPTORS_IN_ARRAY) / ENTRY_WORDS,
            ),
            // The number of descriptors is the first half-word of the head.
            None => (self.image.shape.first_descriptor / 8, head & 0xffff),
        };
        let keys = (0..count.min(MAX_WORDS)).map(|n| first + n * ENTRY_WORDS);
        found.extend(keys.filter_map(|n| self.word(array, n).and_then(key)));
    }

    /// The keys of the dictionary that holds an object's properties: a hash table with entries of three words, or, of global objects, of
    /// one, a property cell.
    fn dictionary(&self, table: u64, found: &mut Vec<Holder>) -> Option<()> {
        let length = smi(self.word(table, 1)?)?;
        let used = smi(self.word(table, 2)?)?;
        let capacity = smi(self.word(table, 4)?)?;
        if !capacity.is_power_of_two() || used > capacity || capacity > length {
            return None;
        }
        // Besides the head of all hash tables there are one to three words (hash, next index, flags).
        let entries = |words: u64| {
            let head = length.checked_sub(capacity.checked_mul(words)?)?;
            (TABLE_HEAD + 1..=TABLE_HEAD + 3)
                .contains(&head)
                .then_some((2 + head..2 + length).step_by(words as usize))
        };
        if let Some(entries) = entries(ENTRY_WORDS) {
            found.extend(entries.filter_map(|n| self.word(table, n).and_then(key)));
        } else if let Some(entries) = entries(1) {
            for cell in entries.filter_map(|n| self.word(table, n).and_then(pointer)) {
                self.property_cell(cell, found);
            }
        }
        Some(())
    }

    /// Name and details come first, in either order; the value may be any string.
    fn property_cell(&self, cell: u64, found: &mut Vec<Holder>) {
        let (Some(first), Some(second)) = (self.word(cell, 1), self.word(cell, 2)) else {
            return;
        };
        // Up to V8 6.0 details come first and then the value: the name is in the table.
        match (smi(first), smi(second)) {
            (None, Some(_)) => found.extend(key(first)),
            (Some(_), None) if self.image.shape.property_cells_have_names => {
                found.extend(key(second));
            }
            _ => {}
        }
    }
}

fn strong(word: u64) -> Option<Holder> {
    pointer(word).map(|_| Holder::Word(word))
}

fn key(word: u64) -> Option<Holder> {
    pointer(word).map(|_| Holder::Key(word))
}
