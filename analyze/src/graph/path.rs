//! Paths from the roots to an object: what keeps it alive, link by link.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::{Graph, Nodes, RootKind};
use crate::v8::Objects;

/// No node.
const NONE: u32 = u32::MAX;

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
    /// From where each object is come to; itself for a root, [`NONE`] for what is dead.
    pub(super) previous: Vec<u32>,
    pub(super) roots: FxHashMap<u32, RootKind>,
    pub(super) missing_roots: Vec<String>,
}

impl Paths {
    /// Searches the graph, breadth first.
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
        let is_inner = |id: u32| is_inner.get(nodes.map(id)).copied().unwrap_or(false);
        let mut paths = Self {
            nodes: Arc::clone(&graph.nodes),
            missing_roots: graph.missing_roots().to_vec(),
            previous: vec![NONE; graph.nodes().len()],
            roots: FxHashMap::default(),
        };
        let (_, held) = graph.search();
        let mut queue: Vec<u32> = Vec::new();
        let mut next = Vec::new();
        let mut rest = graph.roots();
        // The kinds are in order: all that one leads to is searched before the next begins.
        while let Some((_, kind)) = rest.first() {
            let (now, later) = rest.split_at(rest.partition_point(|(_, other)| other <= kind));
            rest = later;
            for (id, kind) in now {
                if paths.reach(*id, *id) {
                    paths.roots.insert(*id, *kind);
                    queue.push(*id);
                }
            }
            // What is behind inner objects has to wait until all else was come to.
            let mut inner: Vec<u32> = Vec::new();
            while !queue.is_empty() {
                for id in &queue {
                    for target in graph.targets(*id).iter().chain(held.by(*id)) {
                        if paths.reach(*target, *id) {
                            if is_inner(*target) {
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
        paths
    }

    /// The objects.
    pub fn nodes(&self) -> &Nodes {
        &self.nodes
    }

    /// Kinds of roots that could not be located, in words: what only they keep alive counts as dead.
    pub fn missing_roots(&self) -> &[String] {
        &self.missing_roots
    }

    fn reach(&mut self, id: u32, from: u32) -> bool {
        match self.previous.get_mut(id as usize) {
            Some(previous) if *previous == NONE => {
                *previous = from;
                true
            }
            _ => false,
        }
    }

    /// From where an object is come to: from itself if it is a root. `None` if it is dead.
    pub fn previous(&self, id: u32) -> Option<u32> {
        self.previous
            .get(id as usize)
            .copied()
            .filter(|from| *from != NONE)
    }

    /// Why an object is a root, if ways begin there.
    pub fn root_kind(&self, id: u32) -> Option<RootKind> {
        self.roots.get(&id).copied()
    }

    /// The shortest way to an object, it included, and why its beginning is a root. `None` if the object is dead.
    pub fn to(&self, id: u32) -> Option<(RootKind, Vec<u32>)> {
        let mut path = vec![id];
        let mut at = id;
        loop {
            let from = *self
                .previous
                .get(at as usize)
                .filter(|from| **from != NONE)?;
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
