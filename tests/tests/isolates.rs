//! Every isolate of a process is in its capture, with what belongs to it and nothing else.

#![cfg(target_os = "linux")]

use anyhow::Result;
use v8mini_tests::{Tools, Workload, battery};

fn check(release: &str, workers: usize) -> Result<()> {
    let process =
        Workload::new("workers.js", release)?.spawn_with(&["--workers", &workers.to_string()])?;
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("workers.v8mini");
    Tools::get().capture_to(process.pid(), &file)?;
    battery::isolates::check(Tools::get(), &file, &process.truth)?.into_result()
}

#[test]
fn two_workers_of_node_20() -> Result<()> {
    check("20.20.2", 2)
}

#[test]
fn two_workers_of_node_22() -> Result<()> {
    check("22.23.3", 2)
}

#[test]
fn sixteen_workers_of_node_24() -> Result<()> {
    check("24.21.0", 16)
}

#[test]
fn two_workers_of_node_26() -> Result<()> {
    check("26.10.0", 2)
}
