//! The tools that read heap snapshots, on the snapshot that V8 wrote of the same process.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use v8mini_tests::readers::{self, Reader};
use v8mini_tests::workspace_root;

use crate::bench::measure::{Usage, run_measured};

/// A tool, and what it needed; or why it could not be measured.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) name: &'static str,
    pub(super) usage: Result<Usage, String>,
}

/// Has each peer read the snapshot, and find dominators and retained sizes.
///
/// # Errors
/// None that a peer makes: that is its result.
pub(super) fn measure(snapshot: &Path, dir: &Path) -> Result<Vec<Peer>> {
    let parser = build_parser(dir);
    let lines = [
        (
            "crate v8-heap-parser 1.1.0",
            parser.map(|program| {
                let mut line = Command::new(program);
                line.arg(snapshot);
                line
            }),
        ),
        (
            "Chrome DevTools' heap-snapshot worker",
            readers::command(Reader::DevTools, snapshot),
        ),
        ("memlab", readers::command(Reader::Memlab, snapshot)),
    ];
    let mut peers = Vec::new();
    for (name, line) in lines {
        eprintln!("{name}");
        let usage = line
            .and_then(|mut line| run_measured(line.stdout(Stdio::null()).stderr(Stdio::null())));
        peers.push(Peer {
            name,
            usage: usage.map_err(|error| format!("{error:#}")),
        });
    }
    Ok(peers)
}

/// Builds the crate's peer outside of the workspace, whose lock file is ours.
fn build_parser(dir: &Path) -> Result<std::path::PathBuf> {
    let source = workspace_root().join("tests/peers/v8-heap-parser");
    let folder = dir.join("v8-heap-parser");
    fs::create_dir_all(&folder)?;
    for name in ["Cargo.toml", "main.rs"] {
        fs::copy(source.join(name), folder.join(name))?;
    }
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args(["build", "--release", "--quiet"])
        .current_dir(&folder)
        // Not into this workspace's own folder.
        .env("CARGO_TARGET_DIR", folder.join("target"))
        .status()
        .context("cannot run cargo")?;
    ensure!(status.success(), "the crate does not build");
    Ok(folder.join("target/release/v8-heap-parser-peer"))
}
