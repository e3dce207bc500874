//! What the capture tool says when it cannot capture; and that its target goes on, whatever happened.

#![cfg(target_os = "linux")]

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use v8mini_tests::patience::{Patient, output_of, wait_for};
use v8mini_tests::{Outcome, Tools, Workload, nodes};

/// The exit code of an error; 1 and 3 have other meanings.
const ERROR: Option<i32> = Some(2);

/// Captures `pid` into a fresh directory, which must be empty afterwards: a failed capture leaves no file.
fn refused(pid: u32) -> Result<Outcome> {
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("refused.v8mini");
    let outcome =
        Tools::get().capture([pid.to_string().as_ref(), "-o".as_ref(), file.as_os_str()])?;
    ensure!(
        outcome.code() == ERROR,
        "{}: {:?}, {}",
        outcome.command,
        outcome.status,
        outcome.stderr
    );
    ensure_empty(dir.path())?;
    Ok(outcome)
}

fn ensure_empty(dir: &Path) -> Result<()> {
    let left: Vec<_> = fs::read_dir(dir)?
        .flatten()
        .map(|entry| entry.file_name())
        .collect();
    ensure!(left.is_empty(), "the failed capture left {left:?} behind");
    Ok(())
}

fn ensure_says(outcome: &Outcome, words: &[&str]) -> Result<()> {
    for word in words {
        ensure!(
            outcome.stderr.to_lowercase().contains(&word.to_lowercase()),
            "`{}` does not say {word:?}: {}",
            outcome.command,
            outcome.stderr
        );
    }
    ensure!(!outcome.stderr.contains("panicked"), "{}", outcome.stderr);
    Ok(())
}

#[test]
fn a_process_that_does_not_exist() -> Result<()> {
    // One that existed a moment ago: no other process can have its id already.
    let mut child = Command::new("true").spawn()?;
    let pid = child.id();
    wait_for(&mut child, "true")?;
    ensure_says(&refused(pid)?, &["no process", &pid.to_string()])
}

#[test]
fn a_process_without_v8() -> Result<()> {
    let mut sleep = Command::new("sleep").arg("1000").spawn()?;
    let outcome = refused(sleep.id());
    let alive = sleep.try_wait()?.is_none();
    sleep.kill()?;
    wait_for(&mut sleep, "the killed sleep")?;
    ensure_says(&outcome?, &["V8", &sleep.id().to_string()])?;
    ensure!(alive, "the process did not survive");
    Ok(())
}

#[test]
fn a_process_of_somebody_else() -> Result<()> {
    // SAFETY: geteuid has no preconditions and cannot fail.
    let is_root = unsafe { libc::geteuid() } == 0;
    let outcome = if is_root {
        // Root may do everything, so another user tries, with a copy of the tool that everybody can run.
        let mut process = Workload::new("allocating.js", nodes::USUAL)?.spawn()?;
        let dir = tempfile::Builder::new()
            .permissions(everybody())
            .tempdir()?;
        let tool = dir.path().join("v8mini-capture");
        fs::copy(&Tools::get().capture, &tool)?;
        let output = Command::new(&tool)
            .args([&process.pid().to_string(), "-o", "-"])
            .uid(65534)
            .gid(65534)
            .current_dir("/")
            .output_in_time()?;
        ensure!(
            output.stdout.is_empty(),
            "{} bytes were written all the same",
            output.stdout.len()
        );
        process.ask("turns")?;
        Outcome {
            command: "v8mini-capture as nobody".into(),
            status: output.status,
            stdout: output.stdout,
            stderr: String::from_utf8(output.stderr)?,
        }
    } else {
        refused(1)?
    };
    ensure!(
        outcome.code() == ERROR,
        "{:?}: {}",
        outcome.status,
        outcome.stderr
    );
    ensure_says(&outcome, &["not permitted"])
}

fn everybody() -> fs::Permissions {
    use std::os::unix::fs::PermissionsExt;
    fs::Permissions::from_mode(0o755)
}

#[test]
fn a_full_disk() -> Result<()> {
    let mut process = Workload::new("allocating.js", nodes::USUAL)?.spawn()?;
    let child = Command::new(&Tools::get().capture)
        .args([&process.pid().to_string(), "-o", "-"])
        .stdout(fs::OpenOptions::new().write(true).open("/dev/full")?)
        .stderr(Stdio::piped())
        .spawn()?;
    let output = output_of(child, "v8mini-capture")?;
    ensure!(output.status.code() == ERROR, "{:?}", output.status);
    let stderr = String::from_utf8(output.stderr)?;
    ensure!(stderr.contains("No space left on device"), "{stderr}");
    process.ask("turns")?;
    Ok(())
}

#[test]
fn a_file_that_grows_too_large() -> Result<()> {
    let mut process = Workload::new("allocating.js", nodes::USUAL)?.spawn()?;
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("large.v8mini");
    let mut command = Command::new(&Tools::get().capture);
    command.arg(process.pid().to_string()).arg("-o").arg(&file);
    // SAFETY: both calls are async-signal-safe, as is required between fork and exec.
    unsafe {
        command.pre_exec(|| {
            let limit = libc::rlimit {
                rlim_cur: 100_000,
                rlim_max: 100_000,
            };
            libc::setrlimit(libc::RLIMIT_FSIZE, &raw const limit);
            // Ignored, the write fails with EFBIG, as it does on file systems that have such a limit themselves.
            libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
            Ok(())
        });
    }
    let output = command.output_in_time()?;
    ensure!(output.status.code() == ERROR, "{:?}", output.status);
    let stderr = String::from_utf8(output.stderr)?;
    ensure!(
        stderr.contains("File too large") && stderr.contains("large.v8mini"),
        "{stderr}"
    );
    ensure_empty(dir.path())?;
    process.ask("turns")?;
    Ok(())
}

#[test]
fn a_directory_that_does_not_exist() -> Result<()> {
    let mut process = Workload::new("allocating.js", nodes::USUAL)?.spawn()?;
    let pid = process.pid().to_string();
    let outcome = Tools::get().capture([&pid, "-o", "/no/such/directory/file.v8mini"])?;
    ensure!(outcome.code() == ERROR, "{:?}", outcome.status);
    ensure_says(&outcome, &["/no/such/directory"])?;
    process.ask("turns")?;
    Ok(())
}

#[test]
fn a_process_that_exits_while_it_is_captured() -> Result<()> {
    let mut failed = 0;
    for delay_ms in [0, 2, 5, 10, 20, 40, 80, 160] {
        let mut process =
            Workload::new("big-heap.js", nodes::USUAL)?.spawn_with(&["--n", "100000"])?;
        let dir = tempfile::tempdir()?;
        let file = dir.path().join("gone.v8mini");
        let mut capture = Command::new(&Tools::get().capture)
            .arg(process.pid().to_string())
            .arg("-o")
            .arg(&file)
            .stderr(Stdio::piped())
            .spawn()?;
        thread::sleep(Duration::from_millis(delay_ms));
        process.kill()?;
        let status = wait_for(&mut capture, "v8mini-capture")?;
        let mut stderr = String::new();
        std::io::Read::read_to_string(
            &mut capture.stderr.take().context("no stderr")?,
            &mut stderr,
        )?;
        ensure!(!stderr.contains("panicked"), "{stderr}");
        if matches!(status.code(), Some(0 | 3)) {
            // It had the heap before the process went, if not all that is known about it: then the file is whole.
            Tools::get().query("info", &file, &[])?;
        } else {
            ensure!(
                status.code() == ERROR,
                "after {delay_ms} ms: {status}, {stderr}"
            );
            ensure!(stderr.contains("process"), "{stderr}");
            ensure_empty(dir.path())?;
            failed += 1;
        }
    }
    ensure!(
        failed > 0,
        "each process lived long enough to be captured: this test tested nothing"
    );
    Ok(())
}
