//! A packed file is the capture that it was made of: every byte of memory, and every answer.

#![cfg(target_os = "linux")]

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use v8mini_format::{CaptureFile, ChunkKind, Memory};
use v8mini_tests::{Tools, Workload, each_release, nodes};

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
    let process = Workload::new("specimens.js", release)?.spawn()?;
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
    let whole = file.verify();
    ensure!(whole.is_intact(), "{whole}");
    let size = |path: &Path| fs::metadata(path).map(|facts| facts.len());
    let (before, after) = (size(&plain)?, size(&packed)?);
    println!("{release}: {bytes} bytes of memory, {before} as a capture, {after} packed");
    ensure!(after * 3 < before * 2, "{after} bytes, packed of {before}");
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

/// Damage costs the segment that it is in, and is said.
#[test]
fn damage_costs_one_segment() -> Result<()> {
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
    ensure!(found.damage.len() == 1, "{found}");
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
        lost > 0 && lost <= v8mini_format::limits::SEGMENT_MAX,
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
