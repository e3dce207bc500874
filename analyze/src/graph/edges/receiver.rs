//! The edges of a JavaScript object: properties, elements, entries, and what its kind adds.

use smol_str::SmolStr;

use super::{Collector, Shape};
use crate::graph::Strength;
use crate::graph::edge::{Edge, EdgeKind, Target};
use crate::layout::Field;
use crate::v8::{
    Address, ElementsKind, FieldPlace, Kind, MapField, MapInfo, PropertyValue, Storage, Tagged,
};

/// Of a key of a `Map`, so many characters are shown.
const KEY_UNITS: usize = 60;

impl Collector<'_, '_> {
    /// A JavaScript object: its properties and elements, and what its kind adds.
    pub(super) fn receiver(&mut self, map: &MapInfo, shape: &Shape<'_>) {
        if !shape.is_proxy {
            match &shape.fields {
                Some(fields) => self.fields(fields),
                None => self.properties(),
            }
            self.elements(map);
        }
        let name = SmolStr::new_static("__proto__");
        self.link(EdgeKind::Property, name, map.prototype);
        if shape.is_function {
            self.function(map);
        }
        // Of functions, some are bound, and have the maps of those that are not.
        let kind = match shape.kind {
            Kind::Function | Kind::BoundFunction if shape.is_kind_own => {
                self.objects.kind_of(self.object, map)
            }
            kind => kind,
        };
        match kind {
            Kind::BoundFunction => self.bound_function(),
            Kind::Map => self.entries(true),
            Kind::Set => self.entries(false),
            Kind::ArrayBuffer => self.backing_store(),
            _ => {}
        }
    }

    /// The named properties of an object whose map says where they are.
    fn fields(&mut self, fields: &[(SmolStr, MapField)]) {
        let mut array = None;
        for (name, field) in fields {
            if self.is_full() {
                return;
            }
            // V8 has no edge for numbers: in DevTools, objects without a class are told apart by these edges.
            let kind = if field.is_double {
                EdgeKind::Internal
            } else {
                EdgeKind::Property
            };
            match field.at {
                FieldPlace::InObject(offset) if field.is_double => {
                    self.name(offset, kind, name.clone());
                }
                // In the order of the shape, wherever they are kept: in DevTools, objects without a class are called by it.
                FieldPlace::InObject(offset) => {
                    if let Some(target) = self.word_at(offset).and_then(Tagged::strong) {
                        self.add(Edge {
                            kind,
                            name: name.clone().into(),
                            target: Target::Object(target),
                            strength: Strength::Strong,
                            offset: Some(offset),
                        });
                        self.names.set_done(offset);
                    }
                }
                FieldPlace::PropertyArray(index) => {
                    let words: &Vec<Tagged> = array.get_or_insert_with(|| {
                        self.objects.property_array(self.object).unwrap_or_default()
                    });
                    if let Some(word) = usize::try_from(index).ok().and_then(|at| words.get(at)) {
                        self.link(kind, name.clone(), *word);
                    }
                }
                FieldPlace::Shared(PropertyValue::Tagged(word)) => {
                    self.link(EdgeKind::Property, name.clone(), word);
                }
                FieldPlace::Shared(PropertyValue::Accessor { getter, setter }) => {
                    self.accessor(name, getter, setter);
                }
                FieldPlace::Shared(PropertyValue::Double(_) | PropertyValue::Native(_)) => {}
            }
        }
    }

    fn word_at(&self, offset: u64) -> Option<Tagged> {
        let of_body = || {
            let start = usize::try_from(offset).ok()?;
            self.body.get(start..)?.first_chunk().copied()
        };
        match of_body() {
            Some(word) => Some(Tagged(u64::from_le_bytes(word))),
            None => self.objects.tagged(self.object, offset).ok(),
        }
    }

    fn accessor(&mut self, name: &SmolStr, getter: Tagged, setter: Tagged) {
        for (what, word) in [("get", getter), ("set", setter)] {
            if self.is_callable(word) {
                self.link(EdgeKind::Property, format!("{what} {name}"), word);
            }
        }
    }

    fn properties(&mut self) {
        let properties = match self.objects.properties(self.object) {
            Ok(properties) => properties,
            Err(error) => return self.miss(error),
        };
        if let Some((error, _)) = properties.missing {
            self.miss(error);
        }
        for property in properties.list {
            if self.is_full() {
                return;
            }
            let name = self.reader.property_name(property.key);
            match property.value {
                PropertyValue::Tagged(word) => match property.storage {
                    Storage::InObject(offset) => self.name(offset, EdgeKind::Property, name),
                    _ => self.link(EdgeKind::Property, name, word),
                },
                PropertyValue::Accessor { getter, setter } => {
                    self.accessor(&name, getter, setter);
                    if let Storage::InObject(offset) = property.storage {
                        self.name(offset, EdgeKind::Property, name);
                    }
                }
                PropertyValue::Double(_) | PropertyValue::Native(_) => {}
            }
        }
    }

    /// Whether it is more than `undefined` or `null`, which stand for a missing getter or setter.
    fn is_callable(&self, word: Tagged) -> bool {
        !self.objects.is_undefined(word) && !self.objects.is_null(word)
    }

    /// The store of an object's elements, and its place in [`EdgeReader::empty_stores`]; `None` if it is none that another kind of
    /// object might share.
    fn plain_store(&self, map: &MapInfo) -> Option<(Address, usize)> {
        let layout = self.objects.layout();
        let of_doubles = match map.elements(layout) {
            ElementsKind::Smi | ElementsKind::Object => 0,
            ElementsKind::Double => 1,
            _ => return None,
        };
        let place = layout.place(Field::JSObjectElements).ok()?;
        let store = self.word_at(place.offset)?.strong()?;
        Some((store, of_doubles))
    }

    fn elements(&mut self, map: &MapInfo) {
        let plain = self.plain_store(map);
        if let Some((store, of_doubles)) = plain
            && self.reader.empty_stores.get(of_doubles) == Some(&Some(store))
        {
            return;
        }
        let room = self.limit.saturating_sub(self.edges.list.len());
        match self.objects.elements(self.object, map, u64::MAX, room) {
            Ok(elements) => {
                self.edges.truncated |= elements.truncated;
                if let Some((store, of_doubles)) = plain
                    && elements.missing.is_none()
                    && self.objects.field(store, Field::FixedArrayLength) == Ok(0)
                    && let Some(known) = self.reader.empty_stores.get_mut(of_doubles)
                {
                    *known = Some(store);
                }
                if let Some(error) = elements.missing {
                    self.miss(error);
                }
                for (index, value) in elements.list {
                    if let PropertyValue::Tagged(word) = value {
                        self.link(EdgeKind::Element, index, word);
                    }
                }
            }
            Err(error) => self.miss(error),
        }
    }

    fn function(&mut self, map: &MapInfo) {
        let objects = self.objects;
        if let Some(word) = objects.prototype_or_initial_map(self.object, map)
            && let Some(target) = word.strong()
        {
            match objects.map(target) {
                Some(initial_map) => {
                    self.link(EdgeKind::Property, "prototype", initial_map.prototype);
                    self.name_field(
                        Field::JSFunctionPrototypeOrInitialMap,
                        EdgeKind::Internal,
                        "initial_map",
                    );
                }
                None => self.name_field(
                    Field::JSFunctionPrototypeOrInitialMap,
                    EdgeKind::Property,
                    "prototype",
                ),
            }
        }
    }

    fn bound_function(&mut self) {
        if let Ok(bound) = self.objects.read_bound_function(self.object) {
            self.link(EdgeKind::Shortcut, "bound_this", bound.this);
            self.link(EdgeKind::Shortcut, "bound_function", bound.target);
            for (index, argument) in bound.arguments.into_iter().enumerate() {
                self.link(
                    EdgeKind::Shortcut,
                    format!("bound_argument_{index}"),
                    argument,
                );
            }
        }
    }

    /// Keys and values, which the table holds: `["key"]` is a value under its key.
    fn entries(&mut self, has_values: bool) {
        let room = self.limit.saturating_sub(self.edges.list.len());
        let entries = if has_values {
            self.objects.map_entries(self.object, room)
        } else {
            self.objects.set_members(self.object, room)
        };
        match entries {
            Ok(entries) => {
                self.edges.truncated |= entries.size > entries.list.len() as u64;
                if let Some(error) = entries.missing {
                    self.miss(error);
                }
                for (index, (key, value)) in entries.list.into_iter().enumerate() {
                    self.link(EdgeKind::Shortcut, format!("(key {index})"), key);
                    if has_values {
                        let name = format!("[{}]", self.key_text(key));
                        self.link(EdgeKind::Shortcut, name, value);
                    }
                }
            }
            Err(error) => self.miss(error),
        }
    }

    fn key_text(&self, key: Tagged) -> String {
        if let Ok(Some(number)) = self.objects.read_number(key) {
            return number.to_string();
        }
        let Some(object) = key.strong() else {
            return "?".to_owned();
        };
        match self.objects.read_string(object, KEY_UNITS) {
            Ok(string) => format!("{:?}", string.to_text()),
            Err(_) => object.to_string(),
        }
    }

    fn backing_store(&mut self) {
        let Ok(buffer) = self.objects.read_array_buffer(self.object) else {
            return;
        };
        if buffer.backing_store != 0 && buffer.byte_length != 0 {
            self.add(Edge {
                kind: EdgeKind::Internal,
                name: "backing_store".into(),
                target: Target::Native {
                    address: buffer.backing_store,
                    bytes: buffer.byte_length,
                },
                strength: Strength::Strong,
                offset: None,
            });
        }
    }
}
