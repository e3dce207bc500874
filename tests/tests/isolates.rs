//! Every isolate of a process is in its capture, with what belongs to it and nothing else.

#![cfg(target_os = "linux")]

use anyhow::{Result, ensure};
use serde_json::Value;
use v8mini_tests::{Tools, Workload, battery};

fn check(release: &str, workers: usize) -> Result<()> {
    let process =
        Workload::new("workers.js", release)?.spawn_with(&["--workers", &workers.to_string()])?;
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("workers.v8mini");
    Tools::get().capture_to(process.pid(), &file)?;
    battery::isolates::check(Tools::get(), &file, &process.truth)?.into_result()?;
    let garbage = Tools::get().query("garbage", &file, &[])?;
    ensure!(
        !garbage["warnings"].to_string().contains("not located"),
        "{}",
        garbage["warnings"]
    );
    // One thread for each isolate, the main one first; and each waits for what its own isolate has.
    let report = Tools::get().query("bt", &file, &["--async"])?;
    let threads = report["threads"].as_array().cloned().unwrap_or_default();
    let kinds: Vec<&Value> = threads.iter().map(|thread| &thread["kind"]).collect();
    ensure!(
        kinds.first() == Some(&&Value::from("main"))
            && kinds.iter().filter(|kind| **kind == "worker").count() == workers
            && kinds.len() == workers + 1,
        "{kinds:?}"
    );
    for (number, thread) in threads.iter().enumerate().skip(1) {
        ensure!(thread["worker"] == number, "{thread:#}");
        let waiting = &thread["waiting"]["callbacks"];
        ensure!(
            waiting[0]["function"]["name"] == "idle",
            "worker {number} waits for {waiting:#}"
        );
    }
    // Every worker has compiled the function for itself, but it is one.
    let source = Tools::get().query("source", &file, &["idle"])?;
    ensure!(source["function"] == "idle", "{source:#}");
    Ok(())
}

/// With threads of the kernel for io_uring, which come with the registers of the threads that made them, and are in no call.
#[test]
fn two_workers_with_io_uring() -> Result<()> {
    check("20.5.1", 2)?;
    let process = Workload::new("workers.js", "20.5.1")?.spawn_with(&["--workers", "1"])?;
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("io_uring.v8mini");
    Tools::get().capture_to(process.pid(), &file)?;
    let report = Tools::get().query("bt", &file, &["--all", "--native"])?;
    let threads = report["threads"].as_array().cloned().unwrap_or_default();
    let is_of_kernel = |thread: &&Value| {
        thread["name"]
            .as_str()
            .is_some_and(|name| name.starts_with("iou-"))
    };
    let of_kernel: Vec<&Value> = threads.iter().filter(is_of_kernel).collect();
    ensure!(!of_kernel.is_empty(), "no thread of the kernel: {report:#}");
    for thread in of_kernel {
        ensure!(
            thread["frames"] == serde_json::json!([]) && thread["complete"] == true,
            "{thread:#}"
        );
    }
    Ok(())
}

/// Up to Node 18, no handle scope of a worker that waits has a handle.
#[test]
fn two_workers_of_node_16() -> Result<()> {
    check("16.20.2", 2)
}

#[test]
fn two_workers_of_node_18() -> Result<()> {
    check("18.20.8", 2)
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
