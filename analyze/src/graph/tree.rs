//! The dominator tree: whose end would be the end of how many bytes.

use std::sync::Arc;

use super::csr::Adjacency;
use super::dominators::Preorder;
use super::nodes::Nodes;

/// Dominated by no single object.
const ROOTS: u32 = u32::MAX;
/// Dead: the roots do not lead to it.
pub(super) const DEAD: u32 = u32::MAX - 1;

/// Immediate dominators and retained sizes of all objects: 12 bytes for each.
#[derive(Debug)]
pub struct DominatorTree {
    pub(super) nodes: Arc<Nodes>,
    /// Of each object, the one that dominates it immediately, or [`ROOTS`] or [`DEAD`].
    pub(super) parents: Vec<u32>,
    /// Bytes.
    pub(super) retained: Vec<u64>,
    pub(super) missing_roots: Vec<String>,
}

impl DominatorTree {
    /// From the dominators of the numbers of a preorder. `outside` has bytes that objects have besides their own.
    pub(super) fn new(
        nodes: Arc<Nodes>,
        order: &Preorder,
        dominators: &[u32],
        outside: &[(u32, u64)],
        missing_roots: Vec<String>,
    ) -> Self {
        let mut parents = vec![DEAD; nodes.len()];
        let mut retained: Vec<u64> = vec![0; nodes.len()];
        for (id, bytes) in outside {
            if let Some(place) = retained.get_mut(*id as usize) {
                *place += bytes;
            }
        }
        // Whoever dominates has a lower number: so from the last to the first, all that an object dominates is summed up before it.
        for (id, dominator) in order
            .nodes()
            .iter()
            .zip(dominators.get(1..).unwrap_or_default())
            .rev()
        {
            let bytes = match retained.get_mut(*id as usize) {
                Some(bytes) => {
                    *bytes += nodes.size(*id);
                    *bytes
                }
                None => continue,
            };
            let parent = order.node(*dominator).unwrap_or(ROOTS);
            if let Some(sum) = retained.get_mut(parent as usize) {
                *sum += bytes;
            }
            if let Some(place) = parents.get_mut(*id as usize) {
                *place = parent;
            }
        }
        for (id, _) in outside {
            if parents.get(*id as usize) == Some(&DEAD)
                && let Some(place) = retained.get_mut(*id as usize)
            {
                *place = 0;
            }
        }
        Self {
            nodes,
            parents,
            retained,
            missing_roots,
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

    /// Whether the roots lead to an object.
    pub fn is_alive(&self, id: u32) -> bool {
        self.parents
            .get(id as usize)
            .is_some_and(|parent| *parent != DEAD)
    }

    /// The object that dominates an object immediately; `None` if only the roots together do, or if it is dead.
    pub fn dominator(&self, id: u32) -> Option<u32> {
        self.parents
            .get(id as usize)
            .copied()
            .filter(|parent| *parent != ROOTS && *parent != DEAD)
    }

    /// All bytes that are alive, those of buffers outside of the heap included.
    pub fn live_bytes(&self) -> u64 {
        self.top().map(|id| self.retained(id)).sum()
    }

    /// Bytes that would be free if an object were gone, those of buffers outside of the heap included; 0 if it is dead.
    pub fn retained(&self, id: u32) -> u64 {
        self.retained.get(id as usize).copied().unwrap_or(0)
    }

    /// All objects that are alive.
    pub fn alive(&self) -> impl Iterator<Item = u32> {
        (0..)
            .zip(&self.parents)
            .filter(|(_, parent)| **parent != DEAD)
            .map(|(id, _)| id)
    }

    /// All objects that are dead, but not yet swept.
    pub fn dead(&self) -> impl Iterator<Item = u32> {
        (0..)
            .zip(&self.parents)
            .filter(|(_, parent)| **parent == DEAD)
            .map(|(id, _)| id)
    }

    /// What no single object dominates.
    pub fn top(&self) -> impl Iterator<Item = u32> {
        (0..)
            .zip(&self.parents)
            .filter(|(_, parent)| **parent == ROOTS)
            .map(|(id, _)| id)
    }

    /// What each object dominates immediately: 8 more bytes for each.
    pub fn children(&self) -> Children {
        let roots = self.nodes.len() as u32;
        Children {
            lists: Adjacency::reversed(self.nodes.len() + 1, |edge| {
                for (id, parent) in (0..).zip(&self.parents) {
                    match *parent {
                        DEAD => {}
                        ROOTS => edge(id, roots),
                        parent => edge(id, parent),
                    }
                }
            }),
            roots,
        }
    }

    /// What the objects of each of `groups` groups retain together: of those that another of the same group dominates, only the
    /// other counts. `group_of` tells an object's group.
    pub fn retained_by_group(
        &self,
        groups: usize,
        group_of: impl Fn(u32) -> Option<usize>,
    ) -> Vec<u64> {
        let children = self.children();
        let mut sums = vec![0; groups];
        // How many objects of a group are on the path from the roots.
        let mut open = vec![0_u32; groups];
        let mut stack: Vec<(Option<usize>, &[u32])> = vec![(None, children.of(None))];
        while let Some((group, rest)) = stack.last_mut() {
            let Some((id, more)) = rest.split_first() else {
                if let Some(count) = group.and_then(|group| open.get_mut(group)) {
                    *count -= 1;
                }
                stack.pop();
                continue;
            };
            *rest = more;
            let group = group_of(*id);
            if let Some(number) = group
                && let Some(count) = open.get_mut(number)
            {
                if *count == 0
                    && let Some(sum) = sums.get_mut(number)
                {
                    *sum += self.retained(*id);
                }
                *count += 1;
            }
            stack.push((group, children.of(Some(*id))));
        }
        sums
    }
}

/// What each object dominates immediately.
#[derive(Debug)]
pub struct Children {
    lists: Adjacency,
    /// Stands for the roots.
    roots: u32,
}

impl Children {
    /// What an object dominates immediately, or, for `None`, what no single object dominates; in no particular order.
    pub fn of(&self, id: Option<u32>) -> &[u32] {
        self.lists.of(id.unwrap_or(self.roots))
    }
}
