//! `cargo xtask bench`: what is claimed about speed and size, measured next to the peers in the same run.

mod graph;
mod heap;
mod heap_report;
mod measure;
mod pack;
mod pause;
mod size;

use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use clap::{Args, Subcommand};

/// Measure speed, size and pauses, next to other tools on the same process
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    benchmark: Benchmark,
}

#[derive(Debug, Subcommand)]
enum Benchmark {
    Graph(graph::Arguments),
    Heap(heap::Arguments),
    Pack(pack::Arguments),
    Pause(pause::Arguments),
    Size(size::Arguments),
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    match &arguments.benchmark {
        Benchmark::Graph(arguments) => graph::run(arguments),
        Benchmark::Heap(arguments) => heap::run(arguments),
        Benchmark::Pack(arguments) => pack::run(arguments),
        Benchmark::Pause(arguments) => pause::run(arguments),
        Benchmark::Size(arguments) => size::run(arguments),
    }
}

/// Runs a program of which only the success matters.
fn quietly(command: &mut Command) -> Result<()> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot run {command:?}"))?;
    ensure!(
        output.status.success(),
        "{command:?} ended with {}: {}",
        output.status,
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(())
}

/// Whether a program is installed.
fn found(program: &str) -> bool {
    std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|dir| dir.join(program).is_file()))
}
