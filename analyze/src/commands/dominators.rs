//! `v8mini dominators`: the objects that keep the most memory.

use std::io::Write;

use clap::Args;
use schemars::JsonSchema;
use serde::Serialize;

use super::file::{FileArgs, InputArgs};
use super::output::{DIM, Outcome, Output, grouped, human_bytes, percent};
use super::schema::Hex;
use super::session::{Query, Session};
use super::verdict::{CoverageReport, Verdict};
use crate::graph::DominatorTree;
use crate::inspect::{Options, describe, one_line};
use crate::v8::Address;

/// Shows the objects that keep the most memory: their retained size is what would be free if they were gone
///
/// An object retains itself and whatever can be reached from the roots only through it. The roots are the global object,
/// what C++ holds by handles, the stacks, and V8's own tables; weak references keep nothing. Sizes are those of the V8 heap.
#[derive(Debug, Args)]
pub(super) struct Dominators {
    #[command(flatten)]
    file: FileArgs,

    /// Show so many objects; 0 for all.
    #[arg(long, short = 'n', value_name = "N", default_value_t = 30)]
    limit: usize,

    /// Leave out so many before.
    #[arg(long, value_name = "N", default_value_t = 0)]
    offset: usize,

    /// Show those within others, too: by default only what nothing but the roots dominates.
    #[arg(long)]
    nested: bool,
}

/// An object with what it retains.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Retainer {
    /// Tagged.
    #[schemars(with = "Hex")]
    pub(super) address: String,
    pub(super) retained_bytes: u64,
    pub(super) shallow_bytes: u64,
    /// What is in it, in one line for people.
    #[serde(serialize_with = "super::output::plain")]
    pub(super) summary: String,
}

/// The live heap as a whole.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(super) struct Liveness {
    pub(super) live_objects: u64,
    pub(super) live_bytes: u64,
    /// Of live buffers, outside of the heap: retained sizes have them, too.
    pub(super) outside_bytes: u64,
    pub(super) dead_objects: u64,
    pub(super) dead_bytes: u64,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct Report<'a> {
    /// How many there are, shown or not.
    count: usize,
    offset: usize,
    dominators: &'a [Retainer],
    #[serde(flatten)]
    liveness: Liveness,
    coverage: CoverageReport,
    warnings: &'a [String],
}

impl Query for Dominators {
    fn input(&self) -> &InputArgs {
        &self.file.input
    }

    fn answer(&self, session: &Session, output: &mut Output) -> anyhow::Result<Outcome> {
        let selection = self.file.selection(session)?;
        let tree = session.dominators(selection);
        let verdict = Verdict::of_tree(session, selection, &tree);
        let mut found: Vec<usize> = if self.nested {
            tree.alive().collect()
        } else {
            tree.top().collect()
        };
        sort_by_retained(&tree, &mut found);
        let shown: Vec<Retainer> = found
            .iter()
            .skip(self.offset)
            .take(if self.limit == 0 {
                usize::MAX
            } else {
                self.limit
            })
            .filter_map(|id| retainer(session, &tree, *id))
            .collect();
        let liveness = Liveness::of(&tree);
        if self.file.json {
            output.json(&Report {
                count: found.len(),
                offset: self.offset,
                dominators: &shown,
                liveness,
                coverage: verdict.coverage(),
                warnings: &verdict.warnings,
            })?;
        } else {
            let rows = shown
                .iter()
                .map(|row| {
                    let all = liveness.live_bytes.saturating_add(liveness.outside_bytes);
                    let share = row.retained_bytes as f64 / all.max(1) as f64;
                    vec![
                        grouped(row.retained_bytes),
                        percent(share),
                        grouped(row.shallow_bytes),
                        row.summary.clone(),
                    ]
                })
                .collect();
            output.table(
                &["Retained bytes", "Share", "Shallow bytes", "Object"],
                &[0, 1, 2],
                rows,
            )?;
            if self.offset.saturating_add(shown.len()) < found.len() {
                writeln!(
                    output,
                    "{DIM}… and {} more: --limit 0 shows all{DIM:#}",
                    grouped((found.len() - self.offset - shown.len()) as u64)
                )?;
            }
            liveness.write(output)?;
            verdict.write(output)?;
        }
        Ok(verdict.outcome(!found.is_empty()))
    }
}

/// The most first; of two that retain as much, the one that comes first in memory.
pub(crate) fn sort_by_retained(tree: &DominatorTree, ids: &mut [usize]) {
    ids.sort_unstable_by_key(|id| (std::cmp::Reverse(tree.retained(*id)), *id));
}

/// An object, described.
pub(super) fn retainer(session: &Session, tree: &DominatorTree, id: usize) -> Option<Retainer> {
    let address = tree.nodes().address(id)?;
    Some(Retainer {
        address: address.to_string(),
        retained_bytes: tree.retained(id),
        shallow_bytes: tree.nodes().size(id),
        summary: summary(session, address),
    })
}

/// An object in a short line: what is in it can be inspected.
pub(crate) fn summary(session: &Session, address: Address) -> String {
    let options = Options {
        depth: 1,
        string_length: 60,
        array_length: 3,
        ..Options::ONE_LINE
    };
    one_line(&describe(&session.objects, address.tagged(), &options))
}

impl Liveness {
    /// Sums up.
    pub(super) fn of(tree: &DominatorTree) -> Self {
        let sum = |ids: &mut dyn Iterator<Item = usize>| {
            ids.fold((0, 0), |(count, bytes), id| {
                (count + 1, bytes + tree.nodes().size(id))
            })
        };
        let (live_objects, live_bytes) = sum(&mut tree.alive());
        let (dead_objects, dead_bytes) = sum(&mut tree.dead());
        Self {
            live_objects,
            live_bytes,
            outside_bytes: tree.live_bytes().saturating_sub(live_bytes),
            dead_objects,
            dead_bytes,
        }
    }

    /// As a last line.
    pub(super) fn write(&self, output: &mut Output) -> anyhow::Result<()> {
        writeln!(
            output,
            "\n{} objects are alive, {}{}; {} are dead but not yet swept, {}",
            grouped(self.live_objects),
            human_bytes(self.live_bytes),
            match self.outside_bytes {
                0 => String::new(),
                bytes => format!(", and buffers outside of the heap, {}", human_bytes(bytes)),
            },
            grouped(self.dead_objects),
            human_bytes(self.dead_bytes)
        )?;
        Ok(())
    }
}
