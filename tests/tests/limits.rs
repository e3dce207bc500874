//! Processes at their limits: a capture must not be what pushes them over.

#![cfg(target_os = "linux")]

use std::fs;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use v8mini_tests::control_group::ControlGroup;
use v8mini_tests::patience::Patient;
use v8mini_tests::vitals::Vitals;
use v8mini_tests::{NodeProcess, Tools, Workload, nodes};

const NOBODY: u32 = 65534;

fn is_root() -> bool {
    // SAFETY: geteuid has no preconditions and cannot fail.
    unsafe { libc::geteuid() == 0 }
}

fn capture(process: &NodeProcess, mode: &str) -> Result<Value> {
    let pid = process.pid().to_string();
    let arguments = [&pid, "--mode", mode, "--dry-run", "--json"];
    Tools::get().capture(arguments)?.json()
}

#[test]
fn the_limit_of_processes() -> Result<()> {
    if !is_root() {
        println!("not tested: only root can start a process as another user, who has a limit");
        return Ok(());
    }
    let dir = tempfile::Builder::new()
        .permissions(everybody())
        .tempdir()?;
    let node = copied_for_everybody(&nodes::ensure(nodes::USUAL)?.path, dir.path())?;
    copied_for_everybody(&workload("blocked.js"), dir.path())?;
    copied_for_everybody(&workload("protocol.js"), dir.path())?;
    let mut process = Workload::on(
        node,
        dir.path().join("blocked.js").to_str().context("path")?,
    )
    .with(|command| {
        command.uid(NOBODY).gid(NOBODY).current_dir("/");
    })
    .spawn()?;
    let vitals = Vitals::of(process.pid())?;
    let summary = capture(&process, "fork")?;
    ensure!(summary["mode"] == "fork", "without a limit: {summary}");
    limit_processes(process.pid())?;
    let summary = capture(&process, "fork")?;
    ensure!(summary["mode"] == "stop", "{summary}");
    let declined = summary["declined"].to_string();
    ensure!(
        declined.contains("EAGAIN") && declined.contains("limit of processes"),
        "{summary}"
    );
    process.ask("signals")?;
    vitals.check_after_capture()
}

#[test]
fn the_limit_of_processes_of_a_control_group() -> Result<()> {
    let Some(group) = ControlGroup::new("pids") else {
        println!("not tested: no control group can be made here");
        return Ok(());
    };
    let mut process = Workload::new("blocked.js", nodes::USUAL)?
        .with(|command| group.begin_in(command))
        .spawn()?;
    let vitals = Vitals::of(process.pid())?;
    let summary = capture(&process, "fork")?;
    ensure!(summary["mode"] == "fork", "without a limit: {summary}");
    group.limit_to(group.usage()?)?;
    for mode in ["auto", "log", "precopy", "fork", "stop"] {
        let summary = capture(&process, mode)?;
        ensure!(summary["mode"] != "fork", "{mode}: {summary}");
        if mode == "fork" {
            let declined = summary["declined"].to_string();
            ensure!(
                declined.contains("EAGAIN") && declined.contains("limit of processes"),
                "{summary}"
            );
        }
        vitals.check_after_capture()?;
    }
    process.ask("signals")?;
    drop(process);
    drop(group);
    Ok(())
}

/// Sets the limit of processes of a running process of [`NOBODY`] to 1, less than there are.
fn limit_processes(pid: u32) -> Result<()> {
    let mut command = Command::new("true");
    command.uid(NOBODY).gid(NOBODY);
    // SAFETY: prlimit is async-signal-safe. The kernel reads one limit, and is not asked for the old one.
    unsafe {
        command.pre_exec(move || {
            let limit = libc::rlimit {
                rlim_cur: 1,
                rlim_max: 1,
            };
            let (pid, none) = (pid.cast_signed(), std::ptr::null_mut());
            match libc::prlimit(pid, libc::RLIMIT_NPROC, &raw const limit, none) {
                0 => Ok(()),
                _ => Err(io::Error::last_os_error()),
            }
        });
    }
    ensure!(
        command.status_in_time()?.success(),
        "the limit cannot be set"
    );
    Ok(())
}

fn everybody() -> fs::Permissions {
    use std::os::unix::fs::PermissionsExt;
    fs::Permissions::from_mode(0o755)
}

fn workload(name: &str) -> PathBuf {
    v8mini_tests::workspace_root()
        .join("tests/workloads")
        .join(name)
}

/// A copy that every user may read and run.
fn copied_for_everybody(file: &Path, dir: &Path) -> Result<PathBuf> {
    let copy = dir.join(file.file_name().context("a file has a name")?);
    fs::copy(file, &copy)?;
    fs::set_permissions(&copy, everybody())?;
    Ok(copy)
}

#[test]
fn the_limit_of_memory() -> Result<()> {
    let Some(group) = ControlGroup::new("memory") else {
        println!("not tested: no control group can be made here");
        return Ok(());
    };
    // Built before the program runs: its heap grows by itself, and would meet the limit meanwhile.
    Tools::get();
    let mut process = Workload::new("http-service.js", nodes::USUAL)?
        .with(|command| group.begin_in(command))
        .spawn_with(&["--clients", "2"])?;
    let limit = group.usage()? + (48 << 20);
    group.limit_to(limit)?;
    for mode in ["auto", "log", "precopy", "fork", "stop"] {
        let summary = capture(&process, mode)?;
        ensure!(summary["mode"] != "fork", "{mode}: {summary}");
        if mode == "fork" {
            let declined = summary["declined"].to_string();
            ensure!(declined.contains("memory limit"), "{summary}");
        }
        ensure!(
            group.killed()? == 0,
            "{mode}: a process was killed for its memory"
        );
    }
    let report = process.ask("stop")?;
    ensure!(
        report["failed"] == 0 && report["sent"] == report["answered"],
        "{report}"
    );
    drop(process);
    drop(group);
    Ok(())
}
