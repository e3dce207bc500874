//! One dump, and what the program saw of it.

use std::fmt;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::Value;
use v8mini_tests::Tools;

use super::program::{Program, Seen};
use super::{Mode, gcore};
use crate::bench::measure::run_measured;

/// After each dump, the undisturbed program is watched for as long as the dump took, but so long at least and at most. The longest gap
/// of a longer time is longer: of the HTTP service at 1 GB, 12 ms in two seconds, and 21 to 102 ms in twelve.
const UNDISTURBED: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(10));

/// What was measured of one dump. Times are milliseconds.
pub(super) struct Measured {
    /// The mode that was used in the end, and why, if it is not the one that was asked for.
    pub(super) fell_back_to: Option<String>,
    /// The stop as the tool saw it; absent for gcore.
    pub(super) stop: Option<f64>,
    /// The longest gap of the event loop that overlaps the stop; of gcore, the longest gap of all.
    pub(super) pause: f64,
    /// What the program saw during the dump, and undisturbed.
    pub(super) during: Seen,
    pub(super) undisturbed: Seen,
    /// How long the dump took.
    pub(super) wall: f64,
    /// The tool's peak memory, in bytes; absent for gcore, which is a script.
    pub(super) tool_bytes: Option<u64>,
    pub(super) file: PathBuf,
    pub(super) file_bytes: u64,
}

/// Takes a dump.
pub(super) fn measure(
    tools: &Tools,
    program: &mut Program,
    mode: Mode,
    dir: &Path,
) -> Result<Measured> {
    program.watch()?;
    let start = Instant::now();
    let (file, told, tool_bytes) = if mode == Mode::Gcore {
        (gcore(program.pid(), dir)?, Value::Null, None)
    } else {
        let (file, told, peak) = capture(tools, program.pid(), mode, dir)?;
        (file, told, Some(peak))
    };
    let wall = start.elapsed();
    let during = program.report()?;
    program.watch()?;
    thread::sleep(wall.clamp(UNDISTURBED.0, UNDISTURBED.1));
    let undisturbed = program.report()?;
    let milliseconds = |name: &str| told[name].as_f64().map(|nanoseconds| nanoseconds / 1e6);
    let stop = milliseconds("pause_ns");
    let pause = match (stop, milliseconds("monotonic_ns")) {
        (Some(stop), Some(at)) => during.gap_over(at - stop, at + stop),
        _ => during.longest_gap,
    };
    let used = told["mode"].as_str().unwrap_or(mode.name());
    Ok(Measured {
        fell_back_to: (used != mode.name()).then(|| used.to_owned()),
        stop,
        pause,
        during,
        undisturbed,
        wall: wall.as_secs_f64() * 1e3,
        tool_bytes,
        file_bytes: fs::metadata(&file)?.len(),
        file,
    })
}

/// Runs the capture tool: the file, what it says, and its peak memory in bytes.
fn capture(tools: &Tools, pid: u32, mode: Mode, dir: &Path) -> Result<(PathBuf, Value, u64)> {
    let file = dir.join("pause.v8mini");
    let said = dir.join("pause.json");
    let usage = run_measured(
        Command::new(&tools.capture)
            .arg(pid.to_string())
            .args(["--mode", mode.name(), "--json", "-o"])
            .arg(&file)
            .stdout(File::create(&said)?),
    )?;
    let told =
        serde_json::from_slice(&fs::read(&said)?).context("v8mini-capture --json wrote no JSON")?;
    Ok((file, told, usage.peak_bytes))
}

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "stop {:.2} ms, seen {:.2} ms, worst gap {:.1} ms (undisturbed {:.1}), pace {:.2}",
            self.stop.unwrap_or(f64::NAN),
            self.pause,
            self.during.longest_gap,
            self.undisturbed.longest_gap,
            self.during.pace / self.undisturbed.pace
        )
    }
}
