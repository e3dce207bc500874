//! `v8mini scripts`: all scripts of a heap.

use std::cmp::Reverse;
use std::io::Write;

use clap::Args;
use rustc_hash::FxHashMap;
use schemars::JsonSchema;
use serde::Serialize;

use super::file::{FileArgs, InputArgs};
use super::output::{Outcome, Output, grouped};
use super::schema::Hex;
use super::session::{Query, Session};
use super::verdict::{CoverageReport, Verdict};
use crate::heap::Functions;
use crate::v8::{Address, Objects, ScriptType, Tier};

/// Lists the scripts in the heap: their names, the length of their source, how many of their functions are compiled
///
/// A script is a file, a piece of evaluated code, or a module of Node.js itself. --node shows the latter, too.
#[derive(Debug, Args)]
pub(super) struct Scripts {
    #[command(flatten)]
    file: FileArgs,

    /// Node.js' own modules and those of V8, too.
    #[arg(long)]
    node: bool,
}

#[derive(Serialize, JsonSchema)]
struct Row {
    #[schemars(with = "Hex")]
    address: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<u64>,
    /// Path or URL; null if it has none.
    name: Option<String>,
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip)]
    is_normal: bool,
    source: Source,
    functions: u64,
    compiled: u64,
    closures: u64,
    /// What its functions take, its source not included.
    function_bytes: u64,
}

/// The source text of a script.
#[derive(Serialize, JsonSchema)]
struct Source {
    /// In UTF-16 code units; null if there is none.
    length: Option<u64>,
    /// `one-byte`, `external-two-byte`, …; null if there is none.
    representation: Option<&'static str>,
    /// Whether its characters are in the file.
    captured: bool,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct Report<'a> {
    scripts: &'a [Row],
    coverage: CoverageReport,
    warnings: &'a [String],
}

/// What the functions of a script are together.
#[derive(Default)]
struct Sums {
    functions: u64,
    compiled: u64,
    closures: u64,
    bytes: u64,
}

impl Query for Scripts {
    fn input(&self) -> &InputArgs {
        &self.file.input
    }

    fn answer(&self, session: &Session, output: &mut Output) -> anyhow::Result<Outcome> {
        let selection = self.file.selection(session)?;
        let verdict = Verdict::of(session, selection, &session.tally(selection));
        let found = session.functions(selection);
        let mut rows = rows(&session.objects, &found);
        let all = rows.len();
        if !self.node {
            let is_own = |name: &str| !is_of_node(name);
            rows.retain(|row| row.is_normal && row.name.as_deref().is_none_or(is_own));
        }
        let outcome = verdict.outcome(all > 0);
        if self.file.json {
            output.json(&Report {
                scripts: &rows,
                coverage: verdict.coverage(),
                warnings: &verdict.warnings,
            })?;
            return Ok(outcome);
        }
        write_rows(&rows, all, output)?;
        verdict.write(output)?;
        Ok(outcome)
    }
}

/// Whether a script is one of Node.js' own: `node:internal/url`, before Node.js 16 `internal/url.js`.
fn is_of_node(name: &str) -> bool {
    let is_url = name
        .split_once(':')
        .is_some_and(|(scheme, _)| scheme != "node" && scheme.len() > 1);
    let is_path = name.starts_with(['/', '\\', '[', '<']) || name.get(1..3) == Some(":\\");
    name.starts_with("node:") || (name.ends_with(".js") && !is_path && !is_url)
}

fn rows(objects: &Objects, found: &Functions) -> Vec<Row> {
    let mut sums: FxHashMap<Address, Sums> = FxHashMap::default();
    for definition in &found.definitions {
        let Some(script) = definition.script else {
            continue;
        };
        let sums = sums.entry(script).or_default();
        sums.functions += 1;
        sums.compiled += u64::from(definition.tier > Tier::Lazy);
        sums.closures += definition.closures;
        sums.bytes += definition.bytes.total();
    }
    let mut rows: Vec<Row> = found
        .scripts
        .iter()
        .map(|script| {
            let sums = sums.remove(script).unwrap_or_default();
            let name = objects.script_name(*script).ok().flatten();
            let kind = objects.script_type(*script);
            Row {
                address: script.to_string(),
                id: objects.script_id(*script),
                name: name.map(|name| name.to_text()),
                kind: kind.name(),
                is_normal: matches!(
                    kind,
                    ScriptType::Normal | ScriptType::Wasm | ScriptType::Unknown
                ),
                source: source(objects, *script),
                functions: sums.functions,
                compiled: sums.compiled,
                closures: sums.closures,
                function_bytes: sums.bytes,
            }
        })
        .collect();
    rows.sort_by_key(|row| Reverse(row.source.length));
    rows
}

fn source(objects: &Objects, script: Address) -> Source {
    let Ok(Some(text)) = objects.script_source(script, 1) else {
        return Source {
            length: None,
            representation: None,
            captured: false,
        };
    };
    Source {
        length: Some(text.length),
        representation: Some(text.representation.name()),
        captured: text.missing.is_none(),
    }
}

fn write_rows(rows: &[Row], all: usize, output: &mut Output) -> anyhow::Result<()> {
    let cells = rows
        .iter()
        .map(|row| {
            let source = match (row.source.length, row.source.captured) {
                (Some(length), true) => grouped(length),
                (Some(length), false) => format!("{} (not in the file)", grouped(length)),
                (None, _) => "none".to_owned(),
            };
            vec![
                row.id.map_or_else(String::new, |id| id.to_string()),
                source,
                grouped(row.functions),
                grouped(row.compiled),
                grouped(row.closures),
                grouped(row.function_bytes),
                row.address.clone(),
                row.name.clone().unwrap_or_else(|| "(no name)".to_owned()),
            ]
        })
        .collect();
    let header = [
        "Id",
        "Source",
        "Functions",
        "Compiled",
        "Closures",
        "Bytes",
        "Address",
        "Name",
    ];
    if !rows.is_empty() {
        output.table(&header, &[0, 1, 2, 3, 4, 5], cells)?;
        writeln!(output)?;
    }
    match all - rows.len() {
        0 => writeln!(output, "{} scripts", grouped(rows.len() as u64))?,
        others => writeln!(
            output,
            "{} scripts; {} of Node.js and V8: --node shows them",
            grouped(rows.len() as u64),
            grouped(others as u64)
        )?,
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::is_of_node;

    #[test]
    fn scripts_of_node_are_known_by_name() {
        for own in ["node:internal/url", "internal/url.js", "net.js", "node.js"] {
            assert!(is_of_node(own), "{own}");
        }
        for other in [
            "/srv/app.js",
            "C:\\app\\x.js",
            "file:///srv/app.mjs",
            "[eval]",
            "evalmachine.<anonymous>",
            "",
        ] {
            assert!(!is_of_node(other), "{other}");
        }
    }
}
