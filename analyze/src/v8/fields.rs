//! Properties by name, as a program would read them: for code that knows which objects it has before it.

use std::cell::RefCell;

use rustc_hash::FxHashMap;

use super::{Address, Name, Number, Objects, Oddball, Property, PropertyValue, Storage, Tagged};
use crate::layout::Field;

/// Longest text that is read of a string.
const MAX_TEXT_UNITS: usize = 1 << 16;
/// Longest prototype chain that is followed.
const MAX_PROTOTYPES: usize = 256;

/// Where the objects of one map keep a property.
#[derive(Debug, Clone, Copy)]
enum Slot {
    InObject {
        offset: u64,
        is_double: bool,
    },
    PropertyArray(u64),
    /// The same value for all of them.
    Shared(PropertyValue),
    Absent,
}

/// Reads own properties by name, and remembers for each map where they are: many objects of few shapes cost little.
#[derive(Debug)]
pub struct Fields<'a> {
    objects: &'a Objects,
    slots: RefCell<FxHashMap<(Address, &'static str), Slot>>,
}

impl<'a> Fields<'a> {
    /// Reads properties of these objects.
    pub fn new(objects: &'a Objects) -> Self {
        Self {
            objects,
            slots: RefCell::default(),
        }
    }

    /// The objects that it reads.
    pub fn objects(&self) -> &'a Objects {
        self.objects
    }

    /// An own property; `None` if there is none of that name, or it cannot be read. A name that begins with `@@` stands for a
    /// symbol with that description.
    pub fn property(&self, object: Address, name: &'static str) -> Option<PropertyValue> {
        let map = self.objects.map_of(object).ok()?;
        if map.is_dictionary {
            let found = self
                .objects
                .find_property(object, |key| is_key(key, name))?;
            return Some(found.value);
        }
        let known = self.slots.borrow().get(&(map.address, name)).copied();
        let slot = known.unwrap_or_else(|| {
            let found = self.objects.find_property(object, |key| is_key(key, name));
            let slot = found.map_or(Slot::Absent, slot_of);
            self.slots.borrow_mut().insert((map.address, name), slot);
            slot
        });
        match slot {
            Slot::InObject { offset, is_double } => {
                let word = self.objects.word(object, offset).ok()?;
                Some(if is_double {
                    PropertyValue::Double(word)
                } else {
                    PropertyValue::Tagged(Tagged(word))
                })
            }
            Slot::PropertyArray(index) => {
                let array = self
                    .objects
                    .tagged_field(object, Field::JSReceiverProperties);
                let array = array.ok()?.strong()?;
                let length = self.objects.field(array, Field::PropertyArrayLength).ok()?;
                let data = self.objects.layout().number(Field::FixedArrayData).ok()?;
                let word = self
                    .objects
                    .tagged(array, data + (index < length).then_some(index)? * 8);
                word.ok().map(PropertyValue::Tagged)
            }
            Slot::Shared(value) => Some(value),
            Slot::Absent => None,
        }
    }

    /// An own property, or one that is inherited.
    pub fn inherited(&self, object: Address, name: &'static str) -> Option<PropertyValue> {
        let mut holder = object;
        for _ in 0..MAX_PROTOTYPES {
            if let Some(found) = self.property(holder, name) {
                return Some(found);
            }
            holder = self.objects.map_of(holder).ok()?.prototype.strong()?;
        }
        None
    }

    /// An own property that is no accessor and no raw double.
    pub fn word(&self, object: Address, name: &'static str) -> Option<Tagged> {
        match self.property(object, name)? {
            PropertyValue::Tagged(word) => Some(word),
            _ => None,
        }
    }

    /// An own property that is an object of the language, a string or a symbol.
    pub fn object(&self, object: Address, name: &'static str) -> Option<Address> {
        let found = self.word(object, name)?.strong()?;
        let is_value = self.objects.instance_type(found).is_some_and(|found| {
            !self.objects.is_type(found, "ODDBALL_TYPE")
                && !self.objects.is_type(found, "HOLE_TYPE")
        });
        is_value.then_some(found)
    }

    /// An own property that is a string.
    pub fn text(&self, object: Address, name: &'static str) -> Option<String> {
        self.objects.text_of(self.word(object, name)?)
    }

    /// An own property that is a number.
    pub fn number(&self, object: Address, name: &'static str) -> Option<f64> {
        match self.property(object, name)? {
            PropertyValue::Double(bits) => Some(f64::from_bits(bits)),
            PropertyValue::Tagged(word) => {
                let number = self.objects.read_number(word).ok()??;
                Some(Number::to_f64(number))
            }
            _ => None,
        }
    }

    /// An own property that is a boolean.
    pub fn boolean(&self, object: Address, name: &'static str) -> Option<bool> {
        match self
            .objects
            .read_oddball(self.word(object, name)?.strong()?)
        {
            Ok(Oddball::Boolean(value)) => Some(value),
            _ => None,
        }
    }
}

fn is_key(key: &Name, name: &str) -> bool {
    match (key, name.strip_prefix("@@")) {
        (Name::Symbol(symbol), Some(wanted)) => symbol
            .description
            .as_ref()
            .is_some_and(|description| description.is(wanted)),
        (_, None) => key.is(name),
        _ => false,
    }
}

fn slot_of(property: Property) -> Slot {
    let is_double = matches!(property.value, PropertyValue::Double(_));
    match (property.storage, property.value) {
        (Storage::Descriptor, value) => Slot::Shared(value),
        (_, PropertyValue::Accessor { .. } | PropertyValue::Native(_)) => {
            Slot::Shared(property.value)
        }
        (Storage::InObject(offset), _) => Slot::InObject { offset, is_double },
        (Storage::PropertyArray(index), _) => Slot::PropertyArray(index),
        // Objects with a dictionary are asked one by one.
        (Storage::Dictionary(_), _) => Slot::Absent,
    }
}

impl Objects {
    /// The text of a string; `None` for anything else. Of a very long one the beginning.
    pub fn text_of(&self, word: Tagged) -> Option<String> {
        let text = self.read_string(word.strong()?, MAX_TEXT_UNITS).ok()?;
        text.missing.is_none().then(|| text.to_text())
    }

    /// The first `limit` elements of an array, holes left out; none of anything else.
    pub fn items(&self, array: Address, limit: usize) -> Vec<Tagged> {
        let Ok(map) = self.map_of(array) else {
            return Vec::new();
        };
        let end = self.array_length(array).unwrap_or(0);
        let elements = self.elements(array, &map, end, limit);
        let values = elements.map(|elements| elements.list).unwrap_or_default();
        values
            .into_iter()
            .filter_map(|(_, value)| match value {
                PropertyValue::Tagged(word) => Some(word),
                _ => None,
            })
            .collect()
    }

    /// Whether there is a function at `address`, bound or not.
    pub fn is_callable(&self, address: Address) -> bool {
        self.instance_type(address).is_some_and(|found| {
            self.is_function_type(found) || self.is_type(found, "JS_BOUND_FUNCTION_TYPE")
        })
    }
}
