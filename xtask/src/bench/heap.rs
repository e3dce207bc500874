//! `cargo xtask bench heap`: pause, file size, time and memory on a large heap, next to gcore on the same process.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::Args;
use v8mini_tests::{NodeProcess, Tools, Workload, nodes, target_dir};

use super::heap_report::Report;
use super::measure::{Usage, run_measured};
use super::{found, quietly};

/// Captures and histograms of a large heap, next to gcore on the same process
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Size of the heap: orders in tests/workloads/big-heap.js, about 400 bytes each with what belongs to them
    #[arg(long, default_value_t = 2_500_000)]
    n: u64,
    /// Rounds; the medians are shown
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Node.js release
    #[arg(long, default_value = nodes::USUAL)]
    node: String,
    /// Finally let the process write its own heap snapshot (v8.writeHeapSnapshot): takes minutes and much memory
    #[arg(long)]
    snapshot: bool,
    /// Write the figures of every round as JSON
    #[arg(long)]
    json: bool,
}

/// What one round measured. Pauses are the longest time for which the process's own event loop stood still.
#[derive(Debug, Clone)]
pub(super) struct Round {
    pub(super) ours: Dump,
    /// Absent where gcore is not installed.
    pub(super) gcore: Option<Dump>,
    /// Size of gcore's file after `zstd -3`, in bytes; absent where zstd is not installed.
    pub(super) gcore_zstd_bytes: Option<u64>,
    pub(super) histogram: Usage,
    /// The same on gcore's file. Its peak counts the pages of the core that are mapped, which the system may take back.
    pub(super) core_histogram: Option<Usage>,
    /// What the capture tool says about itself.
    pub(super) capture: serde_json::Value,
}

/// What the process's own heap snapshot cost.
#[derive(Debug, Clone, Copy)]
pub(super) struct Snapshot {
    pub(super) dump: Dump,
    /// How much more memory was resident at the worst moment than before.
    pub(super) extra_bytes: u64,
}

/// A dump of the process.
#[derive(Debug, Clone, Copy)]
pub(super) struct Dump {
    pub(super) pause: Duration,
    pub(super) wall: Duration,
    pub(super) file_bytes: u64,
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    ensure!(
        arguments.rounds > 0,
        "--rounds is 0: expected at least one round"
    );
    let tools = Tools::build("release")?;
    let dir = target_dir().join("bench");
    fs::create_dir_all(&dir)?;
    eprintln!(
        "filling a heap with {} orders on Node.js {}",
        arguments.n, arguments.node
    );
    let mut process = Workload::new("big-heap.js", &arguments.node)?
        .node_argument("--max-old-space-size=16384")
        .spawn_with(&["--n", &arguments.n.to_string()])?;

    let mut rounds = Vec::new();
    for number in 1..=arguments.rounds {
        eprintln!("round {number} of {}", arguments.rounds);
        rounds.push(round(&tools, &mut process, &dir)?);
    }
    let snapshot = if arguments.snapshot {
        Some(snapshot(&mut process, &dir)?)
    } else {
        None
    };
    let report = Report {
        truth: process.truth.clone(),
        rounds,
        snapshot,
    };
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&report.json())?);
    } else {
        print!("{}", report.text());
    }
    Ok(())
}

fn round(tools: &Tools, process: &mut NodeProcess, dir: &Path) -> Result<Round> {
    let pid = process.pid();
    let file = dir.join("big.v8mini");
    let mut capture = serde_json::Value::Null;
    let ours = dump(process, || {
        capture = tools.capture_to(pid, &file)?;
        Ok(file.clone())
    })?;
    let histogram = |file: &Path| {
        let mut line = Command::new(&tools.analyze);
        line.arg("histogram")
            .arg(file)
            .args(["--limit", "20"])
            .stdout(Stdio::null());
        run_measured(&mut line)
    };
    let of_capture = histogram(&file)?;

    let prefix = dir.join("core");
    let core = dir.join(format!("core.{pid}"));
    let gcore = found("gcore").then(|| {
        dump(process, || {
            quietly(
                Command::new("gcore")
                    .arg("-o")
                    .arg(&prefix)
                    .arg(pid.to_string()),
            )?;
            Ok(core.clone())
        })
    });
    let gcore = gcore.transpose()?;
    let of_core = gcore.map(|_| histogram(&core)).transpose()?;
    let gcore_zstd_bytes = (gcore.is_some() && found("zstd")).then(|| {
        let packed = dir.join("core.zst");
        quietly(
            Command::new("zstd")
                .args(["-3", "-T0", "-f", "-q"])
                .arg(&core)
                .arg("-o")
                .arg(&packed),
        )?;
        let bytes = fs::metadata(&packed)?.len();
        fs::remove_file(&packed)?;
        anyhow::Ok(bytes)
    });
    let gcore_zstd_bytes = gcore_zstd_bytes.transpose()?;
    if gcore.is_some() {
        fs::remove_file(&core)?;
    }
    Ok(Round {
        ours,
        gcore,
        gcore_zstd_bytes,
        histogram: of_capture,
        core_histogram: of_core,
        capture,
    })
}

fn snapshot(process: &mut NodeProcess, dir: &Path) -> Result<Snapshot> {
    eprintln!("v8.writeHeapSnapshot");
    let file = dir.join("big.heapsnapshot");
    let before = resident(process.pid(), "VmRSS:")?;
    process.ask("gap")?;
    let start = Instant::now();
    process.ask(&format!("snapshot {}", file.display()))?;
    let wall = start.elapsed();
    // The process itself writes it, so that it stands still all the time.
    let dump = Dump {
        pause: wall,
        wall,
        file_bytes: fs::metadata(&file)?.len(),
    };
    fs::remove_file(&file)?;
    Ok(Snapshot {
        dump,
        extra_bytes: resident(process.pid(), "VmHWM:")?.saturating_sub(before),
    })
}

/// A figure of `/proc/PID/status`, in bytes.
fn resident(pid: u32, name: &str) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find(|line| line.starts_with(name));
    let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
    Ok(kib.with_context(|| format!("/proc/{pid}/status has no {name}"))? * 1024)
}

/// Takes a dump, while the process itself watches for how long it stands still.
fn dump(process: &mut NodeProcess, take: impl FnOnce() -> Result<PathBuf>) -> Result<Dump> {
    process.ask("gap")?;
    let start = Instant::now();
    let file = take()?;
    let wall = start.elapsed();
    let gap = process.ask("gap")?["longestGapMs"]
        .as_f64()
        .context("the workload measured no gap")?;
    Ok(Dump {
        pause: Duration::from_secs_f64(gap / 1e3),
        wall,
        file_bytes: fs::metadata(&file)
            .with_context(|| file.display().to_string())?
            .len(),
    })
}
