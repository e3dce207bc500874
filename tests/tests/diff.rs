//! `v8mini diff` on programs that grow, and on programs that only work.

#![cfg(target_os = "linux")]

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use v8mini_tests::{Tools, Workload, nodes};

/// Captures a program when it is ready, and again after each time that it was told to do more.
fn captures(program: &str, release: &str, dir: &Path, more: &[&str]) -> Result<Vec<PathBuf>> {
    let mut process = Workload::new(program, release)?.spawn()?;
    let mut files = Vec::new();
    for index in 0..=more.len() {
        let name = program.replace('/', "-");
        let file = dir.join(format!("{name}.{index}.v8mini"));
        Tools::get().capture_to(process.pid(), &file)?;
        files.push(file);
        if let Some(more) = more.get(index) {
            process.ask(&format!("more {more}"))?;
        }
    }
    Ok(files)
}

fn diff(files: &[PathBuf], arguments: &[&str]) -> Result<Value> {
    let (first, later) = files.split_first().context("no captures")?;
    let mut all: Vec<&str> = later.iter().filter_map(|file| file.to_str()).collect();
    all.extend(arguments);
    Tools::get().query("diff", first, &all)
}

fn row<'a>(report: &'a Value, name: &str) -> Result<&'a Value> {
    let rows = report["rows"].as_array().context("no rows")?;
    rows.iter()
        .find(|row| row["name"] == name)
        .with_context(|| format!("no row {name}: {report}"))
}

fn tells_growth_to_the_object(release: &str) -> Result<()> {
    let dir = tempfile::tempdir()?;
    let files = captures("leaks/map-cache.js", release, dir.path(), &["5000", "5000"])?;
    let report = diff(&files, &["--limit", "0", "--objects", "8"])?;
    let profile = row(&report, "Profile")?;
    ensure!(profile["counts"] == serde_json::json!([20000, 25000, 30000]));
    ensure!(profile["growth_count"] == 10000, "{profile}");
    ensure!(profile["verdict"] == "steady growth", "{profile}");
    ensure!(report["same_process"] == true, "{report}");
    ensure!(
        !report["warnings"]
            .to_string()
            .contains("different programs"),
        "{report}"
    );

    let objects = report["objects"].as_array().context("no objects")?;
    let profiles = objects.iter().find(|class| class["name"] == "Profile");
    let profiles = profiles.with_context(|| format!("no new Profiles: {objects:?}"))?;
    ensure!(
        profiles["new"] == 10000 && profiles["gone"] == 0,
        "{profiles}"
    );
    ensure!(profiles["examples"].to_string().contains("user-2"));
    // All of them are in the one Map that was there before.
    let held = &profiles["held"];
    let way = &held["by"][0];
    ensure!(
        held["from_roots"] == true && held["dead"] == 0 && way["objects"] == held["looked_at"],
        "{held}"
    );
    ensure!(
        way["holder_class"] == "Map" && way["path"].to_string().contains("profiles"),
        "{held}"
    );

    let kept = diff(&files, &["--limit", "0", "--objects", "0", "--retained"])?;
    let profile = row(&kept, "Profile")?;
    let retained = profile["retained_bytes"]
        .as_array()
        .context("no retained")?;
    let retained: Vec<f64> = retained.iter().filter_map(Value::as_f64).collect();
    // Each keeps about as much as the others: so what they keep grows as their number does.
    ensure!(
        retained.len() == 3 && (retained[2] / retained[0] - 1.5).abs() < 0.05,
        "{profile}"
    );
    let shallow = profile["shallow_bytes"][2].as_f64().context("no size")?;
    ensure!(retained[2] > shallow * 1.5, "{profile}");

    let shapes = diff(&files, &["--by", "shape", "--filter", "^Profile"])?;
    ensure!(row(&shapes, "Profile {user, details}")?["growth_count"] == 10000);
    Ok(())
}

macro_rules! on {
    ($($name:ident $release:literal)*) => {
        $(
            #[test]
            fn $name() -> Result<()> {
                tells_growth_to_the_object($release)
            }
        )*
    };
}

on! {
    node_12 "12.22.12"
    node_16 "16.20.2"
    node_22 "22.23.3"
    node_26 "26.10.0"
}

#[test]
fn a_program_at_work_does_not_grow() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let program = "healthy/job-queue.js";
    let files = captures(program, nodes::USUAL, dir.path(), &["5000", "5000"])?;
    let report = diff(&files, &["--limit", "0"])?;
    let rows = report["rows"].as_array().context("no rows")?;
    for row in rows {
        ensure!(row["verdict"] != "steady growth", "{row}");
    }
    Ok(())
}

#[test]
fn isolates_are_compared_by_role() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let program = "leaks/worker-messages.js";
    let files = captures(program, nodes::USUAL, dir.path(), &["5000"])?;
    let report = diff(&files, &["--limit", "0", "--filter", "^Object$"])?;
    let rows = report["rows"].as_array().context("no rows")?;
    let growth = |role| {
        let row = rows.iter().find(|row| row["role"] == role);
        row.map_or(0, |row| row["growth_count"].as_i64().unwrap_or(0))
    };
    ensure!(growth("worker") >= 5000, "{report}");
    ensure!(growth("main") < 1000, "{report}");
    Ok(())
}

#[test]
fn different_programs_are_told() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut files = captures("healthy/job-queue.js", nodes::USUAL, dir.path(), &[])?;
    files.extend(captures(
        "healthy/lru-cache.js",
        nodes::USUAL,
        dir.path(),
        &[],
    )?);
    let report = diff(&files, &[])?;
    ensure!(report["same_process"] == false);
    ensure!(
        report["warnings"]
            .to_string()
            .contains("different programs"),
        "{report}"
    );
    Ok(())
}
