//! Crowds: many similar objects that one object dominates, or that one object refers to and nothing dominates; in one
//! collection, or spread over several collections of one object.

use rayon::prelude::*;
use rustc_hash::FxHashMap;

use super::Heap;
use super::accumulation::{
    Accumulation, Arrangement, MAX_SINGLE, MIN_ITEMS, MIN_PART, SAMPLES, owner,
};
use crate::graph::Ids;
use crate::heap::ClassKind;

/// Fewer objects than this in a collection are not even part of a crowd that is spread over several.
const MIN_SHARE: usize = 20;
/// In fewer collections than this, a crowd is not spread.
const MIN_MEMBERS: u64 = 3;
/// Most crowds without an owner for which one is looked for.
const MAX_OWNERLESS: usize = 16;

/// What items are told apart by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Likeness {
    /// Number of the class.
    Class(usize),
    /// Closures of one function: its `SharedFunctionInfo`.
    Function(u64),
    /// Functions that were compiled from text at run time.
    Dynamic,
}

/// Objects that are alike.
#[derive(Default, Clone)]
struct Group {
    count: u64,
    bytes: u64,
    largest: u64,
    samples: Vec<usize>,
}

impl Group {
    fn add(&mut self, item: usize, bytes: u64) {
        self.count += 1;
        self.bytes += bytes;
        self.largest = self.largest.max(bytes);
        if self.samples.len() < SAMPLES {
            self.samples.push(item);
        }
    }

    /// Whether it is a crowd, of which `least` bytes are worth telling.
    fn is_crowd(&self, least: f64) -> bool {
        self.count >= MIN_ITEMS
            && self.bytes as f64 >= least
            && (self.largest as f64) < self.bytes as f64 * MAX_SINGLE
    }

    fn found(self, owner: usize, container: usize, members: u64) -> Accumulation {
        Accumulation {
            owner,
            container,
            arrangement: Arrangement::Crowd,
            count: self.count,
            bytes: self.bytes,
            samples: self.samples,
            members,
            end: None,
        }
    }
}

/// Parts of a crowd that may be spread over several collections of one object.
#[derive(Default)]
struct Spread {
    sum: Group,
    members: u64,
}

/// All crowds, in no particular order.
pub(super) fn crowds(heap: &Heap<'_>) -> Vec<Accumulation> {
    let least = heap.live_bytes as f64 * MIN_PART;
    let mut found = Vec::new();
    let mut ownerless: Vec<(Option<usize>, Likeness, Group)> = Vec::new();
    let mut spread: FxHashMap<(usize, Likeness), Spread> = FxHashMap::default();
    for container in heap.tree.alive().map(Some).chain([None]) {
        let below = heap.children.of(container);
        if below.len() < MIN_SHARE {
            continue;
        }
        let retained = container.map_or(heap.live_bytes, |id| heap.tree.retained(id));
        let of_owner = container.and_then(|container| owner(heap, container));
        // A part of a crowd is worth a hundredth of the whole at least.
        if (retained as f64) < least / 100.0 {
            continue;
        }
        let largest = groups(heap, below)
            .into_iter()
            .max_by_key(|(likeness, group)| (group.is_crowd(least), group.bytes, *likeness));
        let Some((likeness, group)) = largest else {
            continue;
        };
        let Some(of_owner) = of_owner else {
            if group.is_crowd(least) {
                ownerless.push((container, likeness, group));
            }
            continue;
        };
        let above = heap
            .tree
            .dominator(of_owner)
            .filter(|above| owner(heap, *above).is_some());
        if let Some(above) = above {
            let parts = spread.entry((above, likeness)).or_default();
            parts.members += 1;
            parts.sum.count += group.count;
            parts.sum.bytes += group.bytes;
            parts.sum.largest = parts.sum.largest.max(group.bytes);
            let room = SAMPLES.saturating_sub(parts.sum.samples.len());
            parts.sum.samples.extend(group.samples.iter().take(room));
        }
        if group.is_crowd(least)
            && let Some(container) = container
        {
            found.push(group.found(of_owner, container, 0));
        }
    }
    let spread = spread
        .into_iter()
        .filter(|(_, parts)| parts.members >= MIN_MEMBERS && parts.sum.is_crowd(least));
    found.extend(spread.filter_map(|((above, _), parts)| {
        let members = parts.members;
        Some(parts.sum.found(owner(heap, above)?, above, members))
    }));
    found.extend(adopted(heap, ownerless));
    found
}

fn groups(heap: &Heap<'_>, items: Ids<'_>) -> FxHashMap<Likeness, Group> {
    let mut groups: FxHashMap<Likeness, Group> = FxHashMap::default();
    for item in items {
        let group = groups.entry(likeness(heap, item)).or_default();
        group.add(item, heap.tree.retained(item));
    }
    groups
}

/// Crowds whose objects no single object dominates that a program knows, such as what C++ holds, too. The object that refers to
/// most of them is taken for the owner.
fn adopted(
    heap: &Heap<'_>,
    mut ownerless: Vec<(Option<usize>, Likeness, Group)>,
) -> Vec<Accumulation> {
    ownerless.sort_by_key(|(container, _, group)| (std::cmp::Reverse(group.bytes), *container));
    ownerless.truncate(MAX_OWNERLESS);
    if ownerless.is_empty() {
        return Vec::new();
    }
    let mut crowd_of: FxHashMap<usize, usize> = FxHashMap::default();
    for (number, (container, like, _)) in ownerless.iter().enumerate() {
        let below = heap.children.of(*container).iter();
        let alike = below.filter(|item| likeness(heap, *item) == *like);
        crowd_of.extend(alike.map(|item| (item, number)));
    }
    // Of each object that refers to many of one crowd: the crowd and the number.
    let count = |id: usize| {
        let targets = heap.graph.targets(id);
        if targets.len() < MIN_SHARE || !heap.tree.is_alive(id) {
            return None;
        }
        let mut counts = vec![0_u64; ownerless.len()];
        for crowd in targets.iter().filter_map(|target| crowd_of.get(&target)) {
            if let Some(count) = counts.get_mut(*crowd) {
                *count += 1;
            }
        }
        let most = counts
            .into_iter()
            .enumerate()
            .max_by_key(|(_, count)| *count);
        most.filter(|(_, count)| *count > 0)
            .map(|(crowd, count)| (crowd, count, id))
    };
    let all = 0..heap.tree.nodes().len();
    let counted: Vec<(usize, u64, usize)> = all.into_par_iter().filter_map(count).collect();
    let mut best: Vec<Option<(u64, usize)>> = vec![None; ownerless.len()];
    for (crowd, count, source) in counted {
        if owner(heap, source).is_some()
            && let Some(place) = best.get_mut(crowd)
            && place.is_none_or(|(most, _)| most < count)
        {
            *place = Some((count, source));
        }
    }
    ownerless
        .into_iter()
        .zip(best)
        .filter_map(|((_, _, group), best)| {
            let (count, source) = best?;
            // The others are held by something else.
            (count >= MIN_ITEMS && count * 2 >= group.count)
                .then(|| Some(group.found(owner(heap, source)?, source, 0)))
                .flatten()
        })
        .collect()
}

pub(super) fn likeness(heap: &Heap<'_>, item: usize) -> Likeness {
    let class = heap.class(item);
    if class.is_some_and(|class| class.kind == ClassKind::Function)
        && let Some(function) = heap.tree.nodes().address(item)
        && let Ok(shared) = heap.objects.shared_function_info(function)
    {
        return if heap.code.is_dynamic(shared) {
            Likeness::Dynamic
        } else {
            Likeness::Function(shared.0)
        };
    }
    Likeness::Class(heap.class_number(item).unwrap_or(usize::MAX))
}
