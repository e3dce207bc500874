//! `v8mini-capture watch` captures a leaking process before it is in trouble, and nothing else.

#![cfg(target_os = "linux")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use v8mini_tests::patience::{PATIENCE, PatientLines, wait_for};
use v8mini_tests::{NodeProcess, Tools, Workload, nodes};

/// A watch under way.
struct Watching {
    child: Child,
    lines: PatientLines,
}

impl Watching {
    fn start(process: &NodeProcess, dir: &Path, arguments: &[&str]) -> Result<Self> {
        let mut child = Command::new(&Tools::get().capture)
            .args(["watch", &process.pid().to_string(), "--json"])
            .args(["--interval", "100ms", "--dir"])
            .arg(dir)
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()?;
        let output = child.stdout.take().context("no output")?;
        let lines = PatientLines::new(output);
        Ok(Self { child, lines })
    }

    fn event(&mut self, expected: &str) -> Result<Value> {
        let what = format!("event {expected:?}");
        let line = self.lines.next_within(PATIENCE, &what)?;
        let line = line.with_context(|| format!("the watch has ended before its {what}"))?;
        let event: Value = serde_json::from_str(&line)?;
        ensure!(event["event"] == expected, "expected {expected}: {line}");
        Ok(event)
    }

    fn code(mut self) -> Result<Option<i32>> {
        let after = self.lines.next_within(PATIENCE, "end of the watch")?;
        ensure!(after.is_none(), "an event after the end: {after:?}");
        Ok(wait_for(&mut self.child, "the watch")?.code())
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _ended = wait_for(&mut self.child, "the killed watch");
    }
}

fn captures(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut paths = fs::read_dir(dir)?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

#[test]
fn captures_what_leaks_and_ends_with_it() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut process = Workload::new("leaking.js", nodes::USUAL)?.spawn()?;
    let arguments = [
        "--when",
        "heap>150M",
        "--cooldown",
        "1h",
        "--min-free",
        "1M",
    ];
    let mut watching = Watching::start(&process, dir.path(), &arguments)?;
    let before = watching.event("watching")?;
    ensure!(before["heap_bytes"].as_u64() < Some(100 << 20), "{before}");
    let leaked = process.ask("leak 200")?["leaked"].as_u64();
    let captured = watching.event("captured")?;
    ensure!(captured["condition"] == "heap>150M", "{captured}");
    ensure!(captured["value"].as_u64() > Some(150 << 20), "{captured}");
    let files = captures(dir.path())?;
    let [file] = files.as_slice() else {
        anyhow::bail!("expected one capture: {files:?}");
    };
    ensure!(captured["capture"]["file"].as_str() == file.to_str());
    let histogram = Tools::get().query("histogram", file, &[])?;
    let count = histogram["rows"]
        .as_array()
        .context("no rows")?
        .iter()
        .find(|row| row["name"] == "Leaked")
        .and_then(|row| row["count"].as_u64());
    // It is captured while it leaks: not all may be there, but about as much as the condition says.
    ensure!(count > Some(10_000), "{count:?} of {leaked:?}");
    // No second capture: the cooldown lasts.
    process.ask("leak 50")?;
    std::thread::sleep(std::time::Duration::from_millis(500));
    process.kill()?;
    let ended = watching.event("ended")?;
    ensure!(ended["captures"] == 1, "{ended}");
    ensure!(watching.code()? == Some(0));
    ensure!(captures(dir.path())?.len() == 1);
    Ok(())
}

#[test]
fn growth_counts_from_the_last_capture_and_the_number_is_limited() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut process = Workload::new("leaking.js", nodes::USUAL)?.spawn()?;
    let arguments = [
        "--when",
        "growth>60M/10m",
        "--cooldown",
        "1s",
        "--max-captures",
        "2",
        "--mode",
        "stop",
        "--min-free",
        "1M",
    ];
    let mut watching = Watching::start(&process, dir.path(), &arguments)?;
    watching.event("watching")?;
    for _ in 0..2 {
        process.ask("leak 100")?;
        let captured = watching.event("captured")?;
        ensure!(captured["capture"]["mode"] == "stop", "{captured}");
    }
    let ended = watching.event("ended")?;
    ensure!(ended["captures"] == 2, "{ended}");
    ensure!(watching.code()? == Some(0));
    ensure!(process.is_alive(), "the process is gone");
    ensure!(captures(dir.path())?.len() == 2);
    Ok(())
}

#[test]
fn a_full_disk_and_the_share_of_memory() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut process = Workload::new("leaking.js", nodes::USUAL)?.spawn()?;
    let arguments = ["--when", "rss>0%", "--min-free", "100000T"];
    let mut watching = Watching::start(&process, dir.path(), &arguments)?;
    let before = watching.event("watching")?;
    ensure!(before["limit_bytes"].as_u64() > Some(0), "{before}");
    let skipped = watching.event("skipped")?;
    ensure!(skipped["condition"] == "rss>0%", "{skipped}");
    process.kill()?;
    watching.event("ended")?;
    // There should have been a capture.
    ensure!(watching.code()? == Some(3));
    ensure!(captures(dir.path())?.is_empty());
    Ok(())
}

#[test]
fn what_makes_no_sense_is_refused() -> Result<()> {
    let own = std::process::id().to_string();
    for (arguments, said) in [
        (&["watch", "1"][..], "--when"),
        (&["watch", "1", "--when", "heap"], "heap>1.5G"),
        (&["watch", "1", "--when", "rss>200%"], "0% to 100%"),
        (&["watch", "1", "--when", "growth>1M"], "over what time"),
        (
            &["watch", "1", "--when", "rss>1", "--interval", "1ms"],
            "50ms",
        ),
        (&["watch", "999999999", "--when", "rss>1"], "999999999"),
        (&["watch", &own, "--when", "rss>1"], "V8"),
        (
            &["watch", &own, "--when", "rss>1", "--dir", "/no/such"],
            "/no/such",
        ),
    ] {
        let output = Tools::get().capture(arguments)?;
        ensure!(output.code() == Some(2), "{arguments:?}: {output:?}");
        ensure!(
            output.stderr.contains(said),
            "{arguments:?}: {}",
            output.stderr
        );
    }
    Ok(())
}
