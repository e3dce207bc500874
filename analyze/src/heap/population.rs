//! Who lives on the heap: all maps that have objects, under the classes that they belong to.

use rustc_hash::{FxHashMap, FxHashSet};

use super::{Class, Classifier, Count, Sample, Tally};
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

    /// The maps of the shapes that `wanted` picks.
    pub fn maps_of(&self, wanted: impl Fn(&Shape) -> bool) -> FxHashSet<Address> {
        let shapes = self.shapes.iter().filter(|shape| wanted(shape));
        shapes.map(|shape| shape.map).collect()
    }
}
