//! Finding the processes that can be captured.

use std::fs;
use std::path::Path;

use nix::libc::pid_t;
use v8mini_format::model::V8Version;

use super::binary::SymbolCache;
use super::error::CaptureError;
use super::live::Target;
use super::procfs;

/// A process with V8 in it.
#[derive(Debug)]
pub struct Listed {
    /// Process id.
    pub pid: pid_t,
    /// Short name.
    pub name: String,
    /// Command line.
    pub arguments: Vec<String>,
    /// How long it has run, in nanoseconds.
    pub uptime_ns: u64,
    /// Number of threads.
    pub threads: usize,
    /// What is in it; or why that cannot be seen.
    pub v8: Result<ListedV8, CaptureError>,
}

/// What [`list`] tells of the V8 in a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedV8 {
    /// `process.version`.
    pub node_version: Option<String>,
    /// Version of V8.
    pub version: Option<V8Version>,
    /// Size of the V8 heap's pages of all isolates, in bytes.
    pub heap_bytes: u64,
    /// Isolates: the main thread's, and one per worker.
    pub isolates: usize,
}

/// Lists all processes with V8 in them, and those that seem to be Node but may not be looked into. None is stopped.
///
/// # Errors
/// When `/proc` cannot be read.
pub fn list() -> std::io::Result<Vec<Listed>> {
    let own = nix::unistd::getpid().as_raw();
    let mut pids: Vec<pid_t> = fs::read_dir("/proc")?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|&pid| pid != own)
        .collect();
    pids.sort_unstable();
    let mut cache = SymbolCache::default();
    Ok(pids
        .into_iter()
        .filter_map(|pid| look(pid, &mut cache))
        .collect())
}

/// Executables at least this large are looked into whatever their name: programs with V8 in them are larger than most.
const LARGE_EXECUTABLE: u64 = 30 << 20;

fn look(pid: pid_t, cache: &mut SymbolCache) -> Option<Listed> {
    let stat = procfs::Stat::read(pid, None).ok()?;
    let arguments = procfs::arguments(pid);
    let executable = procfs::executable(pid);
    let program = if executable.is_empty() {
        arguments.first().cloned().unwrap_or_default()
    } else {
        executable
    };
    let seems_node = [program.as_str(), &stat.name].iter().any(|name| {
        Path::new(name)
            .file_name()
            .is_some_and(|n| n.to_string_lossy().contains("node"))
    });
    let large =
        fs::metadata(procfs::path(pid, "exe")).is_ok_and(|file| file.len() >= LARGE_EXECUTABLE);
    if !seems_node && !large {
        return None;
    }
    let v8 = match Target::locate(pid, cache) {
        Ok(target) => Ok(target.listed()),
        // Something else of that name, or gone since.
        Err(
            CaptureError::NotV8 { .. }
            | CaptureError::NoSuchProcess { .. }
            | CaptureError::Zombie { .. },
        ) => return None,
        Err(_) if !seems_node => return None,
        Err(error) => Err(error),
    };
    Some(Listed {
        pid,
        uptime_ns: procfs::uptime_ns(&stat),
        name: stat.name,
        arguments,
        threads: procfs::threads(pid).map_or(0, |threads| threads.len()),
        v8,
    })
}
