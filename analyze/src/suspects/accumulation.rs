//! Where many similar objects hang on one: in the dominator tree, a node with a crowd below it (see `crowds`), or a long chain.

use rustc_hash::FxHashMap;

use super::Heap;
use super::crowds::{Likeness, crowds, likeness};
use crate::heap::ClassKind;

/// Fewer objects than this are no crowd…
pub(super) const MIN_ITEMS: u64 = 200;
/// …nor is what retains less than this part of all that is alive…
pub(super) const MIN_PART: f64 = 0.02;
/// …or a crowd of which a single one retains more than this part.
pub(super) const MAX_SINGLE: f64 = 0.5;
/// An object of V8's own belongs to the first object above it that a program knows, so many steps up at most.
const CLIMB: usize = 6;
/// From one link of a chain to the next there are so many steps at most: an object, a closure, its context.
const LINK_STEPS: usize = 4;

/// How the objects hang together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrangement {
    /// Each hangs on the same object.
    Crowd,
    /// Each hangs on the one before.
    Chain,
    /// Each hangs on one of the others.
    Tree,
}

/// An object with many similar ones below it.
#[derive(Debug, Clone)]
pub struct Accumulation {
    /// The object that accumulates, as a program knows it: the `Map`, not its table.
    pub owner: usize,
    /// The node of the dominator tree right below which they are: the owner, or what V8 keeps its contents in.
    pub container: usize,
    /// How they hang together.
    pub arrangement: Arrangement,
    /// How many there are.
    pub count: u64,
    /// What they retain.
    pub bytes: u64,
    /// Some of them.
    pub samples: Vec<usize>,
    /// In how many objects of the owner they are, if not in the owner itself: lists in a table, for instance.
    pub members: u64,
    /// The last one of a chain.
    pub end: Option<usize>,
}

/// So many objects of a crowd are looked at more closely.
pub(super) const SAMPLES: usize = 24;

/// All accumulations, those that retain most first; what lies below a greater one is left out.
pub(super) fn find(heap: &Heap<'_>) -> Vec<Accumulation> {
    let mut all = crowds(heap);
    let (chains, trees) = chains(heap);
    all.extend(chains);
    all.sort_by_key(|found| (std::cmp::Reverse(found.bytes), found.container));
    let mut kept: Vec<Accumulation> = Vec::new();
    for found in all {
        let is_below = heap
            .dominators(found.container)
            .any(|above| kept.iter().any(|other| other.container == above));
        let is_known = kept.iter().any(|other| other.owner == found.owner);
        if !is_below && !is_known {
            kept.push(found);
        }
    }
    // Trees hide nothing else: an application may be one of objects of a class.
    for tree in trees {
        let is_apart = |other: &Accumulation| {
            other.container != tree.container
                && other.owner != tree.owner
                && heap
                    .dominators(other.container)
                    .all(|above| above != tree.container)
                && heap
                    .dominators(tree.container)
                    .all(|above| above != other.container)
        };
        if kept.iter().all(is_apart) {
            kept.push(tree);
        }
    }
    kept
}

/// Chains: from a link to the next of the same class it is a few steps down the dominator tree. And trees: from a node there are
/// several such ways.
fn chains(heap: &Heap<'_>) -> (Vec<Accumulation>, Vec<Accumulation>) {
    let least = heap.live_bytes as f64 * MIN_PART;
    // Number of links from an object downwards, and the next link.
    let mut lengths: FxHashMap<usize, (usize, usize)> = FxHashMap::default();
    // Number of links below an object, if there are any.
    let mut totals: FxHashMap<usize, u64> = FxHashMap::default();
    let mut heads: Vec<usize> = Vec::new();
    // Whoever is dominated comes later: from the end, all below an object are known before it.
    for id in heap.preorder.show().iter().rev() {
        let class = heap.class_number(id);
        let length = lengths.get(&id).map_or(1, |(length, _)| *length);
        let above = heap.dominators(id).take(LINK_STEPS);
        let link = above
            .into_iter()
            .find(|above| heap.class_number(*above) == class && is_alike(heap, *above, id));
        let total = totals.get(&id).copied().unwrap_or(1);
        match link {
            Some(link) if class.is_some() => {
                *totals.entry(link).or_insert(1) += total;
                let place = lengths.entry(link).or_insert((1, link));
                if length >= place.0 {
                    *place = (length + 1, id);
                }
            }
            _ if total >= MIN_ITEMS => heads.push(id),
            _ => {}
        }
    }
    let (mut found, mut trees) = (Vec::new(), Vec::new());
    for head in heads {
        let bytes = heap.tree.retained(head);
        if (bytes as f64) < least {
            continue;
        }
        let Some(owner) = owner_of_chain(heap, head) else {
            continue;
        };
        let mut samples = vec![head];
        let mut at = head;
        while let Some((_, next)) = lengths.get(&at)
            && *next != at
        {
            at = *next;
            if samples.len() < SAMPLES {
                samples.push(at);
            }
        }
        let length = lengths.get(&head).map_or(1, |(length, _)| *length as u64);
        let total = totals.get(&head).copied().unwrap_or(1);
        let is_chain = length >= MIN_ITEMS;
        let list = if is_chain { &mut found } else { &mut trees };
        list.push(Accumulation {
            owner,
            container: head,
            arrangement: if is_chain {
                Arrangement::Chain
            } else {
                Arrangement::Tree
            },
            count: if is_chain { length } else { total },
            bytes,
            samples,
            members: 0,
            end: Some(at),
        });
    }
    trees.sort_by_key(|tree| (std::cmp::Reverse(tree.bytes), tree.container));
    (found, trees)
}

/// Whether two objects of a class are alike: functions are if they are closures of the same one, and what only lies between
/// the links of any chain never.
fn is_alike(heap: &Heap<'_>, one: usize, other: usize) -> bool {
    let Some(class) = heap.class(one) else {
        return false;
    };
    match class.kind {
        ClassKind::Internal => class.name != "(array)" && !class.name.ends_with("Context"),
        ClassKind::Function => match (likeness(heap, one), likeness(heap, other)) {
            (Likeness::Function(one), Likeness::Function(other)) => one == other,
            _ => false,
        },
        _ => true,
    }
}

/// The object that a program would name: the container itself, or what it belongs to. `None` for what grows with the
/// program's text and not with its work: scopes, code, shapes, prototypes.
pub(super) fn owner(heap: &Heap<'_>, container: usize) -> Option<usize> {
    let mut at = container;
    for _ in 0..CLIMB {
        let class = heap.class(at)?;
        match class.kind {
            ClassKind::Instance => return Some(at),
            ClassKind::Internal if is_storage(&class.name) => at = heap.tree.dominator(at)?,
            // A text that grows by pieces.
            ClassKind::Primitive if class.name == "(concatenated string)" => {
                at = heap.tree.dominator(at)?;
            }
            // A bound function or closure with a crowd below it holds it by a variable.
            _ => return None,
        }
    }
    None
}

/// The object that a chain begins at. Functions that wrap each other begin at what holds the outermost.
fn owner_of_chain(heap: &Heap<'_>, head: usize) -> Option<usize> {
    let mut at = head;
    for _ in 0..CLIMB {
        let class = heap.class(at)?;
        let is_between = class.kind == ClassKind::Function || class.name.ends_with("Context");
        if !is_between {
            return owner(heap, at);
        }
        at = heap.tree.dominator(at)?;
    }
    None
}

/// Whether V8's own objects of a class hold what a program has put into its own.
pub(super) fn is_storage(class: &str) -> bool {
    matches!(
        class,
        "(array)"
            | "system / WeakCell"
            | "system / PromiseReaction"
            | "system / PromiseCapability"
            | "system / Cell"
            | "system / PropertyCell"
            | "system / JSFinalizationRegistry"
    )
}
