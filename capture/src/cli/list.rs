//! `v8mini-capture list`.

use std::io::{self, Write};
use std::time::Duration;

use crate::linux::{Listed, list};
use comfy_table::{CellAlignment, ContentArrangement, Table, TableStyle};
use indicatif::{FormattedDuration, HumanBytes};

use super::Outcome;

/// How to print the list.
#[derive(Debug, clap::Args)]
pub(super) struct ListArguments {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

const HEADERS: [&str; 8] = [
    "PID", "NODE", "V8", "HEAP", "UPTIME", "ISOLATES", "THREADS", "COMMAND",
];
/// Columns that hold numbers.
const NUMBERS: [usize; 5] = [0, 3, 4, 5, 6];
/// Characters of a command line that are printed; JSON has all of it.
const COMMAND_WIDTH: usize = 60;

/// Runs the command.
pub(super) fn run(arguments: &ListArguments) -> anyhow::Result<Outcome> {
    let processes = list()?;
    let text = if arguments.json {
        serde_json::to_string_pretty(&processes.iter().map(json).collect::<Vec<_>>())?
    } else if processes.is_empty() {
        "no Node.js process is running".to_owned()
    } else {
        table(&processes).trim_fmt()
    };
    match writeln!(io::stdout(), "{text}") {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => return Err(error.into()),
        _ => {}
    }
    Ok(Outcome::Complete)
}

fn table(processes: &[Listed]) -> Table {
    let mut table = Table::new();
    table
        .load_style(TableStyle::new())
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_header(HEADERS);
    for column in NUMBERS {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    for process in processes {
        let (node, version, heap, isolates, command) = match &process.v8 {
            Ok(v8) => (
                v8.node_version.clone().unwrap_or_else(unknown),
                v8.version
                    .map_or_else(unknown, |version| version.to_string()),
                HumanBytes(v8.heap_bytes).to_string(),
                v8.isolates.to_string(),
                process.arguments.join(" "),
            ),
            Err(error) => (
                unknown(),
                unknown(),
                unknown(),
                unknown(),
                error.to_string(),
            ),
        };
        table.add_row([
            process.pid.to_string(),
            node,
            version,
            heap,
            FormattedDuration(Duration::from_secs(process.uptime_ns / 1_000_000_000)).to_string(),
            isolates,
            process.threads.to_string(),
            shortened(&command),
        ]);
    }
    table
}

fn unknown() -> String {
    "?".to_owned()
}

fn shortened(text: &str) -> String {
    let mut characters = text.chars();
    let mut short: String = characters.by_ref().take(COMMAND_WIDTH).collect();
    if characters.next().is_some() {
        short.push('…');
    }
    short
}

fn json(process: &Listed) -> serde_json::Value {
    let mut value = serde_json::json!({
        "pid": process.pid,
        "name": process.name,
        "arguments": process.arguments,
        "uptime_ns": process.uptime_ns,
        "threads": process.threads,
    });
    let more = match &process.v8 {
        Ok(v8) => serde_json::json!({
            "node_version": v8.node_version,
            "v8_version": v8.version.map(|version| version.to_string()),
            "heap_bytes": v8.heap_bytes,
            "isolates": v8.isolates,
        }),
        Err(error) => serde_json::json!({ "error": error.to_string() }),
    };
    if let (Some(value), serde_json::Value::Object(more)) = (value.as_object_mut(), more) {
        value.extend(more);
    }
    value
}
