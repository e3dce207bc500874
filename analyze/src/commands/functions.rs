//! `v8mini functions`: all functions of a heap, one row for each definition.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::io::Write;

use anyhow::Context;
use clap::{Args, ValueEnum};
use regex::Regex;
use schemars::JsonSchema;
use serde::Serialize;

use super::file::{FileArgs, InputArgs};
use super::output::{Outcome, Output, grouped};
use super::schema::Hex;
use super::session::{Query, Session};
use super::verdict::{CoverageReport, Verdict};
use crate::heap::{Definition, Functions as Found};
use crate::v8::Objects;

/// Lists the functions in the heap, one row for each definition: how many closures it has, how far it is compiled, how many bytes
/// it takes
///
/// A definition is a function as it is written once; each evaluation makes a closure of it. Closures by the thousand, where
/// nobody wants so many, are a common leak: each keeps the variables of the functions around it alive. Builtins of V8 are left
/// out unless --builtins is given.
#[derive(Debug, Args)]
pub(super) struct Functions {
    #[command(flatten)]
    file: FileArgs,

    /// Only functions whose name matches the regular expression.
    #[arg(long, value_name = "REGEX")]
    name: Option<String>,

    /// Only functions of scripts whose name or URL matches the regular expression.
    #[arg(long, value_name = "REGEX")]
    script: Option<String>,

    /// Only functions with at least so many closures.
    #[arg(long, value_name = "N", default_value_t = 0)]
    closures: u64,

    /// What comes first.
    #[arg(long, value_name = "COLUMN", default_value = "closures")]
    sort: Sort,

    /// Functions that are not written in JavaScript, too.
    #[arg(long)]
    builtins: bool,

    /// Show so many; 0 for all.
    #[arg(long, short = 'n', value_name = "N", default_value_t = 30)]
    limit: usize,
}

/// The columns by which rows can be sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Sort {
    /// Most closures first.
    Closures,
    /// Most bytes first.
    Bytes,
    /// By name.
    Name,
    /// By script and position.
    Location,
    /// Furthest compiled first.
    Code,
}

#[derive(Serialize, JsonSchema)]
struct Row {
    /// Empty for an anonymous function.
    name: String,
    /// `file:line:column`.
    #[serde(skip_serializing_if = "Option::is_none")]
    location: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    script: Option<String>,
    closures: u64,
    code: &'static str,
    /// Closures by what runs when they are called.
    closures_by_code: BTreeMap<&'static str, u64>,
    bytes: Bytes,
    #[schemars(with = "Hex")]
    shared_function_info: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Hex>")]
    example: Option<String>,
}

#[derive(Serialize, JsonSchema)]
struct Bytes {
    total: u64,
    shared_function_info: u64,
    closures: u64,
    bytecode: u64,
    feedback: u64,
    machine_code: u64,
}

#[derive(Serialize, JsonSchema)]
struct Totals {
    definitions: u64,
    closures: u64,
    bytes: u64,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct Report<'a> {
    includes_unreachable: bool,
    functions: &'a [Row],
    /// Of all that match, shown or not.
    totals: Totals,
    coverage: CoverageReport,
    warnings: &'a [String],
}

/// A definition with its name, as long as it is sorted and filtered.
struct Named<'a> {
    definition: &'a Definition,
    name: String,
    script: Option<String>,
}

impl Query for Functions {
    fn input(&self) -> &InputArgs {
        &self.file.input
    }

    fn answer(&self, session: &Session, output: &mut Output) -> anyhow::Result<Outcome> {
        let selection = self.file.selection(session)?;
        let verdict = Verdict::of(session, selection, &session.tally(selection));
        let found = session.functions(selection);
        let mut named = self.matching(&session.objects, &found)?;
        self.sort(&mut named);
        let totals = Totals {
            definitions: named.len() as u64,
            closures: named.iter().map(|row| row.definition.closures).sum(),
            bytes: named.iter().map(|row| row.definition.bytes.total()).sum(),
        };
        let limit = if self.limit == 0 {
            usize::MAX
        } else {
            self.limit
        };
        let rows: Vec<Row> = named
            .into_iter()
            .take(limit)
            .map(|named| named.into_row(&session.objects))
            .collect();
        let outcome = verdict.outcome(!rows.is_empty());
        if self.file.json {
            output.json(&Report {
                includes_unreachable: true,
                functions: &rows,
                totals,
                coverage: verdict.coverage(),
                warnings: &verdict.warnings,
            })?;
            return Ok(outcome);
        }
        write_rows(&rows, &totals, output)?;
        verdict.write(output)?;
        Ok(outcome)
    }
}

impl Functions {
    fn matching<'a>(&self, objects: &Objects, found: &'a Found) -> anyhow::Result<Vec<Named<'a>>> {
        let name = pattern(self.name.as_deref())?;
        let script = pattern(self.script.as_deref())?;
        let named = found
            .definitions
            .iter()
            .filter(|definition| self.builtins || definition.script.is_some())
            .filter(|definition| definition.closures >= self.closures)
            .map(|definition| Named::of(objects, definition))
            .filter(|row| name.as_ref().is_none_or(|name| name.is_match(&row.name)))
            .filter(|row| {
                let own = row.script.as_deref().unwrap_or_default();
                script.as_ref().is_none_or(|script| script.is_match(own))
            })
            .collect();
        Ok(named)
    }

    fn sort(&self, rows: &mut [Named<'_>]) {
        match self.sort {
            Sort::Closures => rows.sort_by_key(|row| {
                let definition = row.definition;
                Reverse((definition.closures, definition.bytes.total()))
            }),
            Sort::Bytes => rows.sort_by_key(|row| Reverse(row.definition.bytes.total())),
            Sort::Name => rows.sort_by(|one, other| one.name.cmp(&other.name)),
            Sort::Location => rows.sort_by(|one, other| one.script.cmp(&other.script)),
            Sort::Code => rows.sort_by_key(|row| {
                let definition = row.definition;
                Reverse((definition.tier, definition.bytes.total()))
            }),
        }
    }
}

impl<'a> Named<'a> {
    fn of(objects: &Objects, definition: &'a Definition) -> Self {
        let name = objects
            .function_debug_name(definition.shared)
            .ok()
            .flatten();
        let script = definition.script.map(|script| {
            let name = objects.script_name(script).ok().flatten();
            name.map_or_else(String::new, |name| name.to_text())
        });
        Self {
            definition,
            name: name.map_or_else(String::new, |name| name.to_text()),
            script,
        }
    }

    fn into_row(self, objects: &Objects) -> Row {
        let definition = self.definition;
        let location = objects.function_location(definition.shared).ok().flatten();
        let bytes = definition.bytes;
        Row {
            name: self.name,
            location: location.map(|location| location.to_string()),
            script: self.script,
            closures: definition.closures,
            code: definition.tier.name(),
            closures_by_code: definition
                .running
                .iter()
                .map(|(tier, count)| (tier.name(), *count))
                .collect(),
            bytes: Bytes {
                total: bytes.total(),
                shared_function_info: bytes.shared,
                closures: bytes.closures,
                bytecode: bytes.bytecode,
                feedback: bytes.feedback,
                machine_code: bytes.machine_code,
            },
            shared_function_info: definition.shared.to_string(),
            example: definition.example.map(|example| example.to_string()),
        }
    }
}

fn pattern(text: Option<&str>) -> anyhow::Result<Option<Regex>> {
    text.map(|text| Regex::new(text).with_context(|| format!("'{text}' is no regular expression")))
        .transpose()
}

fn write_rows(rows: &[Row], totals: &Totals, output: &mut Output) -> anyhow::Result<()> {
    let cells = rows
        .iter()
        .map(|row| {
            let name = if row.name.is_empty() {
                "(anonymous)"
            } else {
                &row.name
            };
            let example = row.example.as_ref().unwrap_or(&row.shared_function_info);
            vec![
                grouped(row.closures),
                grouped(row.bytes.total),
                row.code.to_owned(),
                example.clone(),
                name.to_owned(),
                row.location.clone().unwrap_or_default(),
            ]
        })
        .collect();
    if !rows.is_empty() {
        let header = ["Closures", "Bytes", "Code", "Example", "Name", "Location"];
        output.table(&header, &[0, 1], cells)?;
        writeln!(output)?;
    }
    writeln!(
        output,
        "{} functions, {} closures, {} bytes; shown: {}",
        grouped(totals.definitions),
        grouped(totals.closures),
        grouped(totals.bytes),
        grouped(rows.len() as u64)
    )?;
    Ok(())
}
