//! The programs in which people open heap snapshots, as judges of exported ones: see `tests/readers/`.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::patience::Patient;
use crate::{nodes, npm};

/// A program that reads heap snapshots.
#[derive(Debug, Clone, Copy)]
pub enum Reader {
    /// The heap-snapshot worker of Chrome DevTools.
    DevTools,
    /// memlab's heap analysis.
    Memlab,
}

/// What a reader says of a snapshot, as its program under `tests/readers/` prints it.
///
/// # Errors
/// If npm or the network is missing, or the reader does not take the snapshot.
pub fn read(reader: Reader, snapshot: &Path) -> Result<Value> {
    let output = command(reader, snapshot)?.output_in_time()?;
    ensure!(
        output.status.success(),
        "{reader:?} does not take {}: {}",
        snapshot.display(),
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).with_context(|| format!("what {reader:?} printed"))
}

/// The command line that has a reader print what it says of a snapshot.
///
/// # Errors
/// If npm or the network is missing.
pub fn command(reader: Reader, snapshot: &Path) -> Result<Command> {
    let script = match reader {
        Reader::DevTools => "devtools.bundle.mjs",
        Reader::Memlab => "memlab.mjs",
    };
    let node = nodes::ensure(nodes::USUAL)?;
    let mut command = Command::new(&node.path);
    // The heaps of snapshots of large heaps are larger still.
    command.arg("--max-old-space-size=16384");
    command
        .arg(npm::folder("readers", Some("build.mjs"))?.join(script))
        .arg(snapshot);
    Ok(command)
}
