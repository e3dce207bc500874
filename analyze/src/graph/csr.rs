//! Adjacency lists, one after the other in one array.

use rayon::prelude::*;

use super::ids::{Either, Id, Numbers, Width};
use super::log::Log;
use crate::cache::{Coding, Reader, Writer};

/// For each node the nodes that it leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Adjacency<I> {
    /// Where each node's list begins, and after the last where it ends: there may be more edges than 32 bits can count, though not
    /// nodes.
    starts: Numbers,
    targets: Vec<I>,
}

impl<I> Default for Adjacency<I> {
    fn default() -> Self {
        Self {
            starts: Numbers::Narrow(vec![0]),
            targets: Vec::new(),
        }
    }
}

impl<I: Id> Adjacency<I> {
    /// From the lists of parts, each of which is given back as soon as it is copied.
    pub(super) fn from_parts(parts: Vec<Lists>) -> Self {
        let edges: usize = parts.iter().map(|part| part.edges).sum();
        let mut targets = vec![I::ZERO; edges];
        // As there are no more edges than that, no list begins later.
        let starts = match Width::of(edges) {
            Width::Narrow => Either::Narrow(gather(parts, &mut targets)),
            Width::Wide => Either::Wide(gather(parts, &mut targets)),
        };
        Self { starts, targets }
    }

    /// The nodes that lead to each of `nodes` nodes, for `for_each_edge` calling its argument with every edge, twice over. There are
    /// `most` edges at most.
    pub(super) fn reversed(
        nodes: usize,
        most: usize,
        for_each_edge: impl Fn(&mut dyn FnMut(I, I)),
    ) -> Self {
        Self::reversed_with(Width::of(most), nodes, for_each_edge)
    }

    fn reversed_with(
        starts: Width,
        nodes: usize,
        for_each_edge: impl Fn(&mut dyn FnMut(I, I)),
    ) -> Self {
        match starts {
            Width::Narrow => {
                let (starts, targets) = reverse(nodes, for_each_edge);
                Self {
                    starts: Either::Narrow(starts),
                    targets,
                }
            }
            Width::Wide => {
                let (starts, targets) = reverse(nodes, for_each_edge);
                Self {
                    starts: Either::Wide(starts),
                    targets,
                }
            }
        }
    }

    /// Puts other numbers in the place of all nodes that are led to, on all cores.
    pub(super) fn renumber(&mut self, number: impl Fn(I) -> I + Sync) {
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
    pub(super) fn of(&self, node: usize) -> &[I] {
        let start = |node| self.starts.get(node).unwrap_or(0);
        let range = start(node)..start(node + 1);
        self.targets.get(range).unwrap_or_default()
    }
}

/// Lists of some nodes in a row, while not all are known.
#[derive(Debug, Default)]
pub(super) struct Lists {
    nodes: usize,
    edges: usize,
    /// Number of the first node.
    first: usize,
    /// What many nodes lead to.
    common: Vec<usize>,
    /// For each node: which one of `common` it leads to first, from 1, or 0; how many others; and those.
    log: Log,
    /// Of the node at hand, and how many.
    others: Log,
    other_count: usize,
}

impl Lists {
    /// Whether no list has ended yet.
    pub(super) fn is_empty(&self) -> bool {
        self.nodes == 0
    }

    /// Says which number the first node has: nothing depends on it but how much memory is needed.
    pub(super) fn begin_at(&mut self, node: usize) {
        self.first = node;
    }

    /// The node at hand leads to another.
    pub(super) fn push(&mut self, target: usize) {
        self.others.push_near(target, self.node());
        self.other_count += 1;
    }

    fn node(&self) -> usize {
        self.first.wrapping_add(self.nodes)
    }

    /// Ends the list of the node at hand. In front of it stands `target`, if there is one, which is the same for all nodes with this `index`.
    pub(super) fn end(&mut self, common: Option<(usize, usize)>) {
        let mut edges = self.other_count;
        match common {
            Some((index, target)) => {
                if self.common.len() <= index {
                    self.common.resize(index + 1, 0);
                }
                if let Some(place) = self.common.get_mut(index) {
                    *place = target;
                }
                self.log.push(index + 1);
                edges += 1;
            }
            None => self.log.push(0),
        }
        self.log.push(self.other_count);
        self.log.append(&self.others);
        self.others.clear();
        self.other_count = 0;
        self.nodes += 1;
        self.edges += edges;
    }
}

/// Copies lists into `targets`, on all cores, and says where each begins, and after the last where it ends.
fn gather<S: Id, I: Id>(parts: Vec<Lists>, mut targets: &mut [I]) -> Vec<S> {
    let nodes: usize = parts.iter().map(|part| part.nodes).sum();
    let mut starts = vec![S::ZERO; nodes + 1];
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
        *end = S::of(edges);
    }
    tasks
        .into_par_iter()
        .for_each(|(part, before, starts, targets)| {
            let mut log = part.log.read();
            let mut at = 0;
            let mut put = |at: &mut usize, target| {
                if let Some(place) = targets.get_mut(*at) {
                    *place = I::of(target);
                }
                *at += 1;
            };
            for (node, place) in (0..).zip(starts) {
                *place = S::of(before + at);
                let common = log.number().checked_sub(1);
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

/// Where the list of each of `nodes` nodes begins, and after the last where it ends, and in the lists from where the nodes are led to.
fn reverse<S: Id, I: Id>(
    nodes: usize,
    for_each_edge: impl Fn(&mut dyn FnMut(I, I)),
) -> (Vec<S>, Vec<I>) {
    let mut all = vec![S::ZERO; nodes + 1];
    let mut targets = Vec::new();
    if let Some((last, starts)) = all.split_last_mut() {
        for_each_edge(&mut |_, to| {
            if let Some(length) = starts.get_mut(to.at()) {
                *length = S::of(length.at() + 1);
            }
        });
        // Each list is filled from its end; so its end becomes its start.
        let mut end = 0;
        for start in starts.iter_mut() {
            end += start.at();
            *start = S::of(end);
        }
        *last = S::of(end);
        targets = vec![I::ZERO; end];
        for_each_edge(&mut |from, to| {
            if let Some(start) = starts.get_mut(to.at())
                && let Some(place) = start.at().checked_sub(1)
                && let Some(target) = targets.get_mut(place)
            {
                *start = S::of(place);
                *target = from;
            }
        });
    }
    (all, targets)
}

impl<I: Id> Adjacency<I> {
    /// Writes all lists.
    pub(super) fn write(&self, to: &mut Writer) {
        let nodes = self.starts.len().saturating_sub(1);
        let lists = (0..nodes).map(|node| self.of(node));
        let length = |list: &[I]| u32::try_from(list.len()).unwrap_or(u32::MAX);
        let lengths: Vec<u32> = lists.clone().map(length).collect();
        to.narrow(&lengths, Coding::Plain);
        // Most nodes lead to neighbours of theirs.
        let distances: Vec<I> = (0..)
            .map(I::of)
            .zip(lists)
            .flat_map(|(node, list)| list.iter().map(move |target| target.minus(node)))
            .collect();
        to.column(&distances, Coding::Plain);
    }

    /// Reads what [`Self::write`] wrote of so many nodes.
    pub(super) fn read(from: &mut Reader<'_>, nodes: usize) -> Option<Self> {
        let lengths = from.narrow()?;
        let mut targets: Vec<I> = from.column()?;
        (lengths.len() == nodes).then_some(())?;
        let mut starts = Numbers::with_capacity(Width::of(targets.len()), nodes + 1);
        let mut rest = targets.as_mut_slice();
        let mut end = 0;
        starts.push(0);
        for (node, length) in (0..).map(I::of).zip(lengths) {
            let (list, after) = rest.split_at_mut_checked(length as usize)?;
            for target in list {
                *target = target.plus(node);
            }
            rest = after;
            end += length as usize;
            starts.push(end);
        }
        rest.is_empty().then_some(Self { starts, targets })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lists_are_kept_apart_and_can_be_reversed<I: Id>() {
        type List<'a> = (Option<(usize, usize)>, &'a [usize]);
        let lists = |first, lists: &[List<'_>]| {
            let mut part = Lists::default();
            part.begin_at(first);
            for (common, others) in lists {
                others.iter().for_each(|target| part.push(*target));
                part.end(*common);
            }
            part
        };
        let of = |ids: &[usize]| ids.iter().copied().map(I::of).collect::<Vec<_>>();
        let adjacency: Adjacency<I> = Adjacency::from_parts(vec![
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
        let expected: [&[usize]; 5] = [&[1, 2], &[], &[0], &[2], &[]];
        assert_eq!(lists, expected.map(of));
        for starts in [Width::Narrow, Width::Wide] {
            let reversed = Adjacency::reversed_with(starts, 4, |edge| {
                for from in 0..4 {
                    for to in adjacency.of(from) {
                        edge(I::of(from), *to);
                    }
                }
                // To a node that is none.
                edge(I::ZERO, I::of(4));
            });
            let mut lists: Vec<_> = (0..5).map(|node| reversed.of(node).to_vec()).collect();
            lists.iter_mut().for_each(|list| list.sort_unstable());
            let expected: [&[usize]; 5] = [&[2], &[0], &[0, 3], &[], &[]];
            assert_eq!(lists, expected.map(of));
        }
    }

    #[test]
    fn narrow_lists_are_kept_apart_and_can_be_reversed() {
        lists_are_kept_apart_and_can_be_reversed::<u32>();
    }

    #[test]
    fn wide_lists_are_kept_apart_and_can_be_reversed() {
        lists_are_kept_apart_and_can_be_reversed::<u64>();
    }

    #[test]
    fn wide_numbers_keep_all_their_bits() {
        let far = [1 << 32, (1 << 40) + 7, u32::MAX as usize];
        let mut lists = Lists::default();
        lists.begin_at(0);
        lists.push(far[0]);
        lists.push(far[1]);
        lists.end(Some((5, far[2])));
        lists.push(far[1]);
        lists.end(None);
        let adjacency: Adjacency<u64> = Adjacency::from_parts(vec![lists]);
        let [first, second, third] = far.map(|id| id as u64);
        let check = |adjacency: &Adjacency<u64>| {
            assert_eq!(adjacency.of(0), [third, first, second]);
            assert_eq!(adjacency.of(1), [second]);
        };
        check(&adjacency);
        let mut writer = Writer::default();
        adjacency.write(&mut writer);
        let bytes = writer.finish();
        check(&Adjacency::read(&mut Reader::new(&bytes), 2).unwrap());
        let reversed = Adjacency::reversed(1, 2, |edge| {
            edge(second, 0);
            // Its lower half is a node, but it is none.
            edge(third, first);
        });
        assert_eq!(reversed.of(0), [second]);
    }
}
