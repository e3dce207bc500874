//! Where many similar objects hang on one: in the dominator tree, a node with a crowd below it, or a long chain.

use rustc_hash::FxHashMap;

use super::Heap;
use crate::heap::ClassKind;

/// Fewer objects than this are no crowd…
const MIN_ITEMS: u64 = 200;
/// …nor is what retains less than this part of all that is alive…
const MIN_PART: f64 = 0.02;
/// …or a crowd of which a single one retains more than this part.
const MAX_SINGLE: f64 = 0.5;
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
}

/// What items are told apart by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Likeness {
    /// Number of the class.
    Class(usize),
    /// Closures of one function: its `SharedFunctionInfo`.
    Function(u64),
    /// Functions that were compiled from text at run time.
    Dynamic,
}

#[derive(Default)]
struct Group {
    count: u64,
    bytes: u64,
    largest: u64,
    samples: Vec<u32>,
}

/// So many objects of a crowd are looked at more closely.
const SAMPLES: usize = 24;

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

fn crowds(heap: &Heap<'_>) -> Vec<Accumulation> {
    let least = heap.live_bytes as f64 * MIN_PART;
    let mut found = Vec::new();
    for container in heap.tree.alive() {
        let below = heap.children.of(Some(container));
        if (below.len() as u64) < MIN_ITEMS || (heap.tree.retained(container) as f64) < least {
            continue;
        }
        let Some(owner) = owner(heap, container) else {
            continue;
        };
        let mut groups: FxHashMap<Likeness, Group> = FxHashMap::default();
        for item in below {
            let group = groups.entry(likeness(heap, *item)).or_default();
            let bytes = heap.tree.retained(*item);
            group.count += 1;
            group.bytes += bytes;
            group.largest = group.largest.max(bytes);
            if group.samples.len() < SAMPLES {
                group.samples.push(*item);
            }
        }
        let group = groups
            .into_iter()
            .filter(|(_, group)| group.count >= MIN_ITEMS && group.bytes as f64 >= least)
            .filter(|(_, group)| (group.largest as f64) < group.bytes as f64 * MAX_SINGLE)
            .max_by_key(|(likeness, group)| (group.bytes, *likeness));
        if let Some((_, group)) = group {
            found.push(Accumulation {
                owner,
                container,
                arrangement: Arrangement::Crowd,
                count: group.count,
                bytes: group.bytes,
                samples: group.samples,
            });
        }
    }
    found
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
        while samples.len() < SAMPLES
            && let Some((_, next)) = lengths.get(&at)
            && *next != at
        {
            at = *next;
            samples.push(at);
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
        });
    }
    found
}

/// The object that a program would name: the container itself, or what it belongs to. `None` for what grows with the
/// program's text and not with its work: scopes, code, shapes, prototypes.
fn owner(heap: &Heap<'_>, container: u32) -> Option<u32> {
    let mut at = container;
    for _ in 0..CLIMB {
        let class = heap.class(at)?;
        match class.kind {
            ClassKind::Instance => return Some(at),
            ClassKind::Internal if is_storage(&class.name) => at = heap.tree.dominator(at)?,
            // A bound function or closure with a crowd below it holds it by a variable.
            _ => return None,
        }
    }
    None
}

/// Whether V8's own objects of a class hold what a program has put into its own.
fn is_storage(class: &str) -> bool {
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

fn likeness(heap: &Heap<'_>, item: u32) -> Likeness {
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
