//! From a word of the heap to a [`Description`].

use super::{Closed, Description, List, MAX_DEPTH, MAX_VALUES, Options, Value};
use crate::v8::{Address, FixedArray, Kind, Number, ObjectError, Objects, PropertyValue, Tagged};

/// What internal arrays are called whose words are worth showing.
const INTERNAL_ARRAYS: [&str; 4] = [
    "FIXED_ARRAY_TYPE",
    "PROPERTY_ARRAY_TYPE",
    "WEAK_FIXED_ARRAY_TYPE",
    "SCRIPT_CONTEXT_TABLE_TYPE",
];

/// Describes a value.
pub fn describe(objects: &Objects, word: Tagged, options: &Options) -> Description {
    Describer::new(objects, options).word(word)
}

/// Describes the value of a property, which may be something that no word leads to: a raw double, a getter.
pub fn describe_property(
    objects: &Objects,
    value: PropertyValue,
    options: &Options,
) -> Description {
    Describer::new(objects, options).property_value(value)
}

/// Builds a tree. It recurses at most [`MAX_DEPTH`] levels deep, and stops opening objects after [`MAX_VALUES`] values.
pub(super) struct Describer<'a> {
    pub(super) objects: &'a Objects,
    pub(super) options: Options,
    /// The objects around the one that is being described.
    around: Vec<Address>,
    values: usize,
}

impl<'a> Describer<'a> {
    fn new(objects: &'a Objects, options: &Options) -> Self {
        Self {
            objects,
            options: Options {
                depth: options.depth.min(MAX_DEPTH),
                ..*options
            },
            around: Vec::new(),
            values: 0,
        }
    }
}

impl Describer<'_> {
    /// Describes what a word is, or leads to.
    pub(super) fn word(&mut self, word: Tagged) -> Description {
        self.values += 1;
        if let Some(smi) = word.smi() {
            return Description::bare(Value::Number(Number::Smi(smi)));
        }
        let Some(address) = word.object() else {
            return Description::bare(Value::Cleared);
        };
        match self.object(address) {
            Ok(description) => description,
            Err(error) => Description {
                address: Some(address),
                map: None,
                value: Value::Unreadable(error.to_string()),
            },
        }
    }

    fn object(&mut self, address: Address) -> Result<Description, ObjectError> {
        let objects = self.objects;
        let map = objects.map_of(address)?;
        let value = match objects.kind_of(address, &map) {
            Kind::String => {
                Value::String(objects.read_string(address, self.options.string_length)?)
            }
            Kind::Symbol => Value::Symbol(objects.read_symbol(address)?),
            Kind::HeapNumber => Value::Number(objects.read_heap_number(address)?),
            Kind::BigInt => Value::BigInt(objects.read_bigint(address)?),
            Kind::Oddball => Value::Oddball(objects.read_oddball(address)?),
            Kind::Internal => Value::Internal {
                type_name: objects.type_name(map.instance_type),
                elements: self.internal_elements(address, map.instance_type),
            },
            kind => {
                let closed = self.closed(address);
                self.around.push(address);
                let object = self.object_description(address, &map, kind, closed);
                self.around.pop();
                Value::Object(Box::new(object))
            }
        };
        Ok(Description {
            address: Some(address),
            map: Some(map.address),
            value,
        })
    }

    /// Whether an object is to be left closed.
    fn closed(&self, address: Address) -> Option<Closed> {
        if self.around.contains(&address) {
            Some(Closed::Circular)
        } else if self.around.len() > self.options.depth {
            Some(Closed::Depth)
        } else if self.values > MAX_VALUES {
            Some(Closed::Size)
        } else {
            None
        }
    }

    /// Counts work that goes into no description of its own.
    pub(super) fn spend(&mut self, values: usize) {
        self.values = self.values.saturating_add(values);
    }

    /// Whether the object that is being described is the one that was asked for. Only a function asked for shows what it
    /// closes over: all functions of a module share their scopes.
    pub(super) fn is_root(&self) -> bool {
        self.around.len() == 1
    }

    fn internal_elements(&mut self, address: Address, instance_type: u16) -> List<Description> {
        let name = self.objects.layout().types.name_of(instance_type);
        let is_array = name
            .is_some_and(|name| INTERNAL_ARRAYS.contains(&name) || name.ends_with("CONTEXT_TYPE"));
        if !is_array || self.closed(address).is_some() {
            return List::default();
        }
        let array = match FixedArray::read(self.objects, address) {
            Ok(array) => array,
            Err(error) => return List::missing(&error),
        };
        self.around.push(address);
        let shown = array.length.min(self.options.array_length as u64);
        let mut elements = List {
            more: Some(array.length - shown),
            ..List::default()
        };
        for index in 0..shown {
            match array.get(self.objects, index) {
                Ok(word) => elements.items.push(self.word(word)),
                Err(error) => {
                    elements.missing = Some(error.to_string());
                    break;
                }
            }
        }
        self.around.pop();
        elements
    }

    /// Describes the value of a property or element.
    pub(super) fn property_value(&mut self, value: PropertyValue) -> Description {
        match value {
            PropertyValue::Tagged(word) => self.word(word),
            PropertyValue::Double(bits) => Description::bare(Value::Number(Number::Double(bits))),
            PropertyValue::Accessor { getter, setter } => {
                let mut side = |word: Tagged| {
                    let description = self.word(word);
                    // Null up to V8 7, undefined and null later: there is none.
                    let present = !matches!(description.value, Value::Oddball(_));
                    present.then(|| Box::new(description))
                };
                Description::bare(Value::Accessor {
                    getter: side(getter),
                    setter: side(setter),
                })
            }
            PropertyValue::Native(info) => Description {
                address: Some(info),
                map: None,
                value: Value::Native,
            },
        }
    }

    /// Describes an object that another one refers to.
    pub(super) fn boxed(&mut self, word: Tagged) -> Box<Description> {
        Box::new(self.word(word))
    }
}

impl Description {
    pub(super) const fn bare(value: Value) -> Self {
        Self {
            address: None,
            map: None,
            value,
        }
    }
}

impl<T> List<T> {
    pub(super) fn missing(error: &ObjectError) -> Self {
        Self {
            missing: Some(error.to_string()),
            ..Self::default()
        }
    }
}
