//! Exported heap snapshots in the Memory panel of DevTools itself, as Chromium brings it along.

#![cfg(target_os = "linux")]

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use v8mini_tests::{Tools, Workload, browser};

/// DevTools shows two digits of a size; and what C++ holds besides is not in a capture.
const TOLERANCE: f64 = 0.05;
/// Of V8's own classes, the export has so many prototypes more, and the histogram so many dead objects of Node.js.
const OF_NODE: u64 = 5;

/// What the panel shows of a snapshot: see `tests/browser/devtools.mjs`.
fn panel(snapshot: &Path, classes: &[&str]) -> Result<Value> {
    browser::show("devtools.mjs", snapshot, classes)
}

/// Captures a process, and exports what is alive.
fn export(release: &str, capture: &Path, snapshot: &Path) -> Result<()> {
    let process = Workload::new("big-heap.js", release)?.spawn()?;
    Tools::get().capture_to(process.pid(), capture)?;
    let line = ["export".as_ref(), capture.as_os_str(), "--to".as_ref()];
    let rest = ["heapsnapshot".as_ref(), "-o".as_ref(), snapshot.as_os_str()];
    Tools::get()
        .analyze(line.into_iter().chain(rest))?
        .success()?;
    Ok(())
}

/// A size as DevTools writes it, as `1.5 MB`, in bytes.
fn bytes(shown: &Value) -> Result<f64> {
    let shown = shown.as_str().context("no size")?;
    let (number, unit) = shown.split_once('\u{a0}').context("no unit")?;
    let unit = match unit {
        "B" => 1.0,
        "kB" => 1e3,
        "MB" => 1e6,
        _ => anyhow::bail!("the unit of {shown}"),
    };
    Ok(number.replace(',', "").parse::<f64>()? * unit)
}

fn check(release: &str) -> Result<()> {
    let dir = tempfile::tempdir()?;
    let [capture, snapshot] = ["a.v8mini", "a.heapsnapshot"].map(|name| dir.path().join(name));
    export(release, &capture, &snapshot)?;
    let own = ["Item", "Order", "Refund", "Settings", "Date"];
    let of_v8 = ["Map", "Set", "Promise"];
    let shown = panel(&snapshot, &[&own[..], &of_v8].concat())?;

    let histogram =
        Tools::get().query("histogram", &capture, &["--retained", "--limit", "1000"])?;
    let rows = histogram["rows"].as_array().context("no rows")?;
    for class in own.iter().chain(&of_v8) {
        let row = rows
            .iter()
            .find(|row| row["name"] == *class)
            .with_context(|| format!("no {class}"))?;
        let found = &shown["classes"][class];
        let counts = [&found["count"], &row["count"]].map(|count| count.as_u64().unwrap_or(0));
        let agree = match *class {
            // The prototype of refunds is an order.
            "Order" => counts[0] == counts[1] + 1,
            class if of_v8.contains(&class) => counts[0].abs_diff(counts[1]) <= OF_NODE,
            _ => counts[0] == counts[1],
        };
        ensure!(
            agree && counts[1] > 0,
            "DevTools counts {} {class}, v8mini {}",
            counts[0],
            counts[1]
        );
        let retained = row["retained_bytes"].as_f64().context("nothing retained")?;
        ensure!(
            (bytes(&found["retained"])? - retained).abs() <= retained * TOLERANCE,
            "{class}: {found} {row}"
        );
    }
    an_object_leads_back(&capture, &shown["object"])
}

/// What DevTools calls an object, and what holds it, is what `v8mini inspect` finds under the same ids.
fn an_object_leads_back(capture: &Path, object: &Value) -> Result<()> {
    let class_at = |id: &str| -> Result<Value> {
        let id = format!("@{id}");
        Ok(Tools::get().query("inspect", capture, &[&id])?["class"].take())
    };
    let text = object["text"].as_str().context("no object")?;
    let (class, id) = text.split_once(" @ ").context("no id")?;
    ensure!(class == "Item" && class_at(id)? == "Item", "{object}");
    // Items are in an array of which nothing else is told.
    let held = object["retainers"].as_array().context("no retainers")?;
    let array = held
        .iter()
        .find_map(|line| line.as_str()?.split_once("] in Array @ "));
    let (_, id) = array.with_context(|| format!("no array holds {object}"))?;
    ensure!(class_at(id)? == "Array", "{object}");
    Ok(())
}

#[test]
fn shows_what_the_histogram_has_node_22() -> Result<()> {
    check("22")
}

#[test]
fn shows_what_the_histogram_has_node_20() -> Result<()> {
    check("20")
}

/// So the test above would notice.
#[test]
fn complains_of_half_a_snapshot() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let [capture, snapshot] = ["a.v8mini", "a.heapsnapshot"].map(|name| dir.path().join(name));
    export("22", &capture, &snapshot)?;
    let whole = fs::read(&snapshot)?;
    fs::write(&snapshot, &whole[..whole.len() / 2])?;
    let error = panel(&snapshot, &["Item"]).expect_err("half a snapshot was shown");
    ensure!(
        error.to_string().contains("Unexpected end of input"),
        "{error:#}"
    );
    Ok(())
}
