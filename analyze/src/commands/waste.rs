//! `v8mini waste`: memory that is taken and not used.

use std::io::Write;

use clap::Args;
use schemars::JsonSchema;
use serde::Serialize;
use v8mini_format::model::Redaction;

use super::file::{FileArgs, InputArgs};
use super::output::{DIM, HEADING, Outcome, Output, grouped, human_bytes};
use super::schema::Hex;
use super::session::{Query, Session};
use super::verdict::{CoverageReport, Verdict};
use crate::heap::{Classifier, Sample};
use crate::strings::StringReport;
use crate::v8::{Address, Objects};
use crate::waste::{self, Category, Finding};

/// Shows memory that is taken and not used, by reason: how much, examples, and what to do next
///
/// Objects with few properties in a dictionary, sparse and overgrown arrays, empty and overgrown Maps and Sets, empty
/// arrays and objects, room for properties that never came, shapes that a single object has, properties that are the same in
/// a whole class, detached buffers, equal strings. Objects that are dead but not yet swept are counted, too.
#[derive(Debug, Args)]
pub(super) struct Waste {
    #[command(flatten)]
    file: FileArgs,

    /// Show so many examples of each; 0 for all.
    #[arg(long, short = 'n', value_name = "N", default_value_t = 3)]
    limit: usize,
}

#[derive(Debug, Serialize, JsonSchema)]
struct CategoryReport {
    category: &'static str,
    /// For people.
    title: &'static str,
    count: u64,
    wasted_bytes: u64,
    examples: Vec<ExampleReport>,
    /// A command that shows more.
    next: String,
}

#[derive(Debug, Serialize, JsonSchema)]
struct ExampleReport {
    #[schemars(with = "Hex")]
    address: String,
    class: String,
    wasted_bytes: u64,
    detail: String,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct Report<'a> {
    includes_unreachable: bool,
    categories: &'a [CategoryReport],
    coverage: CoverageReport,
    warnings: &'a [String],
}

impl Query for Waste {
    fn input(&self) -> &InputArgs {
        &self.file.input
    }

    fn answer(&self, session: &Session, output: &mut Output) -> anyhow::Result<Outcome> {
        let selection = self.file.selection(session)?;
        let tally = session.tally(selection);
        let verdict = Verdict::of(session, selection, &tally);
        let limit = if self.limit == 0 {
            usize::MAX
        } else {
            self.limit
        };
        let objects = &session.objects;
        let found = waste::find(objects, selection, &tally, limit);
        let mut categories: Vec<CategoryReport> = found
            .iter()
            .map(|(category, finding)| self.category(objects, *category, finding))
            .collect();
        // Where texts were replaced, those of one length are equal.
        if objects.image().metadata.redaction == Redaction::None {
            let strings = session.strings(selection, limit, |rows| rows >= limit);
            categories.push(self.strings(&strings, limit));
        }
        categories.retain(|category| category.count > 0);
        categories.sort_by_key(|category| std::cmp::Reverse(category.wasted_bytes));
        if self.file.json {
            output.json(&Report {
                includes_unreachable: true,
                categories: &categories,
                coverage: verdict.coverage(),
                warnings: &verdict.warnings,
            })?;
        } else {
            for category in &categories {
                write_category(output, category)?;
            }
            verdict.write(output)?;
        }
        Ok(verdict.outcome(!categories.is_empty()))
    }
}

impl Waste {
    fn category(&self, objects: &Objects, category: Category, finding: &Finding) -> CategoryReport {
        let file = self.file.input.path.display();
        let examples: Vec<ExampleReport> = finding
            .examples
            .iter()
            .map(|(bytes, example)| ExampleReport {
                address: example.address.to_string(),
                class: class_name(objects, example.address),
                wasted_bytes: *bytes,
                detail: example.detail.clone(),
            })
            .collect();
        let next = match examples.first() {
            Some(example) => format!("v8mini inspect {file} {}", example.address),
            None => format!("v8mini histogram {file} --by shape"),
        };
        CategoryReport {
            category: category.name(),
            title: category.title(),
            count: finding.count,
            wasted_bytes: finding.wasted_bytes,
            examples,
            next,
        }
    }

    fn strings(&self, report: &StringReport, limit: usize) -> CategoryReport {
        let duplicates = &report.duplicates;
        CategoryReport {
            category: "duplicate-strings",
            title: "strings with the same text",
            count: duplicates.copies,
            wasted_bytes: duplicates.wasted_bytes,
            examples: duplicates
                .first
                .iter()
                .take(limit)
                .filter_map(|same| {
                    Some(ExampleReport {
                        address: same.examples.first()?.to_string(),
                        class: "(string)".to_owned(),
                        wasted_bytes: same.wasted_bytes,
                        detail: format!("{} copies of {} characters", same.copies, same.length),
                    })
                })
                .collect(),
            next: format!("v8mini strings {}", self.file.input.path.display()),
        }
    }
}

fn class_name(objects: &Objects, address: Address) -> String {
    let sample = Sample {
        address: Some(address),
        is_the_only: false,
    };
    objects.map_of(address).map_or_else(
        |_| "?".to_owned(),
        |map| Classifier::new(objects).class_of(&map, sample).name,
    )
}

fn write_category(output: &mut Output, category: &CategoryReport) -> std::io::Result<()> {
    writeln!(
        output,
        "{HEADING}{:>10}  {} × {}{HEADING:#}",
        human_bytes(category.wasted_bytes),
        grouped(category.count),
        category.title
    )?;
    for example in &category.examples {
        writeln!(
            output,
            "{:>10}  {} {DIM}{}{DIM:#}  {}",
            grouped(example.wasted_bytes),
            example.class,
            example.address,
            example.detail
        )?;
    }
    writeln!(output, "            {DIM}next: {}{DIM:#}\n", category.next)
}
