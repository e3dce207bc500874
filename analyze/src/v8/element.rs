//! Elements: properties whose keys are array indices.

use super::hash_table::for_each_entry;
use super::{Address, ElementsKind, FixedArray, MapInfo, Number, ObjectError, Objects};
use super::{PropertyValue, Tagged};
use crate::layout::Field;

/// `kHoleNanInt64`: the NaN that stands for a hole in a `FixedDoubleArray`. The same from V8 4.5 to 14.6.
const HOLE_NAN: u64 = 0xfff7_ffff_fff7_ffff;
/// Words of an entry of a `NumberDictionary`: key, value, details.
const ENTRY_WORDS: u64 = 3;

/// The elements of an object, holes left out.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Elements {
    /// The first ones, by index.
    pub list: Vec<(u64, PropertyValue)>,
    /// Whether there may be more than the caller wanted.
    pub truncated: bool,
    /// Why the list ends before the elements do.
    pub missing: Option<ObjectError>,
}

impl Elements {
    /// Adds an element; returns whether there is room for more.
    fn add(&mut self, index: u64, value: PropertyValue, limit: usize) -> bool {
        if self.list.len() >= limit {
            self.truncated = true;
            return false;
        }
        self.list.push((index, value));
        true
    }
}

impl Objects {
    /// The first `limit` elements of an object that lie below index `end`: an array's length, or `u64::MAX`. Those of typed
    /// arrays are read by [`Objects::typed_array_elements`].
    ///
    /// # Errors
    /// If the object or the layout cannot be read. What fails later ends the list and is in [`Elements::missing`].
    pub fn elements(
        &self,
        object: Address,
        map: &MapInfo,
        end: u64,
        limit: usize,
    ) -> Result<Elements, ObjectError> {
        let mut elements = Elements::default();
        let Some(store) = self.tagged_field(object, Field::JSObjectElements)?.strong() else {
            return Ok(elements);
        };
        let number = |field| self.layout().number(field).ok();
        let kind = Some(u64::from(map.elements_kind));
        let end_of = match map.elements(self.layout()) {
            ElementsKind::Smi | ElementsKind::Object => {
                self.fast_elements(store, end, limit, &mut elements)
            }
            // Without elements the store is the empty `FixedArray`, which has the same layout.
            ElementsKind::Double => self.array_elements(store, end, limit, &mut elements, |bits| {
                (bits != HOLE_NAN).then_some(PropertyValue::Double(bits))
            }),
            ElementsKind::Dictionary => self.dictionary_elements(store, limit, &mut elements),
            ElementsKind::Other if kind == number(Field::FastSloppyArgumentsElements) => {
                self.sloppy_arguments(store, true, limit, &mut elements)
            }
            ElementsKind::Other if kind == number(Field::SlowSloppyArgumentsElements) => {
                self.sloppy_arguments(store, false, limit, &mut elements)
            }
            ElementsKind::Other if kind == number(Field::FastStringWrapperElements) => {
                self.fast_elements(store, end, limit, &mut elements)
            }
            ElementsKind::Other if kind == number(Field::SlowStringWrapperElements) => {
                self.dictionary_elements(store, limit, &mut elements)
            }
            ElementsKind::Other => Ok(()),
        };
        elements.missing = end_of.err();
        Ok(elements)
    }

    /// Elements in a `FixedArray` or a `FixedDoubleArray`; `value` turns a word into the element, or `None` for a hole.
    fn array_elements(
        &self,
        store: Address,
        end: u64,
        limit: usize,
        elements: &mut Elements,
        value: impl Fn(u64) -> Option<PropertyValue>,
    ) -> Result<(), ObjectError> {
        let array = FixedArray::read(self, store)?;
        array.for_each_group(self, 0, 1, |index, words| {
            let &[word] = words else { return false };
            index < end && value(word).is_none_or(|value| elements.add(index, value, limit))
        })
    }

    fn fast_elements(
        &self,
        store: Address,
        end: u64,
        limit: usize,
        elements: &mut Elements,
    ) -> Result<(), ObjectError> {
        self.array_elements(store, end, limit, elements, |word| {
            let word = Tagged(word);
            (!self.is_hole(word)).then_some(PropertyValue::Tagged(word))
        })
    }

    fn dictionary_elements(
        &self,
        store: Address,
        limit: usize,
        elements: &mut Elements,
    ) -> Result<(), ObjectError> {
        let prefix = self.layout().number(Field::NumberDictionaryPrefixSize)?;
        let mut found = Vec::new();
        let end = for_each_entry(self, store, prefix, ENTRY_WORDS, |_, words| {
            let &[key, value, details] = words else {
                return false;
            };
            // Keys beyond the Smis are heap numbers; unused entries hold undefined or a hole.
            let index = self
                .read_number(Tagged(key))
                .ok()
                .flatten()
                .and_then(Number::to_integer)
                .and_then(|index| u64::try_from(index).ok());
            if let Some(index) = index
                && let Ok(value) = self.dictionary_value(Tagged(value), details)
            {
                found.push((index, value));
            }
            true
        });
        found.sort_by_key(|(index, _)| *index);
        for (index, value) in found {
            if !elements.add(index, value, limit) {
                break;
            }
        }
        end
    }

    /// The elements of sloppy `arguments`: each is the parameter's context slot as long as they are the same variable.
    fn sloppy_arguments(
        &self,
        store: Address,
        fast: bool,
        limit: usize,
        elements: &mut Elements,
    ) -> Result<(), ObjectError> {
        let store_array = FixedArray::read(self, store)?;
        let unmapped = self.layout().number(Field::SloppyArgumentsUnmapped)?;
        let first_mapped = self.layout().number(Field::SloppyArgumentsMapped)?;
        let mapped = store_array.length.saturating_sub(unmapped);
        let context = self.tagged_field(store, Field::SloppyArgumentsContext)?;
        let arguments = self.tagged_field(store, Field::SloppyArgumentsArguments)?;
        let (Some(context), Some(arguments)) = (context.strong(), arguments.strong()) else {
            return Ok(());
        };
        let mut own = Elements::default();
        if fast {
            self.fast_elements(arguments, u64::MAX, limit, &mut own)?;
        } else {
            self.dictionary_elements(arguments, limit, &mut own)?;
        }
        let slots = FixedArray::read(self, context)?;
        let mut all = own.list;
        for index in 0..mapped.min(limit as u64) {
            let slot = self.tagged(store, first_mapped.wrapping_add(index * 8))?;
            // A hole: this one is no alias any more.
            let Some(slot) = slot.smi().and_then(|slot| u64::try_from(slot).ok()) else {
                continue;
            };
            all.push((index, self.slot_value(slots.get(self, slot)?)?));
        }
        all.sort_by_key(|(index, _)| *index);
        for (index, value) in all {
            if !elements.add(index, value, limit) {
                break;
            }
        }
        elements.truncated |= own.truncated;
        Ok(())
    }

    /// The length of an array.
    ///
    /// # Errors
    /// If it cannot be read, or is no number.
    pub fn array_length(&self, array: Address) -> Result<u64, ObjectError> {
        let word = self.tagged_field(array, Field::JSArrayLength)?;
        self.read_number(word)?
            .and_then(Number::to_integer)
            .and_then(|length| u64::try_from(length).ok())
            .filter(|length| *length <= u64::from(u32::MAX))
            .ok_or(ObjectError::Implausible {
                address: array,
                what: "length",
                value: word.0,
                why: "it is no array length",
            })
    }
}
