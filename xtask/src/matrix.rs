//! `cargo xtask matrix`: the battery of known populations and values on any Node.js releases.

use std::fs;

use anyhow::{Context, Result, ensure};
use clap::Args;
use v8mini_tests::battery::{self, Row};
use v8mini_tests::{Tools, nodes, workspace_root};

const PAGE: &str = "spec/support-matrix.md";

/// What is known of another processor, which no row is about.
const ARM64: &str = include_str!("arm64.md");

/// Run the battery of exact populations and values on Node.js releases, and print a table
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Exact versions (22.0.0) or lines whose latest is wanted (22); all that the tests use if none is named
    versions: Vec<String>,
    /// Also write the table to spec/support-matrix.md
    #[arg(long)]
    write: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let mut versions: Vec<&str> = arguments.versions.iter().map(String::as_str).collect();
    if versions.is_empty() {
        versions.extend(nodes::TESTED);
    }
    let tools = Tools::build("dev")?;
    let mut rows = Vec::new();
    println!("{}", header());
    for version in versions {
        let row = battery::run(&tools, version).with_context(|| format!("Node.js {version}"))?;
        println!("{}", line(&row));
        for difference in row.differences() {
            println!("    {difference}");
        }
        rows.push(row);
    }
    if arguments.write {
        let page = page(&rows);
        fs::write(workspace_root().join(PAGE), page)
            .with_context(|| format!("cannot write {PAGE}"))?;
    }
    let red = rows.iter().filter(|row| !row.is_green()).count();
    ensure!(red == 0, "{red} of {} releases are not green", rows.len());
    Ok(())
}

fn header() -> String {
    let mut header = String::from("| Node.js | V8 | layout | coverage |");
    for ability in battery::ABILITIES {
        header.push_str(&format!(" {ability} |"));
    }
    header.push_str("\n| --- | --- | --- | ---: |");
    header.push_str(&" --- |".repeat(battery::ABILITIES.len()));
    header
}

fn line(row: &Row) -> String {
    let mut line = format!(
        "| {} | {} | {} | {:.2} % |",
        row.node, row.v8, row.layout, row.coverage_percent
    );
    for result in &row.results {
        line.push_str(&format!(" {result} |"));
    }
    line
}

fn page(rows: &[Row]) -> String {
    let mut page = String::from(
        "# Supported releases of Node.js\n\n\
         Written by `cargo xtask matrix --write`, which runs every release and compares what `v8mini` reads from a\n\
         capture of it with the truth that the program told about itself. *Layout* is the table of `spec/layouts/` that\n\
         was taken; *coverage* is the part of the used bytes of V8's pages that the walk could account for.\n\n",
    );
    page.push_str(&header());
    for row in rows {
        page.push('\n');
        page.push_str(&line(row));
    }
    page.push('\n');
    page.push_str(ARM64);
    page
}
