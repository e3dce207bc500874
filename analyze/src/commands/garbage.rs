//! `v8mini garbage`: what is dead but not yet swept.

use std::io::Write;

use clap::Args;
use schemars::JsonSchema;
use serde::Serialize;

use super::dominators::Liveness;
use super::file::{FileArgs, InputArgs};
use super::output::{DIM, Outcome, Output, grouped};
use super::schema::Hex;
use super::session::{Query, Session};
use super::verdict::{CoverageReport, Verdict};
use crate::heap::Classes;
use crate::v8::Address;

/// Shows what is dead: objects that no root leads to, by class. The next collection would free them
///
/// Much garbage of one class tells what a program allocates and throws away. Objects that are kept alive only by roots
/// which could not be located are counted as dead; a warning says so.
#[derive(Debug, Args)]
pub(super) struct Garbage {
    #[command(flatten)]
    file: FileArgs,

    /// Show so many rows; 0 for all.
    #[arg(long, short = 'n', value_name = "N", default_value_t = 30)]
    limit: usize,
}

#[derive(Debug, Clone, Serialize, JsonSchema)]
struct Row {
    name: String,
    kind: &'static str,
    count: u64,
    shallow_bytes: u64,
    /// Address of one of them, tagged.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Hex>")]
    example: Option<String>,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct Report<'a> {
    rows: &'a [Row],
    /// How many rows there are, shown or not.
    total_rows: usize,
    #[serde(flatten)]
    liveness: Liveness,
    coverage: CoverageReport,
    warnings: &'a [String],
}

impl Query for Garbage {
    fn input(&self) -> &InputArgs {
        &self.file.input
    }

    fn answer(&self, session: &Session, output: &mut Output) -> anyhow::Result<Outcome> {
        let selection = self.file.selection(session)?;
        let tree = session.dominators(selection);
        let tally = session.tally(selection);
        let verdict = Verdict::of_tree(session, selection, &tree);
        let classes = Classes::new(&session.objects, &tally);
        let nodes = tree.nodes();
        let mut sums: Vec<(u64, u64, Option<Address>)> = vec![(0, 0, None); classes.list().len()];
        let class_of = classes.of_nodes(nodes);
        for id in tree.dead() {
            let sum = class_of(id).and_then(|class| sums.get_mut(class));
            if let Some((count, bytes, example)) = sum {
                *count += 1;
                *bytes += nodes.size(id);
                if example.is_none() {
                    *example = nodes.address(id);
                }
            }
        }
        let mut rows: Vec<Row> = classes
            .list()
            .iter()
            .zip(sums)
            .filter(|(_, (count, ..))| *count > 0)
            .map(|(class, (count, bytes, example))| Row {
                name: class.name.clone(),
                kind: class.kind.name(),
                count,
                shallow_bytes: bytes,
                example: example.map(|address| address.to_string()),
            })
            .collect();
        rows.sort_by(|a, b| (b.shallow_bytes, &a.name).cmp(&(a.shallow_bytes, &b.name)));
        let limit = if self.limit == 0 {
            usize::MAX
        } else {
            self.limit
        };
        let shown = rows.get(..limit.min(rows.len())).unwrap_or_default();
        let liveness = Liveness::of(&tree);
        if self.file.json {
            output.json(&Report {
                rows: shown,
                total_rows: rows.len(),
                liveness,
                coverage: verdict.coverage(),
                warnings: &verdict.warnings,
            })?;
        } else {
            let table = shown
                .iter()
                .map(|row| {
                    vec![
                        grouped(row.count),
                        grouped(row.shallow_bytes),
                        row.example.clone().unwrap_or_default(),
                        row.name.clone(),
                    ]
                })
                .collect();
            output.table(
                &["Count", "Shallow bytes", "Example", "Constructor"],
                &[0, 1],
                table,
            )?;
            if shown.len() < rows.len() {
                writeln!(
                    output,
                    "{DIM}… and {} more rows: --limit 0 shows all{DIM:#}",
                    grouped((rows.len() - shown.len()) as u64)
                )?;
            }
            liveness.write(output)?;
            verdict.write(output)?;
        }
        Ok(verdict.outcome(!rows.is_empty()))
    }
}
