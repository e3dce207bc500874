//! A crashing process leaves a capture instead of a core.

#![cfg(target_os = "linux")]

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use v8mini_tests::patience::{Patient, output_of};
use v8mini_tests::{Tools, Workload, core_dump, nodes, target_dir};

const PATTERN: &str = "/proc/sys/kernel/core_pattern";

/// How patterns begin that a test has set.
const OURS: &str = "|/tmp/v8m";

/// The kernel's pattern, changed for the time of a test. No two tests change it at once.
struct Pattern {
    before: String,
    _lock: File,
}

impl Pattern {
    /// `None` where it may not be changed.
    fn set(pattern: &str) -> Result<Option<Self>> {
        let lock = File::create(target_dir().join("core-pattern.lock"))?;
        lock.lock()?;
        let mut before = fs::read_to_string(PATTERN)?;
        if before.starts_with(OURS) {
            // A test that was killed could not restore it. This is the kernel's own default.
            "core".clone_into(&mut before);
        }
        if fs::write(PATTERN, pattern).is_err() {
            return Ok(None);
        }
        Ok(Some(Self {
            before,
            _lock: lock,
        }))
    }
}

impl Drop for Pattern {
    fn drop(&mut self) {
        fs::write(PATTERN, &self.before).expect("the pattern could be changed before");
    }
}

/// The one file in a directory whose name ends so.
fn await_file(dir: &Path, suffix: &str) -> Result<PathBuf> {
    let deadline = Instant::now() + Duration::from_secs(60);
    while Instant::now() < deadline {
        for entry in fs::read_dir(dir)? {
            let path = entry?.path();
            if path.to_string_lossy().ends_with(suffix) {
                return Ok(path);
            }
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    bail!("no *{suffix} in {} within a minute", dir.display())
}

#[test]
fn takes_a_core_from_standard_input() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut process = Workload::new("population.js", nodes::USUAL)?.spawn()?;
    let pid = process.pid().to_string();
    let core = dir.path().join("core");
    core_dump::gcore(&process, &core)?;
    let capture = dir.path().join("expected.v8mini");
    Tools::get().analyze([
        "convert".as_ref(),
        core.as_os_str(),
        "-o".as_ref(),
        capture.as_os_str(),
    ])?;
    process.kill()?;
    let captures = dir.path().join("captures");
    fs::create_dir(&captures)?;
    let output = Command::new(&Tools::get().capture)
        .args(["core-handler", "--min-free", "1M", "--dir"])
        .arg(&captures)
        .arg(&pid)
        .stdin(File::open(&core)?)
        .output_in_time()?;
    ensure!(
        matches!(output.status.code(), Some(0 | 3)),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let written = await_file(&captures, ".v8mini")?;
    let histogram = |file: &Path| Tools::get().query("histogram", file, &[]);
    let (piped, converted) = (histogram(&written)?, histogram(&capture)?);
    ensure!(
        piped["rows"].is_array() && piped["rows"] == converted["rows"],
        "{piped}\nand\n{converted}"
    );
    ensure!(
        fs::read_dir(&captures)?.count() == 1,
        "more is left than the capture"
    );
    Ok(())
}

#[test]
fn keeps_or_ignores_what_is_no_node() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let run = |others: &str| -> Result<()> {
        let mut child = Command::new(&Tools::get().capture)
            .args([
                "core-handler",
                "--min-free",
                "0",
                "--others",
                others,
                "--dir",
            ])
            .arg(dir.path())
            .arg("999999999")
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let mut input = child.stdin.take().context("no input")?;
        let core = Workload::command_dumping_core("/bin/true", dir.path());
        drop(core);
        std::io::copy(&mut File::open("/bin/true")?, &mut input)?;
        drop(input);
        let output = output_of(child, "core-handler")?;
        println!("{}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    };
    // An executable is an ELF file, but no core: it is refused, and nothing is left of it.
    run("keep")?;
    run("ignore")?;
    ensure!(fs::read_dir(dir.path())?.count() == 0, "something is left");
    Ok(())
}

#[test]
fn refuses_when_the_disk_is_full() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let output = Command::new(&Tools::get().capture)
        .args(["core-handler", "1", "--min-free", "100000T", "--dir"])
        .arg(dir.path())
        .stdin(File::open("/bin/true")?)
        .output_in_time()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    // Process 1 may be looked at by root only; to others it is no Node either way.
    ensure!(
        output.status.code() == Some(2) || output.status.success(),
        "{said}"
    );
    ensure!(fs::read_dir(dir.path())?.count() == 0, "something is left");
    Ok(())
}

#[test]
fn the_kernel_pipes_a_real_crash_into_it() -> Result<()> {
    let dir = tempfile::tempdir()?;
    // The pattern has room for 127 characters.
    let short = tempfile::Builder::new().prefix("v8m").tempdir_in("/tmp")?;
    let program = short.path().join("c");
    fs::copy(&Tools::get().capture, &program)?;
    let pattern = format!(
        "|{} core-handler --min-free 1M --dir {} %P",
        program.display(),
        short.path().display()
    );
    ensure!(
        pattern.len() < 128 && pattern.starts_with(OURS),
        "{pattern}"
    );
    let mut process = Workload::new("population.js", nodes::USUAL)?
        .dumping_core_to(dir.path())
        .spawn()?;
    let pid = process.pid();
    let Some(_pattern) = Pattern::set(&pattern)? else {
        println!("core_pattern may not be changed here: the handler was tried by hand only");
        return Ok(());
    };
    ensure!(
        Command::new("kill")
            .args(["-s", "SEGV", &pid.to_string()])
            .status_in_time()?
            .success()
    );
    process.wait()?;
    let written = await_file(short.path(), ".v8mini")?;
    let name = written
        .file_name()
        .context("no name")?
        .to_string_lossy()
        .into_owned();
    ensure!(name.starts_with(&format!("node.{pid}.")), "{name}");
    let info = Tools::get().query("info", &written, &[])?;
    let signal = &info["capture"]["signal"];
    ensure!(signal["number"] == 11 && signal["tid"] == pid, "{info}");
    ensure!(
        signal["text"]
            .as_str()
            .is_some_and(|text| text.starts_with("SIGSEGV")),
        "{signal}"
    );
    let text = Tools::get()
        .analyze(["info".as_ref(), written.as_os_str()])?
        .text();
    ensure!(text.contains("SIGSEGV"), "{text}");
    let classes = Tools::get().query("histogram", &written, &[])?;
    ensure!(
        classes["rows"]
            .as_array()
            .is_some_and(|rows| !rows.is_empty()),
        "{classes}"
    );
    Ok(())
}
