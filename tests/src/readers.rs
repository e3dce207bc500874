//! The programs in which people open heap snapshots, as judges of exported ones: see `tests/readers/`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::{nodes, target_dir, workspace_root};

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
    let output = command(reader, snapshot)?.output()?;
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
    command.arg(installed()?.join(script)).arg(snapshot);
    Ok(command)
}

/// The folder with the readers, which npm fills once for each version of their list.
fn installed() -> Result<&'static Path> {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    if let Some(folder) = FOLDER.get() {
        return Ok(folder);
    }
    let source = workspace_root().join("tests/readers");
    let folder = target_dir().join("readers");
    fs::create_dir_all(&folder)?;
    let list = fs::read(source.join("package.json"))?;
    for entry in fs::read_dir(&source)? {
        let entry = entry?;
        fs::copy(entry.path(), folder.join(entry.file_name()))?;
    }
    let stamp = folder.join("installed.json");
    if fs::read(&stamp).ok().as_ref() != Some(&list) {
        // Without their install scripts: memlab would fetch a browser.
        let mut install = Command::new("npm");
        install.args([
            "install",
            "--ignore-scripts",
            "--no-audit",
            "--no-fund",
            "--silent",
        ]);
        succeed(install.current_dir(&folder))?;
        succeed(Command::new("node").arg("build.mjs").current_dir(&folder))?;
        fs::write(&stamp, &list)?;
    }
    Ok(FOLDER.get_or_init(|| folder))
}

fn succeed(command: &mut Command) -> Result<()> {
    let output = command
        .output()
        .with_context(|| format!("cannot run {command:?}"))?;
    ensure!(
        output.status.success(),
        "{command:?} failed: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}
