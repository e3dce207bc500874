//! Building the graph: the heap is walked twice, on all cores; first its objects are numbered, then their references are
//! written down as numbers.

use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use super::bits::BitSet;
use super::csr::{Adjacency, Lists};
use super::ids::{Either, Width};
use super::network::{Ephemeron, Graph};
use super::nodes::Nodes;
use super::references::{PART, weak_pairs};
use super::{
    Reference, References, RootKind, Roots, Strength, for_each_reference, is_weak_in_code,
};
use crate::heap::{HeapObject, PageSelection, Visitor, walk};
use crate::layout::{Field, Slots};
use crate::v8::{Address, Kind, Objects, Tagged};

/// A root that is an array of at least so many bytes may be the table of all internalized strings.
const STRING_TABLE_BYTES: u64 = 8 << 10;
/// More bytes than any process has are not believed to be outside of the heap.
const MAX_OUTSIDE: u64 = 1 << 47;
/// Where the entries of hash tables begin: after length, counters and capacity.
const TABLE_ENTRIES: u64 = 40;

impl Graph {
    /// Builds the graph of the selected pages.
    pub fn build(objects: &Objects, selection: PageSelection) -> Self {
        let nodes = Nodes::collect(objects, selection, Width::Narrow);
        Self::of_nodes(objects, selection, Arc::new(nodes))
    }

    /// Builds the graph of the selected pages, whose objects are known.
    pub fn of_nodes(objects: &Objects, selection: PageSelection, nodes: Arc<Nodes>) -> Self {
        let found = Roots::find(objects, selection.heap);
        let mut roots: Vec<(usize, RootKind)> = found
            .list
            .iter()
            .filter_map(|(address, kind)| Some((nodes.id(*address)?, *kind)))
            .collect();
        let immortal = nodes.immortal.iter().cloned().flatten();
        roots.extend(immortal.map(|id| (id, RootKind::ReadOnly)));
        // The global objects first: what people want to be told of a path is where it begins.
        roots.sort_unstable_by_key(|(id, kind)| (*kind, *id));
        let builder = Builder::new(objects, &nodes, &roots);
        let (parts, _) = walk(objects, selection, || builder.part());
        let mut ephemerons = Vec::new();
        let lists = parts
            .into_iter()
            .map(|part| {
                ephemerons.extend(part.ephemerons);
                part.lists
            })
            .collect();
        let Builder {
            as_store,
            otherwise,
            ..
        } = builder;
        Self {
            edges: match nodes.width {
                Width::Narrow => Either::Narrow(Adjacency::from_parts(lists)),
                Width::Wide => Either::Wide(Adjacency::from_parts(lists)),
            },
            outside: outside(objects, &nodes),
            nodes,
            roots,
            missing_roots: found.missing,
            ephemerons,
            as_store,
            otherwise,
        }
    }
}

/// The buffers whose contents are outside of the heap, each memory under the first that has it.
fn outside(objects: &Objects, nodes: &Nodes) -> Vec<(usize, u64)> {
    let is_buffer = |map: Address| {
        let map = objects.map(map);
        map.is_some_and(|map| objects.kind(map.instance_type) == Kind::ArrayBuffer)
    };
    let mut known: FxHashSet<u64> = FxHashSet::default();
    let mut total = 0;
    let mut found = Vec::new();
    for (address, _) in nodes.with_maps(is_buffer) {
        let (Some(id), Ok(buffer)) = (nodes.id(address), objects.read_array_buffer(address)) else {
            continue;
        };
        let (store, bytes) = (buffer.backing_store, buffer.byte_length);
        let is_outside = store != 0 && bytes != 0 && objects.pages().page_of(store).is_none();
        if is_outside && bytes <= MAX_OUTSIDE - total && known.insert(store) {
            total += bytes;
            // Whole words, as the sizes of objects.
            found.push((id, bytes.next_multiple_of(8)));
        }
    }
    found
}

/// What all parts of the second walk share.
struct Builder<'a> {
    objects: &'a Objects,
    nodes: &'a Nodes,
    references: References,
    /// Of tables that are weak although their type does not say so.
    special: FxHashMap<Address, Slots>,
    /// Where JavaScript objects have properties and elements.
    store_offsets: [Option<u64>; 2],
    as_store: BitSet,
    otherwise: BitSet,
}

impl<'a> Builder<'a> {
    fn new(objects: &'a Objects, nodes: &'a Nodes, roots: &[(usize, RootKind)]) -> Self {
        let ephemeron = weak_pairs();
        let weak = Slots::parse("weak 40..").unwrap_or_default();
        let mut special: FxHashMap<Address, Slots> = nodes
            .weak_tables
            .iter()
            .map(|table| (*table, ephemeron.clone()))
            .collect();
        // The first words are V8's own; a single transition is no array but a weak cell.
        let transitions = Slots::parse("8..40, weak 40..").unwrap_or_default();
        let arrays = nodes
            .transitions
            .iter()
            .filter(|array| objects.has_type(**array, "FIXED_ARRAY_TYPE"));
        special.extend(arrays.map(|array| (*array, transitions.clone())));
        if objects.layout().types.number("STRING_TABLE_TYPE").is_none() {
            let tables = roots
                .iter()
                .filter(|(_, kind)| *kind == RootKind::Isolate)
                .filter(|(id, _)| nodes.size(*id) >= STRING_TABLE_BYTES)
                .filter_map(|(id, _)| nodes.address(*id))
                .filter(|table| is_string_table(objects, *table));
            special.extend(tables.map(|table| (table, weak.clone())));
        }
        let offset = |field| objects.layout().place(field).ok().map(|place| place.offset);
        Self {
            objects,
            nodes,
            references: References::new(objects),
            special,
            store_offsets: [
                offset(Field::JSReceiverProperties),
                offset(Field::JSObjectElements),
            ],
            as_store: BitSet::new(nodes.len()),
            otherwise: BitSet::new(nodes.len()),
        }
    }

    fn part(&self) -> Part<'_> {
        Part {
            builder: self,
            shapes: Vec::new(),
            lists: Lists::default(),
            ephemerons: Vec::new(),
        }
    }

    /// The number of an object that is worth an edge: objects in read-only space never go, whoever refers to them.
    fn id(&self, address: Address) -> Option<usize> {
        let id = self.nodes.id(address)?;
        (!self.nodes.is_immortal(id)).then_some(id)
    }
}

/// Whether an array is the table of all internalized strings, which has no type of its own up to V8 6.8.
fn is_string_table(objects: &Objects, table: Address) -> bool {
    let words = objects.bytes(
        Address(table.0.wrapping_add(TABLE_ENTRIES)),
        (STRING_TABLE_BYTES - TABLE_ENTRIES) as usize,
    );
    let Ok(bytes) = words else { return false };
    let (words, _) = bytes.as_chunks::<8>();
    let (mut strings, mut others) = (0, 0);
    for word in words {
        let word = Tagged(u64::from_le_bytes(*word));
        if objects.is_undefined(word) || objects.is_hole(word) {
            continue;
        }
        match word.strong() {
            Some(object) if objects.is_string(object) => strings += 1,
            _ => others += 1,
        }
    }
    strings > 100 && others == 0
}

/// What is known of a map.
#[derive(Clone, Copy)]
struct Shape<'a> {
    map: Address,
    slots: &'a Slots,
    map_id: Option<usize>,
    is_receiver: bool,
}

/// The references of the objects of one run of pages.
struct Part<'a> {
    builder: &'a Builder<'a>,
    /// By the map's number in the walk.
    shapes: Vec<Option<Shape<'a>>>,
    lists: Lists,
    ephemerons: Vec<Ephemeron>,
}

impl<'a> Part<'a> {
    fn shape(&mut self, object: &HeapObject<'_>) -> Shape<'a> {
        if self.shapes.len() <= object.map_index {
            self.shapes.resize(object.map_index + 1, None);
        }
        let builder = self.builder;
        let make = || Shape {
            map: object.map.address,
            slots: builder.references.slots(object.map.instance_type),
            map_id: builder.id(object.map.address),
            is_receiver: builder.objects.is_receiver_type(object.map.instance_type),
        };
        match self.shapes.get_mut(object.map_index) {
            Some(known) => *known.get_or_insert_with(make),
            None => make(),
        }
    }

    fn add(&mut self, from: Address, shape: &Shape<'_>, reference: Reference) {
        let builder = self.builder;
        let Some(to) = builder.id(reference.target) else {
            return;
        };
        match reference.strength {
            Strength::Weak => {}
            Strength::Embedded if self.is_weak_in_code(reference.target) => {}
            Strength::Strong | Strength::Embedded => {
                let offset = Some(reference.offset);
                if shape.is_receiver && builder.store_offsets.contains(&offset) {
                    builder.as_store.insert(to);
                } else {
                    builder.otherwise.insert(to);
                }
                self.lists.push(to);
            }
            Strength::Ephemeron { key } => {
                if let (Some(key), Some(table)) = (builder.id(key), builder.id(from)) {
                    self.ephemerons.push(Ephemeron {
                        key,
                        value: to,
                        table,
                    });
                }
            }
        }
    }

    fn is_weak_in_code(&self, target: Address) -> bool {
        let objects = self.builder.objects;
        objects
            .map_of(target)
            .is_ok_and(|map| is_weak_in_code(objects, map.instance_type))
    }
}

impl Visitor for Part<'_> {
    fn visit(&mut self, object: &HeapObject<'_>) {
        let shape = self.shape(object);
        let builder = self.builder;
        if self.lists.is_empty() {
            self.lists
                .begin_at(builder.nodes.id(object.address).unwrap_or(0));
        }
        if let Some(map) = shape.map_id {
            debug_assert_eq!(shape.map, object.map.address);
            builder.otherwise.insert(map);
        }
        let slots = match builder.special.is_empty() {
            true => shape.slots,
            false => builder.special.get(&object.address).unwrap_or(shape.slots),
        };
        if !slots.is_none() {
            for_each_reference(slots, object.size, 0, object.bytes, |reference| {
                self.add(object.address, &shape, reference);
            });
            let done = object.bytes.len() as u64;
            if done < object.size {
                self.rest(object, &shape, slots, done);
            }
        }
        let instance_type = object.map.instance_type;
        let code = builder
            .references
            .dispatched(builder.objects, object.address, instance_type);
        if let Some(code) = code {
            self.add(object.address, &shape, code);
        }
        self.lists
            .end(shape.map_id.map(|map| (object.map_index, map)));
    }
}

impl Part<'_> {
    /// The references of a large object beyond the beginning that the walk has read.
    fn rest(&mut self, object: &HeapObject<'_>, shape: &Shape<'_>, slots: &Slots, done: u64) {
        // A part begins at a multiple of 16 plus 8; what is read twice is skipped.
        let mut start = done.saturating_sub(8) / 16 * 16 + 8;
        let mut buffer = Vec::new();
        while start < object.size {
            let len = (object.size - start).min(PART);
            let Ok(bytes) = usize::try_from(len) else {
                return;
            };
            buffer.resize(bytes, 0);
            let at = object.address.0.wrapping_add(start);
            if self
                .builder
                .objects
                .memory()
                .read_at(at, &mut buffer)
                .is_ok()
            {
                for_each_reference(slots, object.size, start, &buffer, |reference| {
                    if reference.offset >= done & !7 {
                        self.add(object.address, shape, reference);
                    }
                });
            }
            start += len;
        }
    }
}
