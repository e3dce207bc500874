//! `cargo xtask ci`: everything that must hold before a change lands.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use v8mini_tests::{target_dir, workspace_root};

use crate::docs;

/// The cargo-deny that is installed into `target/tools`: about 200 seconds of one core, once per clone. The policy could
/// be read from `cargo metadata` in a few hundred lines of our own, but a well-kept tool that everybody knows is worth
/// two minutes.
const CARGO_DENY: &str = "0.20.2";

/// Run all checks and all tests, exactly as CI does
#[derive(Debug, Args)]
pub(crate) struct Arguments {}

pub(crate) fn run(_: &Arguments) -> Result<()> {
    let mut ci = Ci::default();
    ci.step("format", &mut cargo("fmt --all --check"))?;
    ci.step(
        "lints",
        &mut cargo("clippy --workspace --all-targets --all-features -- -D warnings"),
    )?;
    // The library that locates V8, as the analyzer uses it: without what belongs to Linux.
    ci.step(
        "portable capture",
        &mut cargo("check --package v8mini-capture --no-default-features"),
    )?;
    ci.timed("gdb", install_gdb)?;
    ci.step("tests", &mut cargo("test --workspace --all-features"))?;
    ci.step(
        "documentation",
        cargo("doc --workspace --all-features --no-deps").env("RUSTDOCFLAGS", "-D warnings"),
    )?;
    ci.timed("help texts", || docs::run(&docs::Arguments { check: true }))?;
    ci.timed("cargo-deny", install_cargo_deny)?;
    ci.step(
        "dependencies",
        &mut cargo_deny("check licenses bans sources"),
    )?;
    ci.timed("advisories", advisories)?;
    ci.report();
    Ok(())
}

/// The steps so far, and how long they took.
#[derive(Debug, Default)]
struct Ci {
    times: Vec<(&'static str, Duration)>,
}

impl Ci {
    /// Runs a command that must succeed.
    fn step(&mut self, name: &'static str, command: &mut Command) -> Result<()> {
        self.timed(name, || must_succeed(command))
    }

    fn timed(&mut self, name: &'static str, run: impl FnOnce() -> Result<()>) -> Result<()> {
        println!("\n==> {name}");
        let start = Instant::now();
        run().with_context(|| format!("{name} failed; what passed before it is printed above"))?;
        self.times.push((name, start.elapsed()));
        Ok(())
    }

    fn report(&self) {
        println!("\n==> all checks passed");
        for (name, time) in &self.times {
            println!("{name:<18}{:>7.1} s", time.as_secs_f64());
        }
        let total: Duration = self.times.iter().map(|(_, time)| *time).sum();
        println!("{:<18}{:>7.1} s", "total", total.as_secs_f64());
    }
}

fn cargo(arguments: &str) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command
        .current_dir(workspace_root())
        .args(arguments.split(' '));
    command
}

fn must_succeed(command: &mut Command) -> Result<()> {
    println!("{command:?}");
    let status = command
        .status()
        .with_context(|| format!("cannot run {command:?}"))?;
    ensure!(status.success(), "{command:?} ended with {status}");
    Ok(())
}

fn tools_dir() -> PathBuf {
    target_dir().join("tools")
}

fn cargo_deny(arguments: &str) -> Command {
    let mut command = Command::new(tools_dir().join("bin/cargo-deny"));
    command
        .current_dir(workspace_root())
        .args(arguments.split(' '));
    command
}

/// The tests of cores hold those of `gcore`, a part of gdb, against the kernel's.
fn install_gdb() -> Result<()> {
    let gcore = Command::new("gcore")
        .arg("-h")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    if gcore.is_ok() {
        return Ok(());
    }
    let mut install = Command::new("apt-get");
    install.args(["install", "--yes", "--no-install-recommends", "gdb"]);
    must_succeed(&mut install).context("gcore is not here, and cannot be installed: install gdb")
}

/// Builds cargo-deny from crates.io, unless that version is there already.
fn install_cargo_deny() -> Result<()> {
    let installed = cargo_deny("--version").output().is_ok_and(|output| {
        String::from_utf8_lossy(&output.stdout)
            .trim_end()
            .ends_with(CARGO_DENY)
    });
    if installed {
        println!("cargo-deny {CARGO_DENY} is in {}", tools_dir().display());
        return Ok(());
    }
    let root: &Path = &tools_dir();
    must_succeed(
        cargo(&format!(
            "install cargo-deny --version {CARGO_DENY} --locked --root"
        ))
        .arg(root),
    )
}

/// Checks the dependencies for published vulnerabilities. Their database is on GitHub: where that cannot be reached, the
/// output says that this was not checked; the project's own workflow on GitHub always checks it.
fn advisories() -> Result<()> {
    let fetched = cargo_deny("fetch db")
        .stderr(Stdio::null())
        .status()
        .context("cannot run cargo-deny")?;
    if fetched.success() {
        return must_succeed(&mut cargo_deny("check --disable-fetch advisories"));
    }
    if std::env::var_os("GITHUB_ACTIONS").is_some() {
        bail!("the advisory database could not be fetched");
    }
    println!("NOT CHECKED: the advisory database on GitHub cannot be reached from this machine");
    Ok(())
}
