//! Memory that a program takes and does not use, by reason.

mod collections;
mod constants;

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;

use crate::heap::{Class, ClassKind, Classifier, HeapObject, PageSelection, Tally, Visitor, walk};
use crate::top::Top;
use crate::v8::{Address, Kind, MapInfo, Objects};

use constants::Constants;

/// Why memory is wasted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Category {
    /// Objects whose few properties are in a dictionary, as after `delete`.
    DictionaryObjects,
    /// Arrays with room for many more elements than they have.
    OvergrownArrays,
    /// Arrays most of whose elements are holes.
    SparseArrays,
    /// `Map`s and `Set`s with nothing in them.
    EmptyCollections,
    /// `Map`s and `Set`s with room for many more entries than they have.
    OvergrownCollections,
    /// Arrays with nothing in them.
    EmptyArrays,
    /// Objects with neither properties nor elements.
    EmptyObjects,
    /// Room for properties inside of objects that have none there.
    InObjectSlack,
    /// Shapes that a single object has.
    SingleShapes,
    /// Properties that have the same value in all instances of a shape.
    ConstantProperties,
    /// Buffers whose contents were transferred away.
    DetachedBuffers,
}

impl Category {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::DictionaryObjects,
        Self::OvergrownArrays,
        Self::SparseArrays,
        Self::EmptyCollections,
        Self::OvergrownCollections,
        Self::EmptyArrays,
        Self::EmptyObjects,
        Self::InObjectSlack,
        Self::SingleShapes,
        Self::ConstantProperties,
        Self::DetachedBuffers,
    ];

    /// The name that JSON has.
    pub const fn name(self) -> &'static str {
        match self {
            Self::DictionaryObjects => "dictionary-objects",
            Self::OvergrownArrays => "overgrown-arrays",
            Self::SparseArrays => "sparse-arrays",
            Self::EmptyCollections => "empty-collections",
            Self::OvergrownCollections => "overgrown-collections",
            Self::EmptyArrays => "empty-arrays",
            Self::EmptyObjects => "empty-objects",
            Self::InObjectSlack => "in-object-slack",
            Self::SingleShapes => "single-shapes",
            Self::ConstantProperties => "constant-properties",
            Self::DetachedBuffers => "detached-buffers",
        }
    }

    /// What it means, for people.
    pub const fn title(self) -> &'static str {
        match self {
            Self::DictionaryObjects => "objects with few properties, kept in a dictionary",
            Self::OvergrownArrays => "arrays with room for many more elements",
            Self::SparseArrays => "arrays that are mostly holes",
            Self::EmptyCollections => "empty Maps and Sets",
            Self::OvergrownCollections => "Maps and Sets with room for many more entries",
            Self::EmptyArrays => "empty arrays",
            Self::EmptyObjects => "empty objects",
            Self::InObjectSlack => "room for properties in objects that do not have them",
            Self::SingleShapes => "shapes that a single object has",
            Self::ConstantProperties => "properties with one value in all objects of a shape",
            Self::DetachedBuffers => "buffers whose contents were transferred away",
        }
    }
}

/// An example of waste.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Example {
    /// One of the objects.
    pub address: Address,
    /// What is to be said of it.
    pub detail: String,
}

/// Waste of one category.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Finding {
    /// How many objects; how many shapes or properties where those are counted.
    pub count: u64,
    /// Bytes that could be saved, at most.
    pub wasted_bytes: u64,
    /// The greatest, with their bytes.
    pub examples: Vec<(u64, Example)>,
}

/// What is found while walking.
pub(crate) struct Found {
    limit: usize,
    sums: BTreeMap<Category, (u64, u64, Top<Example>)>,
}

impl Found {
    const fn new(limit: usize) -> Self {
        Self {
            limit,
            sums: BTreeMap::new(),
        }
    }

    fn add(
        &mut self,
        category: Category,
        address: Address,
        bytes: u64,
        detail: impl FnOnce() -> String,
    ) {
        self.add_many(category, 1, bytes, address, detail);
    }

    fn add_many(
        &mut self,
        category: Category,
        count: u64,
        bytes: u64,
        address: Address,
        detail: impl FnOnce() -> String,
    ) {
        let limit = self.limit;
        let (counted, sum, top) = self
            .sums
            .entry(category)
            .or_insert_with(|| (0, 0, Top::new(limit)));
        *counted += count;
        *sum = sum.saturating_add(bytes);
        if top.may_keep(bytes) {
            let detail = detail();
            top.push(bytes, Example { address, detail });
        }
    }

    fn merge(&mut self, other: Self) {
        for (category, (count, bytes, top)) in other.sums {
            let limit = self.limit;
            let (counted, sum, all) = self
                .sums
                .entry(category)
                .or_insert_with(|| (0, 0, Top::new(limit)));
            *counted += count;
            *sum = sum.saturating_add(bytes);
            all.merge(top);
        }
    }
}

/// Looks for waste among all objects of the selected pages, which `tally` has counted. Of each category, `limit` examples are
/// kept.
pub fn find(
    objects: &Objects,
    selection: PageSelection,
    tally: &Tally,
    limit: usize,
) -> BTreeMap<Category, Finding> {
    let (parts, _) = walk(objects, selection, || Inspector {
        objects,
        tally,
        found: Found::new(limit),
        kinds: FxHashMap::default(),
        constants: Constants::default(),
    });
    let mut found = Found::new(limit);
    let mut constants = Constants::default();
    for part in parts {
        found.merge(part.found);
        constants.merge(part.constants);
    }
    constants.report(objects, tally, &mut found);
    shapes(objects, tally, &mut found);
    found
        .sums
        .into_iter()
        .map(|(category, (count, wasted_bytes, top))| {
            let finding = Finding {
                count,
                wasted_bytes,
                examples: top.into_sorted(),
            };
            (category, finding)
        })
        .collect()
}

/// What a map says, looked up once.
#[derive(Clone, Copy)]
struct MapKind {
    kind: Kind,
    /// Whether its objects are what a program made, and no prototype.
    is_plain: bool,
    /// Whether an object has nothing but properties and elements: others keep more in fields of V8's own.
    is_ordinary: bool,
}

/// Looks at each object.
struct Inspector<'a> {
    objects: &'a Objects,
    tally: &'a Tally,
    found: Found,
    kinds: FxHashMap<usize, MapKind>,
    constants: Constants,
}

impl Visitor for Inspector<'_> {
    fn visit(&mut self, object: &HeapObject<'_>) {
        let map = object.map;
        let objects = self.objects;
        let known = self.kinds.entry(object.map_index);
        let MapKind {
            kind,
            is_plain,
            is_ordinary,
        } = *known.or_insert_with(|| MapKind {
            kind: objects.kind(map.instance_type),
            is_plain: !map.is_prototype && objects.is_receiver_type(map.instance_type),
            is_ordinary: objects.is_type(map.instance_type, "JS_OBJECT_TYPE"),
        });
        if !is_plain || self.tally.boilerplate_addresses.contains(&object.address) {
            return;
        }
        match kind {
            Kind::Array => self.array(object),
            Kind::Map | Kind::Set => self.collection(object, kind),
            Kind::ArrayBuffer => self.buffer(object),
            Kind::Object if is_ordinary => self.object(object),
            _ => {}
        }
    }
}

/// Shapes that a single object has: a map is made for it alone.
fn shapes(objects: &Objects, tally: &Tally, found: &mut Found) {
    let classifier = Classifier::new(objects);
    let mut by_class: BTreeMap<Class, (u64, u64, Address)> = BTreeMap::new();
    let mut counts: FxHashMap<Address, u64> = FxHashMap::default();
    for ((map, _), count) in &tally.by_map {
        *counts.entry(*map).or_default() += count.count;
    }
    for ((address, _), count) in &tally.by_map {
        if counts.get(address) != Some(&1) {
            continue;
        }
        let Some(map) = objects.map(*address) else {
            continue;
        };
        let sample = tally.sample(count);
        let class = classifier.class_of(&map, sample);
        let Some(object) = sample.address.filter(|_| class.kind == ClassKind::Instance) else {
            continue;
        };
        let (shapes, bytes, example) = by_class.entry(class).or_insert((0, 0, object));
        *shapes += 1;
        *bytes += map_size(objects, &map);
        *example = (*example).min(object);
    }
    for (class, (shapes, bytes, example)) in by_class {
        // A handful is what every class goes through.
        if shapes >= MANY_SHAPES {
            found.add_many(Category::SingleShapes, shapes, bytes, example, || {
                format!("{shapes} shapes of {class}")
            });
        }
    }
}

/// So many shapes of one class, each of a single object, are worth telling.
const MANY_SHAPES: u64 = 20;

/// Shallow size of a map: those of one image are all as long.
fn map_size(objects: &Objects, map: &MapInfo) -> u64 {
    objects
        .map_of(map.address)
        .map_or(0, |meta_map| meta_map.instance_size)
}
