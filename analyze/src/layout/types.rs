//! Instance types: the number in a map that tells which kind of object its instances are.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;

use super::{Expr, Slots};

/// The instance types of one V8 version: their names and the sizes of those whose maps do not tell.
#[derive(Debug, Clone, Default)]
pub struct InstanceTypes {
    numbers: FxHashMap<String, u16>,
    names: BTreeMap<u16, String>,
    sizes: FxHashMap<u16, Expr>,
    slots: FxHashMap<u16, Slots>,
    fields: FxHashMap<u16, BTreeMap<u64, String>>,
}

impl InstanceTypes {
    /// Adds a name; several names may stand for one number, of which the first added is shown.
    pub(super) fn name(&mut self, name: &str, number: u16) {
        self.numbers.insert(name.to_owned(), number);
        self.names.entry(number).or_insert_with(|| name.to_owned());
    }

    /// Adds the size of a type's objects.
    pub(super) fn size(&mut self, number: u16, size: Expr) {
        self.sizes.insert(number, size);
    }

    /// Adds the words of a type's objects that are references.
    pub(super) fn slots(&mut self, number: u16, slots: Slots) {
        self.slots.insert(number, slots);
    }

    /// Adds V8's name of the word at an offset of a type's objects; the first added stays.
    pub(super) fn field(&mut self, number: u16, offset: u64, name: &str) {
        let fields = self.fields.entry(number).or_default();
        fields.entry(offset).or_insert_with(|| name.to_owned());
    }

    /// The number that V8 calls `name`, such as `JS_MAP_TYPE`, in this version.
    pub fn number(&self, name: &str) -> Option<u16> {
        self.numbers.get(name).copied()
    }

    /// V8's name for a number, such as `JS_MAP_TYPE`.
    pub fn name_of(&self, number: u16) -> Option<&str> {
        self.names.get(&number).map(String::as_str)
    }

    /// Size in bytes of an object whose map says 0, as an expression over the object.
    pub fn size_of(&self, number: u16) -> Option<&Expr> {
        self.sizes.get(&number)
    }

    /// Which words of a type's objects are references, if the layout says it.
    pub fn slots_of(&self, number: u16) -> Option<&Slots> {
        self.slots.get(&number)
    }

    /// V8's names of the words of a type's objects, with their offsets in bytes: `scope_info` at 16.
    pub fn fields_of(&self, number: u16) -> impl Iterator<Item = (u64, &str)> {
        let fields = self.fields.get(&number).into_iter().flatten();
        fields.map(|(offset, name)| (*offset, name.as_str()))
    }

    /// All numbers with a name, in order.
    pub fn iter(&self) -> impl Iterator<Item = (u16, &str)> {
        self.names
            .iter()
            .map(|(number, name)| (*number, name.as_str()))
    }
}
