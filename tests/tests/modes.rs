//! The modes of capture: what they must have in common, and what only some of them are for.
//!
//! Where the kernel or permissions do not allow a mode, the tool takes the next; the tests check that one then, and say so.

#![cfg(target_os = "linux")]

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use v8mini_format::{CaptureFile, Memory};
use v8mini_tests::modes::{self, capture};
use v8mini_tests::{Tools, Workload, nodes};

const MODES: [&str; 4] = ["stop", "log", "precopy", "fork"];
/// Stops of a program that collects garbage without rest, at most, until one of them hits a collection.
const STOPS: u32 = 100;

/// The stored memory of the heap, by operating-system page. Stacks are no part of it: to be stopped is no rest for them, because
/// `epoll_wait` returns, and is called again.
fn stored(file: &Path) -> Result<BTreeMap<u64, Vec<u8>>> {
    let file = CaptureFile::open(file)?;
    let heap = &file.metadata().pages;
    let is_heap = |at: u64| {
        let after = heap.partition_point(|page| page.address <= at);
        after
            .checked_sub(1)
            .and_then(|index| heap.get(index))
            .is_some_and(|page| at - page.address < page.size)
    };
    let mut pages = BTreeMap::new();
    for range in file.ranges() {
        let mut at = range.start;
        while at < range.end() {
            let len = (4096 - at % 4096).min(range.end() - at);
            let mut bytes = vec![0; len as usize];
            if is_heap(at) {
                file.read_at(at, &mut bytes)?;
                pages.insert(at, bytes);
            }
            at += len;
        }
    }
    Ok(pages)
}

/// Where two images differ, in words; `None` if they do not.
fn difference(a: &BTreeMap<u64, Vec<u8>>, b: &BTreeMap<u64, Vec<u8>>) -> Option<String> {
    let differ = |(at, bytes): &(&u64, &Vec<u8>)| b.get(at) != Some(bytes);
    let only: Vec<u64> = a.iter().filter(differ).map(|(at, _)| *at).collect();
    let added = b.keys().filter(|at| !a.contains_key(at)).count();
    (!only.is_empty() || added > 0).then(|| {
        format!(
            "{} of {} pages differ or are missing, the first at {:#x}; {added} were added",
            only.len(),
            a.len(),
            only.first().copied().unwrap_or(0)
        )
    })
}

#[test]
fn all_modes_give_the_same_image_of_a_process_at_rest() -> Result<()> {
    let process = Workload::new("population.js", nodes::USUAL)?.spawn()?;
    let dir = tempfile::tempdir()?;
    let image = |mode: &str| -> Result<_> {
        let file = dir.path().join(format!("{mode}.v8mini"));
        capture(&process, mode, &file, &["--full"])?;
        stored(&file)
    };
    // A process that waits for input is not always at rest: V8 collects some time after the last work. Then the same mode
    // gives another image, and the comparison begins anew.
    let mut attempts = 0;
    'attempt: loop {
        attempts += 1;
        let before = image("stop")?;
        let others: Vec<_> = MODES
            .iter()
            .map(|mode| image(mode))
            .collect::<Result<_>>()?;
        let after = image("stop")?;
        for (mode, other) in MODES.iter().zip(&others) {
            if let Some(difference) = difference(&before, other) {
                if self::difference(&before, &after).is_some() && attempts < 6 {
                    continue 'attempt;
                }
                bail!("stop and {mode}: {difference}");
            }
        }
        ensure!(
            before.len() > 500,
            "only {} pages were compared",
            before.len()
        );
        return Ok(());
    }
}

/// How often a program is captured until it did something meanwhile.
const ATTEMPTS: u32 = 30;

#[test]
fn the_image_is_the_stopped_process_page_by_page() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("verified.v8mini");
    // Objects that come and go as fast as they can; threads with heaps of their own; and memory that is mapped and unmapped all the
    // time.
    for (program, count) in [
        ("allocating.js", "turns"),
        ("churn.js", "started"),
        ("unmapping.js", "unmapped"),
    ] {
        let mut process = Workload::new(program, nodes::USUAL)?.spawn()?;
        let working = modes::working(process.pid())?;
        for mode in ["log", "precopy", "log"] {
            // A capture may be over before a thread has started: until one met with what the program does.
            let mut has_met = false;
            for _ in 0..ATTEMPTS {
                let before = process.ask(count)?[count].as_u64();
                let summary = capture(&process, mode, &file, &["--verify"])?;
                let after = process.ask(count)?[count].as_u64();
                ensure!(
                    summary["mode"] == mode || !working.contains(&mode),
                    "{program}: {summary}"
                );
                let wrong = |problem: &&Value| {
                    problem["stage"] == "verify" || problem["stage"] == "unlogged"
                };
                let problems = summary["problems"].as_array().context("no problems")?;
                if let Some(problem) = problems.iter().find(wrong) {
                    bail!("{program}, mode {}: {problem}", summary["mode"]);
                }
                has_met |= before < after;
                if has_met {
                    break;
                }
            }
            ensure!(has_met, "{program} did nothing meanwhile");
            ensure!(process.is_alive(), "{program} did not survive");
        }
    }
    Ok(())
}

#[test]
fn what_exceeds_the_memory_goes_to_a_file_that_vanishes() -> Result<()> {
    let process = Workload::new("population.js", nodes::USUAL)?.spawn()?;
    let dir = tempfile::tempdir()?;
    let (all, none) = (
        dir.path().join("all.v8mini"),
        dir.path().join("none.v8mini"),
    );
    capture(&process, "log", &all, &["--full"])?;
    capture(&process, "log", &none, &["--full", "--memory", "0"])?;
    let (all, none) = (stored(&all)?, stored(&none)?);
    ensure!(all.keys().eq(none.keys()), "other pages are stored");
    let names: Vec<_> = std::fs::read_dir(dir.path())?
        .flatten()
        .map(|entry| entry.file_name())
        .collect();
    ensure!(names.len() == 2, "found {names:?}");
    Ok(())
}

#[test]
fn a_pause_that_is_too_long_is_not_taken() -> Result<()> {
    let mut process = Workload::new("population.js", nodes::USUAL)?.spawn()?;
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("none.v8mini");
    for mode in MODES {
        let pid = process.pid().to_string();
        let path = file.to_string_lossy();
        // A microsecond is too little for whatever a machine can do.
        let arguments = [&pid, "--mode", mode, "--max-pause", "0.001", "-o", &path];
        let outcome = Tools::get().capture(arguments)?;
        ensure!(outcome.code() == Some(2), "{mode}: {:?}", outcome.status);
        ensure!(outcome.stderr.contains("--max-pause"), "{}", outcome.stderr);
        ensure!(
            std::fs::read_dir(dir.path())?.next().is_none(),
            "{mode} left a file"
        );
        ensure!(process.is_alive(), "{mode}: the process did not survive");
    }
    Ok(())
}

#[test]
fn captures_that_hit_a_collection_are_taken_again() -> Result<()> {
    let mut process = Workload::new("gc-storm.js", nodes::USUAL)?.spawn()?;
    let dir = tempfile::tempdir()?;
    let collecting = |mode: &str, retries: &str| -> Result<bool> {
        let file = dir.path().join(format!("{mode}.v8mini"));
        let summary = capture(&process, mode, &file, &["--retries", retries])?;
        let state = &summary["isolates"][0]["gc_state"];
        let problems = summary["problems"].as_array().context("no problems")?;
        let told = problems.iter().any(|problem| problem["stage"] == "gc");
        ensure!(told == (state == "collecting"), "{state}: {summary}");
        Ok(told)
    };
    let mut hit = false;
    // A capture waits for a collection to end before it stops the process: most miss the next one, too.
    for _ in 0..STOPS {
        hit = collecting("stop", "0")?;
        if hit {
            break;
        }
    }
    ensure!(
        hit,
        "none of {STOPS} captures has hit a collection: nothing was tested"
    );
    for mode in MODES {
        ensure!(
            !collecting(mode, "200")?,
            "{mode}: 200 retries did not help"
        );
    }
    ensure!(process.is_alive(), "the process did not survive");
    Ok(())
}
