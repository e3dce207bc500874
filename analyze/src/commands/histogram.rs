//! `v8mini histogram`: what fills the heap.

use std::io::Write;

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use regex::Regex;
use rustc_hash::FxHashMap;
use schemars::JsonSchema;
use serde::Serialize;
use v8mini_format::model::Space;

use super::file::{FileArgs, InputArgs};
use super::output::{DIM, Outcome, Output, grouped, human_bytes};
use super::schema::Hex;
use super::session::{Query, Session};
use super::verdict::{CoverageReport, Verdict};
use crate::graph::DominatorTree;
use crate::heap::{Class, ClassKind, Classes, Classifier, Count, Sample, Tally};
use crate::v8::{Address, MapInfo};

/// Shows what fills the heap: how many objects of each class there are, and how large they are together
///
/// Instances stand under the class that `new` named. What V8 allocates for itself stands in parentheses or after
/// `system /`. Sizes are shallow: an object without what it refers to. The heap is walked page by page, so objects that
/// are dead but not yet swept are counted too.
#[derive(Debug, Args)]
pub(super) struct Histogram {
    #[command(flatten)]
    file: FileArgs,

    /// What makes a row.
    #[arg(long, value_name = "WHAT", default_value = "constructor")]
    by: By,

    /// Which row comes first.
    #[arg(long, value_name = "KEY", default_value = "size")]
    sort: Sort,

    /// Show so many rows; 0 for all.
    #[arg(long, short = 'n', value_name = "N", default_value_t = 30)]
    limit: usize,

    /// Show what the objects of each class retain together, too: what would be free if all of them were gone.
    #[arg(long)]
    retained: bool,

    /// Only rows whose name matches this regular expression.
    #[arg(long, value_name = "PATTERN")]
    filter: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum By {
    /// The class that `new` named.
    Constructor,
    /// The class and the names of the properties.
    Shape,
    /// V8's instance type.
    Type,
    /// V8's heap space.
    Space,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Sort {
    /// The most objects.
    Count,
    /// The most bytes.
    Size,
    /// The most retained bytes; implies --retained.
    Retained,
    /// The alphabet.
    Name,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Row {
    name: String,
    kind: &'static str,
    count: u64,
    shallow_bytes: u64,
    /// What would be free if all of them were gone; of objects within others of the class, only the outer counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    retained_bytes: Option<u64>,
    /// Address of one of them, tagged.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Hex>")]
    example: Option<String>,
}

#[derive(Debug, Default, Serialize, JsonSchema)]
struct Totals {
    rows: usize,
    count: u64,
    shallow_bytes: u64,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct Report<'a> {
    by: &'static str,
    /// Whether objects that are dead but not yet swept are among the counted.
    includes_unreachable: bool,
    rows: &'a [Row],
    /// Of all rows that match, shown or not.
    totals: &'a Totals,
    coverage: CoverageReport,
    warnings: &'a [String],
}

impl Query for Histogram {
    fn input(&self) -> &InputArgs {
        &self.file.input
    }

    fn answer(&self, session: &Session, output: &mut Output) -> anyhow::Result<Outcome> {
        let filter = match &self.filter {
            Some(pattern) => Some(
                Regex::new(pattern)
                    .with_context(|| format!("--filter: '{pattern}' is no regular expression"))?,
            ),
            None => None,
        };
        let selection = self.file.selection(session)?;
        let tally = session.tally(selection);
        let mut rows = self.rows(session, &tally);
        let mut missing_roots = Vec::new();
        if self.wants_retained() {
            if self.by != By::Constructor {
                bail!(
                    "what objects retain is known by constructor only: leave out --by, or --retained"
                );
            }
            let tree = session.dominators(selection);
            add_retained(session, &tally, &tree, &mut rows);
            missing_roots.extend_from_slice(tree.missing_roots());
        }
        if let Some(filter) = filter {
            rows.retain(|row| filter.is_match(&row.name));
        }
        match self.sort {
            Sort::Count => rows.sort_by(|a, b| (b.count, &a.name).cmp(&(a.count, &b.name))),
            Sort::Size => {
                rows.sort_by(|a, b| (b.shallow_bytes, &a.name).cmp(&(a.shallow_bytes, &b.name)));
            }
            Sort::Retained => {
                rows.sort_by(|a, b| (b.retained_bytes, &a.name).cmp(&(a.retained_bytes, &b.name)));
            }
            Sort::Name => rows.sort_by(|a, b| a.name.cmp(&b.name)),
        }
        let totals = Totals {
            rows: rows.len(),
            count: rows.iter().map(|row| row.count).sum(),
            shallow_bytes: rows.iter().map(|row| row.shallow_bytes).sum(),
        };
        let shown = if self.limit == 0 {
            rows.len()
        } else {
            self.limit.min(rows.len())
        };
        let verdict = Verdict::of_reachability(session, selection, &missing_roots);
        let found = rows.get(..shown).unwrap_or_default();
        if self.file.json {
            output.json(&Report {
                by: self.by.name(),
                includes_unreachable: true,
                rows: found,
                totals: &totals,
                coverage: verdict.coverage(),
                warnings: &verdict.warnings,
            })?;
        } else {
            self.text(output, found, &totals)?;
            verdict.write(output)?;
        }
        Ok(verdict.outcome(!rows.is_empty()))
    }
}

/// Adds to rows of classes what their objects retain together.
fn add_retained(session: &Session, tally: &Tally, tree: &DominatorTree, rows: &mut [Row]) {
    let classes = Classes::new(&session.objects, tally);
    let sums = tree.retained_by_group(classes.list().len(), classes.of_nodes(tree.nodes()));
    let by_class: FxHashMap<(&str, &str), u64> = classes
        .list()
        .iter()
        .zip(sums)
        .map(|(class, sum)| ((class.kind.name(), class.name.as_str()), sum))
        .collect();
    for row in rows {
        row.retained_bytes = by_class.get(&(row.kind, row.name.as_str())).copied();
    }
}

impl Histogram {
    fn wants_retained(&self) -> bool {
        self.retained || self.sort == Sort::Retained
    }

    fn rows(&self, session: &Session, tally: &Tally) -> Vec<Row> {
        let mut groups: FxHashMap<Class, (Count, Option<Address>)> = FxHashMap::default();
        let mut add = |class: Class, count: &Count, example: Option<Address>| {
            let (sum, lowest) = groups.entry(class).or_default();
            sum.merge(count);
            // The lowest address, so that the output does not depend on the order of a hash map.
            *lowest = match (*lowest, example) {
                (Some(ours), Some(theirs)) => Some(ours.min(theirs)),
                (ours, theirs) => ours.or(theirs),
            };
        };
        let classifier = Classifier::new(&session.objects);
        for ((map, space), count) in &tally.by_map {
            let sample = tally.sample(count);
            if let Some(map) = session.objects.map(*map) {
                add(
                    self.class_of(&classifier, &map, sample, *space),
                    count,
                    sample.address,
                );
            }
        }
        for ((map, space), count) in &tally.boilerplates {
            if let Some(map) = session.objects.map(*map) {
                let class = match self.by {
                    By::Constructor | By::Shape => classifier.boilerplate_class_of(&map),
                    By::Type | By::Space => {
                        self.class_of(&classifier, &map, Sample::default(), *space)
                    }
                };
                add(class, count, count.ends.map(|(first, _)| first));
            }
        }
        groups
            .into_iter()
            .map(|(class, (count, example))| Row {
                name: class.name,
                kind: class.kind.name(),
                count: count.count,
                shallow_bytes: count.bytes,
                retained_bytes: None,
                example: example.map(|address| address.to_string()),
            })
            .collect()
    }

    /// The row that the objects of a map in a space belong to.
    fn class_of(
        &self,
        classifier: &Classifier<'_>,
        map: &MapInfo,
        sample: Sample,
        space: Space,
    ) -> Class {
        match self.by {
            By::Constructor => classifier.class_of(map, sample),
            By::Shape => classifier.shape_of(map, sample),
            By::Type => classifier.type_of(map),
            By::Space => Class {
                kind: ClassKind::Internal,
                name: space.name().to_owned(),
            },
        }
    }

    fn text(&self, output: &mut Output, rows: &[Row], totals: &Totals) -> anyhow::Result<()> {
        let retained = self.wants_retained();
        let table = rows
            .iter()
            .map(|row| {
                let mut cells = vec![grouped(row.count), grouped(row.shallow_bytes)];
                if retained {
                    cells.push(row.retained_bytes.map(grouped).unwrap_or_default());
                }
                cells.push(row.example.clone().unwrap_or_default());
                cells.push(row.name.clone());
                cells
            })
            .collect();
        let mut titles = vec!["Count", "Shallow bytes"];
        if retained {
            titles.push("Retained bytes");
        }
        titles.extend(["Example", self.by.title()]);
        let numbers: &[usize] = if retained { &[0, 1, 2] } else { &[0, 1] };
        output.table(&titles, numbers, table)?;
        if rows.len() < totals.rows {
            writeln!(
                output,
                "{DIM}… and {} more rows: --limit 0 shows all{DIM:#}",
                grouped((totals.rows - rows.len()) as u64)
            )?;
        }
        writeln!(
            output,
            "\n{} objects, {} ({} bytes), dead ones that are not yet swept included",
            grouped(totals.count),
            human_bytes(totals.shallow_bytes),
            grouped(totals.shallow_bytes)
        )?;
        Ok(())
    }
}

impl By {
    const fn name(self) -> &'static str {
        match self {
            Self::Constructor => "constructor",
            Self::Shape => "shape",
            Self::Type => "type",
            Self::Space => "space",
        }
    }

    const fn title(self) -> &'static str {
        match self {
            Self::Constructor => "Constructor",
            Self::Shape => "Shape",
            Self::Type => "Instance type",
            Self::Space => "Space",
        }
    }
}
