//! Paths from the roots to an object: what keeps it alive, link by link.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::csr::Adjacency;
use super::ids::{Either, Id, Numbers, either};
use super::{Graph, Nodes, RootKind};
use crate::v8::Objects;

/// What only V8 looks into: ways around these are told first, however long.
const INNER: [&str; 20] = [
    "ACCESSOR_INFO_TYPE",
    "ALLOCATION_SITE_TYPE",
    "BYTECODE_ARRAY_TYPE",
    "CLOSURE_FEEDBACK_CELL_ARRAY_TYPE",
    "CODE_TYPE",
    "DESCRIPTOR_ARRAY_TYPE",
    "FEEDBACK_CELL_TYPE",
    "FEEDBACK_METADATA_TYPE",
    "FEEDBACK_VECTOR_TYPE",
    "FUNCTION_TEMPLATE_INFO_TYPE",
    "INSTRUCTION_STREAM_TYPE",
    "MAP_TYPE",
    "NATIVE_CONTEXT_TYPE",
    "OBJECT_TEMPLATE_INFO_TYPE",
    "PROTOTYPE_INFO_TYPE",
    "SCOPE_INFO_TYPE",
    "SCRIPT_TYPE",
    "SHARED_FUNCTION_INFO_TYPE",
    "TRANSITION_ARRAY_TYPE",
    "WEAK_CELL_TYPE",
];

/// The shortest way from the roots to each object, weak references left out: of those that lead through the fewest maps and
/// other objects that only V8 looks into, the one with the fewest steps.
///
/// Ways that begin at a global object come before all others, as in DevTools: they are what a program's author knows.
#[derive(Debug)]
pub struct Paths {
    pub(super) nodes: Arc<Nodes>,
    /// From where each object is come to; itself for a root, [`Id::NONE`] for what is dead.
    pub(super) previous: Numbers,
    pub(super) roots: FxHashMap<usize, RootKind>,
    pub(super) missing_roots: Vec<String>,
}

impl Paths {
    /// Searches the graph.
    pub fn search(objects: &Objects, graph: &Graph) -> Self {
        let nodes = graph.nodes();
        let is_inner: Vec<bool> = nodes
            .map_addresses()
            .iter()
            .map(|map| {
                let map = objects.map(*map);
                map.is_some_and(|map| {
                    let inner = INNER.iter();
                    inner
                        .into_iter()
                        .any(|name| objects.is_type(map.instance_type, name))
                })
            })
            .collect();
        Self::around(graph, |id| {
            is_inner.get(nodes.map(id)).copied().unwrap_or(false)
        })
    }

    /// Searches the graph for ways around what `is_inner`, as far as there are any.
    pub(super) fn around(graph: &Graph, is_inner: impl Fn(usize) -> bool) -> Self {
        let mut roots = FxHashMap::default();
        let previous = either!(&graph.edges, edges => {
            let found = search(graph, edges, is_inner, |id, kind| {
                roots.insert(id, kind);
            });
            Id::keep(found)
        });
        Self {
            nodes: Arc::clone(&graph.nodes),
            previous,
            roots,
            missing_roots: graph.missing_roots().to_vec(),
        }
    }

    /// The objects.
    pub fn nodes(&self) -> &Nodes {
        &self.nodes
    }

    /// Kinds of roots that could not be located, in words: what only they keep alive counts as dead.
    pub fn missing_roots(&self) -> &[String] {
        &self.missing_roots
    }

    /// From where an object is come to: from itself if it is a root. `None` if it is dead.
    pub fn previous(&self, id: usize) -> Option<usize> {
        either!(&self.previous, previous => previous.get(id).and_then(|from| from.some()))
    }

    /// Why an object is a root, if ways begin there.
    pub fn root_kind(&self, id: usize) -> Option<RootKind> {
        self.roots.get(&id).copied()
    }

    /// The shortest way to an object, it included, and why its beginning is a root. `None` if the object is dead.
    pub fn to(&self, id: usize) -> Option<(RootKind, Vec<usize>)> {
        let mut path = vec![id];
        let mut at = id;
        loop {
            let from = self.previous(at)?;
            if from == at {
                path.reverse();
                return Some((self.root_kind(at)?, path));
            }
            // It is a tree: each object was come to from one that was come to before.
            path.push(from);
            at = from;
        }
    }
}

/// From where each object of a graph, whose edges these are, is come to, breadth first. Tells `see_root` where ways begin.
fn search<I: Id>(
    graph: &Graph,
    edges: &Adjacency<I>,
    is_inner: impl Fn(usize) -> bool,
    mut see_root: impl FnMut(usize, RootKind),
) -> Vec<I> {
    let mut previous = vec![I::NONE; graph.nodes().len()];
    let mut reach = |id: I, from: I| match previous.get_mut(id.at()) {
        Some(previous) if *previous == I::NONE => {
            *previous = from;
            true
        }
        _ => false,
    };
    let (_, held) = graph.search(edges);
    let mut queue: Vec<I> = Vec::new();
    let mut next = Vec::new();
    let mut rest = graph.roots();
    // The kinds are in order: all that one leads to is searched before the next begins.
    while let Some((_, kind)) = rest.first() {
        let (now, later) = rest.split_at(rest.partition_point(|(_, other)| other <= kind));
        rest = later;
        for (root, kind) in now {
            let id = I::of(*root);
            if reach(id, id) {
                see_root(*root, *kind);
                queue.push(id);
            }
        }
        // What is behind inner objects has to wait until all else was come to.
        let mut inner: Vec<I> = Vec::new();
        while !queue.is_empty() {
            for id in &queue {
                for target in edges.of(id.at()).iter().chain(held.by(*id)) {
                    if reach(*target, *id) {
                        if is_inner(target.at()) {
                            inner.push(*target);
                        } else {
                            next.push(*target);
                        }
                    }
                }
            }
            queue.clear();
            std::mem::swap(&mut queue, &mut next);
            if queue.is_empty() {
                std::mem::swap(&mut queue, &mut inner);
            }
        }
    }
    previous
}
