//! Concatenations that were never flattened: trees of two-word nodes over the pieces of a text.

use rustc_hash::{FxHashMap, FxHashSet};

use super::census::Concatenation;
use super::{OneString, Options, matches};
use crate::top::Top;
use crate::v8::{Address, Objects, Representation};

/// With a filter, so many of the longest trees are compared…
const COMPARED: usize = 1000;
/// …unless they are deeper than this.
const COMPARED_DEPTH: u32 = 1 << 16;
/// Of one tree, so many nodes are followed.
const MAX_NODES: usize = 1 << 22;

/// The concatenations of a heap.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ropes {
    /// How many concatenations are part of no other.
    pub count: u64,
    /// Concatenations in all, inner ones included.
    pub nodes: u64,
    /// The deepest.
    pub deepest: Vec<Rope>,
    /// The longest.
    pub(super) longest: Vec<OneString>,
}

/// A concatenation that is part of no other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rope {
    /// Where it lies.
    pub address: Address,
    /// Code units of the whole text.
    pub length: u64,
    /// Concatenations one inside the other, this one included.
    pub depth: u64,
    /// Concatenations in it, each counted once.
    pub nodes: u64,
    /// Whether there are more than were counted.
    pub nodes_cut: bool,
    /// What its concatenations and the strings at its leaves take in the heap.
    pub bytes: u64,
}

impl Ropes {
    /// Puts the concatenations together, and returns which of them are parts of others.
    pub(super) fn of(
        objects: &Objects,
        mut all: Vec<Concatenation>,
        options: &Options<'_>,
    ) -> (Self, FxHashSet<Address>) {
        // A whole is longer than its parts: in this order each comes after what it is made of. Where a hostile heap says
        // otherwise, a part counts as no concatenation.
        all.sort_unstable_by_key(|node| (node.length, node.address));
        let mut depths: FxHashMap<Address, u32> = FxHashMap::default();
        depths.reserve(all.len());
        let mut inner = FxHashSet::default();
        for node in &all {
            let depth_of = |part| depths.get(&part).copied().unwrap_or(0);
            let depth = depth_of(node.first).max(depth_of(node.second));
            for part in [node.first, node.second] {
                if depths.contains_key(&part) {
                    inner.insert(part);
                }
            }
            depths.insert(node.address, depth.saturating_add(1));
        }
        let depth_of = |node: &Concatenation| depths.get(&node.address).copied().unwrap_or(1);
        // Longest first.
        let roots = all
            .iter()
            .rev()
            .filter(|node| !inner.contains(&node.address));
        let roots: Vec<&Concatenation> = match options.filter {
            None => roots.collect(),
            Some(_) => roots
                .filter(|node| depth_of(node) <= COMPARED_DEPTH)
                .take(COMPARED)
                .filter(|node| matches(objects, options.filter, node.address))
                .collect(),
        };
        let mut top = Top::new(options.limit);
        let mut longest = Top::new(options.limit);
        for node in &roots {
            let depth = depth_of(node);
            top.push(u64::from(depth), (node.address, node.length));
            longest.push(node.length, node.address);
        }
        let deepest: Vec<Rope> = top
            .into_sorted()
            .into_iter()
            .map(|(depth, (address, length))| {
                let size = measure(objects, &depths, address);
                Rope {
                    address,
                    length,
                    depth,
                    nodes: size.nodes,
                    nodes_cut: size.cut,
                    bytes: size.bytes,
                }
            })
            .collect();
        let ropes = Self {
            count: roots.len() as u64,
            nodes: all.len() as u64,
            deepest,
            longest: longest
                .into_sorted()
                .into_iter()
                .map(|(length, address)| OneString {
                    address,
                    length,
                    bytes: objects.string_size(address),
                    representation: Representation::Cons,
                })
                .collect(),
        };
        (ropes, inner)
    }
}

#[derive(Default)]
struct Size {
    nodes: u64,
    bytes: u64,
    cut: bool,
}

/// Counts what a tree is made of, each part once.
fn measure(objects: &Objects, concatenations: &FxHashMap<Address, u32>, root: Address) -> Size {
    let mut size = Size::default();
    let mut seen = FxHashSet::default();
    let mut rest = vec![root];
    while let Some(string) = rest.pop() {
        if !seen.insert(string) {
            continue;
        }
        if seen.len() > MAX_NODES {
            size.cut = true;
            break;
        }
        size.bytes = size.bytes.saturating_add(objects.string_size(string));
        if concatenations.contains_key(&string) {
            size.nodes += 1;
            if let Ok(Some((first, second))) = objects.cons_halves(string) {
                rest.extend([second, first]);
            }
        }
    }
    size
}
