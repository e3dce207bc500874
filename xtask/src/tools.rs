//! Running other programs, and the tools that tasks build for themselves.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use v8mini_tests::{target_dir, workspace_root};

/// The cargo that runs this task.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(workspace_root());
    command
}

/// Shows a command, runs it, and fails if it does.
pub(crate) fn must_succeed(command: &mut Command) -> Result<()> {
    println!("{command:?}");
    let status = command
        .status()
        .with_context(|| format!("cannot run {command:?}"))?;
    ensure!(status.success(), "{command:?} ended with {status}");
    Ok(())
}

/// What git tells of the last commit that changed something in `paths`, or anything if there are none, in one of its formats.
pub(crate) fn last_commit(format: &str, paths: &[&str]) -> Result<String> {
    let output = Command::new("git")
        .current_dir(workspace_root())
        .args(["log", "-1", &format!("--format={format}"), "--"])
        .args(paths)
        .output()
        .context("cannot run git")?;
    ensure!(
        output.status.success(),
        "git log ended with {}",
        output.status
    );
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

fn tools_dir() -> PathBuf {
    target_dir().join("tools")
}

/// A program that [`install`] has put into `target/tools`.
pub(crate) fn tool(name: &str) -> Command {
    let mut command = Command::new(tools_dir().join("bin").join(name));
    command.current_dir(workspace_root());
    command
}

/// Builds a program from crates.io, unless that version is there already.
pub(crate) fn install(name: &str, version: &str) -> Result<()> {
    let installed = tool(name).arg("--version").output().is_ok_and(|output| {
        String::from_utf8_lossy(&output.stdout)
            .trim_end()
            .ends_with(version)
    });
    if installed {
        println!("{name} {version} is in {}", tools_dir().display());
        return Ok(());
    }
    must_succeed(
        cargo()
            // Without optimisation: it runs for seconds, and to build it takes minutes.
            .args(["install", name, "--version", version, "--locked"])
            .args(["--debug", "--root"])
            .arg(tools_dir()),
    )
}
