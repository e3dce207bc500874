//! Programs that tests run on Node.js with packages of npm: folders of `tests/`, filled in `target/`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result, ensure};

use crate::{target_dir, workspace_root};

/// The folder `target/{name}` with the programs of `tests/{name}` and the packages of their list, which npm fetches once for each
/// version of the list. Of the programs, `build` is then run, if there is one.
///
/// # Errors
/// If npm or the network is missing.
pub fn folder(name: &str, build: Option<&str>) -> Result<PathBuf> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let source = workspace_root().join("tests").join(name);
    let folder = target_dir().join(name);
    fs::create_dir_all(&folder)?;
    let list = fs::read(source.join("package.json"))?;
    for entry in fs::read_dir(&source)? {
        let entry = entry?;
        fs::copy(entry.path(), folder.join(entry.file_name()))?;
    }
    let stamp = folder.join("installed.json");
    if fs::read(&stamp).ok().as_ref() != Some(&list) {
        // Without their install scripts: some would fetch a browser.
        let mut install = Command::new("npm");
        install.args([
            "install",
            "--ignore-scripts",
            "--no-audit",
            "--no-fund",
            "--silent",
        ]);
        succeed(install.current_dir(&folder))?;
        if let Some(program) = build {
            succeed(Command::new("node").arg(program).current_dir(&folder))?;
        }
        fs::write(&stamp, &list)?;
    }
    Ok(folder)
}

/// A program of this machine: the first of several names that is found in PATH.
///
/// # Errors
/// If there is none of them.
pub fn program(names: &[&str]) -> Result<PathBuf> {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> = std::env::split_paths(&paths).collect();
    let found = names
        .iter()
        .flat_map(|name| folders.iter().map(move |folder| folder.join(name)))
        .find(|path: &PathBuf| Path::is_file(path));
    found.with_context(|| format!("none of {names:?} is installed: cargo xtask ci installs it"))
}

/// Runs a program, of which nothing but success is expected.
pub(crate) fn succeed(command: &mut Command) -> Result<()> {
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
