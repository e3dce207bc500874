//! Adjacency lists, one after the other in one array.

use rayon::prelude::*;

use super::log::Log;
use crate::cache::{Coding, Reader, Writer};

/// For each node the nodes that it leads to.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Adjacency {
    /// Where each node's list begins, and after the last where it ends.
    starts: Starts,
    targets: Vec<u32>,
}

/// 32 bits while they are enough: there may be more edges than 32 bits can count, though not nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Starts {
    Narrow(Vec<u32>),
    Wide(Vec<u64>),
}

impl Default for Starts {
    fn default() -> Self {
        Self::Narrow(vec![0])
    }
}

impl Adjacency {
    /// From the lists of parts, each of which is given back as soon as it is copied.
    pub(super) fn from_parts(parts: Vec<Lists>) -> Self {
        let nodes: usize = parts.iter().map(|part| part.nodes).sum();
        let edges: usize = parts.iter().map(|part| part.edges).sum();
        let mut targets = vec![0; edges];
        let starts = match u32::try_from(edges) {
            // As there are no more edges than that, no list begins later.
            Ok(_) => Starts::Narrow(gather(parts, nodes, &mut targets, |start| start as u32)),
            Err(_) => Starts::Wide(gather(parts, nodes, &mut targets, |start| start as u64)),
        };
        Self { starts, targets }
    }

    /// The nodes that lead to each of `nodes` nodes, for `for_each_edge` calling its argument with every edge, twice over.
    pub(super) fn reversed(nodes: usize, for_each_edge: impl Fn(&mut dyn FnMut(u32, u32))) -> Self {
        let mut lengths = vec![0_u32; nodes];
        let mut edges = 0_u64;
        for_each_edge(&mut |_, to| {
            if let Some(length) = lengths.get_mut(to as usize) {
                *length += 1;
                edges += 1;
            }
        });
        // Each list is filled from its end; so its end becomes its start.
        let mut starts = Starts::with_capacity(nodes + 1, edges);
        let mut end = 0;
        for length in lengths {
            end += u64::from(length);
            starts.push(end);
        }
        starts.push(end);
        let mut targets = vec![0; usize::try_from(edges).unwrap_or(0)];
        for_each_edge(&mut |from, to| {
            if let Some(place) = starts.decrement(to as usize)
                && let Some(target) = targets.get_mut(place)
            {
                *target = from;
            }
        });
        Self { starts, targets }
    }

    /// Puts other numbers in the place of all nodes that are led to, on all cores.
    pub(super) fn renumber(&mut self, number: impl Fn(u32) -> u32 + Sync) {
        self.targets
            .par_iter_mut()
            .for_each(|target| *target = number(*target));
    }

    /// Number of nodes.
    #[cfg(test)]
    pub(super) fn nodes(&self) -> usize {
        self.starts.len().saturating_sub(1)
    }

    /// Number of edges.
    pub(super) fn edges(&self) -> usize {
        self.targets.len()
    }

    /// What a node leads to.
    pub(super) fn of(&self, node: u32) -> &[u32] {
        let range = self.starts.get(node as usize)..self.starts.get(node as usize + 1);
        self.targets.get(range).unwrap_or_default()
    }
}

/// Lists of some nodes in a row, while not all are known.
#[derive(Debug, Default)]
pub(super) struct Lists {
    nodes: usize,
    edges: usize,
    /// Number of the first node.
    first: u32,
    /// What many nodes lead to.
    common: Vec<u32>,
    /// For each node: which one of `common` it leads to first, from 1, or 0; how many others; and those.
    log: Log,
    /// Of the node at hand, and how many.
    others: Log,
    other_count: u32,
}

impl Lists {
    /// Whether no list has ended yet.
    pub(super) fn is_empty(&self) -> bool {
        self.nodes == 0
    }

    /// Says which number the first node has: nothing depends on it but how much memory is needed.
    pub(super) fn begin_at(&mut self, node: u32) {
        self.first = node;
    }

    /// The node at hand leads to another.
    pub(super) fn push(&mut self, target: u32) {
        self.others.push_near(target, self.node());
        self.other_count += 1;
    }

    fn node(&self) -> u32 {
        self.first.wrapping_add(self.nodes as u32)
    }

    /// Ends the list of the node at hand. In front of it stands `target`, if there is one, which is the same for all nodes with this `index`.
    pub(super) fn end(&mut self, common: Option<(usize, u32)>) {
        let mut edges = self.other_count;
        match common {
            Some((index, target)) => {
                if self.common.len() <= index {
                    self.common.resize(index + 1, 0);
                }
                if let Some(place) = self.common.get_mut(index) {
                    *place = target;
                }
                self.log.push(index as u32 + 1);
                edges += 1;
            }
            None => self.log.push(0),
        }
        self.log.push(self.other_count);
        self.log.append(&self.others);
        self.others.clear();
        self.other_count = 0;
        self.nodes += 1;
        self.edges += edges as usize;
    }
}

/// Copies lists into `targets`, on all cores, and says where each begins, and after the last where it ends.
fn gather<T: Copy + Default + Send>(
    parts: Vec<Lists>,
    nodes: usize,
    mut targets: &mut [u32],
    start: impl Fn(usize) -> T + Sync,
) -> Vec<T> {
    let mut starts = vec![T::default(); nodes + 1];
    let mut rest = starts.as_mut_slice();
    let mut edges = 0;
    let mut tasks = Vec::with_capacity(parts.len());
    for part in parts {
        let (starts_of, starts_after) = rest.split_at_mut(part.nodes.min(rest.len()));
        let (targets_of, targets_after) = targets.split_at_mut(part.edges.min(targets.len()));
        (rest, targets) = (starts_after, targets_after);
        let before = edges;
        edges += part.edges;
        tasks.push((part, before, starts_of, targets_of));
    }
    if let Some(end) = rest.first_mut() {
        *end = start(edges);
    }
    tasks
        .into_par_iter()
        .for_each(|(part, before, starts, targets)| {
            let mut log = part.log.read();
            let mut at = 0;
            let mut put = |at: &mut usize, target| {
                if let Some(place) = targets.get_mut(*at) {
                    *place = target;
                }
                *at += 1;
            };
            for (node, place) in (0..).zip(starts) {
                *place = start(before + at);
                let common = (log.number() as usize).checked_sub(1);
                if let Some(target) = common.and_then(|index| part.common.get(index)) {
                    put(&mut at, *target);
                }
                for _ in 0..log.number() {
                    put(&mut at, log.near(part.first.wrapping_add(node)));
                }
            }
        });
    starts
}

impl Adjacency {
    /// Writes all lists.
    pub(super) fn write(&self, to: &mut Writer) {
        let nodes = self.starts.len().saturating_sub(1);
        let lists = (0..nodes as u32).map(|node| self.of(node));
        let lengths: Vec<u32> = lists.clone().map(|list| list.len() as u32).collect();
        to.narrow(&lengths, Coding::Plain);
        // Most nodes lead to neighbours of theirs.
        let distances: Vec<u32> = (0_u32..)
            .zip(lists)
            .flat_map(|(node, list)| list.iter().map(move |target| target.wrapping_sub(node)))
            .collect();
        to.narrow(&distances, Coding::Plain);
    }

    /// Reads what [`Self::write`] wrote of so many nodes.
    pub(super) fn read(from: &mut Reader<'_>, nodes: usize) -> Option<Self> {
        let lengths = from.narrow()?;
        let mut targets = from.narrow()?;
        let mut starts = Starts::with_capacity(nodes + 1, targets.len() as u64);
        let mut rest = targets.as_mut_slice();
        let mut end = 0;
        starts.push(0);
        for (node, length) in (0_u32..).zip(&lengths) {
            let (list, after) = rest.split_at_mut_checked(*length as usize)?;
            for target in list {
                *target = target.wrapping_add(node);
            }
            rest = after;
            end += u64::from(*length);
            starts.push(end);
        }
        (lengths.len() == nodes && rest.is_empty()).then_some(Self { starts, targets })
    }
}

impl Starts {
    fn len(&self) -> usize {
        match self {
            Self::Narrow(starts) => starts.len(),
            Self::Wide(starts) => starts.len(),
        }
    }

    fn with_capacity(nodes: usize, edges: u64) -> Self {
        if u32::try_from(edges).is_ok() {
            Self::Narrow(Vec::with_capacity(nodes))
        } else {
            Self::Wide(Vec::with_capacity(nodes))
        }
    }

    fn push(&mut self, start: u64) {
        match self {
            // The capacity was chosen by the greatest.
            Self::Narrow(starts) => starts.push(start as u32),
            Self::Wide(starts) => starts.push(start),
        }
    }

    fn get(&self, node: usize) -> usize {
        match self {
            Self::Narrow(starts) => starts.get(node).map_or(0, |start| *start as usize),
            Self::Wide(starts) => starts.get(node).map_or(0, |start| *start as usize),
        }
    }

    fn decrement(&mut self, node: usize) -> Option<usize> {
        match self {
            Self::Narrow(starts) => {
                let start = starts.get_mut(node)?;
                *start = start.checked_sub(1)?;
                Some(*start as usize)
            }
            Self::Wide(starts) => {
                let start = starts.get_mut(node)?;
                *start = start.checked_sub(1)?;
                usize::try_from(*start).ok()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_kept_apart_and_can_be_reversed() {
        type List<'a> = (Option<(usize, u32)>, &'a [u32]);
        let lists = |first, lists: &[List<'_>]| {
            let mut part = Lists::default();
            part.begin_at(first);
            for (common, others) in lists {
                others.iter().for_each(|target| part.push(*target));
                part.end(*common);
            }
            part
        };
        let adjacency = Adjacency::from_parts(vec![
            lists(0, &[(Some((3, 1)), &[2]), (None, &[])]),
            lists(2, &[]),
            // What is told of the first node may be wrong.
            lists(77, &[(Some((0, 0)), &[]), (None, &[2])]),
        ]);
        assert_eq!((adjacency.nodes(), adjacency.edges()), (4, 4));
        let mut writer = Writer::default();
        adjacency.write(&mut writer);
        let bytes = writer.finish();
        let read = |nodes| Adjacency::read(&mut Reader::new(&bytes), nodes);
        assert_eq!(read(4).as_ref(), Some(&adjacency));
        assert_eq!(read(5), None);
        let lists: Vec<_> = (0..5).map(|node| adjacency.of(node).to_vec()).collect();
        assert_eq!(lists, [vec![1, 2], vec![], vec![0], vec![2], vec![]]);
        let reversed = Adjacency::reversed(4, |edge| {
            for from in 0..4 {
                for to in adjacency.of(from) {
                    edge(from, *to);
                }
            }
        });
        let mut lists: Vec<_> = (0..4).map(|node| reversed.of(node).to_vec()).collect();
        lists.iter_mut().for_each(|list| list.sort_unstable());
        assert_eq!(lists, [vec![2], vec![0], vec![0, 3], vec![]]);
    }
}
