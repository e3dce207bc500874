//! `cargo xtask fuzz`: looks for inputs that the project does not survive.
//!
//! cargo-fuzz wants a nightly compiler for two unstable flags only: `RUSTC_BOOTSTRAP` gives them to the stable one. No
//! sanitizer is used: the code under test is safe Rust that forbids `unsafe`, and what it may allocate is counted by the targets
//! themselves.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use v8mini_tests::target_dir;

use crate::tools::{cargo, install, must_succeed, tool};

/// The cargo-fuzz that is installed into `target/tools`: a minute and a half of one core, once per clone.
const CARGO_FUZZ: &str = "0.13.2";
/// Where the fuzz targets are.
const FUZZ_DIR: &str = "tests/fuzz";
/// Seconds that one input may take.
const TIMEOUT: u32 = 20;
/// Megabytes that a target may occupy, libFuzzer and its corpus included. The bound on one input is checked by the target.
const RSS_LIMIT_MB: u32 = 2048;

/// Feed hostile inputs to every reader and to the analyses, and say what they did not survive
///
/// The corpus stays in target/fuzz/corpus, so each run begins where the last one ended.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Only this target; all of them one after the other without it.
    #[arg(value_name = "TARGET")]
    target: Option<String>,

    /// Minutes in total, shared by the targets.
    #[arg(long, value_name = "N", default_value_t = 10.0)]
    minutes: f64,
}

/// A target, as the fuzz package names it.
struct Target {
    name: String,
    max_len: u64,
}

/// What came of one target.
struct Run {
    executions: u64,
    seconds: f64,
    /// Inputs that failed.
    findings: Vec<PathBuf>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    install("cargo-fuzz", CARGO_FUZZ)?;
    let mut targets = write_seeds()?;
    if let Some(wanted) = &arguments.target {
        let names: Vec<String> = targets.iter().map(|target| target.name.clone()).collect();
        targets.retain(|target| target.name == *wanted);
        if targets.is_empty() {
            bail!(
                "there is no target {wanted}; there are {}",
                names.join(", ")
            );
        }
    }
    build()?;
    let seconds = (arguments.minutes * 60.0 / targets.len() as f64).max(1.0) as u64;
    let mut findings = Vec::new();
    for target in &targets {
        println!("\n==> {} for {seconds} s", target.name);
        let run = target.run(seconds)?;
        println!(
            "{} executions in {:.0} s, {} findings",
            run.executions,
            run.seconds,
            run.findings.len()
        );
        for input in &run.findings {
            println!("  {}", input.display());
        }
        findings.extend(run.findings.into_iter().map(|input| (&target.name, input)));
    }
    if let Some((name, input)) = findings.first() {
        bail!(
            "{} inputs failed. See what happens with\n  cargo run --package v8mini-fuzz --bin {name} -- {}\n\
             and, once it is fixed, keep the input as {FUZZ_DIR}/regressions/{name}/WHAT-IT-WAS",
            findings.len(),
            input.display()
        );
    }
    println!("\n==> nothing found");
    Ok(())
}

impl Target {
    fn run(&self, seconds: u64) -> Result<Run> {
        let artifacts = dir("artifacts")?.join(&self.name);
        std::fs::create_dir_all(&artifacts)?;
        let before = files(&artifacts)?;
        let log = dir("logs")?.join(&self.name);
        let output =
            File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        let start = std::time::Instant::now();
        let mut command = Command::new(binary(&self.name)?);
        command
            .arg(format!("-max_total_time={seconds}"))
            .arg(format!("-max_len={}", self.max_len))
            .arg(format!("-timeout={TIMEOUT}"))
            .arg(format!("-rss_limit_mb={RSS_LIMIT_MB}"))
            .arg(format!("-artifact_prefix={}/", artifacts.display()))
            .args(["-print_final_stats=1", "-report_slow_units=5"])
            .arg(dir("corpus")?.join(&self.name))
            // One thread, so that the same input takes the same way.
            .env("RAYON_NUM_THREADS", "1")
            .stdout(Stdio::null())
            .stderr(output);
        let status = command
            .status()
            .with_context(|| format!("cannot run {command:?}"))?;
        let text = String::from_utf8_lossy(&std::fs::read(&log)?).into_owned();
        let mut findings = files(&artifacts)?;
        // Slow inputs are no failures, as long as they end in time.
        findings.retain(|input| {
            let name = input.file_name().unwrap_or_default().to_string_lossy();
            !before.contains(input) && !name.starts_with("slow-unit")
        });
        ensure!(
            status.success() || !findings.is_empty(),
            "{} ended with {status} and left no input; its output is in {}",
            self.name,
            log.display()
        );
        Ok(Run {
            executions: statistic(&text, "number_of_executed_units").unwrap_or(0),
            seconds: start.elapsed().as_secs_f64(),
            findings,
        })
    }
}

/// A figure of libFuzzer's final report.
fn statistic(log: &str, name: &str) -> Option<u64> {
    let prefix = format!("stat::{name}:");
    let line = log.lines().rfind(|line| line.starts_with(&prefix))?;
    line[prefix.len()..].trim().parse().ok()
}

fn files(dir: &Path) -> Result<Vec<PathBuf>> {
    let entries =
        std::fs::read_dir(dir).with_context(|| format!("cannot list {}", dir.display()))?;
    let mut files: Vec<PathBuf> = entries
        .map(|entry| Ok(entry?.path()))
        .collect::<std::io::Result<_>>()?;
    files.sort();
    Ok(files)
}

/// A directory of the fuzzer's in the target directory.
fn dir(name: &str) -> Result<PathBuf> {
    let dir = target_dir().join("fuzz").join(name);
    std::fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
    Ok(dir)
}

/// Writes the first inputs of every target, and tells the targets.
fn write_seeds() -> Result<Vec<Target>> {
    let mut command = cargo();
    command
        .args([
            "run",
            "--quiet",
            "--package",
            "v8mini-fuzz",
            "--example",
            "seeds",
            "--",
        ])
        .arg(dir("corpus")?)
        .stderr(Stdio::inherit());
    let output = command
        .output()
        .with_context(|| format!("cannot run {command:?}"))?;
    ensure!(
        output.status.success(),
        "{command:?} ended with {}",
        output.status
    );
    let text = String::from_utf8(output.stdout)?;
    let targets = text.lines().map(|line| {
        let (name, max_len) = line.split_once(' ').context("the list of targets")?;
        Ok(Target {
            name: name.to_owned(),
            max_len: max_len.parse()?,
        })
    });
    targets.collect()
}

/// Builds all targets, instrumented, with debug assertions and overflow checks.
fn build() -> Result<()> {
    must_succeed(
        tool("cargo-fuzz")
            .args([
                "build",
                "--fuzz-dir",
                FUZZ_DIR,
                "--sanitizer",
                "none",
                "--target-dir",
            ])
            .arg(target_dir().join("fuzz"))
            .env("RUSTC_BOOTSTRAP", "1")
            // Linking a dozen programs with link-time optimisation takes longer than it gains.
            .env("CARGO_PROFILE_RELEASE_LTO", "off")
            .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16"),
    )
}

/// The program of a target: cargo-fuzz always builds for a named platform, in a directory of that name.
fn binary(target: &str) -> Result<PathBuf> {
    let build = target_dir().join("fuzz");
    let programs = files(&build)?
        .into_iter()
        .map(|platform| platform.join("release").join(target))
        .find(|program| program.is_file());
    programs.with_context(|| format!("cargo-fuzz has not built {target} in {}", build.display()))
}
