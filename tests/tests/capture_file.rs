//! What a capture is as a file: where it goes, who may read it, what is in it and what must not be.

#![cfg(target_os = "linux")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use v8mini_tests::patience::Patient;
use v8mini_tests::{Tools, Workload, nodes, tools};

/// The file after decompression, metadata and pages alike.
fn decompressed(file: &Path) -> Result<Vec<u8>> {
    let file = fs::File::open(file)?;
    // Concatenated frames, skippable ones between them: what the format promises to every zstd tool.
    zstd::stream::decode_all(file).context("the capture is not a legal zstd stream")
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes
        .windows(text.len())
        .any(|window| window == text.as_bytes())
}

#[test]
fn is_private_and_leaves_no_other_file() -> Result<()> {
    let process = Workload::new("population.js", nodes::USUAL)?.spawn()?;
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("private.v8mini");
    Tools::get().capture_to(process.pid(), &file)?;
    ensure!(
        fs::metadata(&file)?.permissions().mode() & 0o777 == 0o600,
        "others may read the capture"
    );
    let files: Vec<_> = fs::read_dir(dir.path())?
        .flatten()
        .map(|entry| entry.file_name())
        .collect();
    ensure!(files == ["private.v8mini"], "found {files:?}");
    Ok(())
}

#[test]
fn has_a_name_that_says_what_it_is() -> Result<()> {
    let process = Workload::new("population.js", nodes::USUAL)?.spawn()?;
    let dir = tempfile::tempdir()?;
    let output = Command::new(&Tools::get().capture)
        .arg(process.pid().to_string())
        .current_dir(dir.path())
        .output_in_time()?;
    ensure!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let names: Vec<_> = fs::read_dir(dir.path())?
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    let [name] = names.as_slice() else {
        anyhow::bail!("found {names:?}, expected one file")
    };
    ensure!(
        name.starts_with(&format!("node.{}.", process.pid())) && name.ends_with(".v8mini"),
        "{name}"
    );
    let summary = String::from_utf8(output.stderr)?;
    ensure!(
        summary.contains(name),
        "the summary does not name the file: {summary}"
    );
    Ok(())
}

#[test]
fn holds_no_environment() -> Result<()> {
    let process = Workload::new("allocating.js", nodes::USUAL)?
        .env("DATABASE_PASSWORD", "correct-horse-battery-staple")
        .spawn()?;
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("secret.v8mini");
    Tools::get().capture_to(process.pid(), &file)?;
    let bytes = [decompressed(&file)?, fs::read(&file)?].concat();
    ensure!(
        contains(&bytes, "steady 17"),
        "what the heap holds is not found either: nothing was tested"
    );
    ensure!(
        !contains(&bytes, "correct-horse-battery-staple"),
        "the capture holds the environment"
    );
    Ok(())
}

#[test]
fn goes_through_a_pipe() -> Result<()> {
    let process = Workload::new("population.js", nodes::USUAL)?.spawn()?;
    let outcome = Tools::get()
        .capture([&process.pid().to_string(), "-o", "-"])?
        .success()?;
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("piped.v8mini");
    fs::write(&file, &outcome.stdout)?;
    let histogram = Tools::get().query("histogram", &file, &["--limit", "1000000"])?;
    let rows = histogram["rows"].as_array().context("no rows")?;
    let invoices = rows
        .iter()
        .find(|row| row["name"] == "Invoice")
        .context("no row for Invoice")?;
    ensure!(
        invoices["count"] == process.truth["counts"]["Invoice"],
        "{invoices}"
    );
    Ok(())
}

#[test]
fn is_what_the_zstd_program_accepts() -> Result<()> {
    let process = Workload::new("population.js", nodes::USUAL)?.spawn()?;
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("legal.v8mini");
    Tools::get().capture_to(process.pid(), &file)?;
    ensure!(
        !decompressed(&file)?.is_empty(),
        "the capture decompresses to nothing"
    );
    // The library has judged; the program is asked too where it is installed.
    match Command::new("zstd").arg("-t").arg(&file).output() {
        Ok(output) => ensure!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        ),
        Err(error) => ensure!(
            error.kind() == std::io::ErrorKind::NotFound,
            "zstd -t: {error}"
        ),
    }
    Ok(())
}

#[test]
fn is_not_written_by_a_dry_run() -> Result<()> {
    let mut process = Workload::new("population.js", nodes::USUAL)?.spawn()?;
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("dry.v8mini");
    let pid = process.pid().to_string();
    let arguments = [
        pid.as_ref(),
        "--dry-run".as_ref(),
        "-o".as_ref(),
        file.as_os_str(),
    ];
    Tools::get().capture(arguments)?.success()?;
    ensure!(
        fs::read_dir(dir.path())?.next().is_none(),
        "a dry run wrote a file"
    );
    ensure!(process.is_alive(), "the process did not survive a dry run");
    Ok(())
}

#[test]
fn can_be_taken_of_a_node_that_was_renamed_and_deleted() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let renamed = dir.path().join("my service");
    fs::copy(nodes::ensure(nodes::USUAL)?.path, &renamed)?;
    let process = Workload::on(&renamed, "population.js")
        .node_argument("--expose-gc")
        .spawn()?;
    fs::remove_file(&renamed)?;
    let file = dir.path().join("deleted.v8mini");
    Tools::get().capture_to(process.pid(), &file)?;
    let info = tools::run(&Tools::get().analyze, ["info".as_ref(), file.as_os_str()])?
        .success()?
        .text();
    ensure!(
        info.contains(nodes::USUAL),
        "the version is not known: {info}"
    );
    Ok(())
}

#[test]
fn is_offered_for_the_processes_that_are_listed() -> Result<()> {
    let process = Workload::new("population.js", nodes::USUAL)?.spawn()?;
    let listing = Tools::get().capture(["list"])?.success()?.text();
    let line = listing.lines().find(|line| {
        line.split_whitespace()
            .any(|word| word == process.pid().to_string())
    });
    let line =
        line.with_context(|| format!("process {} is not listed: {listing}", process.pid()))?;
    ensure!(
        line.contains(nodes::USUAL),
        "its version is not shown: {line}"
    );
    Ok(())
}
