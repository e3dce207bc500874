//! Named properties: in the object, in its property array, in its map's descriptors, or in a dictionary.

mod dictionary;

use v8mini_format::MemoryExt;

use super::{Address, MapInfo, ObjectError, Objects, Tagged};
use crate::layout::{Field, Layout};

/// Attributes of a property, as in a property descriptor of the language.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Attributes {
    /// Whether it can be assigned to.
    pub writable: bool,
    /// Whether it shows up in enumerations.
    pub enumerable: bool,
    /// Whether it can be deleted or changed.
    pub configurable: bool,
}

impl Attributes {
    /// From V8's `PropertyAttributes`: `READ_ONLY` 1, `DONT_ENUM` 2, `DONT_DELETE` 4.
    const fn from_bits(bits: u64) -> Self {
        Self {
            writable: bits & 1 == 0,
            enumerable: bits & 2 == 0,
            configurable: bits & 4 == 0,
        }
    }
}

/// Where a property is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Storage {
    /// In the object, at this offset in bytes.
    InObject(u64),
    /// In the property array, at this index.
    PropertyArray(u64),
    /// In the map's descriptors: the same for all objects of the shape.
    Descriptor,
    /// In the object's dictionary, in this entry.
    Dictionary(u64),
}

/// Where all objects of one map keep a property.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MapField {
    /// The key: a string or symbol.
    pub key: Address,
    /// Where it is.
    pub at: FieldPlace,
    /// Whether only numbers are kept there: raw, or each in an object of its own.
    pub is_double: bool,
}

/// A place for a property.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldPlace {
    /// In the object, at this offset in bytes.
    InObject(u64),
    /// In the property array, at this index.
    PropertyArray(u64),
    /// The same value for all objects of the map.
    Shared(PropertyValue),
}

/// The value of a property.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PropertyValue {
    /// A tagged word.
    Tagged(Tagged),
    /// The bits of a double that is kept in the object itself (up to V8 8.0).
    Double(u64),
    /// A getter and a setter: functions, null or undefined.
    Accessor {
        /// Getter.
        getter: Tagged,
        /// Setter.
        setter: Tagged,
    },
    /// A property that V8 computes, such as an array's `length`: its `AccessorInfo`.
    Native(Address),
}

/// A named property.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Property {
    /// The key: a string or symbol, which [`Objects::read_name`] reads.
    pub key: Address,
    /// The value.
    pub value: PropertyValue,
    /// Attributes.
    pub attributes: Attributes,
    /// Where it is kept.
    pub storage: Storage,
}

/// The named properties of an object, in the order in which they were added.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Properties {
    /// Those that could be read.
    pub list: Vec<Property>,
    /// The first failure to read one, and how many there were.
    pub missing: Option<(ObjectError, u64)>,
}

impl Properties {
    fn miss(&mut self, error: ObjectError) {
        match &mut self.missing {
            Some((_, count)) => *count += 1,
            None => self.missing = Some((error, 1)),
        }
    }
}

/// `PropertyDetails`, unpacked.
#[derive(Debug, Clone, Copy)]
struct Details {
    is_accessor: bool,
    in_descriptor: bool,
    attributes: Attributes,
    is_double: bool,
    field_index: u64,
    dictionary_index: u64,
}

impl Details {
    /// From a Smi. The layout gives the places as offsets into a descriptor, whose second word it is.
    fn unpack(layout: &Layout, word: u64) -> Result<Self, ObjectError> {
        let bits = |field| layout.place(field).map(|place| place.decode(word));
        Ok(Self {
            is_accessor: bits(Field::DetailsKind)? != 0,
            in_descriptor: bits(Field::DetailsLocation)? != 0,
            attributes: Attributes::from_bits(bits(Field::DetailsAttributes)?),
            is_double: bits(Field::DetailsRepresentation)?
                == layout.number(Field::RepresentationDouble)?,
            field_index: bits(Field::DetailsFieldIndex)?,
            dictionary_index: bits(Field::DetailsDictionaryIndex)?,
        })
    }
}

/// Words of a descriptor and of an entry of a `NameDictionary`: key, details, value and key, value, details.
const TRIPLE: u64 = 3;

impl Objects {
    /// The named properties of an object.
    ///
    /// # Errors
    /// If the object's map or the layout cannot be read. What fails later is counted in [`Properties::missing`].
    pub fn properties(&self, object: Address) -> Result<Properties, ObjectError> {
        let map = self.map_of(object)?;
        let mut properties = Properties::default();
        if map.is_dictionary {
            self.dictionary_properties(object, &map, &mut properties)?;
        } else {
            self.fast_properties(object, &map, &mut properties)?;
        }
        Ok(properties)
    }

    /// An own property by name. The first `limit` are looked at, in no particular order.
    pub(in crate::v8) fn find_property(
        &self,
        object: Address,
        matches: impl Fn(&super::Name) -> bool,
    ) -> Option<Property> {
        // The key is read last: most properties are told apart by their key object alone in the common case of a hit.
        let properties = self.properties(object).ok()?;
        properties.list.into_iter().find(|property| {
            self.read_name(property.key)
                .is_ok_and(|name| matches(&name))
        })
    }

    /// The keys of the properties that a map's own descriptors describe.
    pub fn descriptor_keys(&self, map: &MapInfo) -> Vec<Address> {
        let header = self.layout().number(Field::DescriptorArrayHeaderSize);
        let (Some(descriptors), Ok(header)) = (map.descriptors.strong(), header) else {
            return Vec::new();
        };
        (0..u64::from(map.own_descriptors))
            .map_while(|index| {
                let offset = index * TRIPLE * 8 + header;
                self.tagged(descriptors, offset).ok()
            })
            .filter_map(Tagged::strong)
            .collect()
    }

    /// Where all objects of a map keep their named properties; `None` for dictionaries, which each has its own, and where
    /// that cannot be read.
    pub fn map_fields(&self, map: &MapInfo) -> Option<Vec<MapField>> {
        if map.is_dictionary {
            return None;
        }
        let layout = self.layout();
        let Some(descriptors) = map.descriptors.strong() else {
            return Some(Vec::new());
        };
        let header = layout.number(Field::DescriptorArrayHeaderSize).ok()?;
        let start = descriptors.0.wrapping_add(header);
        let bytes = self
            .memory()
            .read_vec(start, map.own_descriptors as usize * TRIPLE as usize * 8)
            .ok()?;
        let (words, _) = bytes.as_chunks::<8>();
        let words: Vec<u64> = words.iter().map(|word| u64::from_le_bytes(*word)).collect();
        let field = |triple: &[u64; 3]| {
            let [key, details, value] = *triple;
            let details = Details::unpack(layout, details).ok()?;
            let at = if details.in_descriptor {
                let word = PropertyValueWord::Tagged(Tagged(value));
                FieldPlace::Shared(self.property_value(word, details.is_accessor).ok()?)
            } else if details.is_accessor {
                return None;
            } else {
                match details.field_index.checked_sub(map.in_object_capacity()) {
                    Some(index) => FieldPlace::PropertyArray(index),
                    None => FieldPlace::InObject(map.in_object_start + details.field_index * 8),
                }
            };
            Some(MapField {
                key: Tagged(key).strong()?,
                at,
                is_double: details.is_double,
            })
        };
        words.as_chunks::<3>().0.iter().map(field).collect()
    }

    /// The words of an object's array of properties.
    pub fn property_array(&self, object: Address) -> Option<Vec<Tagged>> {
        let array = self
            .tagged_field(object, Field::JSReceiverProperties)
            .ok()?
            .strong()?;
        let length = self.field(array, Field::PropertyArrayLength).ok()?;
        let data = self.layout().number(Field::FixedArrayData).ok()?;
        // A map has at most 1020 properties.
        let length = usize::try_from(length)
            .ok()
            .filter(|length| *length <= 1 << 10)?;
        let bytes = self
            .memory()
            .read_vec(array.0.wrapping_add(data), length * 8)
            .ok()?;
        let (words, _) = bytes.as_chunks::<8>();
        Some(
            words
                .iter()
                .map(|word| Tagged(u64::from_le_bytes(*word)))
                .collect(),
        )
    }

    fn fast_properties(
        &self,
        object: Address,
        map: &MapInfo,
        properties: &mut Properties,
    ) -> Result<(), ObjectError> {
        let layout = self.layout();
        let unboxed = layout.number(Field::UnboxedDoubleFields).unwrap_or(0) != 0;
        let out_of_object = self
            .tagged_field(object, Field::JSReceiverProperties)?
            .strong();
        let Some(descriptors) = map.descriptors.strong() else {
            return Ok(());
        };
        let header = layout.number(Field::DescriptorArrayHeaderSize)?;
        let start = descriptors.0.wrapping_add(header);
        // `own_descriptors` has ten bits.
        let bytes = self
            .memory()
            .read_vec(start, map.own_descriptors as usize * TRIPLE as usize * 8)?;
        let (words, _) = bytes.as_chunks::<8>();
        let words: Vec<u64> = words.iter().map(|word| u64::from_le_bytes(*word)).collect();
        for triple in words.as_chunks::<3>().0 {
            let [key, details, value] = *triple;
            let Some(key) = Tagged(key).strong() else {
                properties.miss(ObjectError::NotAnObject {
                    address: descriptors,
                    word: key,
                });
                continue;
            };
            let details = Details::unpack(layout, details)?;
            let found = if details.in_descriptor {
                Ok((
                    PropertyValueWord::Tagged(Tagged(value)),
                    Storage::Descriptor,
                ))
            } else {
                self.field_value(object, map, out_of_object, details, unboxed)
            };
            let property = found.and_then(|(word, storage)| {
                Ok(Property {
                    key,
                    value: self.property_value(word, details.is_accessor)?,
                    attributes: details.attributes,
                    storage,
                })
            });
            match property {
                Ok(property) => properties.list.push(property),
                Err(error) => properties.miss(error),
            }
        }
        Ok(())
    }

    fn field_value(
        &self,
        object: Address,
        map: &MapInfo,
        out_of_object: Option<Address>,
        details: Details,
        unboxed: bool,
    ) -> Result<(PropertyValueWord, Storage), ObjectError> {
        let capacity = map.in_object_capacity();
        let Some(index) = details.field_index.checked_sub(capacity) else {
            let offset = map.in_object_start + details.field_index * 8;
            let word = self.word(object, offset)?;
            let value = if details.is_double && unboxed {
                PropertyValueWord::Double(word)
            } else {
                PropertyValueWord::Tagged(Tagged(word))
            };
            return Ok((value, Storage::InObject(offset)));
        };
        let array = out_of_object.ok_or(ObjectError::Implausible {
            address: object,
            what: "field index",
            value: details.field_index,
            why: "the object has no property array",
        })?;
        let length = self.field(array, Field::PropertyArrayLength)?;
        if index >= length {
            return Err(ObjectError::Implausible {
                address: object,
                what: "field index",
                value: details.field_index,
                why: "the property array is shorter",
            });
        }
        let data = self.layout().number(Field::FixedArrayData)?;
        let word = self.word(array, data + index * 8)?;
        Ok((
            PropertyValueWord::Tagged(Tagged(word)),
            Storage::PropertyArray(index),
        ))
    }

    /// The object that a word points at, if it can be a property key.
    fn as_name(&self, word: Tagged) -> Option<Address> {
        let object = word.strong()?;
        let instance_type = self.instance_type(object)?;
        (self.is_string_type(instance_type) || self.is_type(instance_type, "SYMBOL_TYPE"))
            .then_some(object)
    }

    fn property_value(
        &self,
        word: PropertyValueWord,
        is_accessor: bool,
    ) -> Result<PropertyValue, ObjectError> {
        let word = match word {
            PropertyValueWord::Double(bits) => return Ok(PropertyValue::Double(bits)),
            PropertyValueWord::Tagged(word) => word,
        };
        if !is_accessor {
            return Ok(PropertyValue::Tagged(word));
        }
        let Some(accessor) = word.strong() else {
            return Ok(PropertyValue::Tagged(word));
        };
        let instance_type = self.map_of(accessor)?.instance_type;
        if self.is_type(instance_type, "ACCESSOR_PAIR_TYPE") {
            return Ok(PropertyValue::Accessor {
                getter: self.tagged_field(accessor, Field::AccessorPairGetter)?,
                setter: self.tagged_field(accessor, Field::AccessorPairSetter)?,
            });
        }
        Ok(PropertyValue::Native(accessor))
    }
}

/// What lies in a field.
#[derive(Debug, Clone, Copy)]
enum PropertyValueWord {
    Tagged(Tagged),
    Double(u64),
}
