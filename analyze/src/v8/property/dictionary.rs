//! Properties that lie in a dictionary: of objects that have many, or had some deleted, and of the global object.

use super::{Details, Properties, Property, PropertyValue, PropertyValueWord, Storage, TRIPLE};
use crate::layout::Field;
use crate::v8::hash_table::for_each_entry;
use crate::v8::{Address, MapInfo, ObjectError, Objects, Tagged};

impl Objects {
    pub(super) fn dictionary_properties(
        &self,
        object: Address,
        map: &MapInfo,
        properties: &mut Properties,
    ) -> Result<(), ObjectError> {
        let word = self.tagged_field(object, Field::JSReceiverProperties)?;
        let Some(table) = word.strong() else {
            // Nothing but an identity hash.
            return Ok(());
        };
        let global = self.is_global(map);
        let (prefix, entry_words) = if global {
            (
                self.layout().number(Field::GlobalDictionaryPrefixSize)?,
                self.layout().number(Field::GlobalDictionaryEntrySize)?,
            )
        } else {
            (
                self.layout().number(Field::NameDictionaryPrefixSize)?,
                TRIPLE,
            )
        };
        let mut ordered = Vec::new();
        let end = for_each_entry(self, table, prefix, entry_words, |entry, words| {
            let property = if global {
                self.global_entry(entry, words)
            } else {
                self.name_entry(entry, words)
            };
            match property {
                Ok(Some(property)) => ordered.push(property),
                Ok(None) => {}
                Err(error) => properties.miss(error),
            }
            true
        });
        if let Err(error) = end {
            properties.miss(error);
        }
        // Entries lie where the hash puts them; the language lists them in the order of insertion.
        ordered.sort_by_key(|(order, _)| *order);
        properties
            .list
            .extend(ordered.into_iter().map(|(_, property)| property));
        Ok(())
    }

    /// An entry of a `NameDictionary`, or `None` if it is empty or deleted.
    fn name_entry(
        &self,
        entry: u64,
        words: &[u64],
    ) -> Result<Option<(u64, Property)>, ObjectError> {
        let &[key, value, details] = words else {
            return Ok(None);
        };
        let Some(key) = self.as_name(Tagged(key)) else {
            return Ok(None);
        };
        let details = Details::unpack(self.layout(), details)?;
        let value = PropertyValueWord::Tagged(Tagged(value));
        Ok(Some((
            details.dictionary_index,
            Property {
                key,
                value: self.property_value(value, details.is_accessor)?,
                attributes: details.attributes,
                storage: Storage::Dictionary(entry),
            },
        )))
    }

    /// An entry of a `GlobalDictionary`, or `None` if it is empty or deleted. Up to V8 5 it is key and cell, later the cell,
    /// which knows its name. The cell has the details.
    fn global_entry(
        &self,
        entry: u64,
        words: &[u64],
    ) -> Result<Option<(u64, Property)>, ObjectError> {
        let (key, cell) = match *words {
            [key, cell] => (Some(Tagged(key)), Tagged(cell).strong()),
            [cell] => (None, Tagged(cell).strong()),
            _ => return Ok(None),
        };
        let Some(cell) = cell.filter(|cell| {
            self.instance_type(*cell)
                .is_some_and(|found| self.is_type(found, "PROPERTY_CELL_TYPE"))
        }) else {
            return Ok(None);
        };
        let key = match key {
            Some(key) => key,
            None => self.tagged_field(cell, Field::PropertyCellName)?,
        };
        // The layout gives the details' place in the cell; their bits are unpacked as in a descriptor.
        let details = self.word(
            cell,
            self.layout().place(Field::PropertyCellDetails)?.offset,
        )?;
        let Some(key) = self.as_name(key) else {
            return Ok(None);
        };
        let details = Details::unpack(self.layout(), details)?;
        let value = self.tagged_field(cell, Field::PropertyCellValue)?;
        // A deleted global leaves its cell behind, with a hole in it.
        if self.is_hole(value) {
            return Ok(None);
        }
        Ok(Some((
            details.dictionary_index,
            Property {
                key,
                value: self
                    .property_value(PropertyValueWord::Tagged(value), details.is_accessor)?,
                attributes: details.attributes,
                storage: Storage::Dictionary(entry),
            },
        )))
    }

    /// The value of an entry of a `NumberDictionary`.
    pub(in crate::v8) fn dictionary_value(
        &self,
        value: Tagged,
        details: u64,
    ) -> Result<PropertyValue, ObjectError> {
        let details = Details::unpack(self.layout(), details)?;
        self.property_value(PropertyValueWord::Tagged(value), details.is_accessor)
    }
}
