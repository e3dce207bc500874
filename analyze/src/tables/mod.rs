//! A capture as tables, for engines that people query data with: objects, references, strings, classes, stacks.
//!
//! Tables are made batch by batch, each from a range of objects, so that any number of them can be made at the same time, and none
//! needs memory for a whole table.

mod batch;
#[cfg(feature = "sql")]
mod database;
mod heap_rows;
mod partition;
mod process_rows;
mod schema;

use std::ops::Range;
use std::sync::Arc;

use v8mini_format::model::Space;

use crate::graph::{DominatorTree, References};
use crate::heap::{Classes, Tally};
use crate::v8::{Address, Objects, StringType};

pub use batch::{Batch, Cell, Cells};
#[cfg(feature = "sql")]
pub use database::{Answer, Database, QueryError};
pub use partition::Partition;
pub use schema::{Column, Kind, PARTITION, Table};

/// Objects from which one batch is made.
const OBJECTS_PER_BATCH: usize = 1 << 16;
/// As [`OBJECTS_PER_BATCH`], for references, of which an object may have many.
const SOURCES_PER_BATCH: usize = 1 << 14;

/// What the tables are made of.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// The heap.
    pub objects: &'a Objects,
    /// All objects, and what they retain.
    pub tree: &'a DominatorTree,
    /// The same objects, counted.
    pub tally: &'a Tally,
    /// Where objects keep references.
    pub references: &'a References,
    /// Most UTF-16 code units of a string.
    pub max_string: usize,
    /// What must be known before the figures are believed.
    pub warnings: &'a [String],
    /// Whether the figures can be taken as complete.
    pub complete: bool,
}

/// The tables of a capture.
pub struct Tables<'a> {
    source: Source<'a>,
    shapes: Vec<Shape>,
    classes: Classes,
    class_of: Box<dyn Fn(usize) -> Option<usize> + Send + Sync + 'a>,
    class_names: Vec<(Arc<str>, Arc<str>)>,
    spaces: Vec<(Space, Arc<str>)>,
}

/// What the objects of a map have in common.
struct Shape {
    type_name: Arc<str>,
    string: Option<StringType>,
}

impl<'a> Tables<'a> {
    /// The tables of what `source` has. Nothing is made yet.
    pub fn new(source: Source<'a>) -> Self {
        let objects = source.objects;
        let nodes = source.tree.nodes();
        let classes = Classes::new(objects, source.tally);
        let shape = |map: &Address| {
            let instance_type = objects.map(*map).map(|map| map.instance_type);
            Shape {
                type_name: instance_type
                    .map(|number| objects.type_name(number))
                    .unwrap_or_default()
                    .into(),
                string: instance_type.and_then(|number| objects.string_type(number)),
            }
        };
        let names = classes.list().iter();
        Self {
            shapes: nodes.map_addresses().iter().map(shape).collect(),
            class_of: Box::new(classes.of_nodes(nodes)),
            class_names: names
                .map(|class| (class.name.as_str().into(), class.kind.name().into()))
                .collect(),
            classes,
            spaces: Vec::new(),
            source,
        }
        .with_spaces()
    }

    /// The names of the spaces, each once.
    fn with_spaces(mut self) -> Self {
        for page in self.source.objects.pages().pages() {
            if !self.spaces.iter().any(|(space, _)| *space == page.space) {
                self.spaces.push((page.space, page.space.name().into()));
            }
        }
        self
    }

    /// In how many batches a table comes.
    pub fn batches(&self, table: Table) -> usize {
        let objects = self.source.tree.nodes().len();
        match table {
            Table::Captures | Table::Types | Table::Threads | Table::Frames => 1,
            Table::Objects | Table::Strings => objects.div_ceil(OBJECTS_PER_BATCH),
            Table::Edges => objects.div_ceil(SOURCES_PER_BATCH),
        }
    }

    /// A batch of a table, by its number from 0. The rows of objects come in the order of addresses.
    pub fn batch(&self, table: Table, number: usize) -> Batch {
        let mut batch = Batch::new(table.columns());
        match table {
            Table::Captures => self.capture(&mut batch),
            Table::Types => self.types(&mut batch),
            Table::Threads => self.threads(&mut batch),
            Table::Frames => self.frames(&mut batch),
            Table::Objects => self.objects(self.range(number, OBJECTS_PER_BATCH), &mut batch),
            Table::Strings => self.strings(self.range(number, OBJECTS_PER_BATCH), &mut batch),
            Table::Edges => self.edges(self.range(number, SOURCES_PER_BATCH), &mut batch),
        }
        batch
    }

    /// The objects of a batch.
    fn range(&self, number: usize, per_batch: usize) -> Range<usize> {
        let end = self.source.tree.nodes().len();
        let start = number.saturating_mul(per_batch).min(end);
        start..start.saturating_add(per_batch).min(end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The names and types in the table of a section of `spec/fleet.md`.
    fn documented<'a>(page: &'a str, heading: &str) -> Vec<(&'a str, &'a str)> {
        let section = page
            .split_once(heading)
            .map(|(_, rest)| rest.split("\n### ").next().unwrap_or_default())
            .unwrap_or_default();
        section
            .lines()
            .filter_map(|line| {
                let mut cells = line.split('|').map(str::trim).skip(1);
                let name = cells.next()?.strip_prefix('`')?.strip_suffix('`')?;
                Some((name, cells.next()?))
            })
            .collect()
    }

    #[test]
    fn the_page_for_people_has_every_column() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../spec/fleet.md");
        let page = std::fs::read_to_string(path).unwrap();
        let kind = |kind| match kind {
            Kind::Int => "bigint",
            Kind::Real => "double",
            Kind::Text => "text",
            Kind::Flag => "boolean",
        };
        let of = |columns: &'static [Column]| -> Vec<_> {
            columns
                .iter()
                .map(|column| (column.name, kind(column.kind)))
                .collect()
        };
        for table in Table::ALL {
            let heading = format!("\n### `{}`\n", table.name());
            assert_eq!(
                documented(&page, &heading),
                of(table.columns()),
                "{heading}"
            );
        }
        assert_eq!(documented(&page, "\n### In every table\n"), of(&PARTITION));
    }
}
