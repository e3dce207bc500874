//! Exported heap snapshots, in the programs that people open them with, next to V8's own snapshot of the same process.

#![cfg(target_os = "linux")]

use std::ffi::OsStr;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use v8mini_tests::readers::{Reader, read};
use v8mini_tests::{Tools, Workload};

/// Retained sizes may differ by so much: what C++ holds besides is not in a capture.
const TOLERANCE: f64 = 0.02;

fn export(capture: &Path, snapshot: &Path, options: &[&str]) -> Result<Value> {
    let mut line: Vec<&OsStr> = vec!["export".as_ref(), capture.as_os_str()];
    line.extend(["--to", "heapsnapshot", "--json", "-o"].map(OsStr::new));
    line.push(snapshot.as_os_str());
    line.extend(options.iter().map(OsStr::new));
    Tools::get().analyze(line)?.json()
}

fn check(release: &str) -> Result<()> {
    let dir = tempfile::tempdir()?;
    let [capture, theirs, ours, large] = [
        "a.v8mini",
        "v8.heapsnapshot",
        "a.heapsnapshot",
        "large.heapsnapshot",
    ]
    .map(|name| dir.path().join(name));
    let mut process = Workload::new("big-heap.js", release)?.spawn()?;
    process.ask(&format!("snapshot {}", theirs.display()))?;
    Tools::get().capture_to(process.pid(), &capture)?;
    let written = export(&capture, &ours, &[])?;

    let ours_read = read(Reader::DevTools, &ours)?;
    let theirs_read = read(Reader::DevTools, &theirs)?;
    ensure!(
        ours_read["nodes"] == written["nodes"],
        "{written} {ours_read}"
    );
    let classes = process.truth["counts"].as_object().context("no counts")?;
    for class in classes
        .keys()
        .map(String::as_str)
        .chain(["Map", "Set", "Date", "Promise"])
    {
        let figure = |read: &Value, name: &str| {
            read["classes"][class][name]
                .as_f64()
                .with_context(|| format!("{class} has no {name}"))
        };
        // The prototype is an object of the class, too; V8 shows it only where it has properties of its own.
        let counts = [figure(&ours_read, "count")?, figure(&theirs_read, "count")?];
        ensure!((counts[0] - counts[1]).abs() <= 5.0, "{class}: {counts:?}");
        if classes.contains_key(class) {
            let [ours, theirs] = [
                figure(&ours_read, "retained")?,
                figure(&theirs_read, "retained")?,
            ];
            ensure!(
                (ours - theirs).abs() <= theirs * TOLERANCE,
                "{class}: DevTools finds {ours} bytes retained in ours, {theirs} in V8's"
            );
        }
    }

    let memlab = read(Reader::Memlab, &ours)?;
    ensure!(memlab["nodes"] == written["nodes"] && memlab["edges"] == written["edges"]);
    let orders = process.truth["counts"]["Order"]
        .as_u64()
        .context("no orders")?;
    let counted = memlab["classes"]["Order"]["count"].as_u64().unwrap_or(0);
    ensure!(
        (orders..=orders + 1).contains(&counted),
        "memlab counts {counted} orders"
    );

    // What is left out is added to what dominates it.
    export(&capture, &large, &["--only-retained-above", "100K"])?;
    let large_read = read(Reader::DevTools, &large)?;
    ensure!(
        large_read["nodes"].as_u64() < Some(2000),
        "{}",
        large_read["nodes"]
    );
    let shallow = [&large_read, &ours_read].map(|read| read["shallow"].as_f64().unwrap_or(0.0));
    ensure!((shallow[0] / shallow[1] - 1.0).abs() < 0.01, "{shallow:?}");
    the_id_leads_back(&capture, &ours)
}

/// The id that DevTools shows is good for `v8mini inspect`.
fn the_id_leads_back(capture: &Path, snapshot: &Path) -> Result<()> {
    let snapshot: Value = serde_json::from_slice(&std::fs::read(snapshot)?)?;
    let strings = snapshot["strings"].as_array().context("no strings")?;
    let name = strings
        .iter()
        .position(|name| name == "Order")
        .context("no Order")?;
    let numbers = snapshot["nodes"].as_array().context("no nodes")?;
    let mut orders = numbers
        .chunks(8)
        .filter(|node| node[1] == name && node[0] == 3);
    let node = orders.next_back().context("no node for an Order")?;
    let (id, address) = (format!("@{}", node[2]), node[7].as_u64().unwrap_or(0));
    let printed = Tools::get().query("inspect", capture, &[&id])?;
    ensure!(
        printed["address"] == format!("{address:#x}") && printed["class"] == "Order",
        "{id}: {printed}"
    );
    Ok(())
}

#[test]
fn opens_in_devtools_and_memlab_node_22() -> Result<()> {
    check("22")
}

#[test]
fn opens_in_devtools_and_memlab_node_20() -> Result<()> {
    check("20")
}
