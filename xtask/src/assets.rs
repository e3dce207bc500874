//! `cargo xtask assets`: the script and the style of the report, bundled with the libraries that they use.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use clap::Args;
use v8mini_tests::{target_dir, workspace_root};

use crate::tools::must_succeed;

const ASSETS: &str = "analyze/assets/report";
/// What the bundling makes; committed, so that building v8mini needs no npm.
const MADE: [&str; 3] = ["report.min.js", "report.min.css", "THIRD-PARTY.txt"];

/// Bundle the script and the style of the report anew, from their sources and from npm
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Write nothing; fail if the bundle is not what would be written
    #[arg(long)]
    pub(crate) check: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let source = workspace_root().join(ASSETS);
    // Beside the sources npm would leave what it fetches.
    let folder = target_dir().join("assets/report");
    if folder.join("src").exists() {
        fs::remove_dir_all(folder.join("src"))?;
    }
    copy(&source, &folder)?;
    // Exactly the versions of package-lock.json, by their hashes. No package runs a script of its own.
    let install = "ci --ignore-scripts --no-audit --no-fund --silent";
    must_succeed(
        Command::new("npm")
            .args(install.split(' '))
            .current_dir(&folder),
    )?;
    must_succeed(Command::new("node").arg("build.mjs").current_dir(&folder))?;
    for name in MADE {
        let made = fs::read(folder.join(name)).with_context(|| format!("no {name} was made"))?;
        let path = source.join(name);
        if arguments.check {
            let written =
                fs::read(&path).with_context(|| format!("cannot read {ASSETS}/{name}"))?;
            ensure!(
                written == made,
                "{ASSETS}/{name} is not what its sources make: run `cargo xtask assets`"
            );
        } else {
            fs::write(&path, &made).with_context(|| format!("cannot write {ASSETS}/{name}"))?;
            println!("{ASSETS}/{name}: {} bytes", made.len());
        }
    }
    Ok(())
}

/// Copies the sources, without what was made of them.
fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from).with_context(|| format!("cannot read {}", from.display()))? {
        let entry = entry?;
        let name = entry.file_name();
        if MADE.iter().any(|made| name == *made) || name == "node_modules" {
            continue;
        }
        let target = to.join(&name);
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
