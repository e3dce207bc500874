//! Cores that are made of captures: gdb opens them, and every command says the same of them as of the capture.

#![cfg(target_os = "linux")]

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use v8mini_tests::{NodeProcess, Tools, Workload, nodes};

/// A captured process, and the core that was made of its capture.
fn core(workload: &str, release: &str, dir: &Path) -> Result<(NodeProcess, PathBuf, PathBuf)> {
    let process = Workload::new(workload, release)?.spawn()?;
    let capture = dir.join("process.v8mini");
    Tools::get().capture_to(process.pid(), &capture)?;
    let core = dir.join("process.core");
    let report = Tools::get().query("export", &capture, &["--to=core"])?;
    ensure!(report["lost_bytes"] == 0, "{report}");
    ensure!(
        report["bytes"] == std::fs::metadata(&core)?.len(),
        "{report}"
    );
    Ok((process, capture, core))
}

/// What gdb prints for some commands.
fn gdb(commands: &[&str]) -> Result<String> {
    let mut gdb = Command::new("gdb");
    gdb.args(["--batch", "-nx"]);
    for command in commands {
        gdb.args(["-ex", command]);
    }
    let output = gdb.output().context("gdb is needed")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(text + &String::from_utf8_lossy(&output.stderr))
}

#[test]
fn gdb_shows_threads_registers_and_memory() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let (process, capture, core) = core("population.js", nodes::USUAL, dir.path())?;
    let tools = Tools::get();
    let info = tools.query("info", &capture, &[])?;
    let threads = info["threads"].as_array().context("no threads")?;

    let load = format!("core-file {}", core.display());
    let shown = gdb(&[&load, "info threads"])?;
    for thread in threads {
        let tid = thread["tid"]
            .as_u64()
            .context("a thread without a number")?;
        ensure!(
            shown.contains(&format!("LWP {tid}")),
            "thread {tid}: {shown}"
        );
    }
    ensure!(
        shown.contains(&format!("* 1    LWP {}", process.pid())),
        "{shown}"
    );

    // The registers of each thread are those from which the stacks begin.
    let stacks = tools.query("bt", &capture, &["--all", "--native"])?;
    for stack in stacks["threads"].as_array().context("no stacks")? {
        let tid = &stack["tid"];
        let number = threads
            .iter()
            .position(|it| it["tid"] == *tid)
            .context("no thread")?
            + 1;
        let select = format!("thread {number}");
        let shown = gdb(&[&load, &select, "info registers rip rsp"])?;
        for (register, field) in [("rip", "pc"), ("rsp", "sp")] {
            let value = stack["frames"][0][field].as_str().context("no frame")?;
            let line = shown.lines().find(|line| line.starts_with(register));
            let line = line.with_context(|| format!("no {register}: {shown}"))?;
            ensure!(
                line.contains(value),
                "thread {tid}: {line}, expected {value}"
            );
        }
    }

    // Words of objects: the first is the object's map.
    let histogram = tools.query("histogram", &capture, &["-n", "10"])?;
    for row in histogram["rows"].as_array().context("no rows")? {
        let address = row["example"].as_str().context("no example")?;
        let word = tools.query("what", &capture, &[address])?;
        ensure!(word["word"].is_string(), "{word}");
        let tagged = u64::from_str_radix(address.trim_start_matches("0x"), 16)?;
        let examine = format!("x/gx {:#x}", tagged & !1);
        let untagged = format!("{:#x}", tagged & !1);
        let expected = tools.query("what", &capture, &[&untagged])?["word"].clone();
        let shown = gdb(&[&load, &examine])?;
        let found = shown
            .lines()
            .filter_map(|line| line.split_once(":\t"))
            .find_map(|(_, value)| {
                u64::from_str_radix(value.trim().trim_start_matches("0x"), 16).ok()
            })
            .with_context(|| format!("{examine}: {shown}"))?;
        ensure!(
            expected == format!("{found:#x}"),
            "{examine}: {shown}, expected {expected}"
        );
    }
    let mapped = gdb(&[&load, "info proc mappings"])?;
    ensure!(mapped.contains("bin/node"), "{mapped}");
    Ok(())
}

fn same_of_both(workload: &str, release: &str) -> Result<()> {
    let dir = tempfile::tempdir()?;
    let (_process, capture, core) = core(workload, release, dir.path())?;
    for (command, arguments) in [
        ("histogram", &["--limit", "0"][..]),
        ("info", &[]),
        ("bt", &["--all", "--native", "--args"]),
        ("strings", &[]),
        ("dominators", &[]),
        ("node", &[]),
    ] {
        let of = |file: &Path| -> Result<Value> { Tools::get().query(command, file, arguments) };
        let (of_capture, of_core) = (of(&capture)?, of(&core)?);
        ensure!(
            of_capture == of_core,
            "{command} of {release}: {of_capture:#} of the capture, {of_core:#} of the core"
        );
    }
    Ok(())
}

#[test]
fn every_command_says_the_same_on_node_4() -> Result<()> {
    same_of_both("population.js", "4.4.7")
}

#[test]
fn every_command_says_the_same_on_node_22() -> Result<()> {
    same_of_both("workers.js", nodes::USUAL)
}

#[test]
fn every_command_says_the_same_on_node_26() -> Result<()> {
    same_of_both("population.js", "26.10.0")
}
