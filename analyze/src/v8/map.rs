//! Maps (hidden classes): what all objects of one shape have in common.

use super::{Address, ObjectError, Objects, Tagged};
use crate::layout::{Field, Layout, Place};

/// What a map says about its instances.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MapInfo {
    /// The map itself.
    pub address: Address,
    /// Which kind of object an instance is.
    pub instance_type: u16,
    /// Size of an instance in bytes; 0 if instances differ in size.
    pub instance_size: u64,
    /// Offset of the first in-object property in bytes. Meaningful for JavaScript objects only.
    pub in_object_start: u64,
    /// How elements are stored, as V8 numbers it: see [`ElementsKind`].
    pub elements_kind: u8,
    /// How many descriptors are the map's own.
    pub own_descriptors: u32,
    /// Whether named properties are in a dictionary.
    pub is_dictionary: bool,
    /// Whether the only instance is a prototype object.
    pub is_prototype: bool,
    /// Whether `new` was called on the very constructor that the map names; `None` up to V8 4.6, which does not say.
    pub new_target_is_base: Option<bool>,
    /// Prototype of instances.
    pub prototype: Tagged,
    /// Constructor, or the map that this one is a transition of.
    pub constructor_or_back_pointer: Tagged,
    /// Descriptor array.
    pub descriptors: Tagged,
}

/// How the elements (indexed properties) of an object are stored. Other kinds (typed arrays, arguments, …) are told by the
/// instance type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ElementsKind {
    /// `FixedArray` of Smis, without or with holes.
    Smi,
    /// `FixedArray` of any values, without or with holes; frozen, sealed and non-extensible ones included.
    Object,
    /// `FixedDoubleArray`.
    Double,
    /// `NumberDictionary`.
    Dictionary,
    /// Anything else.
    Other,
}

impl MapInfo {
    /// Size of a map that the fields below lie in; every V8 has had at least this.
    const BYTES: usize = 72;

    /// Reads the map at `address`, whose first word the caller has found to be a meta-map.
    pub(super) fn read(objects: &Objects, address: Address) -> Result<Self, ObjectError> {
        let bytes = objects.bytes(address, Self::BYTES)?;
        let layout = objects.layout();
        let load = |place: Place| place.load(&bytes).unwrap_or(0);
        let required = |field: Field| layout.place(field).map(load);
        let optional = |field: Field| layout.place(field).ok().map(load);
        let instance_size = required(Field::MapInstanceSizeInWords)? * 8;
        let in_object_start = match optional(Field::MapInObjectStartInWords) {
            Some(words) => words * 8,
            None => {
                let count = required(Field::MapInObjectCount)?;
                instance_size.saturating_sub(count * 8)
            }
        };
        Ok(Self {
            address,
            instance_type: required(Field::MapInstanceType)? as u16,
            instance_size,
            in_object_start,
            elements_kind: required(Field::MapElementsKind)? as u8,
            own_descriptors: required(Field::MapOwnDescriptors)? as u32,
            is_dictionary: required(Field::MapIsDictionary)? != 0,
            is_prototype: required(Field::MapIsPrototype)? != 0,
            new_target_is_base: optional(Field::MapNewTargetIsBase).map(|bit| bit != 0),
            prototype: Tagged(required(Field::MapPrototype)?),
            constructor_or_back_pointer: Tagged(required(Field::MapConstructorOrBackPointer)?),
            descriptors: Tagged(required(Field::MapInstanceDescriptors)?),
        })
    }

    /// Number of properties that fit into an instance.
    pub const fn in_object_capacity(&self) -> u64 {
        self.instance_size.saturating_sub(self.in_object_start) / 8
    }

    /// Whether no element can be added: `Object.freeze`, `seal` or `preventExtensions` was called on an object with fast
    /// elements (V8 7.8 and later have kinds of their own for that).
    pub fn has_fixed_elements(&self, layout: &Layout) -> bool {
        let kind = u64::from(self.elements_kind);
        let dictionary = layout.number(Field::DictionaryElements).ok();
        kind > 5 && dictionary.is_some_and(|dictionary| kind < dictionary)
    }

    /// How elements are stored. The first six kinds have kept their numbers since V8 4.5.
    pub fn elements(&self, layout: &Layout) -> ElementsKind {
        let kind = u64::from(self.elements_kind);
        let dictionary = layout.number(Field::DictionaryElements).ok();
        match kind {
            0 | 1 => ElementsKind::Smi,
            2 | 3 => ElementsKind::Object,
            4 | 5 => ElementsKind::Double,
            _ if Some(kind) == dictionary => ElementsKind::Dictionary,
            // From V8 7.8 the frozen, sealed and non-extensible kinds stand between the fast ones and the dictionary.
            _ if dictionary.is_some_and(|dictionary| kind < dictionary) => ElementsKind::Object,
            _ => ElementsKind::Other,
        }
    }
}
