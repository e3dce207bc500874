//! The graph and what follows from it as columns of a cache: a small interface, so that what is kept in memory may change.

use std::ops::Range;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::bits::BitSet;
use super::csr::Adjacency;
use super::ids::{Either, Numbers, Width, either};
use super::index::ObjectIndex;
use super::tree::Parent;
use super::{DominatorTree, Ephemeron, Graph, Nodes, Paths, RootKind};
use crate::cache::{Coding, Reader, Stored, Writer};
use crate::heap::{read_coverage, write_coverage};
use crate::v8::Address;

/// All kinds of roots, by their numbers in a cache.
const ROOT_KINDS: [RootKind; RootKind::ReadOnly as usize + 1] = [
    RootKind::Global,
    RootKind::GlobalHandle,
    RootKind::Stack,
    RootKind::HandleScope,
    RootKind::EternalHandle,
    RootKind::Microtask,
    RootKind::Cache,
    RootKind::Isolate,
    RootKind::ReadOnly,
];
/// What does not fit into 32 bits is in a column of its own.
const ELSEWHERE: u32 = u32::MAX;

fn write_addresses(addresses: impl Iterator<Item = Address>, to: &mut Writer) {
    let mut addresses: Vec<u64> = addresses.map(|address| address.0).collect();
    addresses.sort_unstable();
    to.wide(&addresses, Coding::Delta);
}

fn read_addresses<C: FromIterator<Address>>(from: &mut Reader<'_>) -> Option<C> {
    Some(from.wide()?.into_iter().map(Address).collect())
}

fn write_texts(texts: &[String], to: &mut Writer) {
    to.number(texts.len() as u64);
    for text in texts {
        to.text(text);
    }
}

fn read_texts(from: &mut Reader<'_>) -> Option<Vec<String>> {
    let count = from.number()?;
    (0..count).map(|_| from.text()).collect()
}

/// Numbers of few objects: these are wide, whatever the graph's are, and packed it makes no difference.
fn write_ids(ids: impl Iterator<Item = usize>, to: &mut Writer) {
    let ids: Vec<u64> = ids.map(|id| id as u64).collect();
    to.wide(&ids, Coding::Delta);
}

fn read_ids(from: &mut Reader<'_>) -> Option<Vec<usize>> {
    let ids = from.wide()?.into_iter();
    ids.map(|id| usize::try_from(id).ok()).collect()
}

fn write_roots(roots: &[(usize, RootKind)], to: &mut Writer) {
    let kinds: Vec<u32> = roots.iter().map(|(_, kind)| *kind as u32).collect();
    write_ids(roots.iter().map(|(id, _)| *id), to);
    to.narrow(&kinds, Coding::Plain);
}

fn read_roots(from: &mut Reader<'_>) -> Option<Vec<(usize, RootKind)>> {
    let (ids, kinds) = (read_ids(from)?, from.narrow()?);
    (ids.len() == kinds.len()).then_some(())?;
    ids.into_iter()
        .zip(kinds)
        .map(|(id, kind)| Some((id, *ROOT_KINDS.get(kind as usize)?)))
        .collect()
}

impl Stored for Nodes {
    const KIND: u32 = 22;
    type Context = ();

    fn write(&self, to: &mut Writer) {
        to.number(u64::from(self.width == Width::Wide));
        self.index.write(to);
        to.narrow(&self.sizes, Coding::Plain);
        to.narrow(&self.maps, Coding::Plain);
        let maps: Vec<u64> = self.map_addresses.iter().map(|map| map.0).collect();
        to.wide(&maps, Coding::Delta);
        write_coverage(&self.coverage, to);
        write_addresses(self.weak_tables.iter().copied(), to);
        write_addresses(self.transitions.iter().copied(), to);
        let immortal = self.immortal.iter();
        write_ids(immortal.flat_map(|Range { start, end }| [*start, *end]), to);
    }

    fn read(from: &mut Reader<'_>, (): ()) -> Option<Self> {
        let width = match from.number()? {
            0 => Width::Narrow,
            1 => Width::Wide,
            _ => return None,
        };
        let index = ObjectIndex::read(from, width)?;
        let (sizes, maps) = (from.narrow()?, from.narrow()?);
        let map_addresses: Vec<Address> = read_addresses(from)?;
        (sizes.len() == index.len() && maps.len() == index.len()).then_some(())?;
        let coverage = read_coverage(from)?;
        let (weak_tables, transitions) = (read_addresses(from)?, read_addresses(from)?);
        let ends = read_ids(from)?;
        let (ends, rest) = ends.as_chunks::<2>();
        rest.is_empty().then_some(())?;
        Some(Self {
            width,
            index,
            sizes,
            maps,
            map_addresses,
            coverage,
            weak_tables,
            transitions,
            immortal: ends.iter().map(|[start, end]| *start..*end).collect(),
        })
    }
}

impl Stored for DominatorTree {
    const KIND: u32 = 23;
    type Context = Arc<Nodes>;

    fn write(&self, to: &mut Writer) {
        self.parents.write(to, Coding::Nearby);
        // Most objects retain nothing but themselves.
        let mut large = Vec::new();
        let more: Vec<u32> = (0..)
            .zip(&self.retained)
            .map(|(id, retained)| {
                let more = retained.saturating_sub(self.nodes.size(id));
                let words = u32::try_from(more / 8).ok();
                words.filter(|words| *words < ELSEWHERE).unwrap_or_else(|| {
                    large.push(more);
                    ELSEWHERE
                })
            })
            .collect();
        to.narrow(&more, Coding::Plain);
        to.wide(&large, Coding::Plain);
        write_texts(&self.missing_roots, to);
    }

    fn read(from: &mut Reader<'_>, nodes: Arc<Nodes>) -> Option<Self> {
        let (parents, more) = (Numbers::read(from, nodes.width)?, from.narrow()?);
        (parents.len() == nodes.len() && more.len() == nodes.len()).then_some(())?;
        let mut large = from.wide()?.into_iter();
        let mut tree = Self {
            nodes,
            parents,
            retained: Vec::with_capacity(more.len()),
            missing_roots: Vec::new(),
        };
        for (id, more) in more.into_iter().enumerate() {
            let more = match more {
                ELSEWHERE => large.next()?,
                words => u64::from(words) * 8,
            };
            tree.retained.push(match tree.parent(id) {
                Parent::Dead => 0,
                _ => tree.nodes.size(id).checked_add(more)?,
            });
        }
        tree.missing_roots = read_texts(from)?;
        Some(tree)
    }
}

impl Stored for Paths {
    const KIND: u32 = 24;
    type Context = Arc<Nodes>;

    fn write(&self, to: &mut Writer) {
        self.previous.write(to, Coding::Nearby);
        let mut roots: Vec<(usize, RootKind)> =
            self.roots.iter().map(|(id, kind)| (*id, *kind)).collect();
        roots.sort_unstable();
        write_roots(&roots, to);
        write_texts(&self.missing_roots, to);
    }

    fn read(from: &mut Reader<'_>, nodes: Arc<Nodes>) -> Option<Self> {
        let previous = Numbers::read(from, nodes.width)?;
        (previous.len() == nodes.len()).then_some(())?;
        let roots: FxHashMap<usize, RootKind> = read_roots(from)?.into_iter().collect();
        Some(Self {
            nodes,
            previous,
            roots,
            missing_roots: read_texts(from)?,
        })
    }
}

impl Stored for Graph {
    const KIND: u32 = 25;
    type Context = Arc<Nodes>;

    fn write(&self, to: &mut Writer) {
        either!(&self.edges, edges => edges.write(to));
        write_roots(&self.roots, to);
        write_texts(&self.missing_roots, to);
        for part in [
            |held: &Ephemeron| held.key,
            |held: &Ephemeron| held.value,
            |held: &Ephemeron| held.table,
        ] {
            write_ids(self.ephemerons.iter().map(part), to);
        }
        to.wide(&self.as_store.words(), Coding::Plain);
        to.wide(&self.otherwise.words(), Coding::Plain);
        let bytes: Vec<u64> = self.outside.iter().map(|(_, bytes)| *bytes).collect();
        write_ids(self.outside.iter().map(|(id, _)| *id), to);
        to.wide(&bytes, Coding::Plain);
    }

    fn read(from: &mut Reader<'_>, nodes: Arc<Nodes>) -> Option<Self> {
        let edges = match nodes.width {
            Width::Narrow => Either::Narrow(Adjacency::read(from, nodes.len())?),
            Width::Wide => Either::Wide(Adjacency::read(from, nodes.len())?),
        };
        let roots = read_roots(from)?;
        let missing_roots = read_texts(from)?;
        let (keys, values, tables) = (read_ids(from)?, read_ids(from)?, read_ids(from)?);
        (keys.len() == values.len() && keys.len() == tables.len()).then_some(())?;
        let ephemerons = keys
            .into_iter()
            .zip(values)
            .zip(tables)
            .map(|((key, value), table)| Ephemeron { key, value, table })
            .collect();
        let as_store = BitSet::of_words(from.wide()?, nodes.len())?;
        let otherwise = BitSet::of_words(from.wide()?, nodes.len())?;
        let (ids, bytes) = (read_ids(from)?, from.wide()?);
        (ids.len() == bytes.len()).then_some(())?;
        Some(Self {
            edges,
            roots,
            missing_roots,
            ephemerons,
            as_store,
            otherwise,
            outside: ids.into_iter().zip(bytes).collect(),
            nodes,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_root_comes_back() {
        let roots: Vec<_> = (7..).zip(ROOT_KINDS).collect();
        let mut writer = Writer::default();
        write_roots(&roots, &mut writer);
        let bytes = writer.finish();
        assert_eq!(read_roots(&mut Reader::new(&bytes)), Some(roots));
        let numbers = ROOT_KINDS.map(|kind| kind as usize);
        assert!(numbers.into_iter().eq(0..ROOT_KINDS.len()));
    }
}
