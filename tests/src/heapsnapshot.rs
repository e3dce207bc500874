//! V8's own heap snapshots (`.heapsnapshot`), read as far as counting needs.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

/// How many nodes of each type and name a snapshot has. Prototype objects are not among them: see [`Census::read`].
#[derive(Debug, Default)]
pub struct Census {
    counts: BTreeMap<(String, String), u64>,
}

#[derive(Deserialize)]
struct Snapshot {
    snapshot: Head,
    nodes: Vec<usize>,
    edges: Vec<usize>,
    strings: Vec<String>,
}

#[derive(Deserialize)]
struct Head {
    meta: Meta,
}

#[derive(Deserialize)]
struct Meta {
    node_fields: Vec<String>,
    node_types: Vec<serde_json::Value>,
    edge_fields: Vec<String>,
    edge_types: Vec<serde_json::Value>,
}

impl Census {
    /// Counts the nodes of a snapshot.
    ///
    /// V8 names a prototype object after the constructor that it finds further up: `CreditNote.prototype`, whose own
    /// prototype is `Invoice.prototype`, as one more `Invoice`. Whatever is the property `prototype` of a function is
    /// therefore left out.
    ///
    /// # Errors
    /// If the file cannot be read or is no heap snapshot.
    pub fn read(file: &Path) -> Result<Self> {
        let reader = BufReader::new(File::open(file)?);
        let snapshot: Snapshot = serde_json::from_reader(reader)
            .with_context(|| format!("{} is no heap snapshot", file.display()))?;
        let meta = &snapshot.snapshot.meta;
        let nodes = Table::new(&snapshot.nodes, &meta.node_fields, &meta.node_types)?;
        let edges = Table::new(&snapshot.edges, &meta.edge_fields, &meta.edge_types)?;
        let name_of = |index: usize| snapshot.strings.get(index).map_or("", String::as_str);

        let (edge_count, name) = (nodes.field("edge_count")?, nodes.field("name")?);
        let (name_or_index, to_node) = (edges.field("name_or_index")?, edges.field("to_node")?);
        let mut prototypes = BTreeSet::new();
        let mut next_edge = edges.rows();
        for node in nodes.rows() {
            let its_edges = next_edge.by_ref().take(node[edge_count]);
            let of_function = nodes.kind(node) == "closure";
            // Exhausted in any case: the edges of the next node come after these.
            for edge in its_edges {
                if of_function
                    && edges.kind(edge) == "property"
                    && name_of(edge[name_or_index]) == "prototype"
                {
                    prototypes.insert(edge[to_node]);
                }
            }
        }

        let mut census = Self::default();
        for (number, node) in nodes.rows().enumerate() {
            if !prototypes.contains(&(number * meta.node_fields.len())) {
                let key = (nodes.kind(node).to_owned(), name_of(node[name]).to_owned());
                *census.counts.entry(key).or_default() += 1;
            }
        }
        Ok(census)
    }

    /// How many nodes of one type there are, by name.
    pub fn of_type(&self, kind: &str) -> BTreeMap<&str, u64> {
        let of_kind = self.counts.iter().filter(|((its, _), _)| its == kind);
        of_kind
            .map(|((_, name), count)| (name.as_str(), *count))
            .collect()
    }
}

/// One of the snapshot's arrays of equally long rows.
struct Table<'a> {
    values: &'a [usize],
    fields: &'a [String],
    /// The names of the first field's values.
    kinds: Vec<&'a str>,
}

impl<'a> Table<'a> {
    fn new(
        values: &'a [usize],
        fields: &'a [String],
        types: &'a [serde_json::Value],
    ) -> Result<Self> {
        ensure!(
            fields.first().is_some_and(|first| first == "type"),
            "the first field is not the type"
        );
        let kinds = types
            .first()
            .and_then(|kinds| kinds.as_array())
            .context("the types are not listed")?;
        Ok(Self {
            values,
            fields,
            kinds: kinds.iter().filter_map(|kind| kind.as_str()).collect(),
        })
    }

    fn field(&self, name: &str) -> Result<usize> {
        let at = self.fields.iter().position(|field| field == name);
        at.with_context(|| format!("the snapshot has no field {name}"))
    }

    fn rows(&self) -> std::slice::ChunksExact<'a, usize> {
        self.values.chunks_exact(self.fields.len())
    }

    fn kind(&self, row: &[usize]) -> &'a str {
        self.kinds.get(row[0]).copied().unwrap_or("")
    }
}
