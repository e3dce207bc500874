//! V8's own heap snapshots (`.heapsnapshot`), read as far as counting needs.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;

/// How many nodes of each type and name a snapshot has, and how large they are.
#[derive(Debug, Default)]
pub struct Census {
    counts: BTreeMap<(String, String), Population>,
}

/// Nodes of one type and name.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Population {
    /// How many.
    pub count: u64,
    /// Their `self_size` together, in bytes.
    pub bytes: u64,
}

#[derive(Deserialize)]
struct Snapshot {
    snapshot: Head,
    nodes: Vec<u64>,
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
}

impl Census {
    /// Counts the nodes of a snapshot.
    ///
    /// # Errors
    /// If the file cannot be read or is no heap snapshot.
    pub fn read(file: &Path) -> Result<Self> {
        let reader = BufReader::new(File::open(file)?);
        let snapshot: Snapshot = serde_json::from_reader(reader)
            .with_context(|| format!("{} is no heap snapshot", file.display()))?;
        let meta = &snapshot.snapshot.meta;
        let field = |name: &str| {
            let at = meta.node_fields.iter().position(|field| field == name);
            at.with_context(|| format!("the snapshot's nodes have no field {name}"))
        };
        let (type_at, name_at, size_at) = (field("type")?, field("name")?, field("self_size")?);
        let types = meta
            .node_types
            .get(type_at)
            .and_then(|types| types.as_array());
        let types = types.context("the snapshot does not list its node types")?;

        let mut census = Self::default();
        for node in snapshot.nodes.chunks_exact(meta.node_fields.len()) {
            let kind = types
                .get(usize::try_from(node[type_at])?)
                .and_then(|kind| kind.as_str());
            let name = snapshot.strings.get(usize::try_from(node[name_at])?);
            let (kind, name) = kind
                .zip(name)
                .context("a node of the snapshot has no type or name")?;
            let population = census
                .counts
                .entry((kind.to_owned(), name.clone()))
                .or_default();
            population.count += 1;
            population.bytes += node[size_at];
        }
        Ok(census)
    }

    /// The nodes of one type, by name.
    pub fn of_type(&self, kind: &str) -> BTreeMap<&str, Population> {
        let of_kind = self.counts.iter().filter(|((its, _), _)| its == kind);
        of_kind
            .map(|((_, name), population)| (name.as_str(), *population))
            .collect()
    }
}
