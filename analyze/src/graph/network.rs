//! The graph: all objects, what each refers to strongly, and from where V8 begins to mark.

use std::sync::Arc;

use rayon::prelude::*;
use rustc_hash::FxHashMap;

use super::RootKind;
use super::bits::BitSet;
use super::csr::Adjacency;
use super::dominators::{Preorder, immediate_dominators};
use super::nodes::Nodes;
use super::reachable::Reachable;
use super::tree::DominatorTree;
use crate::heap::Coverage;

/// How often tables of weak collections that turn out to be dead are taken away before the rest is believed.
const MAX_ROUNDS: usize = 8;
/// The number of what a search did not come to.
const NONE: u32 = u32::MAX;

/// A value in the table of a weak collection, and the key that it lives as long as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ephemeron {
    /// The key.
    pub key: u32,
    /// The value.
    pub value: u32,
    /// The table that has both.
    pub table: u32,
}

/// The objects of a heap and their strong references.
///
/// 8 bytes for each object, and 4 for each object and each reference.
#[derive(Debug)]
pub struct Graph {
    pub(super) nodes: Arc<Nodes>,
    pub(super) edges: Adjacency,
    /// Sorted by kind: the global objects come first.
    pub(super) roots: Vec<(u32, RootKind)>,
    pub(super) missing_roots: Vec<String>,
    pub(super) ephemerons: Vec<Ephemeron>,
    /// Objects that hold the properties or elements of another…
    pub(super) as_store: BitSet,
    /// …and those that are referred to in another way.
    pub(super) otherwise: BitSet,
    /// Buffers whose contents are outside of the heap, and how many bytes each has there; sorted.
    pub(super) outside: Vec<(u32, u64)>,
}

/// What the keys of weak collections keep alive, besides what they refer to themselves.
#[derive(Debug, Default)]
pub(super) struct Held(FxHashMap<u32, Vec<u32>>);

impl Held {
    pub(super) fn by(&self, key: u32) -> &[u32] {
        // Most programs have few weak collections, and a lookup for each object would show.
        if self.0.is_empty() {
            return &[];
        }
        self.0.get(&key).map_or(&[], Vec::as_slice)
    }
}

impl Graph {
    /// The objects.
    pub fn nodes(&self) -> &Nodes {
        &self.nodes
    }

    /// The roots: objects, and why they are alive.
    pub fn roots(&self) -> &[(u32, RootKind)] {
        &self.roots
    }

    /// Kinds of roots that could not be located, in words.
    pub fn missing_roots(&self) -> &[String] {
        &self.missing_roots
    }

    /// How much of the heap the graph was made of.
    pub fn coverage(&self) -> &Coverage {
        &self.nodes.coverage
    }

    /// The pairs of weak collections.
    pub fn ephemerons(&self) -> &[Ephemeron] {
        &self.ephemerons
    }

    /// Number of strong references.
    pub fn edge_count(&self) -> usize {
        self.edges.edges()
    }

    /// What an object refers to strongly; references to objects that are never collected are left out.
    pub fn targets(&self, id: u32) -> &[u32] {
        self.edges.of(id)
    }

    /// Which objects refer to one strongly, each once. All references are looked through.
    pub fn sources(&self, id: u32) -> Vec<u32> {
        let own = (0..self.nodes.len() as u32)
            .into_par_iter()
            .filter(|source| self.edges.of(*source).contains(&id));
        let mut sources: Vec<u32> = own.collect();
        let keys = self.ephemerons.iter().filter(|held| held.value == id);
        sources.extend(keys.map(|held| held.key));
        sources.sort_unstable();
        sources.dedup();
        sources
    }

    /// Searches the graph from the roots, and what the keys of weak collections that were come to keep alive.
    pub(super) fn search(&self) -> (Preorder, Held) {
        let roots: Vec<u32> = self.roots.iter().map(|(id, _)| *id).collect();
        let mut alive = self.ephemerons.clone();
        let mut rounds = 0;
        loop {
            let mut held = Held::default();
            for ephemeron in &alive {
                held.0
                    .entry(ephemeron.key)
                    .or_default()
                    .push(ephemeron.value);
            }
            let order = Preorder::search(self.nodes.len(), &roots, |id| {
                (self.edges.of(id), held.by(id))
            });
            let before = alive.len();
            alive.retain(|ephemeron| {
                order.number(ephemeron.table).is_some() || order.number(ephemeron.key).is_none()
            });
            rounds += 1;
            if alive.len() == before || rounds == MAX_ROUNDS {
                return (order, held);
            }
        }
    }

    /// What is alive, for whoever needs neither the references any more, which are given back, nor what dominates what.
    pub fn into_reachable(self) -> Reachable {
        let (order, _) = self.search();
        let alive = BitSet::new(self.nodes.len());
        for id in order.nodes() {
            alive.insert(*id);
        }
        Reachable {
            nodes: self.nodes,
            alive,
            missing_roots: self.missing_roots,
        }
    }

    /// The dominator tree. It takes the place of the references, which are given back.
    pub fn into_dominators(mut self) -> DominatorTree {
        let (mut order, mut held) = self.search();
        // From here on all is in terms of the numbers of the search, so that numbers by node can go before predecessors come.
        let number = |id| order.number(id).unwrap_or(NONE);
        self.edges.renumber(number);
        for target in held.0.values_mut().flatten() {
            *target = number(*target);
        }
        order.forget_numbers();
        let predecessors = self.predecessors(&order, &held, |target| target);
        self.edges = Adjacency::default();
        drop(held);
        self.dominators_of(order, predecessors)
    }

    /// The dominator tree, for whoever needs the references, too.
    pub fn dominators(&self) -> DominatorTree {
        let (order, held) = self.search();
        let number = |id| order.number(id).unwrap_or(NONE);
        let predecessors = self.predecessors(&order, &held, number);
        drop(held);
        self.dominators_of(order, predecessors)
    }

    /// From where each number of a search is referred to, but for where the search came from. `number` is that of what an edge leads to.
    fn predecessors(
        &self,
        order: &Preorder,
        held: &Held,
        number: impl Fn(u32) -> u32,
    ) -> Adjacency {
        Adjacency::reversed(order.len(), |edge| {
            for (id, from) in order.nodes().iter().zip(1..) {
                for target in self.edges.of(*id).iter().chain(held.by(*id)) {
                    let to = number(*target);
                    // Half of all edges are those of the search.
                    if to != NONE && !order.is_parent(from, to) {
                        edge(from, to);
                    }
                }
            }
        })
    }

    fn dominators_of(&self, mut order: Preorder, predecessors: Adjacency) -> DominatorTree {
        order.forget_numbers();
        let is_root = BitSet::new(self.nodes.len());
        for (id, _) in &self.roots {
            is_root.insert(*id);
        }
        let mut dominators =
            immediate_dominators(&mut order, predecessors, |id| is_root.contains(id));
        // What holds the properties or elements of an object is a detail of V8's: DevTools has an edge from the object to each
        // of them, too, so that the object dominates them and not its store.
        let is_store = |number| {
            order
                .node(number)
                .is_some_and(|id| self.as_store.contains(id) && !self.otherwise.contains(id))
        };
        for number in 1..dominators.len() {
            let dominator = dominators.get(number).copied().unwrap_or(0);
            if is_store(dominator)
                && let Some(above) = dominators.get(dominator as usize).copied()
                && let Some(place) = dominators.get_mut(number)
            {
                *place = above;
            }
        }
        DominatorTree::new(
            Arc::clone(&self.nodes),
            &order,
            &dominators,
            &self.outside,
            self.missing_roots.clone(),
        )
    }
}
