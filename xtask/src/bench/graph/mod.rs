//! `cargo xtask bench graph`: how long it takes to say what fills a heap, what keeps it alive and what grew, next to what other
//! tools need for the same heap.

mod machine;
mod peers;
mod report;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use clap::Args;
use v8mini_tests::witness::{self, Comparison};
use v8mini_tests::{Tools, Workload, nodes, target_dir, workspace_root};

use self::machine::Machine;
use self::peers::Peer;
use self::report::Report;
use super::measure::{Usage, run_measured};

/// So many visitors the shop of the demo has.
const VISITS: u32 = 20_000;

/// Graph, dominators, histogram, diff and export of a large heap, next to tools that read heap snapshots
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Size of the heap: records in tests/workloads/mixed-heap.js, about 600 bytes each with what belongs to them. 1750000 make
    /// a gigabyte; the peers then take minutes, and 8 GB of memory
    #[arg(long, default_value_t = 500_000)]
    n: u64,
    /// Rounds of our own commands; the medians are shown
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Node.js release
    #[arg(long, default_value = nodes::USUAL)]
    node: String,
    /// Cargo profile that the programs are built with
    #[arg(long, default_value = "release")]
    profile: String,
    /// Leave the peers out
    #[arg(long)]
    no_peers: bool,
    /// Write the table to spec/graph-bench.md
    #[arg(long)]
    write: bool,
}

/// What one of our commands needed, in each round.
#[derive(Debug)]
pub(super) struct Ours {
    /// What it does.
    pub(super) what: &'static str,
    pub(super) rounds: Vec<Usage>,
    /// Bytes that it wrote, where that is the point of it.
    pub(super) written_bytes: Option<u64>,
}

/// The process's own heap snapshot.
#[derive(Debug, Clone, Copy)]
pub(super) struct Snapshot {
    pub(super) pause_ms: f64,
    pub(super) file_bytes: u64,
    /// How much more memory the process had at the worst moment.
    pub(super) extra_bytes: u64,
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    ensure!(
        arguments.rounds > 0,
        "--rounds is 0: expected at least one round"
    );
    let tools = Tools::build(&arguments.profile)?;
    let dir = target_dir().join("bench/graph");
    fs::create_dir_all(&dir)?;
    eprintln!("filling a heap with {} records", arguments.n);
    let mut process = Workload::new("mixed-heap.js", &arguments.node)?
        .node_argument("--max-old-space-size=16384")
        .spawn_with(&["--n", &arguments.n.to_string()])?;
    let [before, after] = ["before.v8mini", "after.v8mini"].map(|name| dir.join(name));
    tools.capture_to(process.pid(), &before)?;
    process.ask(&format!("grow {}", (arguments.n / 50).max(1)))?;
    tools.capture_to(process.pid(), &after)?;

    let exported = dir.join("ours.heapsnapshot");
    let ours = ours(&tools, arguments.rounds, [&before, &after], &exported)?;
    let counts = quick_facts(&tools, &after)?;

    let (snapshot, peers, witnesses) = if arguments.no_peers {
        fs::remove_file(&exported)?;
        (None, Vec::new(), Vec::new())
    } else {
        let file = dir.join("v8.heapsnapshot");
        eprintln!("v8.writeHeapSnapshot");
        let reply = process.ask(&format!("snapshot {}", file.display()))?;
        let figure = |name: &str| reply[name].as_f64().with_context(|| format!("no {name}"));
        let snapshot = Snapshot {
            pause_ms: figure("ms")?,
            file_bytes: figure("bytes")? as u64,
            extra_bytes: figure("extraBytes")? as u64,
        };
        let truth = process.truth.clone();
        // The process would stand in the way.
        drop(process);
        let peers = peers::measure(&file, &dir)?;
        eprintln!("DevTools on both snapshots");
        let mut witnesses = vec![Comparison::read("this heap", &file, &exported)?];
        fs::remove_file(&file)?;
        fs::remove_file(&exported)?;
        for (program, mut process) in [
            (
                "the shop of the demo",
                witness::shop(&arguments.node, VISITS)?,
            ),
            (
                "the TypeScript compiler",
                witness::compiler(&arguments.node)?,
            ),
        ] {
            eprintln!("{program}");
            witnesses.push(witness::compare(&tools, program, &mut process, &dir)?);
        }
        let machine = Machine::measure(&after)?;
        let report = finish(
            arguments,
            truth,
            machine,
            ours,
            counts,
            Some(snapshot),
            peers,
            witnesses,
        );
        return write(arguments, &report);
    };
    // Last: what is started by a process that has a gigabyte is said to have had one.
    let machine = Machine::measure(&after)?;
    let truth = process.truth.clone();
    let report = finish(
        arguments, truth, machine, ours, counts, snapshot, peers, witnesses,
    );
    write(arguments, &report)
}

#[allow(clippy::too_many_arguments, reason = "what was measured, once")]
fn finish(
    arguments: &Arguments,
    truth: serde_json::Value,
    machine: Machine,
    ours: Vec<Ours>,
    (objects, dead): (u64, u64),
    snapshot: Option<Snapshot>,
    peers: Vec<Peer>,
    witnesses: Vec<Comparison>,
) -> Report {
    Report {
        n: arguments.n,
        rounds: arguments.rounds,
        truth,
        machine,
        ours,
        objects,
        dead,
        snapshot,
        peers,
        witnesses,
    }
}

fn write(arguments: &Arguments, report: &Report) -> Result<()> {
    let text = report.text();
    print!("{text}");
    if arguments.write {
        fs::write(workspace_root().join("spec/graph-bench.md"), text)?;
    }
    Ok(())
}

fn ours(
    tools: &Tools,
    rounds: usize,
    [before, after]: [&PathBuf; 2],
    exported: &Path,
) -> Result<Vec<Ours>> {
    let command = |name: &str| {
        let mut line = Command::new(&tools.analyze);
        line.arg(name).arg(after).stdout(Stdio::null());
        // What an earlier round kept would be all that is measured.
        line.env("V8MINI_CACHE", "off");
        line
    };
    let diff = || {
        let mut line = Command::new(&tools.analyze);
        line.arg("diff").args([before, after]).stdout(Stdio::null());
        line.env("V8MINI_CACHE", "off");
        line
    };
    let export = || {
        let mut line = command("export");
        line.args(["--to", "heapsnapshot", "-o"]).arg(exported);
        line
    };
    let lines: [(&'static str, &dyn Fn() -> Command); 5] = [
        ("histogram", &|| command("histogram")),
        ("dominators", &|| command("dominators")),
        ("histogram --retained", &|| {
            let mut line = command("histogram");
            line.arg("--retained");
            line
        }),
        ("diff", &diff),
        ("export", &export),
    ];
    let mut all = Vec::new();
    for (what, line) in lines {
        eprintln!("{what}");
        let mut measured = Vec::new();
        for _ in 0..rounds {
            measured.push(run_measured(&mut line())?);
        }
        let written_bytes = (what == "export")
            .then(|| fs::metadata(exported).map(|file| file.len()))
            .transpose()?;
        all.push(Ours {
            what,
            rounds: measured,
            written_bytes,
        });
    }
    Ok(all)
}

/// How many objects are alive, and how many are dead.
fn quick_facts(tools: &Tools, file: &Path) -> Result<(u64, u64)> {
    let report = tools.query("dominators", file, &["--limit", "1"])?;
    let figure = |name: &str| report[name].as_u64().with_context(|| format!("no {name}"));
    Ok((figure("live_objects")?, figure("dead_objects")?))
}
