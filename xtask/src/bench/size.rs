//! `cargo xtask bench size`: how large captures of real programs' heaps are, next to cores of the same processes.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use clap::Args;
use v8mini_tests::{NodeProcess, Tools, Workload, target_dir, workspace_root};

use super::found;
use super::measure::median;
use super::pause::packed_core;
use crate::tools::must_succeed;

/// What the programs are: see `tests/workloads/heaps/`.
const HEAPS: [(&str, &str); 4] = [
    (
        "typescript",
        "the TypeScript compiler with a checked program",
    ),
    ("webpack", "a finished webpack build"),
    ("express", "an express server with 30,000 sessions"),
    ("json", "data read as JSON"),
];

/// Sizes of captures of real programs' heaps, next to cores of the same processes
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Programs, by their names in tests/workloads/heaps/
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "typescript,webpack,express,json"
    )]
    programs: Vec<String>,
    /// Node.js releases
    #[arg(long, value_delimiter = ',', default_value = "20.20.2,22.23.3,26.10.0")]
    node: Vec<String>,
    /// Write the table to spec/sizes.md
    #[arg(long)]
    write: bool,
}

/// What was measured of one process, in bytes.
struct Row {
    program: &'static str,
    node: String,
    /// Memory in the capture, before compression.
    memory: u64,
    capture: u64,
    /// The same with free memory as it is.
    with_garbage: u64,
    /// gcore's file after `zstd -3`.
    packed_core: u64,
}

impl Row {
    fn ratio(&self) -> f64 {
        self.capture as f64 / self.packed_core as f64
    }
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    ensure!(
        found("gcore") && found("zstd"),
        "gcore (of gdb) and zstd are needed, and one of them is not installed"
    );
    // The profile makes no difference to what is written.
    let tools = Tools::get();
    let modules = modules()?;
    let dir = target_dir().join("bench");
    fs::create_dir_all(&dir)?;
    let mut rows = Vec::new();
    for node in &arguments.node {
        for name in &arguments.programs {
            let known = HEAPS.iter().find(|(known, _)| known == name);
            let (name, what) = known.with_context(|| format!("there is no program {name:?}"))?;
            let process = Workload::new(&format!("heaps/{name}.js"), node)?
                .node_argument("--max-old-space-size=8192")
                .spawn_with(&["--modules", modules.to_str().context("no UTF-8")?])?;
            let row = measure(tools, &process, &dir, what, node)?;
            eprintln!("{node} {name}: {:.2}", row.ratio());
            rows.push(row);
        }
    }
    let table = markdown(&rows);
    println!("{table}");
    if arguments.write {
        fs::write(workspace_root().join("spec/sizes.md"), table)?;
    }
    Ok(())
}

/// The folder with the packages, which npm fills once for each version of their list.
fn modules() -> Result<PathBuf> {
    let list = fs::read(workspace_root().join("tests/workloads/heaps/package.json"))?;
    let folder = target_dir().join("heaps");
    fs::create_dir_all(&folder)?;
    let stamp = folder.join("installed.json");
    if fs::read(&stamp).ok().as_ref() != Some(&list) {
        fs::write(folder.join("package.json"), &list)?;
        let mut install = Command::new("npm");
        install.args(["install", "--ignore-scripts", "--no-audit", "--no-fund"]);
        must_succeed(install.current_dir(&folder))?;
        fs::write(&stamp, &list)?;
    }
    Ok(folder)
}

fn measure(
    tools: &Tools,
    process: &NodeProcess,
    dir: &Path,
    program: &'static str,
    node: &str,
) -> Result<Row> {
    let pid = process.pid().to_string();
    let capture = |more: &[&str]| -> Result<[u64; 2]> {
        let file = dir.join("size.v8mini");
        let path = file.to_str().context("no UTF-8")?;
        let line = [&[pid.as_str(), "-o", path, "--json"], more].concat();
        let summary = tools.capture(line)?.json()?;
        let raw = summary["raw_bytes"].as_u64().context("no size")?;
        let stored = fs::metadata(&file)?.len();
        fs::remove_file(&file)?;
        Ok([raw, stored])
    };
    let [memory, stored] = capture(&[])?;
    let [_, with_garbage] = capture(&["--include", "garbage"])?;
    Ok(Row {
        program,
        node: node.to_owned(),
        memory,
        capture: stored,
        with_garbage,
        packed_core: packed_core(process.pid(), dir)?,
    })
}

fn markdown(rows: &[Row]) -> String {
    let mut out = "\
# Sizes

Written by `cargo xtask bench size --write`: captures of programs of `tests/workloads/heaps/`, at the default level, and cores of
the same processes after `zstd -3`, in MB. No garbage collection was asked for. *Ratio* is the capture relative to the core.

| program | Node.js | memory | core | capture | with `--include garbage` | ratio |
| --- | --- | --: | --: | --: | --: | --: |
"
    .to_owned();
    let mb = |bytes: u64| format!("{:.1}", bytes as f64 / 1e6);
    for row in rows {
        // Writing to a String cannot fail.
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} | {} | {} | {:.2} |",
            row.program,
            row.node,
            mb(row.memory),
            mb(row.packed_core),
            mb(row.capture),
            mb(row.with_garbage),
            row.ratio()
        );
    }
    let median = median(rows.iter().map(Row::ratio)).unwrap_or(f64::NAN);
    let _ = writeln!(out, "\nMedian ratio: {median:.2}.");
    out
}
