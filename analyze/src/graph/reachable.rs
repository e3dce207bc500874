//! What is alive, and no more: dominators take as long as all the rest of a graph.

use std::sync::Arc;

use super::bits::BitSet;
use super::nodes::Nodes;

/// The objects that the roots lead to: one bit for each.
#[derive(Debug)]
pub struct Reachable {
    pub(super) nodes: Arc<Nodes>,
    pub(super) alive: BitSet,
    pub(super) missing_roots: Vec<String>,
}

impl Reachable {
    /// The objects.
    pub fn nodes(&self) -> &Nodes {
        &self.nodes
    }

    /// Kinds of roots that could not be located, in words: what only they keep alive counts as dead.
    pub fn missing_roots(&self) -> &[String] {
        &self.missing_roots
    }

    /// All objects that are alive.
    pub fn alive(&self) -> impl Iterator<Item = usize> {
        (0..self.nodes.len()).filter(|id| self.alive.contains(*id))
    }
}
