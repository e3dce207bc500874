//! The table of parity with llnode and mdb_v8, `spec/llnode-parity.md`, is true: each row's example is run.

#![cfg(target_os = "linux")]

use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use regex::Regex;
use v8mini_tests::patience::{PATIENCE, Patient};
use v8mini_tests::{Tools, Workload, nodes, workspace_root};

/// Stands alone on the line before what an example prints, and on the line before its exit status.
const MARK: &str = "=== parity";

/// A row of the table.
struct Row {
    command: String,
    verdict: String,
    example: String,
    exit: u8,
    expected: Regex,
}

impl Row {
    /// A row of the table, or `None` for any other line.
    fn parse(line: &str) -> Result<Option<Self>> {
        // A bar in a cell is written `\|`.
        let line = line.replace("\\|", "\0");
        let cells: Vec<String> = line
            .trim_matches('|')
            .split('|')
            .map(|cell| cell.trim().replace('\0', "|"))
            .collect();
        let [command, verdict, _, example, exit, expected] = cells.as_slice() else {
            return Ok(None);
        };
        let code = |cell: &str| {
            cell.strip_prefix('`')
                .and_then(|cell| cell.strip_suffix('`'))
                .map(str::to_owned)
        };
        let (Some(example), Some(expected)) = (code(example), code(expected)) else {
            return Ok(None);
        };
        Ok(Some(Self {
            command: command.clone(),
            verdict: verdict.clone(),
            example,
            exit: exit.parse().with_context(|| format!("{command}: exit"))?,
            expected: Regex::new(&expected).with_context(|| format!("{command}: expected"))?,
        }))
    }
}

#[test]
fn every_row_of_the_table_is_true() -> Result<()> {
    let page = std::fs::read_to_string(workspace_root().join("spec/llnode-parity.md"))?;
    let setup = page
        .split_once("```text\n")
        .and_then(|(_, rest)| rest.split_once("```"))
        .context("the page does not say how the session begins")?
        .0;
    let rows: Vec<Row> = page
        .lines()
        .filter_map(|line| Row::parse(line).transpose())
        .collect::<Result<_>>()?;
    ensure!(rows.len() > 100, "only {} rows were found", rows.len());
    for verdict in ["works", "better", "not"] {
        ensure!(rows.iter().any(|row| row.verdict == verdict));
    }

    let dir = tempfile::tempdir()?;
    let logs = dir
        .path()
        .to_str()
        .context("a directory with a strange name")?;
    let process = Workload::new("walkthrough.js", nodes::USUAL)?.spawn_with(&["--logs", logs])?;
    let file = dir.path().join("walkthrough.v8mini");
    Tools::get().capture_to(process.pid(), &file)?;

    // What commands complain about goes where their output goes, in the order in which it is written.
    let mut session = Command::new("sh");
    session
        .args(["-c", "exec \"$@\" 2>&1", "sh"])
        .arg(&Tools::get().analyze)
        .args(["shell", "--color", "never"])
        .arg(&file)
        .stdin(Stdio::null());
    for line in setup.lines() {
        session.args(["-c", line]);
    }
    for row in &rows {
        session.args(["-c", &format!("echo '{MARK}'")]);
        session.args(["-c", &row.example]);
        session.args(["-c", &format!("echo '{MARK}' $?")]);
    }
    let output = String::from_utf8(session.output_within(5 * PATIENCE)?.stdout)?;
    let mark = format!("{MARK}\n");
    let mut parts = output.split(mark.as_str());
    let setup = parts.next().unwrap_or_default();
    let mut wrong = Vec::new();
    for row in &rows {
        let printed = parts.next().context("the session ended early")?;
        let status = parts.next().context("the session ended early")?;
        let exit: u8 = status.lines().next().unwrap_or_default().parse()?;
        // 3 is an answer from a capture of which a little is missing.
        let exit_is_right = exit == row.exit || (row.exit == 0 && exit == 3);
        if !exit_is_right || !row.expected.is_match(printed) {
            let beginning: String = printed.chars().take(600).collect();
            wrong.push(format!(
                "{} ({}): exit {exit}, expected {}; {} must match\n{beginning}",
                row.command, row.example, row.exit, row.expected
            ));
        }
    }
    ensure!(
        wrong.is_empty(),
        "{} of {} rows are not true:\n\n{}\n\nThe session began with:\n{setup}",
        wrong.len(),
        rows.len(),
        wrong.join("\n\n")
    );
    Ok(())
}
