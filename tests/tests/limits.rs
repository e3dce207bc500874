//! Processes at their limits: a capture must not be what pushes them over.

#![cfg(target_os = "linux")]

use std::fs;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
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

/// A control group of the memory controller; it is removed when this is dropped.
struct MemoryGroup {
    path: PathBuf,
    limit: &'static str,
    usage: &'static str,
    /// The file that counts how often a process was killed.
    events: &'static str,
}

impl MemoryGroup {
    /// A group below this test's own; `None` where none can be made.
    fn new() -> Option<Self> {
        let name = format!("v8mini-test-{}", std::process::id());
        let version_1 = Self {
            path: Path::new("/sys/fs/cgroup/memory").join(&name),
            limit: "memory.limit_in_bytes",
            usage: "memory.usage_in_bytes",
            events: "memory.oom_control",
        };
        let version_2 = Self {
            path: Path::new("/sys/fs/cgroup").join(&name),
            limit: "memory.max",
            usage: "memory.current",
            events: "memory.events",
        };
        [version_1, version_2].into_iter().find(|group| {
            fs::create_dir(&group.path).is_ok() && group.path.join(group.limit).exists()
        })
    }

    fn read(&self, name: &str) -> Result<String> {
        fs::read_to_string(self.path.join(name)).with_context(|| name.to_owned())
    }

    fn killed(&self) -> Result<u64> {
        let events = self.read(self.events)?;
        let line = events
            .lines()
            .find_map(|line| line.strip_prefix("oom_kill "));
        Ok(line.context("no count of kills")?.parse()?)
    }
}

impl Drop for MemoryGroup {
    fn drop(&mut self) {
        // The kernel needs a moment to forget the last process.
        for _ in 0..100 {
            if fs::remove_dir(&self.path).is_ok() {
                return;
            }
            thread::sleep(Duration::from_millis(10));
        }
    }
}

#[test]
fn the_limit_of_memory() -> Result<()> {
    let Some(group) = MemoryGroup::new() else {
        println!("not tested: no control group can be made here");
        return Ok(());
    };
    // Built before the program runs: its heap grows by itself, and would meet the limit meanwhile.
    Tools::get();
    let processes = group.path.join("cgroup.procs");
    let mut process = Workload::new("http-service.js", nodes::USUAL)?
        .with(|command| {
            let processes = processes.clone();
            // SAFETY: opening and writing a file is async-signal-safe, and the path was made before.
            unsafe { command.pre_exec(move || fs::write(&processes, "0")) };
        })
        .spawn_with(&["--clients", "2"])?;
    let usage: u64 = group.read(group.usage)?.trim().parse()?;
    let limit = usage + (48 << 20);
    fs::write(group.path.join(group.limit), limit.to_string())?;
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
