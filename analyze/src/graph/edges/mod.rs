//! The named level: what one object refers to, each edge under the name that Chrome DevTools gives it.
//!
//! V8's own snapshots name what they know of an object and then add whatever words are left, without a name
//! (`V8HeapExplorer::ExtractReferences`, `IndexedReferencesExtractor`). So does this: the words come from [`References`],
//! the names from the object's shape, its scope, or the constants of the binary. No reference is lost for want of a name.

mod members;
mod receiver;

use std::ops::Range;
use std::sync::Arc;

use rustc_hash::FxHashMap;
use smol_str::SmolStr;

use self::members::Members;
use super::edge::{Edge, EdgeKind, EdgeName, Target};
use super::references::parts;
use super::word_names::{WordName, WordNames};
use super::{Reference, References, Strength, for_each_reference, is_weak_in_code};
use crate::layout::{Field, Slots};
use crate::v8::{Address, Kind, MapField, MapInfo, ObjectError, Objects, Tagged};

/// So many property keys are remembered.
const KEYS: usize = 1 << 14;
/// So many maps are remembered.
const SHAPES: usize = 1 << 14;

/// What an object refers to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Edges {
    /// The edges: properties, elements and entries first, then the words of the object in order.
    pub list: Vec<Edge>,
    /// Whether there are more than the caller wanted.
    pub truncated: bool,
    /// Why a part of them is missing.
    pub missing: Option<ObjectError>,
}

/// The edges of an object, `limit` at most.
///
/// # Errors
/// If there is no object, or its map cannot be read. What fails later is in [`Edges::missing`].
pub fn edges(
    objects: &Objects,
    references: &References,
    object: Address,
    limit: usize,
) -> Result<Edges, ObjectError> {
    let map = objects.map_of(object)?;
    Ok(EdgeReader::new(objects, references).collect(object, &map, limit, None, None))
}

/// The edges of an object that lead to one of `targets`.
///
/// # Errors
/// As [`edges`].
pub fn edges_to(
    objects: &Objects,
    references: &References,
    object: Address,
    targets: &[Address],
) -> Result<Edges, ObjectError> {
    let map = objects.map_of(object)?;
    Ok(EdgeReader::new(objects, references).collect(object, &map, usize::MAX, Some(targets), None))
}

/// Reads the edges of many objects one after the other, and remembers the names of properties.
#[derive(Debug)]
pub struct EdgeReader<'a> {
    objects: &'a Objects,
    references: &'a References,
    /// What property keys say.
    keys: FxHashMap<Address, SmolStr>,
    /// What is known of the objects of each map.
    shapes: FxHashMap<Address, Arc<Shape<'a>>>,
    /// Stores without elements, of tagged words and of doubles: nearly all objects without elements share one.
    empty_stores: [Option<Address>; 2],
    buffer: Vec<u8>,
    names: WordNames,
    /// Room for the edges of the next object.
    room: Vec<Edge>,
}

/// What all objects of a map have in common.
#[derive(Debug)]
struct Shape<'a> {
    /// Which of their words refer to others.
    slots: &'a Slots,
    is_receiver: bool,
    is_proxy: bool,
    is_function: bool,
    kind: Kind,
    /// Whether functions of this map may or may not be bound.
    is_kind_own: bool,
    /// Whether the object is a context, if that is the same for all of the map.
    is_context: Option<bool>,
    /// Of an array whose words have numbers, where the first of them is.
    array_data: Option<u64>,
    /// What fields of V8's own are called.
    members: Members,
    /// The places of named properties, if they are no dictionary's.
    fields: Option<Vec<(SmolStr, MapField)>>,
}

impl<'a> EdgeReader<'a> {
    /// A reader that remembers nothing yet.
    pub fn new(objects: &'a Objects, references: &'a References) -> Self {
        Self {
            objects,
            references,
            keys: FxHashMap::default(),
            shapes: FxHashMap::default(),
            empty_stores: [None; 2],
            buffer: Vec::new(),
            names: WordNames::default(),
            room: Vec::new(),
        }
    }

    fn shape(&mut self, object: Address, map: &MapInfo) -> Arc<Shape<'a>> {
        if let Some(known) = self.shapes.get(&map.address) {
            return Arc::clone(known);
        }
        let objects = self.objects;
        let instance_type = map.instance_type;
        let is_receiver = objects.is_receiver_type(instance_type);
        let fields = is_receiver.then(|| objects.map_fields(map)).flatten();
        let fields = fields.map(|fields| {
            let named = |field: MapField| (self.property_name(field.key), field);
            fields.into_iter().map(named).collect()
        });
        let references: &'a References = self.references;
        let slots = references.slots(instance_type);
        let layout = objects.layout();
        let mut members = Members::default();
        if is_receiver {
            let known = [
                (Field::JSReceiverProperties, "properties"),
                (Field::JSObjectElements, "elements"),
            ];
            let is_proxy = objects.is_type(instance_type, "JS_PROXY_TYPE");
            for (field, name) in known.into_iter().take(if is_proxy { 1 } else { 2 }) {
                if let Ok(place) = layout.place(field) {
                    members.add(place.offset, name);
                }
            }
        }
        for (offset, name) in layout.types.fields_of(instance_type) {
            members.add(offset, name);
        }
        let has_context_types = layout.types.number("FUNCTION_CONTEXT_TYPE").is_some();
        let is_array = !is_receiver && is_array(&objects.type_name(instance_type));
        let shape = Arc::new(Shape {
            slots,
            is_context: has_context_types.then(|| objects.is_context(object, map)),
            array_data: is_array
                .then(|| layout.number(Field::FixedArrayData).ok())
                .flatten(),
            members,
            is_receiver,
            is_proxy: objects.is_type(instance_type, "JS_PROXY_TYPE"),
            is_function: objects.is_function_type(instance_type),
            kind: objects.kind_of(object, map),
            is_kind_own: layout.place(Field::FunctionBindings).is_ok(),
            fields,
        });
        if self.shapes.len() < SHAPES {
            self.shapes.insert(map.address, Arc::clone(&shape));
        }
        shape
    }

    fn property_name(&mut self, key: Address) -> SmolStr {
        if let Some(known) = self.keys.get(&key) {
            return known.clone();
        }
        let name = self.objects.read_name(key);
        let name: SmolStr = name
            .map_or_else(|_| format!("(key at {key})"), |name| name.to_string())
            .into();
        if self.keys.len() < KEYS {
            self.keys.insert(key, name.clone());
        }
        name
    }

    /// All edges of an object, whose size in bytes the walk of the heap has found. Whether there is an object where an edge leads to
    /// is not looked at: the caller knows all objects.
    pub fn edges_of_size(&mut self, object: Address, map: &MapInfo, size: u64) -> Edges {
        self.collect(object, map, usize::MAX, None, Some(size))
    }

    /// Takes edges back that were read: the next ones need no room of their own.
    pub fn take_back(&mut self, edges: Edges) {
        self.room = edges.list;
        self.room.clear();
    }

    fn collect(
        &mut self,
        object: Address,
        map: &MapInfo,
        limit: usize,
        wanted: Option<&[Address]>,
        known_size: Option<u64>,
    ) -> Edges {
        let objects = self.objects;
        let shape = self.shape(object, map);
        let mut names = std::mem::take(&mut self.names);
        names.clear();
        let room = std::mem::take(&mut self.room);
        let size = match shape.slots.is_none() {
            true => 0,
            false => known_size
                .or_else(|| objects.size_of(object, map))
                .unwrap_or(0),
        };
        let mut body = std::mem::take(&mut self.buffer);
        read_part(objects, object, parts(size).next(), &mut body);
        let mut collector = Collector {
            objects,
            reader: self,
            shape: &shape,
            body,
            object,
            limit,
            wanted,
            // Who walks the heap knows its objects.
            is_checked: known_size.is_none(),
            names,
            array_data: None,
            edges: Edges {
                list: room,
                ..Edges::default()
            },
        };
        if shape.is_receiver {
            collector.receiver(map, &shape);
        } else if shape
            .is_context
            .unwrap_or_else(|| objects.is_context(object, map))
        {
            collector.context();
        } else {
            collector.array_data = shape.array_data;
        }
        collector.words(map, size);
        let Collector {
            names, edges, body, ..
        } = collector;
        self.names = names;
        self.buffer = body;
        edges
    }
}

struct Collector<'r, 'a> {
    objects: &'a Objects,
    reader: &'r mut EdgeReader<'a>,
    shape: &'r Shape<'a>,
    /// The first part of the object, empty if it has no references or cannot be read. Later the other parts, one after the other.
    body: Vec<u8>,
    object: Address,
    limit: usize,
    /// Only edges to these are collected, if it says so.
    wanted: Option<&'r [Address]>,
    /// Whether words that only look like references are left out.
    is_checked: bool,
    names: WordNames,
    /// Words from here on have numbers.
    array_data: Option<u64>,
    edges: Edges,
}

impl<'a> Collector<'_, 'a> {
    fn add(&mut self, edge: Edge) {
        if let Some(wanted) = self.wanted
            && !edge
                .target
                .object()
                .is_some_and(|target| wanted.contains(&target))
        {
            return;
        }
        if self.edges.list.len() < self.limit {
            self.edges.list.push(edge);
        } else {
            self.edges.truncated = true;
        }
    }

    fn is_full(&self) -> bool {
        self.edges.truncated
    }

    fn miss(&mut self, error: ObjectError) {
        self.edges.missing.get_or_insert(error);
    }

    /// An edge that is no word of the object.
    fn link(&mut self, kind: EdgeKind, name: impl Into<EdgeName>, word: Tagged) {
        if let Some(target) = word.object() {
            self.add(Edge {
                kind,
                name: name.into(),
                target: Target::Object(target),
                strength: if word.is_weak() {
                    Strength::Weak
                } else {
                    Strength::Strong
                },
                offset: None,
            });
        }
    }

    fn name(&mut self, offset: u64, kind: EdgeKind, name: impl Into<EdgeName>) {
        self.names.name(offset, kind, name.into());
    }

    fn name_field(&mut self, field: Field, kind: EdgeKind, name: &str) {
        if let Ok(place) = self.objects.layout().place(field) {
            self.name(place.offset, kind, name);
        }
    }

    fn context(&mut self) {
        match self.objects.context_slots(self.object) {
            Ok(slots) => {
                let data = self.objects.layout().number(Field::ContextSlots);
                let offset =
                    |slot: u64| data.clone().unwrap_or(16).checked_add(slot.checked_mul(8)?);
                for (kind, name, slot) in slots {
                    if let Some(offset) = offset(slot) {
                        let kind = if kind.is_variable() {
                            EdgeKind::Context
                        } else {
                            EdgeKind::Internal
                        };
                        self.name(offset, kind, name);
                    }
                }
            }
            Err(error) => self.miss(error),
        }
    }

    /// The words of the object, under the names found so far.
    fn words(&mut self, map: &MapInfo, size: u64) {
        self.add(Edge {
            kind: EdgeKind::Internal,
            name: EdgeName::Name(SmolStr::new_static("map")),
            target: Target::Object(map.address),
            strength: Strength::Strong,
            offset: Some(0),
        });
        let references: &'a References = self.reader.references;
        if let Some(code) = references.dispatched(self.objects, self.object, map.instance_type) {
            self.names
                .name(code.offset, EdgeKind::Internal, "code".into());
            self.word(code);
        }
        let mut body = std::mem::take(&mut self.body);
        for part in parts(size) {
            if self.is_full() {
                break;
            }
            let start = part.start;
            if start > 0 {
                read_part(self.objects, self.object, Some(part), &mut body);
            }
            if body.is_empty() {
                break;
            }
            for_each_reference(self.shape.slots, size, start, &body, |reference| {
                self.word(reference);
            });
        }
        self.body = body;
    }

    fn word(&mut self, reference: Reference) {
        let in_code = reference.strength == Strength::Embedded;
        let mut weak = reference.strength == Strength::Weak;
        // A raw word may look like a reference; an object tells itself by its map.
        if self.is_checked || in_code {
            let Some(target) = self.objects.instance_type(reference.target) else {
                return;
            };
            weak |= in_code && is_weak_in_code(self.objects, target);
        }
        let (kind, name) = match self.names.take(reference.offset) {
            WordName::Done => return,
            WordName::Name(kind, name) => Some((kind, name)),
            WordName::Unknown => {
                let member = self.shape.members.at(reference.offset);
                member.map(|name| (EdgeKind::Internal, EdgeName::Name(name.clone())))
            }
        }
        .or_else(|| {
            let index = reference.offset.checked_sub(self.array_data?)? / 8;
            Some((EdgeKind::Internal, EdgeName::Index(index)))
        })
        .unwrap_or((EdgeKind::Hidden, EdgeName::Index(reference.offset / 8)));
        self.add(Edge {
            kind: if weak { EdgeKind::Weak } else { kind },
            name,
            target: Target::Object(reference.target),
            strength: match reference.strength {
                _ if weak => Strength::Weak,
                Strength::Embedded => Strength::Strong,
                strength => strength,
            },
            offset: Some(reference.offset),
        });
    }
}

/// Reads a part of an object; what is read is empty if there is no such part, or if it cannot be read.
fn read_part(objects: &Objects, object: Address, part: Option<Range<u64>>, to: &mut Vec<u8>) {
    let Range { start, end } = part.unwrap_or_default();
    // Parts are short.
    to.resize(usize::try_from(end - start).unwrap_or(0), 0);
    let at = object.0.wrapping_add(start);
    if objects.memory().read_at(at, to).is_err() {
        to.clear();
    }
}

fn is_array(type_name: &str) -> bool {
    type_name.ends_with("ARRAY_TYPE")
        || type_name.ends_with("TABLE_TYPE")
        || type_name.ends_with("DICTIONARY_TYPE")
        || type_name.ends_with("HASH_MAP_TYPE")
        || type_name.ends_with("HASH_SET_TYPE")
}
