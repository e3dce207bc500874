//! A capture of a program that never rests is the program at one instant.

#![cfg(target_os = "linux")]

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use v8mini_format::{CaptureFile, Memory};
use v8mini_tests::modes::capture;
use v8mini_tests::{Workload, nodes};

/// The arrays of `instant.js` in the captured memory: the numbers of the writes to each slot, by the bits of the array's mark.
fn arrays(file: &Path, marks: &[u64], slots: usize) -> Result<BTreeMap<u64, Vec<f64>>> {
    let file = CaptureFile::open(file)?;
    let mut arrays = BTreeMap::new();
    for range in file.ranges() {
        let mut bytes = vec![0; usize::try_from(range.len)?];
        file.read_at(range.start, &mut bytes)?;
        let (words, _) = bytes.as_chunks::<8>();
        let words: Vec<u64> = words.iter().map(|word| u64::from_le_bytes(*word)).collect();
        for (at, mark) in words.iter().enumerate() {
            if marks.binary_search(mark).is_err() {
                continue;
            }
            let Some(slots) = words.get(at + 1..at + 1 + slots) else {
                continue;
            };
            let slots: Vec<f64> = slots.iter().map(|word| f64::from_bits(*word)).collect();
            // A mark may lie elsewhere as well; behind that are no numbers of writes.
            if slots.iter().all(|slot| slot.fract() == 0.5) {
                arrays.insert(*mark, slots);
            }
        }
    }
    Ok(arrays)
}

/// Of the capture of `instant.js`, whether all arrays are as they were at one instant.
fn is_one_instant(file: &Path, truth: &Value) -> Result<()> {
    let number = |value: &Value| value.as_u64().context("the truth has no number");
    let (slots, step) = (number(&truth["slots"])?, number(&truth["step"])?);
    let pairs = truth["marks"].as_array().context("no marks")?;
    let mark = |value: &Value| value.as_f64().map(f64::to_bits).context("no mark");
    let marks = pairs
        .iter()
        .map(|pair| Ok([mark(&pair[0])?, mark(&pair[1])?]))
        .collect::<Result<Vec<_>>>()?;
    let mut all = marks.concat();
    all.sort_unstable();
    let arrays = arrays(file, &all, usize::try_from(slots)?)?;

    let count = marks.len() as u64;
    let mut newest = Vec::new();
    for (pair, marks) in (0..).zip(&marks) {
        for mark in marks {
            let found = (arrays.get(mark)).with_context(|| format!("no array of pair {pair}"))?;
            let last = found.iter().copied().fold(0.0, f64::max) as u64;
            ensure!(last % count == pair, "pair {pair}: write {last}");
            for back in 0..slots {
                let n = last - back * count;
                let slot = n / count % slots * step % slots;
                ensure!(
                    found[usize::try_from(slot)?] == n as f64 + 0.5,
                    "pair {pair}: slot {slot} holds {} and not write {n}, although the newest is {last}",
                    found[usize::try_from(slot)?],
                );
            }
            newest.push(last);
        }
    }
    let last = newest.iter().copied().max().context("no arrays")?;
    for (at, &newest) in newest.iter().enumerate() {
        let (pair, is_second) = (at as u64 / 2, at % 2 == 1);
        let due = last - (last + count - pair) % count;
        let may_lack_it = due == last && is_second;
        ensure!(
            newest == due || may_lack_it && newest == due - count,
            "the newest write is {last}, and that to array {at} is {newest} for {due}"
        );
    }
    Ok(())
}

fn every_capture_is_one_instant(mode: &str, release: &str, captures: usize) -> Result<()> {
    let mut process = Workload::new("instant.js", release)?.spawn()?;
    let dir = tempfile::tempdir()?;
    for round in 0..captures {
        let file = dir.path().join(format!("{round}.v8mini"));
        // Collections do not touch the arrays, and here they hardly end.
        capture(&process, mode, &file, &["--retries", "0"])?;
        is_one_instant(&file, &process.truth).with_context(|| format!("capture {round}"))?;
    }
    ensure!(process.is_alive(), "the process did not survive");
    Ok(())
}

#[test]
fn log_catches_one_instant() -> Result<()> {
    every_capture_is_one_instant("log", nodes::USUAL, 6)
}

#[test]
fn precopy_catches_one_instant() -> Result<()> {
    every_capture_is_one_instant("precopy", nodes::USUAL, 4)
}

#[test]
fn log_catches_one_instant_of_other_versions_of_v8() -> Result<()> {
    every_capture_is_one_instant("log", "16.20.2", 2)?;
    every_capture_is_one_instant("log", "24.21.0", 2)
}

#[test]
fn fork_catches_one_instant() -> Result<()> {
    every_capture_is_one_instant("fork", nodes::USUAL, 2)
}

/// 96 MB, of which each write is to another page.
const MANY_PAIRS: &str = "200";
/// How often a program is captured until it was stopped to see what it writes to, and so many times before the last stop.
const ATTEMPTS: usize = 8;
const STOPS: u32 = 4;

/// How often the process was stopped to see what it writes to, if that is what a note says.
fn stops_before(note: &str) -> Option<u32> {
    let (count, rest) = note.strip_prefix("stopped ")?.split_once(' ')?;
    match rest.contains("to see what the process writes to") {
        true => count.parse().ok(),
        false => None,
    }
}

/// A program that writes as fast as it is copied is stopped several times, and all of them together are one instant.
#[test]
fn stops_that_only_protect_catch_one_instant() -> Result<()> {
    let mut process =
        Workload::new("instant.js", nodes::USUAL)?.spawn_with(&["--pairs", MANY_PAIRS])?;
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("one.v8mini");
    for mode in ["log", "precopy"] {
        let mut was_stopped_before = false;
        for _ in 0..ATTEMPTS {
            let summary = capture(&process, mode, &file, &["--retries", "0"])?;
            is_one_instant(&file, &process.truth).context(mode)?;
            let notes = summary["notes"].as_array().context("no notes")?;
            let told = |note: &Value| stops_before(note.as_str()?);
            let stops = notes.iter().find_map(told);
            was_stopped_before |=
                summary["mode"] != mode || stops.is_some_and(|stops| stops >= STOPS);
            if was_stopped_before {
                break;
            }
        }
        ensure!(
            was_stopped_before,
            "{mode}: each capture took one stop: nothing was tested"
        );
    }
    ensure!(process.is_alive(), "the process did not survive");
    Ok(())
}
