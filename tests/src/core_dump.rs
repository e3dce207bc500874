//! ELF cores of workloads: written by the kernel when one dies, or by `gcore` while it lives.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use crate::NodeProcess;
use crate::patience::Patient;

/// What a process dies of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// As `abort()` and failed assertions do.
    Abort,
    /// As a wild pointer does.
    Segv,
    /// As a mapped file that was cut does.
    Bus,
}

impl Signal {
    /// As `kill` names it.
    const fn name(self) -> &'static str {
        match self {
            Self::Abort => "ABRT",
            Self::Segv => "SEGV",
            Self::Bus => "BUS",
        }
    }
}

/// Writes a core of a process with `gcore`; the process goes on.
///
/// # Errors
/// If gdb is not installed, or fails.
pub fn gcore(process: &NodeProcess, path: &Path) -> Result<()> {
    let pid = process.pid().to_string();
    let output = Command::new("gcore")
        .arg("-o")
        .arg(path)
        .arg(&pid)
        .stdin(Stdio::null())
        .output_in_time()
        .context(
            "gcore is a part of gdb: if it is not installed, `cargo xtask ci` does it where it may",
        )?;
    let mut written = path.as_os_str().to_owned();
    written.push(format!(".{pid}"));
    ensure!(
        Path::new(&written).is_file(),
        "gcore wrote no core: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    fs::rename(written, path)?;
    Ok(())
}

/// Whether the kernel writes the core of a process into its directory. Else it goes to a program of the host
/// (`systemd-coredump`, `apport`), where a test has no business.
pub fn kernel_writes_here() -> bool {
    fs::read_to_string("/proc/sys/kernel/core_pattern")
        .is_ok_and(|pattern| !pattern.starts_with('|') && !pattern.contains('/'))
}

/// Ends a workload with a signal, and returns the core: the kernel's if the kernel writes it to `dir`, else one that
/// `gcore` wrote just before.
///
/// The workload must have been started with [`crate::Workload::dumping_core_to`] the same directory.
///
/// # Errors
/// If there is no core afterwards.
pub fn kill_with(process: &mut NodeProcess, signal: Signal, dir: &Path) -> Result<PathBuf> {
    if !kernel_writes_here() {
        eprintln!("the kernel hands cores to a program: this one is of gcore");
        let path = dir.join("gcore");
        gcore(process, &path)?;
        process.kill()?;
        return Ok(path);
    }
    end_with(process, signal)?;
    kernel_core(dir)
}

/// Ends a workload with a signal.
///
/// # Errors
/// If the signal cannot be sent.
pub fn end_with(process: &mut NodeProcess, signal: Signal) -> Result<()> {
    let status = Command::new("kill")
        .args(["-s", signal.name()])
        .arg(process.pid().to_string())
        .status_in_time()?;
    ensure!(status.success(), "kill ended with {status}");
    process.wait()?;
    Ok(())
}

/// The core that the kernel left in a directory.
///
/// # Errors
/// If there is none.
pub fn kernel_core(dir: &Path) -> Result<PathBuf> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let mut magic = [0; 4];
        let read = fs::File::open(entry.path())
            .and_then(|mut file| io::Read::read_exact(&mut file, &mut magic));
        if read.is_ok() && magic == *b"\x7fELF" && !entry.path().ends_with("node") {
            return Ok(entry.path());
        }
    }
    bail!("the kernel left no core in {}", dir.display())
}
