//! Control groups that a test puts a process into.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};

/// A control group with one controller, of either version of the interface; it is removed when this is dropped.
#[derive(Debug)]
pub struct ControlGroup {
    path: PathBuf,
    limit: &'static str,
    usage: &'static str,
    /// The file that counts how often a process was killed; of memory only.
    events: &'static str,
}

impl ControlGroup {
    /// A new group for the controller `memory` or `pids`; `None` where none can be made.
    pub fn new(controller: &str) -> Option<Self> {
        let name = format!("v8mini-test-{controller}-{}", std::process::id());
        let root = Path::new("/sys/fs/cgroup");
        let version_1 = root.join(controller).join(&name);
        let version_2 = root.join(&name);
        let group = |path, limit, usage, events| Self {
            path,
            limit,
            usage,
            events,
        };
        let groups = match controller {
            "memory" => [
                group(
                    version_1,
                    "memory.limit_in_bytes",
                    "memory.usage_in_bytes",
                    "memory.oom_control",
                ),
                group(version_2, "memory.max", "memory.current", "memory.events"),
            ],
            "pids" => [
                group(version_1, "pids.max", "pids.current", "pids.events"),
                group(version_2, "pids.max", "pids.current", "pids.events"),
            ],
            _ => return None,
        };
        groups.into_iter().find(|group| {
            fs::create_dir(&group.path).is_ok() && group.path.join(group.limit).exists()
        })
    }

    /// Has a program begin in the group.
    pub fn begin_in(&self, command: &mut Command) {
        let processes = self.path.join("cgroup.procs");
        // SAFETY: opening and writing a file is async-signal-safe, and the path was made before.
        unsafe { command.pre_exec(move || fs::write(&processes, "0")) };
    }

    /// What is used: bytes, or processes and threads.
    ///
    /// # Errors
    /// When the group's file cannot be read.
    pub fn usage(&self) -> Result<u64> {
        Ok(self.read(self.usage)?.trim().parse()?)
    }

    /// Sets the limit.
    ///
    /// # Errors
    /// When the kernel does not want it.
    pub fn limit_to(&self, limit: u64) -> Result<()> {
        Ok(fs::write(self.path.join(self.limit), limit.to_string())?)
    }

    /// How many processes were killed because of their memory.
    ///
    /// # Errors
    /// When the group does not count them.
    pub fn killed(&self) -> Result<u64> {
        let events = self.read(self.events)?;
        let line = events
            .lines()
            .find_map(|line| line.strip_prefix("oom_kill "));
        Ok(line.context("no count of kills")?.parse()?)
    }

    fn read(&self, name: &str) -> Result<String> {
        fs::read_to_string(self.path.join(name)).with_context(|| name.to_owned())
    }
}

impl Drop for ControlGroup {
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
