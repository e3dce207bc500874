//! The nodes of the graph: all objects of the heap, dead ones included, by number.

use std::ops::Range;

use rayon::prelude::*;
use rustc_hash::{FxHashMap, FxHashSet};
use v8mini_format::model::{Page, Space};

use super::ids::Width;
use super::index::{Marks, ObjectIndex};
use super::log::Log;
use crate::heap::{Classes, Coverage, HeapObject, PageSelection, Visitor, walk};
use crate::layout::{Encoding, Field, Place};
use crate::v8::{Address, Kind, Objects, Tagged};

/// All objects of some pages, numbered in address order.
///
/// 8 bytes for each, and one bit for each word of the heap.
#[derive(Debug, Default)]
pub struct Nodes {
    /// Of the numbers, wherever there is one for each object or reference.
    pub(super) width: Width,
    pub(super) index: ObjectIndex,
    /// Sizes in words.
    pub(super) sizes: Vec<u32>,
    /// Maps, by their place in `map_addresses`.
    pub(super) maps: Vec<u32>,
    pub(super) map_addresses: Vec<Address>,
    pub(super) coverage: Coverage,
    /// Tables of weak collections that have no type of their own (up to V8 6.7).
    pub(super) weak_tables: FxHashSet<Address>,
    /// Arrays of transitions that have no type of their own (up to V8 4.6).
    pub(super) transitions: FxHashSet<Address>,
    /// Numbers of the objects in read-only space: they are never collected, and refer to nothing else.
    pub(super) immortal: Vec<Range<usize>>,
}

impl Nodes {
    /// Walks the selected pages.
    ///
    /// Numbers are as wide as they have to be, and `at_least` so wide: tests do not need a heap of 64 GiB to have wide ones.
    pub fn collect(objects: &Objects, selection: PageSelection, at_least: Width) -> Self {
        let types = &objects.layout().types;
        let table = match types.number("EPHEMERON_HASH_TABLE_TYPE") {
            Some(_) => None,
            None => objects.layout().place(Field::WeakCollectionTable).ok(),
        };
        let transitions = match types.number("TRANSITION_ARRAY_TYPE") {
            Some(_) => None,
            None => types
                .number("MAP_TYPE")
                .and_then(|map| {
                    types
                        .fields_of(map)
                        .find(|(_, name)| *name == "transitions")
                })
                .map(|(offset, _)| offset),
        };
        let (parts, coverage) = walk(objects, selection, || Part {
            table,
            transitions: transitions.map(|offset| Place {
                encoding: Encoding::Tagged,
                offset,
                bits: None,
            }),
            ..Part::new(objects)
        });
        let mut nodes = Self {
            coverage,
            ..Self::default()
        };
        let count = parts.iter().map(|part| part.len).sum();
        nodes.width = Width::of(count).max(at_least);
        nodes.sizes = vec![0; count];
        nodes.maps = vec![0; count];
        let (mut sizes, mut maps) = (nodes.sizes.as_mut_slice(), nodes.maps.as_mut_slice());
        let mut tasks = Vec::with_capacity(parts.len());
        let mut first = 0;
        let mut known: FxHashMap<Address, u32> = FxHashMap::default();
        let mut marks = Vec::with_capacity(parts.len());
        for part in parts {
            let translated: Vec<u32> = part
                .map_addresses
                .iter()
                .map(|map| {
                    // Beyond this, maps would fill 320 GiB; their objects would be of no known class.
                    let next = u32::try_from(known.len()).unwrap_or(u32::MAX);
                    *known.entry(*map).or_insert_with(|| {
                        if next != u32::MAX {
                            nodes.map_addresses.push(*map);
                        }
                        next
                    })
                })
                .collect();
            let immortal = part.immortal.iter();
            nodes
                .immortal
                .extend(immortal.map(|range| range.start + first..range.end + first));
            first += part.len;
            let len = part.len;
            let (sizes_of, sizes_after) = sizes.split_at_mut(len.min(sizes.len()));
            let (maps_of, maps_after) = maps.split_at_mut(len.min(maps.len()));
            (sizes, maps) = (sizes_after, maps_after);
            tasks.push((part.log, translated, sizes_of, maps_of));
            nodes.weak_tables.extend(part.weak_tables);
            nodes.transitions.extend(part.found_transitions);
            marks.push(part.marks);
        }
        tasks
            .into_par_iter()
            .for_each(|(log, translated, sizes, maps)| {
                let mut log = log.read();
                for (size, map) in sizes.iter_mut().zip(maps) {
                    // Larger than 32 GiB is no object; the page would have to be.
                    *size = u32::try_from(log.number()).unwrap_or(u32::MAX);
                    *map = (translated.get(log.number()).copied()).unwrap_or(0);
                }
            });
        nodes.index = ObjectIndex::new(marks, nodes.width);
        // Pages are disjoint, and a walk goes forward: each object has a bit of its own.
        debug_assert_eq!(nodes.index.len(), nodes.sizes.len());
        nodes
    }

    /// The width of their numbers.
    pub fn width(&self) -> Width {
        self.width
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.sizes.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.sizes.is_empty()
    }

    /// The number of the object that begins at an address.
    pub fn id(&self, address: Address) -> Option<usize> {
        self.index.id(address)
    }

    /// Where the objects from a number on begin, in the order of their numbers: quicker than to ask for each.
    pub fn addresses_from(&self, id: usize) -> impl Iterator<Item = Address> {
        self.index.addresses_from(id)
    }

    /// Where an object begins.
    pub fn address(&self, id: usize) -> Option<Address> {
        self.index.address(id)
    }

    /// The objects of the maps that `is_wanted` accepts, in address order, with their sizes in bytes.
    pub fn with_maps(&self, is_wanted: impl Fn(Address) -> bool) -> Vec<(Address, u64)> {
        let wanted: Vec<bool> = self
            .map_addresses
            .iter()
            .map(|map| is_wanted(*map))
            .collect();
        let objects = self.index.addresses().zip(&self.maps).zip(&self.sizes);
        objects
            .filter(|((_, map), _)| wanted.get(**map as usize) == Some(&true))
            .map(|((address, _), words)| (address, u64::from(*words) * 8))
            .collect()
    }

    /// Whether an object is never collected, whoever refers to it.
    pub fn is_immortal(&self, id: usize) -> bool {
        self.immortal.iter().any(|range| range.contains(&id))
    }

    /// Shallow size of an object in bytes.
    pub fn size(&self, id: usize) -> u64 {
        self.sizes.get(id).map_or(0, |words| u64::from(*words) * 8)
    }

    /// The map of an object, by its place among [`Self::map_addresses`].
    pub fn map(&self, id: usize) -> usize {
        self.maps.get(id).map_or(0, |map| *map as usize)
    }

    /// The maps that objects have.
    pub fn map_addresses(&self) -> &[Address] {
        &self.map_addresses
    }
}

/// The objects of one run of pages.
struct Part<'a> {
    objects: &'a Objects,
    /// Where weak collections keep their table, if that is not told by its type.
    table: Option<Place>,
    /// Where maps keep their transitions, if that is not told by the type either.
    transitions: Option<Place>,
    marks: Marks,
    /// Objects so far.
    len: usize,
    /// Of each, its size in words, and its map by its place in `map_addresses`.
    log: Log,
    map_addresses: Vec<Address>,
    /// Whether maps are those of weak collections, by index.
    is_weak_collection: Vec<bool>,
    weak_tables: Vec<Address>,
    found_transitions: Vec<Address>,
    immortal: Vec<Range<usize>>,
    is_immortal: bool,
}

impl<'a> Part<'a> {
    fn new(objects: &'a Objects) -> Self {
        Self {
            objects,
            table: None,
            transitions: None,
            marks: Marks::default(),
            len: 0,
            log: Log::default(),
            map_addresses: Vec::new(),
            is_weak_collection: Vec::new(),
            weak_tables: Vec::new(),
            found_transitions: Vec::new(),
            immortal: Vec::new(),
            is_immortal: false,
        }
    }
}

impl Visitor for Part<'_> {
    fn page(&mut self, page: &Page) {
        self.marks.page(page.area_start);
        self.is_immortal = page.space == Space::ReadOnly;
    }

    fn visit(&mut self, object: &HeapObject<'_>) {
        // Maps get their numbers in the order in which they are met, of all objects, free space included.
        if self.map_addresses.len() <= object.map_index {
            self.map_addresses
                .resize(object.map_index + 1, Address::default());
            self.is_weak_collection.resize(object.map_index + 1, false);
        }
        if let Some(place) = self.map_addresses.get_mut(object.map_index)
            && *place != object.map.address
        {
            *place = object.map.address;
            let kind = self.objects.kind(object.map.instance_type);
            if let Some(place) = self.is_weak_collection.get_mut(object.map_index) {
                *place = matches!(kind, Kind::WeakMap | Kind::WeakSet);
            }
        }
        if self.is_immortal {
            let id = self.len;
            match self.immortal.last_mut() {
                Some(range) if range.end == id => range.end += 1,
                _ => self.immortal.push(id..id + 1),
            }
        }
        self.log
            .push(usize::try_from(object.size / 8).unwrap_or(usize::MAX));
        self.log.push(object.map_index);
        self.len += 1;
        self.marks.object(object.address);
        if let Some(place) = self.table
            && self.is_weak_collection.get(object.map_index) == Some(&true)
            && let Some(table) = place
                .load(object.bytes)
                .and_then(|word| Tagged(word).strong())
        {
            self.weak_tables.push(table);
        }
        if let Some(place) = self.transitions
            && self.objects.is_type(object.map.instance_type, "MAP_TYPE")
            && let Some(array) = place
                .load(object.bytes)
                .and_then(|word| Tagged(word).strong())
        {
            self.found_transitions.push(array);
        }
    }
}

impl Classes {
    /// Tells the class of each object by its number.
    pub fn of_nodes<'a>(&self, nodes: &'a Nodes) -> impl Fn(usize) -> Option<usize> + use<'a> {
        let by_map: Vec<Option<usize>> = nodes
            .map_addresses
            .iter()
            .map(|map| self.of_map(*map))
            .collect();
        let boilerplates: FxHashMap<usize, usize> = self
            .boilerplates()
            .filter_map(|(address, class)| Some((nodes.id(address)?, class)))
            .collect();
        move |id| {
            if let Some(class) = boilerplates.get(&id) {
                return Some(*class);
            }
            by_map.get(*nodes.maps.get(id)? as usize).copied()?
        }
    }
}
