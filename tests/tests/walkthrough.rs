//! The well-known walk-through of llnode from 2016, line by line: an HTTP server under load, from its stack to the file that a
//! request writes to. What is shown must be what the program itself says.

#![cfg(target_os = "linux")]

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use regex::Regex;
use serde_json::Value;
use v8mini_tests::{Tools, Workload};

/// Types `lines` into a session, and returns what it prints.
fn session(file: &Path, lines: &[&str]) -> Result<String> {
    let mut arguments = vec!["shell", "--color", "never", file.to_str().context("path")?];
    for line in lines {
        arguments.extend(["-c", line]);
    }
    let outcome = Tools::get().analyze(arguments)?;
    ensure!(
        matches!(outcome.code(), Some(0 | 1 | 3)),
        "`{}` failed: {}",
        outcome.command,
        outcome.stderr
    );
    Ok(outcome.text())
}

/// What the groups of a pattern match in each place of a text.
fn all(text: &str, pattern: &str) -> Result<Vec<String>> {
    let pattern = Regex::new(pattern)?;
    Ok(pattern
        .captures_iter(text)
        .filter_map(|found| Some(found.get(1)?.as_str().to_owned()))
        .collect())
}

fn texts(truth: &Value) -> BTreeSet<String> {
    let list = truth.as_array().map_or(&[][..], Vec::as_slice);
    list.iter()
        .map(|value| {
            value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned)
        })
        .collect()
}

/// The row of a type in what findjsobjects prints: its count.
fn count_of(types: &str, name: &str) -> Result<Option<u64>> {
    let rows = all(types, &format!(r"(?m)^ +(\d+) +\d+ {name}$"))?;
    Ok(rows.first().map(|count| count.parse()).transpose()?)
}

fn walk_through(release: &str, has_tick_objects: bool) -> Result<()> {
    let dir = tempfile::tempdir()?;
    let logs = dir
        .path()
        .to_str()
        .context("a directory with a strange name")?;
    let process = Workload::new("walkthrough.js", release)?.spawn_with(&["--logs", logs])?;
    let file = dir.path().join("walkthrough.v8mini");
    Tools::get().capture_to(process.pid(), &file)?;
    let truth = &process.truth;
    let streams = truth["writeStreams"].as_u64().context("truth")?;
    let ticks = truth["ticks"].as_u64().context("truth")?;

    // (llnode) v8 bt
    let stack = session(&file, &["v8 bt"])?;
    let handler = r"frame #\d+: 0x[0-9a-f]{16} stopHere\(this=0x[0-9a-f]+:<undefined>, (0x[0-9a-f]+):<Object: RequestLog>, 0x[0-9a-f]+:<Object: ServerResponse>\) at \S*walkthrough\.js:\d+:\d+ fn=0x[0-9a-f]{16}";
    let log = all(&stack, handler)?;
    ensure!(
        log.len() == 1,
        "stopHere is not on the stack once:\n{stack}"
    );
    ensure!(
        stack.contains(" emit(this=") || stack.contains("emitOne(this="),
        "{stack}"
    );

    // The argument that the stack shows is the request that the program stopped in.
    let inspected = session(&file, &[&format!("v8 inspect {}", log[0])])?;
    let url = truth["url"].as_str().context("truth")?;
    ensure!(
        inspected.contains(&format!("<String: \"{url}\">")),
        "{inspected}"
    );

    // (llnode) v8 findjsobjects
    let types = session(&file, &["v8 findjsobjects"])?;
    ensure!(types.starts_with(" Instances  Total Size Name\n ---------- ---------- ----\n"));
    ensure!(count_of(&types, "WriteStream")? == Some(streams), "{types}");
    ensure!(count_of(&types, "RequestLog")? == Some(streams), "{types}");

    // (llnode) v8 findjsinstances WriteStream, and v8 inspect of each
    let listed = session(&file, &["v8 findjsinstances WriteStream"])?;
    let addresses = all(&listed, r"(?m)^(0x[0-9a-f]+):<Object: WriteStream>$")?;
    ensure!(addresses.len() as u64 == streams, "{listed}");
    ensure!(listed.ends_with(&format!(
        "(Showing 1 to {streams} of {streams} instances)\n"
    )));
    let lines: Vec<String> = addresses
        .iter()
        .map(|at| format!("v8 inspect -F {at}"))
        .collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let inspected = session(&file, &lines)?;
    let paths = all(
        &inspected,
        r#"(?m)^    \.path=0x[0-9a-f]+:<String: "([^"]*)">"#,
    )?;
    ensure!(
        paths.into_iter().collect::<BTreeSet<_>>() == texts(&truth["logs"]),
        "{inspected}"
    );

    // Pages, as Enter turns them.
    let pages = session(
        &file,
        &[
            "findjsinstances -n 3 WriteStream",
            "findjsinstances -n 3 WriteStream",
        ],
    )?;
    ensure!(
        pages.contains("\n..........\n(Showing 1 to 3 of 5 instances)\n"),
        "{pages}"
    );
    ensure!(
        pages.ends_with("(Showing 4 to 5 of 5 instances)\n"),
        "{pages}"
    );

    // (llnode) v8 findjsinstances Socket, and who is at the other end of each
    let sockets = session(&file, &["v8 findjsinstances Socket"])?;
    let found = all(&sockets, r"(?m)^(0x[0-9a-f]+):<Object: Socket>$")?;
    ensure!(found.len() as u64 >= streams, "{sockets}");
    let peers = session(
        &file,
        &["findjsinstances Socket | v8 print ._peername.port"],
    )?;
    let ports: BTreeSet<String> = all(&peers, r"(?m)^<Smi: (\d+)>$")?.into_iter().collect();
    let served = texts(&truth["peers"]);
    ensure!(
        ports.is_superset(&served),
        "{peers}, but the program serves {served:?}"
    );

    // (llnode) v8 findjsinstances TickObject: what the next tick will run. Node.js 11 made plain objects of them.
    let queued = session(&file, &["v8 findjsinstances TickObject"])?;
    ensure!(
        queued.starts_with("No objects found") != has_tick_objects,
        "{queued}"
    );
    let callbacks = session(&file, &["v8 findrefs -n callback | v8 print .callback"])?;
    let waiting = all(&callbacks, r"<function: (workForTheNextTick) at ")?;
    ensure!(waiting.len() as u64 == ticks, "{callbacks}");
    if has_tick_objects {
        let callbacks = session(&file, &["findjsinstances TickObject | v8 print .callback"])?;
        let waiting = all(&callbacks, r"<function: (workForTheNextTick) at ")?;
        ensure!(waiting.len() as u64 == ticks, "{callbacks}");
    }
    Ok(())
}

#[test]
fn node_4_4_7_is_walked_through() -> Result<()> {
    walk_through("4.4.7", true)
}

#[test]
fn node_24_is_walked_through() -> Result<()> {
    walk_through("24.21.0", false)
}
