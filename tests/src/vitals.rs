//! Whether a capture has left traces in the process that was captured.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

/// How long what ends by itself may take to end: a busy machine has its own pace.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a capture must not change.
#[derive(Debug)]
pub struct Vitals {
    pid: u32,
    /// What the open file descriptors are, without sockets, which a service opens and closes itself.
    descriptors: Vec<PathBuf>,
    /// The flags of each mapping that a capture may touch for a while, by its address range.
    flags: BTreeMap<String, String>,
}

impl Vitals {
    /// Looks at a process.
    ///
    /// # Errors
    /// If it is gone.
    pub fn of(pid: u32) -> Result<Self> {
        Ok(Self {
            pid,
            descriptors: descriptors(pid)?,
            flags: flags(pid)?,
        })
    }

    /// Checks the process after a capture was killed: it runs, nobody traces it, and its clones have ended. They may be zombies, and a
    /// `userfaultfd` may be open.
    ///
    /// # Errors
    /// If there is harm.
    pub fn check_after_kill(&self) -> Result<()> {
        wait_for(|| {
            for task in tasks(self.pid)? {
                ensure!(task.tracer == 0, "thread {} is still traced", task.tid);
                ensure!(
                    !"tTZX".contains(task.state),
                    "thread {} is in state {}",
                    task.tid,
                    task.state
                );
            }
            let alive: Vec<_> = children(self.pid)?
                .into_iter()
                .filter(|child| child.state != 'Z')
                .collect();
            ensure!(alive.is_empty(), "children that live: {alive:?}");
            self.check_flags()
        })
    }

    /// Checks the process after a whole capture: nothing at all is left, of that one or of those before.
    ///
    /// # Errors
    /// If there is.
    pub fn check_after_capture(&self) -> Result<()> {
        self.check_after_kill()?;
        let left = children(self.pid)?;
        ensure!(left.is_empty(), "children are left: {left:?}");
        let now = descriptors(self.pid)?;
        ensure!(
            now == self.descriptors,
            "the file descriptors were {:?}, and are {now:?}",
            self.descriptors
        );
        Ok(())
    }

    fn check_flags(&self) -> Result<()> {
        for (range, now) in flags(self.pid)? {
            ensure!(
                !now.contains("uw"),
                "{range} is still registered with a userfaultfd"
            );
            // What the program has mapped since is its own business.
            if let Some(before) = self.flags.get(&range) {
                ensure!(
                    *before == now,
                    "the flags of {range} were {before:?}, and are {now:?}"
                );
            }
        }
        Ok(())
    }
}

/// Repeats a check until it holds.
fn wait_for(check: impl Fn() -> Result<()>) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match check() {
            Err(_) if Instant::now() < deadline => {
                std::thread::sleep(Duration::from_millis(2));
            }
            result => return result,
        }
    }
}

/// The descriptors that are no sockets, by what they refer to, sorted.
fn descriptors(pid: u32) -> Result<Vec<PathBuf>> {
    let mut found: Vec<PathBuf> = fs::read_dir(format!("/proc/{pid}/fd"))?
        .flatten()
        .filter_map(|entry| fs::read_link(entry.path()).ok())
        .filter(|link| !link.to_string_lossy().starts_with("socket:"))
        .collect();
    found.sort();
    Ok(found)
}

/// Of `VmFlags`: `dc` is not copied on fork, `um` and `uw` belong to a userfaultfd, `wf` is wiped on fork.
fn flags(pid: u32) -> Result<BTreeMap<String, String>> {
    let smaps = fs::read_to_string(format!("/proc/{pid}/smaps"))?;
    let mut found = BTreeMap::new();
    let mut range = "";
    for line in smaps.lines() {
        if let Some(flags) = line.strip_prefix("VmFlags:") {
            let of_interest: Vec<&str> = flags
                .split_ascii_whitespace()
                .filter(|flag| ["dc", "um", "uw", "wf"].contains(flag))
                .collect();
            found.insert(range.to_owned(), of_interest.join(" "));
        } else if let Some((first, _)) = line.split_once(' ')
            && first.contains('-')
        {
            range = first;
        }
    }
    Ok(found)
}

#[derive(Debug)]
struct Task {
    tid: u32,
    state: char,
    tracer: u32,
}

fn tasks(pid: u32) -> Result<Vec<Task>> {
    let mut tasks = Vec::new();
    for entry in fs::read_dir(format!("/proc/{pid}/task"))? {
        let path = entry?.path();
        // A thread may end meanwhile.
        let Ok(status) = fs::read_to_string(path.join("status")) else {
            continue;
        };
        let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name));
        tasks.push(Task {
            tid: path
                .file_name()
                .and_then(|name| name.to_str()?.parse().ok())
                .context("a task without a number")?,
            state: field("State:")
                .and_then(|state| state.trim().chars().next())
                .context("a task without a state")?,
            tracer: field("TracerPid:")
                .and_then(|tracer| tracer.trim().parse().ok())
                .context("a task without a tracer")?,
        });
    }
    Ok(tasks)
}

#[derive(Debug)]
struct Relative {
    /// For the message of a failed check.
    #[expect(dead_code, reason = "shown by Debug")]
    pid: u32,
    state: char,
}

/// The child processes, zombies included.
fn children(pid: u32) -> Result<Vec<Relative>> {
    let mut children = Vec::new();
    for entry in fs::read_dir("/proc")?.flatten() {
        let Some(child) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        else {
            continue;
        };
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else {
            continue;
        };
        let Some((_, rest)) = stat.rsplit_once(") ") else {
            continue;
        };
        let mut fields = rest.split(' ');
        let (state, parent) = (fields.next(), fields.next());
        if parent.and_then(|parent| parent.parse().ok()) == Some(pid) {
            children.push(Relative {
                pid: child,
                state: state.and_then(|state| state.chars().next()).unwrap_or('?'),
            });
        }
    }
    Ok(children)
}
