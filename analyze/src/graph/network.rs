//! The graph: all objects, what each refers to strongly, and from where V8 begins to mark.

use std::sync::Arc;

use rayon::prelude::*;
use rustc_hash::FxHashMap;

use super::RootKind;
use super::bits::BitSet;
use super::csr::Adjacency;
use super::dominators::{Preorder, immediate_dominators};
use super::ids::{Either, Id, Ids, either};
use super::nodes::Nodes;
use super::reachable::Reachable;
use super::tree::DominatorTree;
use crate::heap::Coverage;

/// How often tables of weak collections that turn out to be dead are taken away before the rest is believed.
const MAX_ROUNDS: usize = 8;

/// A value in the table of a weak collection, and the key that it lives as long as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ephemeron {
    /// The key.
    pub key: usize,
    /// The value.
    pub value: usize,
    /// The table that has both.
    pub table: usize,
}

/// Lists of objects whose numbers are of the one width or of the other.
pub(super) type Edges = Either<Adjacency<u32>, Adjacency<u64>>;

impl Default for Edges {
    fn default() -> Self {
        Self::Narrow(Adjacency::default())
    }
}

/// The objects of a heap and their strong references.
///
/// 8 bytes for each object, and 4 for each object and each reference; 8 instead of 4 if the numbers of objects are wide.
#[derive(Debug)]
pub struct Graph {
    pub(super) nodes: Arc<Nodes>,
    pub(super) edges: Edges,
    /// Sorted by kind: the global objects come first.
    pub(super) roots: Vec<(usize, RootKind)>,
    pub(super) missing_roots: Vec<String>,
    pub(super) ephemerons: Vec<Ephemeron>,
    /// Objects that hold the properties or elements of another…
    pub(super) as_store: BitSet,
    /// …and those that are referred to in another way.
    pub(super) otherwise: BitSet,
    /// Buffers whose contents are outside of the heap, and how many bytes each has there; sorted.
    pub(super) outside: Vec<(usize, u64)>,
}

/// What the keys of weak collections keep alive, besides what they refer to themselves.
#[derive(Debug)]
pub(super) struct Held<I>(FxHashMap<I, Vec<I>>);

impl<I: Id> Held<I> {
    fn of(pairs: &[Ephemeron]) -> Self {
        let mut held: FxHashMap<I, Vec<I>> = FxHashMap::default();
        for Ephemeron { key, value, .. } in pairs {
            held.entry(I::of(*key)).or_default().push(I::of(*value));
        }
        Self(held)
    }

    pub(super) fn by(&self, key: I) -> &[I] {
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
    pub fn roots(&self) -> &[(usize, RootKind)] {
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
        either!(&self.edges, edges => edges.edges())
    }

    /// What an object refers to strongly; references to objects that are never collected are left out.
    pub fn targets(&self, id: usize) -> Ids<'_> {
        either!(&self.edges, edges => Id::show(edges.of(id)))
    }

    /// Which objects refer to one strongly, each once. All references are looked through.
    pub fn sources(&self, id: usize) -> Vec<usize> {
        let mut sources = either!(&self.edges, edges => sources(edges, self.nodes.len(), id));
        let keys = self.ephemerons.iter().filter(|held| held.value == id);
        sources.extend(keys.map(|held| held.key));
        sources.sort_unstable();
        sources.dedup();
        sources
    }

    /// Searches the graph, whose edges these are, from the roots, and what the keys of weak collections that were come to keep alive.
    pub(super) fn search<I: Id>(&self, edges: &Adjacency<I>) -> (Preorder<I>, Held<I>) {
        let roots: Vec<I> = self.roots.iter().map(|(id, _)| I::of(*id)).collect();
        let mut alive = self.ephemerons.clone();
        let mut rounds = 0;
        loop {
            let held = Held::of(&alive);
            let order = Preorder::search(self.nodes.len(), &roots, |id| {
                (edges.of(id.at()), held.by(id))
            });
            let before = alive.len();
            alive.retain(|ephemeron| {
                order.number(I::of(ephemeron.table)).is_some()
                    || order.number(I::of(ephemeron.key)).is_none()
            });
            rounds += 1;
            if alive.len() == before || rounds == MAX_ROUNDS {
                return (order, held);
            }
        }
    }

    /// What is alive, for whoever needs neither the references any more, which are given back, nor what dominates what.
    pub fn into_reachable(self) -> Reachable {
        let alive = BitSet::new(self.nodes.len());
        either!(&self.edges, edges => for id in self.search(edges).0.nodes() {
            alive.insert(id.at());
        });
        Reachable {
            nodes: self.nodes,
            alive,
            missing_roots: self.missing_roots,
        }
    }

    /// The dominator tree. It takes the place of the references, which are given back.
    pub fn into_dominators(mut self) -> DominatorTree {
        match std::mem::take(&mut self.edges) {
            Either::Narrow(edges) => self.dominators_instead_of(edges),
            Either::Wide(edges) => self.dominators_instead_of(edges),
        }
    }

    fn dominators_instead_of<I: Id>(&self, mut edges: Adjacency<I>) -> DominatorTree {
        let (mut order, mut held) = self.search(&edges);
        // From here on all is in terms of the numbers of the search, so that numbers by node can go before predecessors come.
        let number = |id| order.number(id).unwrap_or(I::NONE);
        edges.renumber(number);
        for target in held.0.values_mut().flatten() {
            *target = number(*target);
        }
        order.forget_numbers();
        let predecessors = predecessors(&edges, &order, &held, |target| target);
        drop(edges);
        drop(held);
        self.dominators_of(order, predecessors)
    }

    /// The dominator tree, for whoever needs the references, too.
    pub fn dominators(&self) -> DominatorTree {
        either!(&self.edges, edges => self.dominators_beside(edges))
    }

    fn dominators_beside<I: Id>(&self, edges: &Adjacency<I>) -> DominatorTree {
        let (order, held) = self.search(edges);
        let number = |id| order.number(id).unwrap_or(I::NONE);
        let predecessors = predecessors(edges, &order, &held, number);
        drop(held);
        self.dominators_of(order, predecessors)
    }

    fn dominators_of<I: Id>(
        &self,
        mut order: Preorder<I>,
        predecessors: Adjacency<I>,
    ) -> DominatorTree {
        order.forget_numbers();
        let is_root = BitSet::new(self.nodes.len());
        for (id, _) in &self.roots {
            is_root.insert(*id);
        }
        let mut dominators =
            immediate_dominators(&mut order, predecessors, |id| is_root.contains(id.at()));
        // What holds the properties or elements of an object is a detail of V8's: DevTools has an edge from the object to each
        // of them, too, so that the object dominates them and not its store.
        let is_store = |number| {
            order.node(number).is_some_and(|id| {
                self.as_store.contains(id.at()) && !self.otherwise.contains(id.at())
            })
        };
        for number in 1..dominators.len() {
            let dominator = dominators.get(number).copied().unwrap_or(I::ZERO);
            if is_store(dominator)
                && let Some(above) = dominators.get(dominator.at()).copied()
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

/// Which nodes lead to one, each once, in order.
fn sources<I: Id>(edges: &Adjacency<I>, nodes: usize, target: usize) -> Vec<usize> {
    (0..nodes)
        .into_par_iter()
        .filter(|source| edges.of(*source).contains(&I::of(target)))
        .collect()
}

/// From where each number of a search is referred to, but for where the search came from. `number` is that of what an edge leads to.
fn predecessors<I: Id>(
    edges: &Adjacency<I>,
    order: &Preorder<I>,
    held: &Held<I>,
    number: impl Fn(I) -> I,
) -> Adjacency<I> {
    let most = edges.edges() + held.0.values().map(Vec::len).sum::<usize>();
    Adjacency::reversed(order.len(), most, |edge| {
        for (id, from) in order.nodes().iter().zip((1..).map(I::of)) {
            for target in edges.of(id.at()).iter().chain(held.by(*id)) {
                let to = number(*target);
                // Half of all edges are those of the search.
                if to != I::NONE && !order.is_parent(from, to) {
                    edge(from, to);
                }
            }
        }
    })
}
