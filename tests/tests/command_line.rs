//! How the programs behave on a command line: exit codes, closed pipes, files that are no captures.

#![cfg(target_os = "linux")]

use std::fs;
use std::io::Read;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;
use v8mini_tests::patience::output_of;
use v8mini_tests::{Tools, Workload, nodes};

/// A capture of known populations that all tests here share.
fn capture() -> PathBuf {
    static CAPTURE: OnceLock<TempDir> = OnceLock::new();
    let dir = CAPTURE.get_or_init(|| {
        let dir = tempfile::tempdir().expect("a directory for the capture");
        let process = Workload::new("population.js", nodes::USUAL).and_then(Workload::spawn);
        let process = process.expect("a process to capture");
        Tools::get()
            .capture_to(process.pid(), &dir.path().join("shared.v8mini"))
            .expect("a capture");
        dir
    });
    dir.path().join("shared.v8mini")
}

#[test]
fn success_is_0() -> Result<()> {
    let file = capture();
    for command in ["info", "histogram"] {
        let outcome = Tools::get().analyze([command.as_ref(), file.as_os_str()])?;
        ensure!(
            outcome.code() == Some(0),
            "{}: {:?}",
            outcome.command,
            outcome.status
        );
        ensure!(
            !outcome.stdout.is_empty(),
            "{} says nothing",
            outcome.command
        );
    }
    Ok(())
}

#[test]
fn nothing_found_is_1() -> Result<()> {
    let file = capture();
    let arguments = [
        "histogram".as_ref(),
        file.as_os_str(),
        "--filter".as_ref(),
        "^NoSuchClass$".as_ref(),
    ];
    let outcome = Tools::get().analyze(arguments)?;
    ensure!(
        outcome.code() == Some(1),
        "{}: {:?}",
        outcome.command,
        outcome.status
    );
    Ok(())
}

#[test]
fn errors_are_2() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let empty = dir.path().join("empty.v8mini");
    fs::write(&empty, "")?;
    let text = dir.path().join("text.v8mini");
    fs::write(&text, "this is no capture\n".repeat(1000))?;
    for file in [
        empty,
        text,
        dir.path().join("missing.v8mini"),
        dir.path().to_owned(),
    ] {
        let outcome = Tools::get().analyze(["histogram".as_ref(), file.as_os_str()])?;
        ensure!(
            outcome.code() == Some(2),
            "{}: {:?}",
            outcome.command,
            outcome.status
        );
        let name = file.file_name().context("no name")?.to_string_lossy();
        ensure!(
            outcome.stderr.contains(&*name),
            "the error does not name the file: {}",
            outcome.stderr
        );
        ensure!(!outcome.stderr.contains("panicked"), "{}", outcome.stderr);
        ensure!(
            outcome.stdout.is_empty(),
            "{} answers all the same",
            outcome.command
        );
    }
    let outcome = Tools::get().analyze(["no-such-command"])?;
    ensure!(
        outcome.code() == Some(2),
        "{}: {:?}",
        outcome.command,
        outcome.status
    );
    Ok(())
}

#[test]
fn an_incomplete_file_is_3() -> Result<()> {
    let whole = fs::read(capture())?;
    let dir = tempfile::tempdir()?;
    let cut = dir.path().join("cut.v8mini");
    fs::write(&cut, &whole[..whole.len() * 9 / 10])?;
    let outcome = Tools::get().analyze(["histogram".as_ref(), cut.as_os_str()])?;
    ensure!(
        outcome.code() == Some(3),
        "{}: {:?}, {}",
        outcome.command,
        outcome.status,
        outcome.stderr
    );
    let says = format!("{}{}", outcome.text(), outcome.stderr);
    ensure!(
        says.contains("the file was cut"),
        "the answer does not say that the file is cut: {says}"
    );
    Ok(())
}

#[test]
fn a_closed_pipe_is_no_error() -> Result<()> {
    let file = capture();
    let commands: [(&str, &[&str]); 2] = [
        ("histogram", &["--limit", "0"]),
        ("instances", &["Invoice", "--limit", "0"]),
    ];
    for (command, arguments) in commands {
        let mut line = Command::new(&Tools::get().analyze);
        line.arg(command).arg(&file).args(arguments);
        let mut child = line.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        // As `head -c 1` does: one byte, and then the pipe is closed.
        let mut stdout = child.stdout.take().context("no standard output")?;
        stdout.read_exact(&mut [0])?;
        drop(stdout);
        let output = output_of(child, command)?;
        let stderr = String::from_utf8(output.stderr)?;
        ensure!(
            output.status.code() == Some(0),
            "{command:?}: {:?}, {stderr}",
            output.status
        );
        ensure!(stderr.is_empty(), "{command:?} complains: {stderr}");
    }
    Ok(())
}

#[test]
fn text_is_plain_where_no_terminal_is() -> Result<()> {
    let file = capture();
    let outcome = Tools::get().analyze(["histogram".as_ref(), file.as_os_str()])?;
    ensure!(
        !outcome.stdout.contains(&0x1b),
        "escape sequences in a pipe"
    );
    Ok(())
}

#[test]
fn json_has_no_escape_sequences() -> Result<()> {
    let file = capture();
    let commands: [&[&str]; 5] = [
        &["instances", "Object"],
        &["find", "--string", "a"],
        &["refs", "--type", "Object"],
        &["path", "--type", "Object"],
        &["dominators"],
    ];
    for command in commands {
        let (name, arguments) = command.split_first().context("a command")?;
        let answer = Tools::get().query(name, &file, arguments)?.to_string();
        ensure!(answer.len() > 500, "{name}: nothing to look at in {answer}");
        ensure!(!answer.contains("\\u001b"), "{name}: {answer}");
    }
    Ok(())
}
