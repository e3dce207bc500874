//! The programs that read what v8mini writes for programs: see `tests/clients/`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context, Result, ensure};

use crate::{nodes, target_dir, workspace_root};

/// A command that runs one of the programs on Node.js, without its arguments.
///
/// # Errors
/// If npm or the network is missing.
pub fn client(script: &str) -> Result<Command> {
    let node = nodes::ensure(nodes::USUAL)?;
    let mut command = Command::new(node.path);
    command.arg(installed()?.join(script));
    Ok(command)
}

/// The folder with the programs, which npm fills once for each version of their list.
fn installed() -> Result<&'static Path> {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    if let Some(folder) = FOLDER.get() {
        return Ok(folder);
    }
    let source = workspace_root().join("tests/clients");
    let folder = target_dir().join("clients");
    fs::create_dir_all(&folder)?;
    let list = fs::read(source.join("package.json"))?;
    for entry in fs::read_dir(&source)? {
        let entry = entry?;
        fs::copy(entry.path(), folder.join(entry.file_name()))?;
    }
    // Tests are programs of their own and may be run at the same time: one installs, the others wait.
    let lock = fs::File::create(folder.join("lock"))?;
    lock.lock()?;
    let stamp = folder.join("installed.json");
    if fs::read(&stamp).ok().as_ref() != Some(&list) {
        let output = Command::new("npm")
            .args([
                "install",
                "--ignore-scripts",
                "--no-audit",
                "--no-fund",
                "--silent",
            ])
            .current_dir(&folder)
            .output()
            .context("cannot run npm")?;
        ensure!(
            output.status.success(),
            "npm install failed in {}: {}",
            folder.display(),
            String::from_utf8_lossy(&output.stderr)
        );
        fs::write(&stamp, &list)?;
    }
    Ok(FOLDER.get_or_init(|| folder))
}
