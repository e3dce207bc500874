//! The dominator tree: whose end would be the end of how many bytes.

use std::sync::Arc;

use super::csr::Adjacency;
use super::dominators::Preorder;
use super::ids::{Either, Id, Ids, Numbers, either, map_either};
use super::network::Edges;
use super::nodes::Nodes;

/// Immediate dominators and retained sizes of all objects: 12 bytes for each, or 16 if the numbers of objects are wide.
#[derive(Debug)]
pub struct DominatorTree {
    pub(super) nodes: Arc<Nodes>,
    /// Of each object, the one that dominates it immediately; [`Id::NONE`] if no single object does, [`Id::DEAD`] if the roots do not
    /// lead to it.
    pub(super) parents: Numbers,
    /// Bytes.
    pub(super) retained: Vec<u64>,
    pub(super) missing_roots: Vec<String>,
}

/// What dominates an object immediately.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Parent {
    /// Nothing: the roots do not lead to it.
    Dead,
    /// Only the roots together.
    Roots,
    /// An object.
    Object(usize),
}

impl Parent {
    fn of<I: Id>(number: I) -> Self {
        match number {
            number if number == I::DEAD => Self::Dead,
            number if number == I::NONE => Self::Roots,
            number => Self::Object(number.at()),
        }
    }
}

impl DominatorTree {
    /// From the dominators of the numbers of a preorder. `outside` has bytes that objects have besides their own.
    pub(super) fn new<I: Id>(
        nodes: Arc<Nodes>,
        order: &Preorder<I>,
        dominators: &[I],
        outside: &[(usize, u64)],
        missing_roots: Vec<String>,
    ) -> Self {
        let mut parents = vec![I::DEAD; nodes.len()];
        let mut retained: Vec<u64> = vec![0; nodes.len()];
        for (id, bytes) in outside {
            if let Some(place) = retained.get_mut(*id) {
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
            let bytes = match retained.get_mut(id.at()) {
                Some(bytes) => {
                    *bytes += nodes.size(id.at());
                    *bytes
                }
                None => continue,
            };
            let parent = order.node(*dominator).unwrap_or(I::NONE);
            if let Some(sum) = retained.get_mut(parent.at()) {
                *sum += bytes;
            }
            if let Some(place) = parents.get_mut(id.at()) {
                *place = parent;
            }
        }
        for (id, _) in outside {
            if parents.get(*id) == Some(&I::DEAD)
                && let Some(place) = retained.get_mut(*id)
            {
                *place = 0;
            }
        }
        Self {
            nodes,
            parents: I::keep(parents),
            retained,
            missing_roots,
        }
    }

    /// What dominates an object immediately.
    pub(super) fn parent(&self, id: usize) -> Parent {
        either!(&self.parents, parents => parents.get(id).copied().map_or(Parent::Dead, Parent::of))
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
    pub fn is_alive(&self, id: usize) -> bool {
        self.parent(id) != Parent::Dead
    }

    /// The object that dominates an object immediately; `None` if only the roots together do, or if it is dead.
    pub fn dominator(&self, id: usize) -> Option<usize> {
        match self.parent(id) {
            Parent::Object(parent) => Some(parent),
            Parent::Roots | Parent::Dead => None,
        }
    }

    /// All bytes that are alive, those of buffers outside of the heap included.
    pub fn live_bytes(&self) -> u64 {
        self.top().map(|id| self.retained(id)).sum()
    }

    /// Bytes that would be free if an object were gone, those of buffers outside of the heap included; 0 if it is dead.
    pub fn retained(&self, id: usize) -> u64 {
        self.retained.get(id).copied().unwrap_or(0)
    }

    /// All objects that are alive.
    pub fn alive(&self) -> impl Iterator<Item = usize> {
        self.with_parents(|parent| parent != Parent::Dead)
    }

    /// All objects that are dead, but not yet swept.
    pub fn dead(&self) -> impl Iterator<Item = usize> {
        self.with_parents(|parent| parent == Parent::Dead)
    }

    /// What no single object dominates.
    pub fn top(&self) -> impl Iterator<Item = usize> {
        self.with_parents(|parent| parent == Parent::Roots)
    }

    /// The objects whose parents are wanted, in order.
    fn with_parents(&self, is_wanted: impl Fn(Parent) -> bool) -> impl Iterator<Item = usize> {
        (0..self.nodes.len()).filter(move |id| is_wanted(self.parent(*id)))
    }

    /// What each object dominates immediately: 8 more bytes for each, or 16 if the numbers of objects are wide.
    pub fn children(&self) -> Children {
        let roots = self.nodes.len();
        Children {
            lists: map_either!(&self.parents, parents => children(parents, roots)),
            roots,
        }
    }

    /// What the objects of each of `groups` groups retain together: of those that another of the same group dominates, only the
    /// other counts. `group_of` tells an object's group.
    pub fn retained_by_group(
        &self,
        groups: usize,
        group_of: impl Fn(usize) -> Option<usize>,
    ) -> Vec<u64> {
        let Children { lists, roots } = self.children();
        either!(&lists, lists => self.retained_along(lists, roots, groups, group_of))
    }

    /// As [`Self::retained_by_group`], by what each object dominates, and the roots, who have this number.
    fn retained_along<I: Id>(
        &self,
        children: &Adjacency<I>,
        roots: usize,
        groups: usize,
        group_of: impl Fn(usize) -> Option<usize>,
    ) -> Vec<u64> {
        let mut sums = vec![0; groups];
        // How many objects of a group are on the path from the roots.
        let mut open = vec![0_usize; groups];
        let mut stack: Vec<(Option<usize>, &[I])> = vec![(None, children.of(roots))];
        while let Some((group, rest)) = stack.last_mut() {
            let Some((id, more)) = rest.split_first() else {
                if let Some(count) = group.and_then(|group| open.get_mut(group)) {
                    *count -= 1;
                }
                stack.pop();
                continue;
            };
            *rest = more;
            let id = id.at();
            let group = group_of(id);
            if let Some(number) = group
                && let Some(count) = open.get_mut(number)
            {
                if *count == 0
                    && let Some(sum) = sums.get_mut(number)
                {
                    *sum += self.retained(id);
                }
                *count += 1;
            }
            stack.push((group, children.of(id)));
        }
        sums
    }
}

/// The lists of what has each of `parents`; that of the roots, who have the number behind them, is the last.
fn children<I: Id>(parents: &[I], roots: usize) -> Adjacency<I> {
    Adjacency::reversed(roots + 1, parents.len(), |edge| {
        for (id, parent) in (0..).map(I::of).zip(parents) {
            match *parent {
                parent if parent == I::DEAD => {}
                parent if parent == I::NONE => edge(id, I::of(roots)),
                parent => edge(id, parent),
            }
        }
    })
}

/// What each object dominates immediately.
#[derive(Debug)]
pub struct Children {
    lists: Edges,
    /// Stands for the roots.
    roots: usize,
}

impl Children {
    /// What an object dominates immediately, or, for `None`, what no single object dominates; in no particular order.
    pub fn of(&self, id: Option<usize>) -> Ids<'_> {
        let id = id.unwrap_or(self.roots);
        either!(&self.lists, lists => Id::show(lists.of(id)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_for_no_object_depends_on_the_width() {
        assert_eq!(Parent::of(u32::MAX), Parent::Roots);
        assert_eq!(Parent::of(u32::MAX - 1), Parent::Dead);
        assert_eq!(Parent::of(u64::MAX), Parent::Roots);
        assert_eq!(Parent::of(u64::MAX - 1), Parent::Dead);
        for number in [0, u32::MAX - 1, u32::MAX] {
            let number = u64::from(number);
            assert_eq!(Parent::of(number), Parent::Object(number as usize));
        }
    }
}
