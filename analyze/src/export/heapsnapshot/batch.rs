//! Some objects in a row, as nodes and edges: made on all cores, then given their numbers one batch after the other, then
//! turned into text on all cores again. So the file is the same however many cores there are.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::json::{NUMBERS_PER_NODE, edge_kind_number, push_numbers};
use super::node::{Namer, NodeName, NodeType};
use super::plan::Plan;
use super::recent::{OwnMaps, RecentPlaces};
use super::release::outside_bytes;
use super::strings::{Fingerprint, fingerprint};
use crate::graph::{EdgeKind, EdgeName, EdgeReader, Ephemeron, Strength, Target};
use crate::v8::Address;

/// What a batch says of one object.
#[derive(Debug)]
struct Node {
    node_type: NodeType,
    /// Place among the batch's names.
    name: u32,
    id: u64,
    bytes: u64,
    edges: u64,
    address: u64,
}

/// A reference.
#[derive(Debug)]
struct Link {
    kind: EdgeKind,
    name: LinkName,
    to: To,
}

#[derive(Debug, Clone, Copy)]
enum LinkName {
    /// Place among the batch's names.
    Name(u32),
    Index(u64),
}

/// Where a reference leads to.
#[derive(Debug, Clone, Copy)]
pub(super) enum To {
    /// A node by its place in the file.
    Node(u64),
    /// Memory outside of the heap, for which there may be no node yet.
    Native { address: u64, bytes: u64 },
}

/// Who writes batches, one after the other, and remembers names and shapes from one to the next.
pub(super) struct Scribe<'a> {
    namer: Namer<'a>,
    reader: EdgeReader<'a>,
    maps: OwnMaps<'a>,
    places: RecentPlaces,
}

impl<'a> Scribe<'a> {
    pub(super) fn new(plan: &Plan<'a>) -> Self {
        Self {
            namer: Namer::new(plan.objects, plan.max_string),
            reader: EdgeReader::new(plan.objects, plan.references),
            maps: OwnMaps::new(plan.objects),
            places: RecentPlaces::default(),
        }
    }
}

/// Some objects in a row.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// What the objects and references are called, each once.
    names: Vec<Arc<str>>,
    /// Of each name.
    fingerprints: Vec<Fingerprint>,
    places: FxHashMap<Arc<str>, u32>,
    /// Names that are numbers.
    numbers: FxHashMap<u64, u32>,
    nodes: Vec<Node>,
    links: Vec<Link>,
}

/// The text of a batch.
#[derive(Debug)]
pub(super) struct Text {
    pub(super) nodes: Vec<u8>,
    pub(super) edges: Vec<u8>,
}

impl Batch {
    /// The nodes and references of the objects with these numbers.
    pub(super) fn of<'a>(plan: &Plan<'a>, scribe: &mut Scribe<'a>, objects: &[u32]) -> Self {
        let mut batch = Self::default();
        let Some(first) = objects.first() else {
            return batch;
        };
        let mut wanted = objects.iter().copied().peekable();
        for (id, address) in (*first..).zip(plan.nodes.addresses_from(*first)) {
            if wanted.next_if_eq(&id).is_some() {
                batch.object(plan, scribe, id, address);
            }
            if wanted.peek().is_none() {
                break;
            }
        }
        batch.seal();
        batch
    }

    /// Ends the batch: no more names come.
    pub(super) fn seal(&mut self) {
        self.places = FxHashMap::default();
        self.numbers = FxHashMap::default();
        self.fingerprints = self.names.iter().map(|name| fingerprint(name)).collect();
    }

    fn object(&mut self, plan: &Plan<'_>, scribe: &mut Scribe<'_>, id: u32, address: Address) {
        let Some(map) = scribe.maps.of(address) else {
            return;
        };
        let Scribe {
            namer,
            reader,
            places,
            ..
        } = scribe;
        let (node_type, name) = namer.describe(address, &map);
        let name = match name {
            NodeName::Shared(name) => self.name(&name),
            NodeName::Own(name) => self.name_text(&name),
        };
        let before = self.links.len();
        let edges = reader.edges_unchecked(address, &map);
        for edge in &edges.list {
            let to = match edge.target {
                // The values of weak collections have edges from their keys, too: see below.
                Target::Object(_) if matches!(edge.strength, Strength::Ephemeron { .. }) => None,
                Target::Object(target) => places.get(target, || plan.place(target)).map(To::Node),
                Target::Native { address, bytes } => Some(To::Native { address, bytes }),
            };
            if let Some(to) = to {
                self.link(edge.kind, &edge.name, to);
            }
        }
        reader.take_back(edges);
        if plan.is_paired(id) {
            for pair in plan.pairs_of_key(id).iter().chain(plan.pairs_of_table(id)) {
                self.pair(plan, namer, pair, before);
            }
        }
        for dominated in plan.dominated(Some(id)) {
            if let Some(place) = plan.place_of(*dominated) {
                self.link(
                    EdgeKind::Internal,
                    &"by way of what is left out".into(),
                    To::Node(place),
                );
            }
        }
        let outside = match node_type {
            NodeType::String => outside_bytes(plan.objects, address, map.instance_type),
            _ => 0,
        };
        self.nodes.push(Node {
            node_type,
            name,
            id: plan.id(address, id),
            bytes: plan.bytes(id).saturating_add(outside),
            edges: (self.links.len() - before) as u64,
            address: address.tagged().0,
        });
    }

    /// A pair of a weak collection: its value has an edge from the key and one from the table, under a name by which readers
    /// see that the two belong together.
    fn pair(
        &mut self,
        plan: &Plan<'_>,
        namer: &mut Namer<'_>,
        pair: &Ephemeron,
        first_link: usize,
    ) {
        let mut node = |id: u32| {
            let address = plan.nodes.address(id)?;
            let map = plan.objects.map_of(address).ok()?;
            let (_, name) = namer.describe(address, &map);
            Some((name, plan.id(address, id)))
        };
        if let Some((key, key_id)) = node(pair.key)
            && let Some((value, value_id)) = node(pair.value)
            && let Some((_, table_id)) = node(pair.table)
            && let Some(place) = plan.place_of(pair.value)
        {
            let index = self.links.len() - first_link + 1;
            let name = format!(
                "{index} / part of key ({} @{key_id}) -> value ({} @{value_id}) pair in WeakMap (table @{table_id})",
                key.as_str(),
                value.as_str()
            );
            self.link(EdgeKind::Internal, &EdgeName::from(name), To::Node(place));
        }
    }

    /// Adds a node that stands for no object, with edges to others.
    pub(super) fn synthetic(
        &mut self,
        name: &str,
        id: u64,
        bytes: u64,
        links: Vec<(EdgeKind, EdgeName, u64)>,
    ) {
        let name = self.name_text(name);
        self.nodes.push(Node {
            node_type: NodeType::Synthetic,
            name,
            id,
            bytes,
            edges: links.len() as u64,
            address: 0,
        });
        for (kind, name, to) in links {
            self.link(kind, &name, To::Node(to));
        }
    }

    /// Adds a node for memory outside of the heap.
    pub(super) fn native(&mut self, id: u64, address: u64, bytes: u64) {
        let name = self.name_text("system / JSArrayBufferData");
        self.nodes.push(Node {
            node_type: NodeType::Native,
            name,
            id,
            bytes,
            edges: 0,
            address,
        });
    }

    fn link(&mut self, kind: EdgeKind, name: &EdgeName, to: To) {
        // Elements and hidden links have numbers, all others have names, in which readers look for numbers in vain.
        let name = match (kind, name) {
            (EdgeKind::Element | EdgeKind::Hidden, EdgeName::Index(index)) => {
                LinkName::Index(*index)
            }
            (_, EdgeName::Index(index)) => LinkName::Name(self.name_number(*index)),
            (_, EdgeName::Name(name)) => LinkName::Name(self.name_text(name)),
        };
        let kind = match (kind, name) {
            (EdgeKind::Element | EdgeKind::Hidden, LinkName::Name(_)) => EdgeKind::Internal,
            (kind, _) => kind,
        };
        self.links.push(Link { kind, name, to });
    }

    fn name(&mut self, name: &Arc<str>) -> u32 {
        if let Some(place) = self.places.get(name) {
            return *place;
        }
        let place = self.names.len() as u32;
        self.names.push(Arc::clone(name));
        self.places.insert(Arc::clone(name), place);
        place
    }

    fn name_text(&mut self, name: &str) -> u32 {
        match self.places.get(name) {
            Some(place) => *place,
            None => self.name(&Arc::from(name)),
        }
    }

    fn name_number(&mut self, number: u64) -> u32 {
        if let Some(place) = self.numbers.get(&number) {
            return *place;
        }
        let place = self.name_text(itoa::Buffer::new().format(number));
        self.numbers.insert(number, place);
        place
    }

    /// What the batch's objects and references are called, once it is sealed.
    pub(super) fn names(&self) -> impl Iterator<Item = (&str, Fingerprint)> {
        let names = self.names.iter().map(|name| &**name);
        names.zip(self.fingerprints.iter().copied())
    }

    /// The memory outside of the heap that is referred to, in order.
    pub(super) fn natives_mut(&mut self) -> impl Iterator<Item = &mut To> {
        let places = self.links.iter_mut().map(|link| &mut link.to);
        places.filter(|to| matches!(to, To::Native { .. }))
    }

    pub(super) fn node_count(&self) -> u64 {
        self.nodes.len() as u64
    }

    pub(super) fn edge_count(&self) -> u64 {
        self.links.len() as u64
    }

    /// The text, for `names` saying the number of each name in the table of strings.
    pub(super) fn text(&self, names: &[u32], is_first: bool) -> Text {
        let number = |name: u32| names.get(name as usize).copied().map_or(0, u64::from);
        let mut text = Text {
            nodes: Vec::with_capacity(self.nodes.len() * 40),
            edges: Vec::with_capacity(self.links.len() * 20),
        };
        for node in &self.nodes {
            let numbers: [u64; NUMBERS_PER_NODE as usize] = [
                node.node_type as u64,
                number(node.name),
                node.id,
                node.bytes,
                node.edges,
                0,
                0,
                node.address,
            ];
            let is_first = is_first && text.nodes.is_empty();
            push_numbers(&mut text.nodes, is_first, &numbers);
        }
        for link in &self.links {
            let name = match link.name {
                LinkName::Name(name) => number(name),
                LinkName::Index(index) => index,
            };
            let to = match link.to {
                To::Node(place) => place * NUMBERS_PER_NODE,
                To::Native { .. } => 0,
            };
            let numbers = [edge_kind_number(link.kind), name, to];
            let is_first = is_first && text.edges.is_empty();
            push_numbers(&mut text.edges, is_first, &numbers);
        }
        text
    }
}
