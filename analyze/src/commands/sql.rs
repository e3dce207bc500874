//! `v8mini sql`: the tables of a capture, asked in SQL.

use std::io::{self, Write};

use clap::Args;
use schemars::JsonSchema;
use serde::Serialize;

use super::file::{FileArgs, InputArgs};
use super::output::{DIM, Outcome, Output};
use super::progress;
use super::session::{Query, Session};
use super::tabled::Tabled;
use crate::inspect::escape_units;
use crate::tables::{Answer, Database, Partition, Table};

/// Asks the tables of a capture in SQL
///
/// The tables are those that v8mini export --to parquet writes: captures, types, objects, edges, strings, threads and frames.
/// spec/fleet.md has their columns, and queries, which work here as in DuckDB and Spark. The engine is SQLite; what a query reads
/// is laid into a temporary file for it. Without QUERY, the tables and their columns are listed.
#[derive(Debug, Args)]
pub(super) struct Sql {
    #[command(flatten)]
    file: FileArgs,

    /// A SELECT: "SELECT class, live_bytes FROM types ORDER BY live_bytes DESC LIMIT 5".
    #[arg(value_name = "QUERY")]
    query: Option<String>,

    /// Print CSV.
    #[arg(long, conflicts_with = "json")]
    csv: bool,

    /// Show so many rows; 0 for all.
    #[arg(long, short = 'n', value_name = "N", default_value_t = 1000)]
    limit: usize,

    /// Keep so many characters (UTF-16 code units) of a string.
    #[arg(long, value_name = "N", default_value_t = 1024)]
    max_string: usize,

    /// What the column host says.
    #[arg(long, value_name = "NAME")]
    host: Option<String>,

    /// What the column service says. By default the name of the program.
    #[arg(long, value_name = "NAME")]
    service: Option<String>,
}

/// A value of a row.
#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
enum Field {
    Null,
    Int(i64),
    Real(f64),
    Text(String),
}

#[derive(Serialize, JsonSchema)]
pub(super) struct Report<'a> {
    /// Names of the columns.
    columns: Vec<String>,
    /// In the order of the columns. What is true is 1, what is false 0.
    rows: Vec<Vec<Field>>,
    /// Whether there are more rows than --limit.
    more: bool,
    warnings: &'a [String],
}

impl From<Answer> for Field {
    fn from(answer: Answer) -> Self {
        match answer {
            Answer::Null => Self::Null,
            Answer::Integer(value) => Self::Int(value),
            Answer::Real(value) => Self::Real(value),
            Answer::Text(value) => Self::Text(value),
            Answer::Blob(bytes) => Self::Text(String::from_utf8_lossy(&bytes).into_owned()),
        }
    }
}

impl Field {
    fn text(&self) -> String {
        match self {
            Self::Null => String::new(),
            Self::Int(value) => value.to_string(),
            Self::Real(value) => value.to_string(),
            Self::Text(value) => value.clone(),
        }
    }
}

impl Query for Sql {
    fn input(&self) -> &InputArgs {
        &self.file.input
    }

    fn answer(&self, session: &Session, output: &mut Output) -> anyhow::Result<Outcome> {
        let query = match self.query.as_deref().map(str::trim) {
            Some(query) if !query.is_empty() => query,
            // SQLite's own tables would not tell the views' types.
            _ => return list(output),
        };
        let found = Tabled::find(session, self.file.selection(session)?);
        let verdict = &found.verdict;
        let process = &session.objects.image().metadata.process;
        let partition = Partition::new(process, self.host.as_deref(), self.service.as_deref());
        let tables = found.tables(session, self.max_string);
        let mut database = Database::new(&tables, &partition)?;
        let spinner = progress::spinner("filling tables");
        let mut statement = database.prepare(query, &mut |table| {
            spinner.set_message(table.name());
        })?;
        spinner.finish_and_clear();
        let columns: Vec<String> = statement.column_names().map(str::to_owned).collect();
        let limit = match self.limit {
            0 => usize::MAX,
            limit => limit,
        };
        let mut answers = statement.query([])?;
        let mut rows: Vec<Vec<Field>> = Vec::new();
        let mut more = false;
        while let Some(row) = answers.next()? {
            if rows.len() >= limit {
                more = true;
                break;
            }
            let fields: Result<Vec<Field>, _> = (0..columns.len())
                .map(|column| row.get::<_, Answer>(column).map(Field::from))
                .collect();
            rows.push(fields?);
        }
        let is_found = !rows.is_empty();
        if self.file.json {
            output.json(&Report {
                columns,
                rows,
                more,
                warnings: &verdict.warnings,
            })?;
        } else if self.csv {
            write_csv(output, &columns, &rows)?;
        } else {
            write_table(output, &columns, &rows)?;
            if more {
                writeln!(output, "{DIM}… and more rows: --limit 0 shows all{DIM:#}")?;
            }
            writeln!(output)?;
            verdict.write(output)?;
        }
        Ok(verdict.outcome(is_found))
    }
}

fn list(output: &mut Output) -> anyhow::Result<Outcome> {
    for table in Table::ALL {
        let columns: Vec<&str> = table.columns().iter().map(|column| column.name).collect();
        writeln!(output, "{}: {}", table.name(), columns.join(", "))?;
    }
    writeln!(output, "all: host, service, pid, time")?;
    Ok(Outcome::Done)
}

fn write_table(output: &mut Output, columns: &[String], rows: &[Vec<Field>]) -> io::Result<()> {
    let names: Vec<&str> = columns.iter().map(String::as_str).collect();
    let is_number = |column: usize| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .all(|field| !matches!(field, Field::Text(_)))
    };
    let right: Vec<usize> = (0..columns.len())
        .filter(|column| is_number(*column))
        .collect();
    let cells = rows
        .iter()
        // A row is a line, whatever a text holds.
        .map(|row| {
            row.iter()
                .map(|field| escape_units(&field.text().encode_utf16().collect::<Vec<_>>()))
                .collect()
        })
        .collect();
    output.table(&names, &right, cells)
}

/// As RFC 4180 has it, with the line ends of Unix.
fn write_csv(output: &mut Output, columns: &[String], rows: &[Vec<Field>]) -> io::Result<()> {
    let quoted = |text: &str| {
        if text.contains(['"', ',', '\n', '\r']) {
            format!("\"{}\"", text.replace('"', "\"\""))
        } else {
            text.to_owned()
        }
    };
    let header: Vec<String> = columns.iter().map(|name| quoted(name)).collect();
    let mut csv = header.join(",") + "\n";
    for row in rows {
        let fields: Vec<String> = row.iter().map(|field| quoted(&field.text())).collect();
        csv.push_str(&fields.join(","));
        csv.push('\n');
    }
    output.as_it_is(&csv)
}
