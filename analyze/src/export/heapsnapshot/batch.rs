//! Some objects in a row, as nodes and edges: made on all cores, then given their numbers one batch after the other, then
//! turned into text on all cores again. So the file is the same however many cores there are.

use std::io;

use super::edges::{Edge, PackedEdges};
use super::json::{Lines, NUMBERS_PER_NODE, edge_kind_number};
use super::names::{Name, Names};
use super::node::{Namer, NodeName, NodeType};
use super::plan::Plan;
use super::recent::{OwnMaps, RecentNames, RecentPlaces};
use super::release::outside_bytes;
use super::strings::Strings;
use crate::graph::{EdgeKind, EdgeName, EdgeReader, Ephemeron, Strength, Target};
use crate::v8::Address;

/// The room for more references than these is not kept: a single array may have as many.
const MOST_LINKS: usize = 1 << 18;

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

/// A reference. There are so many that their size shows.
#[derive(Debug)]
struct Link {
    /// The kind's number, whether the name is text, and then the name: its place among the batch's names, or a number.
    name: u64,
    /// The target by its place in the file.
    to: u64,
}

impl Link {
    const KIND: u64 = 7;
    const IS_TEXT: u64 = 8;
    const NAME_SHIFT: u32 = 4;

    fn new(kind: EdgeKind, is_text: bool, name: u64, to: u64) -> Self {
        let is_text = if is_text { Self::IS_TEXT } else { 0 };
        Self {
            name: name << Self::NAME_SHIFT | is_text | edge_kind_number(kind),
            to,
        }
    }
}

/// A reference to memory outside of the heap, for which there may be no node yet.
#[derive(Debug)]
struct NativeLink {
    /// Which of the batch's references it is.
    link: usize,
    address: u64,
    bytes: u64,
}

/// What a reference leads to.
#[derive(Debug, Clone, Copy)]
enum To {
    /// A node by its place in the file.
    Node(u64),
    /// Memory outside of the heap.
    Native { address: u64, bytes: u64 },
}

/// Who writes batches, one after the other, and remembers names and shapes from one to the next.
pub(super) struct Scribe<'a> {
    namer: Namer<'a>,
    reader: EdgeReader<'a>,
    maps: OwnMaps<'a>,
    places: RecentPlaces,
    names: RecentNames,
}

impl<'a> Scribe<'a> {
    pub(super) fn new(plan: &Plan<'a>) -> Self {
        Self {
            namer: Namer::new(plan.objects, plan.max_string),
            reader: EdgeReader::new(plan.objects, plan.references),
            maps: OwnMaps::new(plan.objects),
            places: RecentPlaces::default(),
            names: RecentNames::default(),
        }
    }
}

/// Some objects in a row.
#[derive(Debug, Default)]
pub(super) struct Batch {
    names: Names,
    nodes: Vec<Node>,
    links: Vec<Link>,
    natives: Vec<NativeLink>,
    /// The number of each name in the table of strings.
    numbers: Vec<u32>,
}

/// The text of the nodes of a batch, and its edges, which become text later.
#[derive(Debug, Default)]
pub(super) struct Text {
    pub(super) nodes: Vec<u8>,
    pub(super) edges: PackedEdges,
}

impl Batch {
    /// Adds the nodes and references of the objects with these numbers, and ends the batch.
    pub(super) fn fill<'a>(
        &mut self,
        plan: &Plan<'a>,
        scribe: &mut Scribe<'a>,
        objects: impl Iterator<Item = usize>,
    ) {
        scribe.names.begin_batch();
        let mut wanted = objects.peekable();
        if let Some(first) = wanted.peek().copied() {
            for (id, address) in (first..).zip(plan.nodes.addresses_from(first)) {
                if wanted.next_if_eq(&id).is_some() {
                    self.object(plan, scribe, id, address);
                }
                if wanted.peek().is_none() {
                    break;
                }
            }
        }
        self.seal();
    }

    /// Ends the batch: no more names come.
    pub(super) fn seal(&mut self) {
        self.names.seal();
    }

    /// Empties it for other objects, for which it has room then.
    pub(super) fn clear(&mut self) {
        if self.links.capacity() > MOST_LINKS {
            *self = Self::default();
        }
        self.names.clear();
        self.nodes.clear();
        self.links.clear();
        self.natives.clear();
        self.numbers.clear();
    }

    fn object(&mut self, plan: &Plan<'_>, scribe: &mut Scribe<'_>, id: usize, address: Address) {
        let Some(map) = scribe.maps.of(address) else {
            return;
        };
        let Scribe {
            namer,
            reader,
            places,
            names,
            ..
        } = scribe;
        let names = names.of_map(map.address);
        let (node_type, name) = namer.describe(address, &map);
        let name = match name {
            NodeName::Shared(name) => names.of_node(|| self.names.number_of(name)),
            NodeName::Own(name) => self.names.number_of(name),
        };
        let before = self.links.len();
        let mut named = 0;
        let edges = reader.edges_of_size(address, &map, plan.nodes.size(id));
        for edge in &edges.list {
            let to = match edge.target {
                // The values of weak collections have edges from their keys, too: see below.
                Target::Object(_) if matches!(edge.strength, Strength::Ephemeron { .. }) => None,
                Target::Object(target) => places.get(target, || plan.place(target)).map(To::Node),
                Target::Native { address, bytes } => Some(To::Native { address, bytes }),
            };
            let Some(to) = to else { continue };
            if let EdgeName::Name(name) = &edge.name {
                let number = names.of_edge(named, name, || self.names.number_of(name));
                named += 1;
                self.named_link(edge.kind, number, to);
            } else {
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
            if let Some(place) = plan.place_of(dominated) {
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
        let mut node = |id: usize| {
            let address = plan.nodes.address(id)?;
            let map = plan.objects.map_of(address).ok()?;
            let (_, name) = namer.describe(address, &map);
            Some((name.as_str().to_owned(), plan.id(address, id)))
        };
        if let Some((key, key_id)) = node(pair.key)
            && let Some((value, value_id)) = node(pair.value)
            && let Some((_, table_id)) = node(pair.table)
            && let Some(place) = plan.place_of(pair.value)
        {
            let index = self.links.len() - first_link + 1;
            let name = format!(
                "{index} / part of key ({key} @{key_id}) -> value ({value} @{value_id}) pair in WeakMap (table @{table_id})"
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
        let name = self.names.number_of(name);
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
        let name = self.names.number_of("system / JSArrayBufferData");
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
        match (kind, name) {
            // Elements and hidden links have numbers, all others have names, in which readers look for numbers in vain.
            (EdgeKind::Element | EdgeKind::Hidden, EdgeName::Index(index)) => {
                self.push_link(kind, false, *index, to);
            }
            (_, EdgeName::Index(index)) => {
                let name = self.names.number_of_number(*index);
                self.push_link(kind, true, u64::from(name), to);
            }
            (_, EdgeName::Name(name)) => {
                let name = self.names.number_of(name);
                self.named_link(kind, name, to);
            }
        }
    }

    /// Adds a reference whose name has this number in the batch.
    fn named_link(&mut self, kind: EdgeKind, name: u32, to: To) {
        let kind = match kind {
            EdgeKind::Element | EdgeKind::Hidden => EdgeKind::Internal,
            kind => kind,
        };
        self.push_link(kind, true, u64::from(name), to);
    }

    fn push_link(&mut self, kind: EdgeKind, is_text: bool, name: u64, to: To) {
        let place = match to {
            To::Node(place) => place,
            To::Native { address, bytes } => {
                self.natives.push(NativeLink {
                    link: self.links.len(),
                    address,
                    bytes,
                });
                0
            }
        };
        self.links.push(Link::new(kind, is_text, name, place));
    }

    /// Gives the memory outside of the heap that is referred to its places in the file, which `place` tells by address and size.
    pub(super) fn place_natives(&mut self, mut place: impl FnMut(u64, u64) -> u64) {
        for native in &self.natives {
            if let Some(link) = self.links.get_mut(native.link) {
                link.to = place(native.address, native.bytes);
            }
        }
    }

    /// Gives the names of the sealed batch their numbers in the table of strings.
    ///
    /// # Errors
    /// As those of [`Strings`].
    pub(super) fn number_names(&mut self, strings: &mut Strings) -> io::Result<()> {
        for name in self.names.all() {
            self.numbers.push(match name {
                Name::Text(text, print) => strings.index_of(text, print)?,
                Name::Number(number) => strings.index_of_number(number)?,
            });
        }
        Ok(())
    }

    pub(super) fn node_count(&self) -> u64 {
        self.nodes.len() as u64
    }

    pub(super) fn edge_count(&self) -> u64 {
        self.links.len() as u64
    }

    /// Writes the text of a batch whose names have their numbers over what `text` says.
    pub(super) fn format(&self, is_first: bool, text: &mut Text) {
        let number = |name: u32| {
            self.numbers
                .get(name as usize)
                .copied()
                .map_or(0, u64::from)
        };
        let Text { nodes, edges } = text;
        nodes.clear();
        nodes.reserve(self.nodes.len() * 44);
        let mut lines = Lines::new(nodes, is_first);
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
            lines.push(&numbers);
        }
        edges.clear(self.links.len());
        for link in &self.links {
            let name = link.name >> Link::NAME_SHIFT;
            let name = match link.name & Link::IS_TEXT {
                0 => name,
                _ => number(name as u32),
            };
            edges.push(Edge {
                kind: (link.name & Link::KIND) as u8,
                name,
                to: link.to,
            });
        }
    }
}
