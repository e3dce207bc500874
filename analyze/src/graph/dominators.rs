//! Dominators: an object dominates another if every path from the roots to the other leads through it, so that the other
//! goes when it goes.
//!
//! The algorithm is semi-NCA (Georgiadis, Tarjan and Werneck: Finding Dominators in Practice, 2006): semidominators as
//! Lengauer and Tarjan compute them, with path compression; then the nearest common ancestor of each node's parent and
//! semidominator. Nothing recurses: a list of a million objects is a path of a million edges.

use super::csr::Adjacency;
use super::ids::Id;

/// A depth-first search from the roots: the nodes that they lead to, in preorder, and how each was come to.
///
/// Nodes are numbered anew in preorder from 1; 0 stands for all roots together.
#[derive(Debug)]
pub(super) struct Preorder<I> {
    /// The node of each number but 0.
    nodes: Vec<I>,
    /// Number of each node, [`Id::NONE`] if it was not come to.
    numbers: Vec<I>,
    /// From which number each number was come to.
    parents: Vec<I>,
}

impl<I: Id> Preorder<I> {
    /// Searches from `roots`, first things first, along `successors`.
    pub(super) fn search<'a>(
        nodes: usize,
        roots: &[I],
        successors: impl Fn(I) -> (&'a [I], &'a [I]),
    ) -> Self {
        let mut order = Self {
            nodes: vec![I::NONE],
            numbers: vec![I::NONE; nodes],
            parents: vec![I::ZERO],
        };
        // Number of the node, and what is left of its successors.
        let mut stack: Vec<(I, &'a [I], &'a [I])> = Vec::new();
        for root in roots {
            if let Some(number) = order.enter(*root, I::ZERO) {
                let (first, second) = successors(*root);
                stack.push((number, first, second));
            }
            while let Some((number, first, second)) = stack.last_mut() {
                let next = if let Some((next, rest)) = first.split_first() {
                    *first = rest;
                    *next
                } else if let Some((next, rest)) = second.split_first() {
                    *second = rest;
                    *next
                } else {
                    stack.pop();
                    continue;
                };
                let parent = *number;
                if let Some(number) = order.enter(next, parent) {
                    let (first, second) = successors(next);
                    stack.push((number, first, second));
                }
            }
        }
        order
    }

    fn enter(&mut self, node: I, parent: I) -> Option<I> {
        let number = self.numbers.get_mut(node.at()).filter(|n| **n == I::NONE)?;
        *number = I::of(self.nodes.len());
        self.nodes.push(node);
        self.parents.push(parent);
        Some(*number)
    }

    /// How many numbers there are, 0 included.
    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// The number of a node, if the roots lead to it.
    pub(super) fn number(&self, node: I) -> Option<I> {
        self.numbers
            .get(node.at())
            .copied()
            .filter(|number| *number != I::NONE)
    }

    /// Gives the numbers by node back: the nodes by number remain.
    pub(super) fn forget_numbers(&mut self) {
        self.numbers = Vec::new();
    }

    /// Whether a number was come to from another: its dominators follow from its parent without that edge.
    pub(super) fn is_parent(&self, parent: I, number: I) -> bool {
        self.parents.get(number.at()) == Some(&parent)
    }

    /// The nodes in preorder, from number 1 on.
    pub(super) fn nodes(&self) -> &[I] {
        self.nodes.get(1..).unwrap_or_default()
    }

    /// The node of a number; `None` for 0.
    pub(super) fn node(&self, number: I) -> Option<I> {
        self.nodes
            .get(number.at())
            .copied()
            .filter(|node| *node != I::NONE)
    }
}

/// The immediate dominator of each number of a preorder: 0 for what only the roots together dominate, and for 0 itself.
///
/// `predecessors` is in terms of these numbers, and may leave out the one that a number was come to from; `is_root` tells
/// whether the roots lead to a node directly. The parents are given back: of a large heap each such array takes 80 MB.
pub(super) fn immediate_dominators<I: Id>(
    order: &mut Preorder<I>,
    predecessors: Adjacency<I>,
    is_root: impl Fn(I) -> bool,
) -> Vec<I> {
    let len = order.parents.len();
    let semidominators = semidominators(order, &predecessors, |number| {
        order.node(number).is_some_and(&is_root)
    });
    drop(predecessors);
    let mut dominators = std::mem::take(&mut order.parents);
    // The nearest common ancestor of parent and semidominator: everything above is finished.
    for number in 1..len {
        let semidominator = semidominators.get(number).copied().unwrap_or(I::ZERO);
        let mut dominator = dominators.get(number).copied().unwrap_or(I::ZERO);
        while dominator > semidominator {
            dominator = dominators.get(dominator.at()).copied().unwrap_or(I::ZERO);
        }
        if let Some(place) = dominators.get_mut(number) {
            *place = dominator;
        }
    }
    dominators
}

/// The semidominator of each number: the least number from which a path leads to it over greater numbers only.
fn semidominators<I: Id>(
    order: &Preorder<I>,
    predecessors: &Adjacency<I>,
    is_root: impl Fn(I) -> bool,
) -> Vec<I> {
    let mut semidominators = order.parents.clone();
    let mut forest = Forest {
        ancestors: order.parents.clone(),
        labels: vec![I::ZERO; order.parents.len()],
        path: Vec::new(),
    };
    for index in (1..order.parents.len()).rev() {
        let number = I::of(index);
        let Some(semidominator) = semidominators.get_mut(index) else {
            break;
        };
        if is_root(number) {
            *semidominator = I::ZERO;
        }
        for predecessor in predecessors.of(index) {
            if *semidominator == I::ZERO {
                break;
            }
            *semidominator = forest.least(*predecessor, number).min(*semidominator);
        }
        // From now on the number is linked to its parent.
        if let Some(label) = forest.labels.get_mut(index) {
            *label = *semidominator;
        }
    }
    semidominators
}

/// The numbers that were worked on so far, each linked to its parent in the search; paths are shortened as they are used.
struct Forest<I> {
    ancestors: Vec<I>,
    /// The least semidominator on the part of the path that was cut out.
    labels: Vec<I>,
    path: Vec<I>,
}

impl<I: Id> Forest<I> {
    /// The least semidominator on the path from a number up to where it leaves the forest, whose numbers are those greater than
    /// `number`; the number itself if it is not in the forest.
    fn least(&mut self, from: I, number: I) -> I {
        if from <= number {
            return from;
        }
        let mut at = from;
        loop {
            let ancestor = self.ancestor(at);
            if ancestor <= number {
                break;
            }
            self.path.push(at);
            at = ancestor;
        }
        let (mut label, top) = (self.label(at), self.ancestor(at));
        while let Some(at) = self.path.pop() {
            label = label.min(self.label(at));
            if let Some(place) = self.labels.get_mut(at.at()) {
                *place = label;
            }
            if let Some(place) = self.ancestors.get_mut(at.at()) {
                *place = top;
            }
        }
        label
    }

    fn ancestor(&self, number: I) -> I {
        self.ancestors.get(number.at()).copied().unwrap_or(I::ZERO)
    }

    fn label(&self, number: I) -> I {
        self.labels.get(number.at()).copied().unwrap_or(I::ZERO)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// By node, the node that dominates it immediately: `None` for what is not reached, `Some(None)` for the roots.
    fn dominators<I: Id>(edges: &[Vec<usize>], roots: &[usize]) -> Vec<Option<Option<usize>>> {
        let of = |ids: &[usize]| ids.iter().copied().map(I::of).collect::<Vec<I>>();
        let edges: Vec<Vec<I>> = edges.iter().map(|targets| of(targets)).collect();
        let roots = of(roots);
        let mut order = Preorder::search(edges.len(), &roots, |node| {
            (edges[node.at()].as_slice(), &[])
        });
        let most = edges.iter().map(Vec::len).sum();
        let predecessors = Adjacency::reversed(order.len(), most, |edge| {
            for node in order.nodes() {
                for to in &edges[node.at()] {
                    let (from, to) = (order.number(*node).unwrap(), order.number(*to).unwrap());
                    if !order.is_parent(from, to) {
                        edge(from, to);
                    }
                }
            }
        });
        let found = immediate_dominators(&mut order, predecessors, |node| roots.contains(&node));
        (0..edges.len())
            .map(|node| {
                let number = order.number(I::of(node))?;
                Some(order.node(found[number.at()]).map(I::at))
            })
            .collect()
    }

    /// Which nodes the roots lead to when `without` is taken away.
    fn reached(edges: &[Vec<usize>], roots: &[usize], without: Option<usize>) -> Vec<bool> {
        let mut seen = vec![false; edges.len()];
        let mut queue = roots.to_vec();
        while let Some(node) = queue.pop() {
            if Some(node) != without && !std::mem::replace(&mut seen[node], true) {
                queue.extend(&edges[node]);
            }
        }
        seen
    }

    /// By the definition: whoever is cut off when a node is taken away is dominated by it.
    fn naive(edges: &[Vec<usize>], roots: &[usize]) -> Vec<Option<Option<usize>>> {
        let alive = reached(edges, roots, None);
        let cut: Vec<Vec<bool>> = (0..edges.len())
            .map(|node| reached(edges, roots, Some(node)))
            .collect();
        let dominates = |a: usize, b: usize| a != b && alive[a] && alive[b] && !cut[a][b];
        (0..edges.len())
            .map(|node| {
                alive[node].then(|| {
                    // The immediate one is dominated by all others.
                    (0..edges.len())
                        .filter(|other| dominates(*other, node))
                        .max_by_key(|other| {
                            (0..edges.len())
                                .filter(|above| dominates(*above, *other))
                                .count()
                        })
                })
            })
            .collect()
    }

    proptest! {
        #[test]
        fn agrees_with_the_definition(
            edges in (1_usize..14).prop_flat_map(|nodes| {
                let targets = prop::collection::vec(0..nodes, 0..4);
                prop::collection::vec(targets, nodes)
            }),
            seed in 0_usize..64,
        ) {
            let nodes = edges.len();
            let roots: Vec<usize> = (0..nodes).filter(|node| (seed >> (node % 6)) & 1 != 0).take(3).collect();
            let expected = naive(&edges, &roots);
            prop_assert_eq!(&dominators::<u32>(&edges, &roots), &expected);
            prop_assert_eq!(&dominators::<u64>(&edges, &roots), &expected);
        }
    }

    fn a_list_of_a_million_objects<I: Id>() {
        let nodes = 1_000_000;
        // Each refers to the next, to itself, and to the first.
        let edges: Vec<Vec<usize>> = (0..nodes)
            .map(|node| vec![(node + 1).min(nodes - 1), node, 0])
            .collect();
        let found = dominators::<I>(&edges, &[0]);
        assert_eq!(found[0], Some(None));
        assert!((1..nodes).all(|node| found[node] == Some(Some(node - 1))));
    }

    #[test]
    fn a_list_of_a_million_objects_is_no_deeper_than_one_of_ten() {
        a_list_of_a_million_objects::<u32>();
        a_list_of_a_million_objects::<u64>();
    }

    #[test]
    fn what_two_roots_share_neither_dominates() {
        let edges = [vec![2], vec![2], vec![3], vec![2], vec![0]];
        let expected = [Some(None), Some(None), Some(None), Some(Some(2)), None];
        assert_eq!(dominators::<u32>(&edges, &[0, 1]), expected);
        assert_eq!(dominators::<u64>(&edges, &[0, 1]), expected);
    }
}
