//! A packed file is the capture that it was made of: every byte of memory, and every answer.

#![cfg(target_os = "linux")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use v8mini_format::{CaptureFile, ChunkKind, Memory};
use v8mini_tests::{NodeProcess, Tools, Workload, each_release, nodes};

/// Memory is compared in pieces of so many bytes.
const PIECE: u64 = 1 << 20;

/// What is asked of both files.
const COMMANDS: &[&[&str]] = &[
    &["info"],
    &["histogram"],
    &["histogram", "--json", "--by", "type"],
    &["instances", "Object"],
    &["strings"],
    &["waste"],
    &["bt", "--all"],
    &["dominators"],
    &["garbage"],
    &["scripts"],
];

fn path(path: &Path) -> Result<&str> {
    path.to_str().context("no UTF-8")
}

/// Bytes of a file.
fn size(file: &Path) -> Result<u64> {
    Ok(fs::metadata(file)?.len())
}

/// Runs a command that writes a file. That what it is made from is incomplete does not matter here.
fn run(line: &[&str]) -> Result<()> {
    let outcome = Tools::get().analyze(line)?;
    match outcome.code() {
        Some(3) => Ok(()),
        _ => outcome.success().map(|_| ()),
    }
}

/// The text of a command, without the file's own name, and its exit code.
fn says(command: &[&str], file: &Path) -> Result<(String, Option<i32>)> {
    let mut line = command.to_vec();
    line.insert(1, path(file)?);
    let output = Tools::get().analyze(line)?;
    Ok((output.text().replace(path(file)?, "FILE"), output.code()))
}

/// Whether two files hold the same memory, byte by byte. Returns how many bytes.
fn same_memory(one: &Path, other: &Path) -> Result<u64> {
    let (one, other) = (CaptureFile::open(one)?, CaptureFile::open(other)?);
    let ranges = one.ranges();
    ensure!(ranges == other.ranges(), "they hold different addresses");
    let (mut a, mut b) = (Vec::new(), Vec::new());
    for range in &ranges {
        for at in (range.start..range.end()).step_by(PIECE as usize) {
            let len = (range.end() - at).min(PIECE) as usize;
            a.resize(len, 0);
            b.resize(len, 0);
            one.read_at(at, &mut a)?;
            other.read_at(at, &mut b)?;
            if let Some(index) = a.iter().zip(&b).position(|(a, b)| a != b) {
                anyhow::bail!("{:#x} differs", at + index as u64);
            }
        }
    }
    Ok(ranges.iter().map(|range| range.len).sum())
}

/// Whether a file differs from another in nothing but zeros.
fn same_objects(plain: &Path, usual: &Path) -> Result<()> {
    let (plain, usual) = (CaptureFile::open(plain)?, CaptureFile::open(usual)?);
    let ranges = plain.ranges();
    ensure!(ranges == usual.ranges(), "they hold different addresses");
    for range in ranges {
        let len = usize::try_from(range.len)?;
        let (mut a, mut b) = (vec![0; len], vec![0; len]);
        plain.read_at(range.start, &mut a)?;
        usual.read_at(range.start, &mut b)?;
        let differs = a.iter().zip(&b).position(|(a, b)| a != b && *b != 0);
        ensure!(differs.is_none(), "{:#x} differs", range.start);
    }
    Ok(())
}

fn check(release: &str) -> Result<()> {
    check_process(&Workload::new("specimens.js", release)?.spawn()?, release)
}

fn check_process(process: &NodeProcess, release: &str) -> Result<()> {
    let dir = tempfile::tempdir()?;
    let plain = dir.path().join("plain.v8mini");
    let packed = dir.path().join("packed.v8mini");
    let again = dir.path().join("again.v8mini");
    Tools::get().capture_to(process.pid(), &plain)?;
    let pack = ["pack", path(&plain)?, "-o", path(&packed)?, "--exact"];
    run(&pack)?;
    let usual = dir.path().join("usual.v8mini");
    let pack = ["pack", path(&plain)?, "-o", path(&usual)?];
    run(&pack)?;
    let unpack = ["unpack", path(&packed)?, "-o", path(&again)?];
    run(&unpack)?;
    let bytes = same_memory(&plain, &packed).context("packed")?;
    ensure!(same_memory(&plain, &again).context("unpacked")? == bytes);
    let file = CaptureFile::open(&packed)?;
    let segments = file
        .chunks()
        .filter(|chunk| chunk.kind == ChunkKind::PACKED)
        .count();
    ensure!(segments > 0, "nothing was packed");
    // Nor are the sources of Node's own modules, 520 kB of Node 22, left in a hundred pieces.
    let loose = file
        .chunks()
        .filter(|chunk| chunk.kind == ChunkKind::MEMORY);
    let loose: u64 = loose.map(|chunk| chunk.stored_len).sum();
    ensure!(loose < 256 << 10, "{loose} bytes in pieces of their own");
    let whole = file.verify();
    ensure!(whole.is_intact(), "{whole}");
    let (before, after) = (size(&plain)?, size(&packed)?);
    println!("{release}: {bytes} bytes of memory, {before} as a capture, {after} packed");
    // These heaps are small, and a large part of them is code and what the standard library consists of.
    ensure!(after * 4 < before * 3, "{after} bytes, packed of {before}");
    for command in COMMANDS {
        let wanted = says(command, &plain)?;
        // Without freed memory, garbage may have lost what it referred to; nothing else has.
        let may_differ = matches!(command, ["strings" | "waste", ..]);
        let files = [Some(&packed), (!may_differ).then_some(&usual)];
        for file in files.into_iter().flatten() {
            let found = says(command, file)?;
            ensure!(
                wanted == found,
                "{release}: {command:?} says\n{wanted:?}\nand of {}\n{found:?}",
                file.display()
            );
        }
    }
    same_objects(&plain, &usual)
}

macro_rules! releases {
    ($($name:ident $version:literal)*) => {
        $(
            #[test]
            fn $name() -> Result<()> {
                check($version)
            }
        )*
    };
}

each_release!(releases);

/// The characters of a string that is longer than a segment are text in its first segment, too: what comes again is stored once.
#[test]
fn texts_longer_than_a_segment_are_stored_once() -> Result<()> {
    let process = Workload::new("long-texts.js", nodes::USUAL)?.spawn()?;
    let dir = tempfile::tempdir()?;
    let plain = dir.path().join("plain.v8mini");
    let packed = dir.path().join("packed.v8mini");
    Tools::get().capture_to(process.pid(), &plain)?;
    run(&["pack", path(&plain)?, "-o", path(&packed)?])?;
    same_objects(&plain, &packed)?;
    let (before, after) = (size(&plain)?, size(&packed)?);
    // Two bits for each character of one of them, and what else there is.
    let once = process.truth["length"].as_u64().context("no length")? / 4;
    ensure!(
        before > 2 * once,
        "{before} bytes in all: the texts are not in the capture"
    );
    ensure!(
        after < 2 * once,
        "{after} bytes, packed of {before}; each text takes {once}"
    );
    Ok(())
}

#[test]
fn heaps_of_workers_come_back_too() -> Result<()> {
    for release in ["12.22.12", nodes::USUAL, "26.10.0"] {
        let process = Workload::new("workers.js", release)?.spawn_with(&["--workers", "3"])?;
        check_process(&process, release)?;
    }
    Ok(())
}

/// A file for sharing.
fn shared(plain: &Path, dir: &Path, options: &[&str]) -> Result<PathBuf> {
    let packed = dir.join(format!("shared{}.v8mini", options.concat()));
    run(&[&["pack", path(plain)?, "-o", path(&packed)?], options].concat())?;
    Ok(packed)
}

/// The counts of a class, and what its objects retain.
fn class(file: &Path, name: &str) -> Result<(Value, Value)> {
    let found = Tools::get().query("histogram", file, &["--retained", "--limit", "0"])?;
    let rows = found["rows"].as_array().context("no rows")?;
    let row = rows.iter().find(|row| row["name"] == name);
    let row = row.with_context(|| format!("no {name}"))?;
    Ok((row["count"].clone(), row["retained_bytes"].clone()))
}

#[test]
fn profiles_for_sharing_leave_out_what_they_say() -> Result<()> {
    let arguments = ["--service", "shop", "--leak", "300"];
    let mut process = Workload::new("fleet.js", nodes::USUAL)?.spawn_with(&arguments)?;
    process.ask("work")?;
    let dir = tempfile::tempdir()?;
    let plain = dir.path().join("plain.v8mini");
    Tools::get().capture_to(process.pid(), &plain)?;
    let texts = |file: &Path, text: &str| -> Result<u64> {
        let line = [
            "find",
            path(file)?,
            "--string",
            text,
            "--limit",
            "1",
            "--json",
        ];
        let found = Tools::get().analyze(line)?;
        // 1: there are none.
        let answer: Value = serde_json::from_slice(&found.stdout)
            .with_context(|| format!("{}: {}", found.command, found.stderr))?;
        answer["count"].as_u64().context("no count")
    };
    let order = Tools::get().query("instances", &plain, &["LeakedOrder", "--limit", "1"])?;
    let order = order["instances"][0]["address"]
        .as_str()
        .context("none")?
        .to_owned();
    let inspected = Tools::get().query("inspect", &plain, &[&order])?;
    let properties = inspected["properties"]
        .as_array()
        .context("no properties")?;
    let lines = properties
        .iter()
        .find(|property| property["name"] == "lines");
    let lines = lines
        .and_then(|lines| lines["value"]["address"].as_str())
        .context("no lines")?;
    let number = |file: &Path| -> Result<String> {
        Ok(Tools::get()
            .analyze(["print", path(file)?, &format!("{lines}[2]")])?
            .text())
    };
    ensure!(texts(&plain, "^order [0-9]+ of shop$")? == 300);
    let wanted = class(&plain, "LeakedOrder")?;

    let cut = shared(&plain, dir.path(), &["--strings", "16"])?;
    let licences = texts(&plain, "^a licence text that every service")?;
    ensure!(licences >= 50 && texts(&cut, "^a licence text t[.]+$")? >= 50);
    // The constant in the code is internalized, as names are.
    ensure!(texts(&cut, "^a licence text that every service")? <= 1);
    // Names stay, and so does every object.
    ensure!(class(&cut, "LeakedOrder")? == wanted && number(&cut)? == number(&plain)?);
    let counts = |file: &Path| -> Result<Value> {
        Ok(Tools::get().query("histogram", file, &["--limit", "1"])?["totals"].clone())
    };
    ensure!(counts(&cut)? == counts(&plain)?);

    let without = shared(&plain, dir.path(), &["--no-strings"])?;
    ensure!(texts(&without, "^order [0-9]")? == 0);
    ensure!(class(&without, "LeakedOrder")?.0 == wanted.0 && number(&without)? == number(&plain)?);

    // No names, so the objects are found by their address; all of them are there, as large as they were.
    let graph = shared(&plain, dir.path(), &["--graph-only"])?;
    ensure!(texts(&graph, "rder")? == 0 && number(&plain)?.trim() != "0");
    ensure!(number(&graph)?.trim() == "0", "{}", number(&graph)?);
    let redacted = dir.path().join("redacted.v8mini");
    let line = [
        "redact",
        path(&plain)?,
        "--level",
        "all",
        "-o",
        path(&redacted)?,
    ];
    run(&line)?;
    // Redaction leaves some roots out, and says so; nothing else may be lost.
    let totals = |file| Tools::get().query("dominators", file, &["--limit", "1"]);
    let (before, after) = (totals(&redacted)?, totals(&graph)?);
    for field in ["live_bytes", "live_objects", "dead_bytes", "dead_objects"] {
        ensure!(before[field] == after[field], "{field}: {before} {after}");
    }
    Ok(())
}

#[test]
fn the_capturing_tool_packs_by_the_program_beside_it() -> Result<()> {
    let process = Workload::new("fleet.js", nodes::USUAL)?.spawn()?;
    let dir = tempfile::tempdir()?;
    let tools = Tools::get();
    let packed = dir.path().join("packed.v8mini");
    let pid = process.pid().to_string();
    let line = [pid.as_str(), "--pack", "-o", path(&packed)?, "--json"];
    let report = tools.capture(line)?.json()?;
    ensure!(CaptureFile::open(&packed)?.is_packed(), "{report}");
    ensure!(report["stored_bytes"] == size(&packed)?, "{report}");
    let piped = tools
        .capture([pid.as_str(), "--pack", "-o", "-"])?
        .success()?;
    ensure!(CaptureFile::from_bytes(piped.stdout)?.is_packed());

    // Without it, nothing is begun, and told what to do.
    let alone = dir.path().join("v8mini-capture");
    fs::copy(&tools.capture, &alone)?;
    let nothing = dir.path().join("nothing.v8mini");
    let output = std::process::Command::new(&alone)
        .args([pid.as_str(), "--pack", "-o", path(&nothing)?])
        .env("PATH", "/nowhere")
        .output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.code() == Some(2) && !nothing.exists(),
        "{said}"
    );
    ensure!(said.contains("v8mini pack FILE"), "{said}");
    // If it fails, there is a capture nevertheless.
    let broken = dir.path().join("v8mini");
    fs::write(&broken, "#!/bin/sh\ntest \"$2\" = --help\n")?;
    fs::set_permissions(&broken, fs::Permissions::from_mode(0o755))?;
    let output = std::process::Command::new(&alone)
        .args([pid.as_str(), "--pack", "-o", path(&nothing)?])
        .output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.code() == Some(3), "{said}");
    ensure!(
        said.contains("not packed") && !CaptureFile::open(&nothing)?.is_packed(),
        "{said}"
    );
    Ok(())
}

/// Damage costs the segment that it is in, and those that have copies of its text, and is said.
#[test]
fn damage_costs_no_more_than_it_must() -> Result<()> {
    let process = Workload::new("big-heap.js", nodes::USUAL)?.spawn_with(&["--n", "60000"])?;
    let dir = tempfile::tempdir()?;
    let plain = dir.path().join("plain.v8mini");
    let packed = dir.path().join("packed.v8mini");
    Tools::get().capture_to(process.pid(), &plain)?;
    let pack = [
        "pack",
        path(&plain)?,
        "-o",
        path(&packed)?,
        "--exact",
        "--json",
    ];
    let report = Tools::get().analyze(pack)?.json()?;
    ensure!(report["segments"].as_u64() > Some(2), "{report}");
    same_memory(&plain, &packed)?;

    let mut bytes = fs::read(&packed)?;
    let file = CaptureFile::open(&packed)?;
    let hurt = file
        .chunks()
        .filter(|chunk| chunk.kind == ChunkKind::PACKED)
        .nth(1)
        .context("one segment only")?;
    let middle = usize::try_from(hurt.offset + 64 + hurt.stored_len / 2)?;
    bytes[middle] ^= 0x10;
    fs::write(&packed, &bytes)?;
    let file = CaptureFile::open(&packed)?;
    ensure!(file.integrity().is_intact(), "opening reads no segment");
    let found = file.verify();
    let told: Vec<String> = found.damage.iter().map(ToString::to_string).collect();
    let copies = told
        .iter()
        .filter(|damage| damage.contains("copies of text that is lost"));
    ensure!(told.len() == 1 + copies.count(), "{found}");
    let mut lost = 0;
    let before = CaptureFile::open(&plain)?;
    let (mut a, mut b) = (Vec::new(), Vec::new());
    for range in file.ranges() {
        for at in (range.start..range.end()).step_by(4096) {
            let len = (range.end() - at).min(4096) as usize;
            a.resize(len, 0);
            b.resize(len, 0);
            before.read_at(at, &mut a)?;
            match file.read_at(at, &mut b) {
                Ok(()) => ensure!(a == b, "{at:#x} differs"),
                Err(error) => {
                    ensure!(
                        error.to_string().contains("segment of packed memory"),
                        "{error}"
                    );
                    lost += len as u64;
                }
            }
        }
    }
    ensure!(
        lost > 0 && lost <= v8mini_format::limits::SEGMENT_MAX * told.len() as u64,
        "{lost} bytes are lost"
    );
    let output = Tools::get().analyze(["histogram", path(&packed)?])?;
    ensure!(
        output.code() == Some(3),
        "{:?}: {}",
        output.code(),
        output.stderr
    );
    Ok(())
}
