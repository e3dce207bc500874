//! Where many similar objects hang on one: in the dominator tree, a node with a crowd below it (see `crowds`), or a long chain.

use rustc_hash::FxHashMap;

use super::Heap;
use super::crowds::crowds;
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
}

/// An object with many similar ones below it.
#[derive(Debug, Clone)]
pub struct Accumulation {
    /// The object that accumulates, as a program knows it: the `Map`, not its table.
    pub owner: u32,
    /// The node of the dominator tree right below which they are: the owner, or what V8 keeps its contents in.
    pub container: u32,
    /// How they hang together.
    pub arrangement: Arrangement,
    /// How many there are.
    pub count: u64,
    /// What they retain.
    pub bytes: u64,
    /// Some of them.
    pub samples: Vec<u32>,
    /// In how many objects of the owner they are, if not in the owner itself: lists in a table, for instance.
    pub members: u64,
    /// The last one of a chain.
    pub end: Option<u32>,
}

/// So many objects of a crowd are looked at more closely.
pub(super) const SAMPLES: usize = 24;

/// All accumulations, those that retain most first; what lies below a greater one is left out.
pub(super) fn find(heap: &Heap<'_>) -> Vec<Accumulation> {
    let mut all = crowds(heap);
    all.extend(chains(heap));
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
    kept
}

/// Chains: from a link to the next of the same class it is a few steps down the dominator tree.
fn chains(heap: &Heap<'_>) -> Vec<Accumulation> {
    let least = heap.live_bytes as f64 * MIN_PART;
    // Number of links from an object downwards, and the next link.
    let mut lengths: FxHashMap<u32, (u32, u32)> = FxHashMap::default();
    let mut heads: Vec<u32> = Vec::new();
    // Whoever is dominated comes later: from the end, all below an object are known before it.
    for id in heap.preorder.iter().rev() {
        let class = heap.class_number(*id);
        let length = lengths.get(id).map_or(1, |(length, _)| *length);
        let above = heap.dominators(*id).take(LINK_STEPS);
        let link = above
            .into_iter()
            .find(|above| heap.class_number(*above) == class);
        match link {
            Some(link) if class.is_some() => {
                let place = lengths.entry(link).or_insert((1, link));
                if length >= place.0 {
                    *place = (length + 1, *id);
                }
            }
            _ if u64::from(length) >= MIN_ITEMS => heads.push(*id),
            _ => {}
        }
    }
    let mut found = Vec::new();
    for head in heads {
        let bytes = heap.tree.retained(head);
        if (bytes as f64) < least {
            continue;
        }
        let Some(owner) = owner(heap, head) else {
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
        found.push(Accumulation {
            owner,
            container: head,
            arrangement: Arrangement::Chain,
            count: lengths
                .get(&head)
                .map_or(1, |(length, _)| u64::from(*length)),
            bytes,
            samples,
            members: 0,
            end: Some(at),
        });
    }
    found
}

/// The object that a program would name: the container itself, or what it belongs to. `None` for what grows with the
/// program's text and not with its work: scopes, code, shapes, prototypes.
pub(super) fn owner(heap: &Heap<'_>, container: u32) -> Option<u32> {
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
