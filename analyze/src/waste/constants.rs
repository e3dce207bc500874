//! Properties that have the same value in all objects of a shape: a prototype or a default could say it once.

use rustc_hash::FxHashMap;

use super::{Category, Found};
use crate::heap::{Classifier, HeapObject, Tally};
use crate::v8::{Address, Objects, Storage};

/// Shapes of fewer objects are left out.
const MANY: u64 = 1000;

/// Of the objects of one map: the words of the first, and which of them all others have, too.
struct Words {
    first: Address,
    words: Vec<u64>,
    is_constant: Vec<bool>,
    count: u64,
}

/// The in-object properties of all shapes.
#[derive(Default)]
pub(super) struct Constants {
    by_map: FxHashMap<Address, Words>,
}

impl Constants {
    /// Compares an object with those of its map that came before.
    pub(super) fn add(&mut self, object: &HeapObject<'_>) {
        let start = object.map.in_object_start as usize;
        let end = object.map.instance_size as usize;
        let Some(bytes) = object.bytes.get(start..end) else {
            return;
        };
        let words = bytes.as_chunks::<8>().0;
        let known = self
            .by_map
            .entry(object.map.address)
            .or_insert_with(|| Words {
                first: object.address,
                words: words.iter().map(|word| u64::from_le_bytes(*word)).collect(),
                is_constant: vec![true; words.len()],
                count: 0,
            });
        known.count += 1;
        let flags = known.is_constant.iter_mut();
        for ((flag, first), word) in flags.zip(&known.words).zip(words) {
            *flag &= *first == u64::from_le_bytes(*word);
        }
    }

    /// Adds what another visitor has seen.
    pub(super) fn merge(&mut self, other: Self) {
        for (map, theirs) in other.by_map {
            let Some(ours) = self.by_map.get_mut(&map) else {
                self.by_map.insert(map, theirs);
                continue;
            };
            ours.count += theirs.count;
            ours.first = ours.first.min(theirs.first);
            let pairs = ours.words.iter().zip(&theirs.words);
            let flags = ours.is_constant.iter_mut().zip(&theirs.is_constant);
            for ((flag, other), (one, two)) in flags.zip(pairs) {
                *flag &= *other && one == two;
            }
        }
    }

    /// Tells which properties of shapes with many objects are constant.
    pub(super) fn report(self, objects: &Objects, tally: &Tally, found: &mut Found) {
        let classifier = Classifier::new(objects);
        let samples: FxHashMap<Address, _> = tally
            .by_map
            .iter()
            .map(|((map, _), count)| (*map, tally.sample(count)))
            .collect();
        for (address, shape) in self.by_map {
            let Some(map) = objects.map(address).filter(|_| shape.count >= MANY) else {
                continue;
            };
            let Ok(properties) = objects.properties(shape.first) else {
                continue;
            };
            let names: Vec<String> = properties
                .list
                .iter()
                .filter(|property| match property.storage {
                    Storage::InObject(offset) => offset
                        .checked_sub(map.in_object_start)
                        .and_then(|offset| shape.is_constant.get((offset / 8) as usize))
                        .copied()
                        .unwrap_or(false),
                    _ => false,
                })
                .filter_map(|property| objects.read_name(property.key).ok())
                .map(|name| name.to_string())
                .collect();
            if names.is_empty() {
                continue;
            }
            let sample = samples.get(&address).copied().unwrap_or_default();
            let class = classifier.class_of(&map, sample).name;
            let bytes = shape.count.saturating_mul(names.len() as u64 * 8);
            let count = names.len() as u64;
            found.add_many(
                Category::ConstantProperties,
                count,
                bytes,
                shape.first,
                || format!("{} of {} × {class}", names.join(", "), shape.count),
            );
        }
    }
}
