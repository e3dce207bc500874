//! Who lives on the heap: all maps that have objects, under the classes that they belong to.

use rustc_hash::{FxHashMap, FxHashSet};

use super::{Class, Classifier, Count, HeapObject, PageSelection, Sample, Tally, Visitor, walk};
use crate::v8::{Address, Objects};

/// The objects of one map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shape {
    /// The map.
    pub map: Address,
    /// Its instance type.
    pub instance_type: u16,
    /// The class of its objects.
    pub class: Class,
    /// How many there are, in all spaces, literal boilerplates left out.
    pub count: Count,
    /// One of them.
    pub sample: Sample,
}

/// The maps that have objects.
#[derive(Debug, Default)]
pub struct Population {
    /// By the address of the map.
    pub shapes: Vec<Shape>,
}

impl Population {
    /// Finds the class of every map that was counted.
    pub fn new(objects: &Objects, tally: &Tally) -> Self {
        let mut counts: FxHashMap<Address, (Count, Sample)> = FxHashMap::default();
        for ((map, _), count) in &tally.by_map {
            let (sum, sample) = counts.entry(*map).or_default();
            sum.merge(count);
            sample.address = sample.address.max(tally.sample(count).address);
        }
        let classifier = Classifier::new(objects);
        let mut shapes: Vec<Shape> = counts
            .into_iter()
            .filter_map(|(address, (count, mut sample))| {
                let map = objects.map(address)?;
                sample.is_the_only = count.count == 1;
                Some(Shape {
                    map: address,
                    instance_type: map.instance_type,
                    class: classifier.class_of(&map, sample),
                    count,
                    sample,
                })
            })
            .collect();
        shapes.sort_unstable_by_key(|shape| shape.map);
        Self { shapes }
    }

    /// The objects of the shapes that `wanted` picks, with their sizes in bytes, in address order. Walks the heap.
    pub fn objects_of(
        &self,
        objects: &Objects,
        selection: PageSelection,
        tally: &Tally,
        wanted: impl Fn(&Shape) -> bool,
    ) -> Vec<(Address, u64)> {
        let maps: FxHashSet<Address> = self
            .shapes
            .iter()
            .filter(|shape| wanted(shape))
            .map(|shape| shape.map)
            .collect();
        if maps.is_empty() {
            return Vec::new();
        }
        let (visitors, _) = walk(objects, selection, || Collector {
            maps: &maps,
            found: Vec::new(),
        });
        let found = visitors.into_iter().flat_map(|visitor| visitor.found);
        found
            .filter(|(address, _)| !tally.boilerplate_addresses.contains(address))
            .collect()
    }
}

/// Collects the objects of some maps.
struct Collector<'a> {
    maps: &'a FxHashSet<Address>,
    found: Vec<(Address, u64)>,
}

impl Visitor for Collector<'_> {
    fn visit(&mut self, object: &HeapObject<'_>) {
        if self.maps.contains(&object.map.address) {
            self.found.push((object.address, object.size));
        }
    }
}
