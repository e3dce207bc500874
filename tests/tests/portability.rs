//! Captures are analysed anywhere: what `v8mini` is made of must not depend on crates of one operating system.

use std::collections::BTreeSet;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use v8mini_tests::workspace_root;

/// Crates that exist for Linux or Unix alone.
const LINUX_ONLY: [&str; 7] = [
    "nix",
    "procfs",
    "linux-raw-sys",
    "userfaultfd",
    "inotify",
    "perf-event",
    "caps",
];

const ELSEWHERE: [&str; 3] = [
    "x86_64-apple-darwin",
    "aarch64-apple-darwin",
    "x86_64-pc-windows-msvc",
];

/// The names of all crates that a package is built from on a target.
fn crates(package: &str, target: &str, options: &[&str]) -> Result<BTreeSet<String>> {
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .current_dir(workspace_root())
        .args([
            "tree",
            "--package",
            package,
            "--target",
            target,
            "--edges",
            "normal,build",
        ])
        .args(["--prefix", "none", "--format", "{p}"])
        .args(options)
        .output()
        .context("cannot run cargo")?;
    ensure!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let listing = String::from_utf8(output.stdout)?;
    Ok(listing
        .lines()
        .filter_map(|line| line.split(' ').next())
        .map(str::to_owned)
        .collect())
}

#[test]
fn the_analyzer_needs_no_crate_of_one_operating_system() -> Result<()> {
    for target in ELSEWHERE {
        let packages: [(&str, &[&str]); 3] = [
            ("v8mini-format", &[]),
            // The line editor of the shell brings its own way to each system.
            ("v8mini-analyze", &["--prune", "rustyline"]),
            ("v8mini-capture", &["--no-default-features"]),
        ];
        for (package, options) in packages {
            let crates = crates(package, target, options)?;
            ensure!(
                crates.contains("v8mini-format"),
                "{package} is listed without its dependencies"
            );
            let found: Vec<_> = LINUX_ONLY
                .iter()
                .filter(|name| crates.contains(**name))
                .collect();
            ensure!(found.is_empty(), "{package} needs {found:?} on {target}");
        }
    }
    Ok(())
}

#[test]
fn the_analyzer_does_not_bring_the_freezing_of_processes_along() -> Result<()> {
    let linux = "x86_64-unknown-linux-gnu";
    ensure!(
        crates("v8mini-capture", linux, &[])?.contains("nix"),
        "freezing is where nix belongs"
    );
    ensure!(
        !crates("v8mini-analyze", linux, &["--prune", "rustyline"])?.contains("nix"),
        "v8mini-analyze needs nix"
    );
    Ok(())
}
