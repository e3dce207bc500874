//! A process that allocates at random is captured at random moments: each capture counts the stable population exactly,
//! or says that a collection was under way.

#![cfg(target_os = "linux")]

use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use v8mini_tests::{NodeProcess, Tools, Workload, battery, each_release, nodes};

/// With fourteen releases, more than a hundred in all.
const CAPTURES: u32 = 8;

fn check(release: &str) -> Result<()> {
    let mut process = Workload::new("allocating.js", release)?.spawn()?;
    let exact = moments(&mut process, CAPTURES)?;
    // A capture in the middle of a collection is the exception, even here.
    ensure!(
        exact > CAPTURES / 2,
        "only {exact} of {CAPTURES} captures are exact"
    );
    Ok(())
}

/// Captures a process again and again, and returns how many captures count its stable population exactly; every other
/// one must say that a collection was under way.
fn moments(process: &mut NodeProcess, captures: u32) -> Result<u32> {
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("moment.v8mini");
    let mut exact = 0;
    for number in 0..captures {
        // In step with nothing in the process: multiples of the golden ratio spread evenly.
        thread::sleep(Duration::from_micros(
            (u64::from(number) * 61_803) % 100_000,
        ));
        Tools::get().capture_to(process.pid(), &file)?;
        let verdict = battery::population::counts(Tools::get(), &file, &process.truth["counts"])?;
        let Err(error) = verdict.into_result() else {
            exact += 1;
            continue;
        };
        let info = Tools::get().query("info", &file, &[])?;
        let isolates = info["isolates"].as_array().context("no isolates")?;
        ensure!(
            isolates.iter().any(|isolate| isolate["gc"] == "collecting"),
            "capture {number} is wrong without saying that a collection was under way: {error}"
        );
    }
    let turns = process.ask("turns")?["turns"]
        .as_u64()
        .context("no turns")?;
    ensure!(
        turns > u64::from(captures),
        "the process turned only {turns} times: nothing was tested"
    );
    Ok(exact)
}

macro_rules! tests {
    ($($name:ident $version:literal)*) => {
        $(#[test] fn $name() -> Result<()> { check($version) })*
    };
}
each_release!(tests);

#[test]
fn a_process_that_collects_all_the_time() -> Result<()> {
    let mut process = Workload::new("gc-storm.js", nodes::USUAL)?.spawn()?;
    moments(&mut process, 10)?;
    Ok(())
}

/// Captures a workload on some releases: all that is in the heap must be recognised.
fn nothing_is_unknown(program: &str, releases: &[&str]) -> Result<()> {
    for release in releases {
        let process = Workload::new(program, release)?.spawn()?;
        let dir = tempfile::tempdir()?;
        let file = dir.path().join("moment.v8mini");
        Tools::get().capture_to(process.pid(), &file)?;
        let report = Tools::get().query("info", &file, &[])?;
        ensure!(
            report["coverage"]["unknown_bytes"] == 0,
            "Node {release}: {:#}",
            report["not_recognised"]
        );
    }
    Ok(())
}

/// Where the semispace in use ends is found: behind it lies what was there before the last scavenges.
#[test]
fn after_scavenges() -> Result<()> {
    nothing_is_unknown(
        "scavenged.js",
        &["4.4.7", "6.17.1", "8.17.0", "10.24.1", "22.23.3"],
    )
}

/// Where the next code will be placed is found: behind it lies code that was collected.
#[test]
fn after_code_was_collected() -> Result<()> {
    nothing_is_unknown(
        "recompiled.js",
        &["12.22.12", "18.20.8", "22.23.3", "24.21.0", "26.10.0"],
    )
}
