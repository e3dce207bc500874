//! `cargo xtask bench pause`: what a capture costs the captured program, as the program itself sees it.

mod clients;
mod program;
mod report;
mod round;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, ensure};
use clap::{Args, ValueEnum};
use v8mini_tests::{Tools, nodes, target_dir, workspace_root};

use super::{found, quietly};
use program::{Kind, Program};
use round::{Measured, measure};

/// What a capture costs the captured program: its pause, its pace, its clients' waiting, in each mode and with gcore
///
/// Each program watches its own event loop. In each round every mode takes its turn on the same process.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Live heaps, in megabytes
    #[arg(long, value_delimiter = ',', default_value = "100,1000,4000")]
    heaps: Vec<u64>,
    /// Programs
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "light,heavy,http,workers"
    )]
    programs: Vec<Kind>,
    /// Programs of the largest heap: all of --programs unless said otherwise
    #[arg(long, value_delimiter = ',')]
    largest: Option<Vec<Kind>>,
    /// Ways to dump
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "log,precopy,fork,stop,gcore"
    )]
    modes: Vec<Mode>,
    /// Rounds; the medians are shown
    #[arg(long, default_value_t = 7)]
    rounds: usize,
    /// Node.js release
    #[arg(long, default_value = nodes::USUAL)]
    node: String,
    /// Write what is measured to spec/pauses.md; programs that are not measured keep what is there
    #[arg(long)]
    write: bool,
}

/// A way to dump a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Mode {
    /// Copy while the process runs, and take what changed from a log of page faults.
    Log,
    /// Copy while the process runs, and look for what changed while it is stopped.
    Precopy,
    /// Stop for a copy-on-write clone.
    Fork,
    /// Stop for the copy.
    Stop,
    /// gdb's core dumper.
    Gcore,
}

impl Mode {
    /// As `v8mini-capture --mode` spells it.
    fn name(self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::Precopy => "precopy",
            Self::Fork => "fork",
            Self::Stop => "stop",
            Self::Gcore => "gcore",
        }
    }
}

/// All that was measured of one program.
struct Scenario {
    kind: Kind,
    /// Megabytes of heap that were asked for.
    megabytes: u64,
    /// Bytes that the program says it uses.
    heap_bytes: u64,
    /// Size of gcore's file after `zstd -3`, in bytes; absent without gcore or zstd.
    gcore_zstd_bytes: Option<u64>,
    /// The rounds of each mode.
    rounds: Vec<(Mode, Vec<Measured>)>,
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    ensure!(
        arguments.rounds > 0,
        "--rounds is 0: expected at least one round"
    );
    let tools = Tools::build("release")?;
    let dir = target_dir().join("bench");
    fs::create_dir_all(&dir)?;
    let mut modes = arguments.modes.clone();
    if !found("gcore") && modes.contains(&Mode::Gcore) {
        eprintln!("gcore is not installed: left out");
        modes.retain(|mode| *mode != Mode::Gcore);
    }
    let largest = arguments.heaps.iter().max();
    for megabytes in &arguments.heaps {
        let programs = match &arguments.largest {
            Some(programs) if Some(megabytes) == largest => programs,
            _ => &arguments.programs,
        };
        for &kind in programs {
            eprintln!(
                "{} with {megabytes} MB on Node.js {}",
                kind.name(),
                arguments.node
            );
            let mut program = Program::start(kind, *megabytes, &arguments.node)?;
            let measured = scenario(&tools, &mut program, &dir, &modes, arguments.rounds)?;
            let section = report::section(&measured, &arguments.node);
            if arguments.write {
                let path = workspace_root().join("spec/pauses.md");
                let page = fs::read_to_string(&path).unwrap_or_default();
                fs::write(&path, report::with_section(&page, &section))?;
            }
            println!("{section}");
        }
    }
    Ok(())
}

fn scenario(
    tools: &Tools,
    program: &mut Program,
    dir: &Path,
    modes: &[Mode],
    rounds: usize,
) -> Result<Scenario> {
    let mut of_mode: Vec<(Mode, Vec<Measured>)> =
        modes.iter().map(|mode| (*mode, Vec::new())).collect();
    for number in 1..=rounds {
        for (mode, measured) in &mut of_mode {
            let one = measure(tools, program, *mode, dir)?;
            eprintln!("  round {number} of {rounds}, {:<8} {one}", mode.name());
            fs::remove_file(&one.file)?;
            measured.push(one);
        }
    }
    let gcore_zstd_bytes = if modes.contains(&Mode::Gcore) && found("zstd") {
        Some(packed_core(program.pid(), dir)?)
    } else {
        None
    };
    Ok(Scenario {
        kind: program.kind,
        megabytes: program.megabytes,
        heap_bytes: program.heap_bytes,
        gcore_zstd_bytes,
        rounds: of_mode,
    })
}

/// Has gcore dump a process; the file's path.
fn gcore(pid: u32, dir: &Path) -> Result<PathBuf> {
    quietly(
        Command::new("gcore")
            .arg("-o")
            .arg(dir.join("core"))
            .arg(pid.to_string()),
    )?;
    Ok(dir.join(format!("core.{pid}")))
}

/// The size of a core after `zstd -3`, in bytes.
pub(super) fn packed_core(pid: u32, dir: &Path) -> Result<u64> {
    let core = gcore(pid, dir)?;
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
    fs::remove_file(&core)?;
    Ok(bytes)
}
