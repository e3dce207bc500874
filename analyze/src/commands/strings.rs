//! `v8mini strings`: where the memory of strings goes.

use std::io::Write;
use std::sync::Arc;

use anyhow::Context;
use clap::{Args, ValueEnum};
use regex::Regex;
use schemars::JsonSchema;
use serde::Serialize;
use v8mini_format::model::Redaction;

use super::file::{FileArgs, InputArgs};
use super::output::{DIM, HEADING, Outcome, Output, grouped, human_bytes};
use super::schema::Hex;
use super::session::{Query, Session};
use super::verdict::{CoverageReport, Verdict};
use crate::inspect::quote;
use crate::strings::{OneString, Options, Order, Rope, StringReport};
use crate::v8::{Address, Objects};

/// Code units of a text that JSON shows…
const TEXT_UNITS: usize = 200;
/// …and that fit into a line.
const LINE_UNITS: usize = 60;

/// Shows where the memory of strings goes: equal texts, long texts, slices that pin long ones, concatenations
///
/// Duplicates are strings with the same characters in the same isolate; all copies but the smallest are waste. A slice keeps
/// the whole string that it was cut from: what no slice shows of it is pinned, unless something else needs it, too. A
/// concatenation is a tree over its pieces until V8 flattens it. Strings that are dead but not yet swept are counted, too.
#[derive(Debug, Args)]
pub(super) struct Strings {
    #[command(flatten)]
    file: FileArgs,

    /// Which duplicates come first.
    #[arg(long, value_name = "KEY", default_value = "wasted")]
    sort: Sort,

    /// Show so many rows of each table; 0 for all.
    #[arg(long, short = 'n', value_name = "N", default_value_t = 10)]
    limit: usize,

    /// Only strings whose text matches this regular expression.
    #[arg(long, value_name = "PATTERN")]
    filter: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Sort {
    /// The most bytes in copies.
    Wasted,
    /// The most copies.
    Count,
    /// The longest text.
    Length,
}

#[derive(Debug, Serialize, JsonSchema)]
struct KindRow {
    representation: &'static str,
    internalized: bool,
    count: u64,
    heap_bytes: u64,
    outside_bytes: u64,
}

#[derive(Debug, Serialize, JsonSchema)]
struct StringRow {
    #[schemars(with = "Hex")]
    address: String,
    length: u64,
    bytes: u64,
    representation: &'static str,
    /// The beginning.
    text: String,
}

#[derive(Debug, Serialize, JsonSchema)]
struct DuplicateRow {
    text: String,
    length: u64,
    copies: u64,
    wasted_bytes: u64,
    /// Addresses of some copies.
    #[schemars(with = "Vec<Hex>")]
    examples: Vec<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct ParentRow {
    #[schemars(with = "Hex")]
    address: String,
    length: u64,
    bytes: u64,
    slices: u64,
    used_units: u64,
    pinned_bytes: u64,
    /// One of the slices.
    #[schemars(with = "Hex")]
    example: String,
    example_length: u64,
    /// The beginning of that slice.
    example_text: String,
}

#[derive(Debug, Serialize, JsonSchema)]
struct RopeRow {
    #[schemars(with = "Hex")]
    address: String,
    length: u64,
    depth: u64,
    nodes: u64,
    nodes_cut: bool,
    bytes: u64,
    text: String,
}

#[derive(Debug, Serialize, JsonSchema)]
struct DuplicatesReport {
    texts: u64,
    copies: u64,
    wasted_bytes: u64,
    rows: Vec<DuplicateRow>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct SlicesReport {
    parents: u64,
    slices: u64,
    pinned_bytes: u64,
    rows: Vec<ParentRow>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct RopesReport {
    count: u64,
    nodes: u64,
    rows: Vec<RopeRow>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct NarrowableReport {
    count: u64,
    wasted_bytes: u64,
    rows: Vec<StringRow>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Report<'a> {
    includes_unreachable: bool,
    kinds: Vec<KindRow>,
    duplicates: DuplicatesReport,
    longest: Vec<StringRow>,
    slices: SlicesReport,
    concatenations: RopesReport,
    one_byte_in_two: NarrowableReport,
    unreadable: u64,
    coverage: CoverageReport,
    warnings: &'a [String],
}

impl Query for Strings {
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
        let limit = match self.limit {
            0 => usize::MAX,
            limit => limit,
        };
        let order = match self.sort {
            Sort::Wasted => Order::Wasted,
            Sort::Count => Order::Count,
            Sort::Length => Order::Length,
        };
        let found = if filter.is_none() && order == Order::Wasted {
            session.strings(selection, limit, |rows| rows == limit)
        } else {
            let options = Options {
                filter: filter.as_ref(),
                limit,
                order,
            };
            Arc::new(StringReport::of(&session.objects, selection, &options))
        };
        let tally = session.tally(selection);
        let mut verdict = Verdict::of(session, selection, &tally);
        let redaction = session.objects.image().metadata.redaction;
        if redaction != Redaction::None {
            verdict.warnings.push(format!(
                "texts were replaced when the capture was made ({redaction}): that they are equal says little"
            ));
        }
        let report = report(&session.objects, &found, &verdict);
        if self.file.json {
            output.json(&report)?;
        } else {
            text(output, &report)?;
            self.next(output, &report)?;
            verdict.write(output)?;
        }
        Ok(verdict.outcome(!found.kinds.is_empty()))
    }
}

fn report<'a>(objects: &Objects, found: &StringReport, verdict: &'a Verdict) -> Report<'a> {
    let one = |string: &OneString| StringRow {
        address: string.address.to_string(),
        length: string.length,
        bytes: string.bytes,
        representation: string.representation.name(),
        text: beginning(objects, string.address),
    };
    Report {
        includes_unreachable: true,
        kinds: found
            .kinds
            .iter()
            .map(|((representation, internalized), count)| KindRow {
                representation: representation.name(),
                internalized: *internalized,
                count: count.count,
                heap_bytes: count.bytes,
                outside_bytes: count.outside_bytes,
            })
            .collect(),
        duplicates: DuplicatesReport {
            texts: found.duplicates.texts,
            copies: found.duplicates.copies,
            wasted_bytes: found.duplicates.wasted_bytes,
            rows: found
                .duplicates
                .first
                .iter()
                .map(|same| DuplicateRow {
                    text: same
                        .examples
                        .first()
                        .map_or_else(String::new, |example| beginning(objects, *example)),
                    length: same.length,
                    copies: same.copies,
                    wasted_bytes: same.wasted_bytes,
                    examples: same.examples.iter().map(Address::to_string).collect(),
                })
                .collect(),
        },
        longest: found.longest.iter().map(one).collect(),
        slices: SlicesReport {
            parents: found.slices.parents,
            slices: found.slices.count,
            pinned_bytes: found.slices.pinned_bytes,
            rows: found
                .slices
                .largest
                .iter()
                .map(|parent| ParentRow {
                    address: parent.address.to_string(),
                    length: parent.length,
                    bytes: parent.bytes,
                    slices: parent.slices,
                    used_units: parent.used_units,
                    pinned_bytes: parent.pinned_bytes,
                    example: parent.example.to_string(),
                    example_length: objects.string_length(parent.example).unwrap_or(0),
                    example_text: beginning(objects, parent.example),
                })
                .collect(),
        },
        concatenations: RopesReport {
            count: found.ropes.count,
            nodes: found.ropes.nodes,
            rows: found
                .ropes
                .deepest
                .iter()
                .map(|rope| rope_row(objects, rope))
                .collect(),
        },
        one_byte_in_two: NarrowableReport {
            count: found.narrowable.count,
            wasted_bytes: found.narrowable.wasted_bytes,
            rows: found.narrowable.examples.iter().map(one).collect(),
        },
        unreadable: found.unreadable,
        coverage: verdict.coverage(),
        warnings: &verdict.warnings,
    }
}

fn rope_row(objects: &Objects, rope: &Rope) -> RopeRow {
    RopeRow {
        address: rope.address.to_string(),
        length: rope.length,
        depth: rope.depth,
        nodes: rope.nodes,
        nodes_cut: rope.nodes_cut,
        bytes: rope.bytes,
        text: beginning(objects, rope.address),
    }
}

/// The beginning of a text, as far as it can be read: of a dead concatenation, parts may be gone.
fn beginning(objects: &Objects, string: Address) -> String {
    objects
        .read_string(string, TEXT_UNITS)
        .map_or_else(|_| String::new(), |text| text.to_text())
}

/// A text as a literal that fits into a line.
fn literal(text: &str, length: u64) -> String {
    let units: Vec<u16> = text.encode_utf16().take(LINE_UNITS).collect();
    let cut = if (units.len() as u64) < length {
        "…"
    } else {
        ""
    };
    quote(&units) + cut
}

fn text(output: &mut Output, report: &Report<'_>) -> anyhow::Result<()> {
    let kinds = report.kinds.iter().map(|row| {
        let internalized = if row.internalized {
            ", internalized"
        } else {
            ""
        };
        vec![
            grouped(row.count),
            grouped(row.heap_bytes),
            grouped(row.outside_bytes),
            format!("{}{internalized}", row.representation),
        ]
    });
    output.table(
        &["Count", "Heap bytes", "Outside", "Stored as"],
        &[0, 1, 2],
        kinds.collect(),
    )?;

    let duplicates = &report.duplicates;
    if duplicates.texts > 0 {
        heading(
            output,
            &format!(
                "Duplicates: {} texts in {} copies, {} wasted",
                grouped(duplicates.texts),
                grouped(duplicates.copies),
                human_bytes(duplicates.wasted_bytes)
            ),
        )?;
        let rows = duplicates.rows.iter().map(|row| {
            vec![
                grouped(row.wasted_bytes),
                grouped(row.copies),
                grouped(row.length),
                row.examples.first().cloned().unwrap_or_default(),
                literal(&row.text, row.length),
            ]
        });
        output.table(
            &["Wasted", "Copies", "Length", "Example", "Text"],
            &[0, 1, 2],
            rows.collect(),
        )?;
    }

    if !report.longest.is_empty() {
        heading(output, "Longest")?;
        output.table(
            &["Length", "Bytes", "Stored as", "Address", "Text"],
            &[0, 1],
            report.longest.iter().map(string_cells).collect(),
        )?;
    }

    let slices = &report.slices;
    if slices.parents > 0 {
        heading(
            output,
            &format!(
                "Slices: {} of {} strings; {} that no slice shows",
                grouped(slices.slices),
                grouped(slices.parents),
                human_bytes(slices.pinned_bytes)
            ),
        )?;
        let rows = slices.rows.iter().map(|row| {
            vec![
                grouped(row.pinned_bytes),
                grouped(row.bytes),
                grouped(row.slices),
                grouped(row.used_units),
                row.address.clone(),
                row.example.clone(),
                literal(&row.example_text, row.example_length),
            ]
        });
        output.table(
            &[
                "Pinned", "Bytes", "Slices", "Used", "Cut from", "A slice", "Its text",
            ],
            &[0, 1, 2, 3],
            rows.collect(),
        )?;
    }

    let ropes = &report.concatenations;
    if ropes.count > 0 {
        heading(
            output,
            &format!(
                "Concatenations that were never flattened: {}, of {} nodes",
                grouped(ropes.count),
                grouped(ropes.nodes)
            ),
        )?;
        let rows = ropes.rows.iter().map(|row| {
            let more = if row.nodes_cut { "+" } else { "" };
            vec![
                grouped(row.depth),
                grouped(row.nodes) + more,
                grouped(row.bytes),
                grouped(row.length),
                row.address.clone(),
                literal(&row.text, row.length),
            ]
        });
        output.table(
            &["Depth", "Nodes", "Bytes", "Length", "Address", "Text"],
            &[0, 1, 2, 3],
            rows.collect(),
        )?;
    }

    let narrowable = &report.one_byte_in_two;
    if narrowable.count > 0 {
        heading(
            output,
            &format!(
                "Two bytes a character where one would do: {} strings, {} wasted",
                grouped(narrowable.count),
                human_bytes(narrowable.wasted_bytes)
            ),
        )?;
        output.table(
            &["Length", "Bytes", "Stored as", "Address", "Text"],
            &[0, 1],
            narrowable.rows.iter().map(string_cells).collect(),
        )?;
    }
    if report.unreadable > 0 {
        writeln!(
            output,
            "\n{DIM}{} strings could not be read to their end: they are in the first table only{DIM:#}",
            grouped(report.unreadable)
        )?;
    }
    Ok(())
}

fn heading(output: &mut Output, text: &str) -> std::io::Result<()> {
    writeln!(output, "\n{HEADING}{text}{HEADING:#}")
}

fn string_cells(row: &StringRow) -> Vec<String> {
    vec![
        grouped(row.length),
        grouped(row.bytes),
        row.representation.to_owned(),
        row.address.clone(),
        literal(&row.text, row.length),
    ]
}

impl Strings {
    /// What to type next.
    fn next(&self, output: &mut Output, report: &Report<'_>) -> std::io::Result<()> {
        let example = (report.duplicates.rows.first())
            .and_then(|row| row.examples.first())
            .or_else(|| report.slices.rows.first().map(|row| &row.example))
            .or_else(|| report.longest.first().map(|row| &row.address));
        let Some(example) = example else {
            return Ok(());
        };
        let file = self.file.input.path.display();
        writeln!(
            output,
            "\n{DIM}next: v8mini inspect {file} {example} --string-length 0{DIM:#}"
        )
    }
}
