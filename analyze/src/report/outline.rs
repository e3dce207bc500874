//! The dominator tree, small enough to be drawn: large objects by themselves, many small ones of a class as one.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use rustc_hash::FxHashMap;
use serde::Serialize;

use crate::commands::{Session, class_or_function, summary};
use crate::graph::{DominatorTree, EdgeKind, edges_to};
use crate::heap::{Classes, PageSelection};
use crate::v8::Address;

/// Most boxes that are drawn.
const MAX_NODES: usize = 2500;
/// Deepest level.
const MAX_DEPTH: u32 = 48;
/// An object that retains at least this part of all is drawn by itself.
const SINGLE: u64 = 500;
/// What retains less than this part of all is too narrow to be drawn, however far one zooms in on it.
const VISIBLE: u64 = 20_000;
/// Levels of one class, each below the other, that are drawn one by one: what is below them belongs to a list or a tree of
/// nodes of which there may be any number, and is drawn as one box.
const RUN: u32 = 3;

/// The outline of a dominator tree.
#[derive(Debug, Serialize)]
pub(super) struct Outline {
    /// All that is alive.
    live_bytes: u64,
    live_objects: u64,
    dead_bytes: u64,
    dead_objects: u64,
    /// Whoever dominates comes first.
    nodes: Vec<Node>,
}

/// An object, or the objects of a class below the same one.
#[derive(Debug, Serialize)]
struct Node {
    /// The place of the one that it is below; absent on the first level.
    #[serde(skip_serializing_if = "Option::is_none")]
    parent: Option<usize>,
    class: String,
    count: u64,
    retained_bytes: u64,
    shallow_bytes: u64,
    /// Whether some of the objects are below others of them.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    nested: bool,
    /// The object, or one of them, tagged.
    address: String,
    /// By which property, element or variable a single object is held.
    #[serde(skip_serializing_if = "Option::is_none")]
    via: Option<String>,
    /// What is in a single object, in one line for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    summary: Option<String>,
}

/// Objects that become one box.
struct Group {
    parent: Option<usize>,
    class: Option<usize>,
    ids: Vec<usize>,
    retained: u64,
    depth: u32,
    /// How many of its class are above it without another in between.
    run: u32,
}

impl Group {
    /// The most bytes first; of two with as many, the one that comes first in memory.
    fn rank(&self) -> (u64, Reverse<Option<usize>>) {
        (self.retained, Reverse(self.ids.first().copied()))
    }
}

impl PartialEq for Group {
    fn eq(&self, other: &Self) -> bool {
        self.rank() == other.rank()
    }
}

impl Eq for Group {}

impl PartialOrd for Group {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Group {
    fn cmp(&self, other: &Self) -> Ordering {
        self.rank().cmp(&other.rank())
    }
}

/// The outline of what is alive.
pub(super) fn outline(session: &Session, selection: PageSelection) -> Outline {
    let tree = session.dominators(selection);
    let classes = Classes::new(&session.objects, &session.tally(selection));
    let sum = |ids: &mut dyn Iterator<Item = usize>| {
        ids.fold((0, 0), |(count, bytes), id| {
            (count + 1, bytes + tree.nodes().size(id))
        })
    };
    let (live_objects, live_bytes) = sum(&mut tree.alive());
    let (dead_objects, dead_bytes) = sum(&mut tree.dead());
    let groups = groups(&tree, &classes, live_bytes);
    let mut nodes: Vec<Node> = groups
        .iter()
        .map(|group| node(session, &tree, &classes, group))
        .collect();
    name_links(session, &tree, &groups, &mut nodes);
    Outline {
        live_bytes,
        live_objects,
        dead_bytes,
        dead_objects,
        nodes,
    }
}

/// The groups that are drawn, largest first, so that each comes after the one that it is below. Every object is looked at once
/// at most.
fn groups(tree: &DominatorTree, classes: &Classes, live_bytes: u64) -> Vec<Group> {
    let children = tree.children();
    let class_of = classes.of_nodes(tree.nodes());
    let mut heap = BinaryHeap::new();
    let mut drawn: Vec<Group> = Vec::new();
    let add = |heap: &mut BinaryHeap<Group>,
               above: Option<(usize, &Group)>,
               found: &mut dyn Iterator<Item = usize>| {
        let (parent, depth) = match above {
            Some((place, group)) => (Some(place), group.depth + 1),
            None => (None, 0),
        };
        let make = |class: Option<usize>, ids: Vec<usize>, retained: u64| Group {
            parent,
            class,
            ids,
            retained,
            depth,
            run: match above {
                Some((_, group)) if group.class == class => group.run + 1,
                _ => 0,
            },
        };
        let mut small: FxHashMap<Option<usize>, (Vec<usize>, u64)> = FxHashMap::default();
        for id in found {
            let (class, retained) = (class_of(id), tree.retained(id));
            if retained >= (live_bytes / SINGLE).max(1) {
                heap.push(make(class, vec![id], retained));
            } else {
                let (ids, sum) = small.entry(class).or_default();
                ids.push(id);
                *sum += retained;
            }
        }
        for (class, (ids, retained)) in small {
            if retained >= live_bytes / VISIBLE {
                heap.push(make(class, ids, retained));
            }
        }
    };
    add(&mut heap, None, &mut children.of(None).iter());
    while let Some(mut group) = heap.pop() {
        if drawn.len() == MAX_NODES {
            break;
        }
        let mut below = Vec::new();
        let absorbs = group.run >= RUN;
        let mut at = 0;
        while let Some(id) = group.ids.get(at).copied() {
            at += 1;
            for child in children.of(Some(id)) {
                if absorbs && class_of(child) == group.class {
                    group.ids.push(child);
                } else {
                    below.push(child);
                }
            }
        }
        if group.depth + 1 < MAX_DEPTH {
            add(
                &mut heap,
                Some((drawn.len(), &group)),
                &mut below.into_iter(),
            );
        }
        drawn.push(group);
    }
    drawn
}

fn node(session: &Session, tree: &DominatorTree, classes: &Classes, group: &Group) -> Node {
    let first = group.ids.first().copied();
    let address = first.and_then(|id| tree.nodes().address(id));
    let single = address.filter(|_| group.ids.len() == 1);
    let class = match single {
        Some(address) => class_or_function(&session.objects, address),
        None => (group.class.and_then(|class| classes.list().get(class)))
            .map_or_else(|| "?".to_owned(), |class| class.name.clone()),
    };
    let own: u64 = group.ids.iter().map(|id| tree.nodes().size(*id)).sum();
    let retained: u64 = group.ids.iter().map(|id| tree.retained(*id)).sum();
    Node {
        parent: group.parent,
        class,
        count: group.ids.len() as u64,
        retained_bytes: group.retained,
        shallow_bytes: own,
        nested: retained > group.retained,
        address: address.map_or_else(|| "?".to_owned(), |address| address.to_string()),
        via: None,
        summary: single.map(|address| {
            let text = summary(session, address);
            anstream::adapter::strip_str(&text).to_string()
        }),
    }
}

/// Says of single objects below single objects by what name they are held, if the one refers to the other: one look at each
/// of those above.
fn name_links(session: &Session, tree: &DominatorTree, groups: &[Group], nodes: &mut [Node]) {
    let address_of = |group: &Group| match group.ids.as_slice() {
        [id] => tree.nodes().address(*id),
        _ => None,
    };
    let mut below: FxHashMap<Address, Vec<(usize, Address)>> = FxHashMap::default();
    for (place, group) in groups.iter().enumerate() {
        let above = group.parent.and_then(|parent| groups.get(parent));
        if let Some(above) = above.and_then(address_of)
            && let Some(address) = address_of(group)
        {
            below.entry(above).or_default().push((place, address));
        }
    }
    for (above, found) in below {
        let targets: Vec<Address> = found.iter().map(|(_, address)| *address).collect();
        let Ok(edges) = edges_to(&session.objects, session.references(), above, &targets) else {
            continue;
        };
        for (place, address) in found {
            let link = edges
                .list
                .iter()
                .filter(|edge| edge.kind != EdgeKind::Weak)
                .find(|edge| edge.target.object() == Some(address));
            if let (Some(edge), Some(node)) = (link, nodes.get_mut(place)) {
                node.via = Some(match edge.kind {
                    EdgeKind::Element => format!("[{}]", edge.name),
                    EdgeKind::Context => format!("variable {}", edge.name),
                    EdgeKind::Internal | EdgeKind::Hidden => format!("({})", edge.name),
                    _ => format!(".{}", edge.name),
                });
            }
        }
    }
}
