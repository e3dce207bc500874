//! `v8mini-capture PID`.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

use indicatif::{HumanBytes, ProgressBar, ProgressDrawTarget, ProgressStyle};
use v8mini_capture::linux::{Captured, Options, OutputFile, Progress, capture};
use v8mini_format::model::{Isolate, Statistics};
use v8mini_format::{WriteOptions, Written};

use super::Outcome;

/// What to capture and where to put it.
#[derive(Debug, clap::Args)]
pub(super) struct CaptureArguments {
    /// Process to capture.
    #[arg(value_name = "PID")]
    pid: i32,

    /// File to write; `-` for standard output. By default `node.PID.TIME.v8mini` in the current directory.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Print the summary as JSON on standard output (on standard error with `-o -`).
    #[arg(long)]
    json: bool,

    /// Compression level of zstd. Levels above 1 cost time and save little: heaps are mostly pointers.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(i32).range(-7..=19), allow_negative_numbers = true)]
    level: i32,

    /// Capture, but write nothing: shows the pause and what would be stored.
    #[arg(long)]
    dry_run: bool,
}

/// Runs the command.
pub(super) fn run(arguments: &CaptureArguments) -> anyhow::Result<Outcome> {
    let to_stdout = arguments.output.as_deref() == Some(Path::new("-")) && !arguments.dry_run;
    if to_stdout && io::stdout().is_terminal() {
        anyhow::bail!(
            "standard output is a terminal, and a capture is binary: redirect it, or name a file with -o FILE"
        );
    }
    be_the_first_to_go();
    let bar = progress_bar();
    let captured = capture(arguments.pid, Options::default(), &mut |progress| {
        bar.set_message(match progress {
            Progress::Locating => "locating the heap",
            Progress::Stopping { .. } => "copying",
            _ => "reading the copy",
        });
    })?;
    bar.set_length(captured.memory_bytes());
    bar.set_message("writing");
    let options = WriteOptions {
        level: arguments.level,
        ..WriteOptions::default()
    };
    let mut progress = |done| bar.set_position(done);
    let path = arguments
        .output
        .clone()
        .unwrap_or_else(|| default_path(&captured));
    let (written, statistics) = if arguments.dry_run {
        let (_, written, statistics) = captured.write(io::sink(), options, &mut progress)?;
        (written, statistics)
    } else if to_stdout {
        let (_, written, statistics) =
            captured.write(io::stdout().lock(), options, &mut progress)?;
        (written, statistics)
    } else {
        write_file(&captured, &path, options, &mut progress)
            .map_err(|error| no_file(&path, error))?
    };
    bar.finish_and_clear();
    let place = (!arguments.dry_run).then(|| {
        if to_stdout {
            "-".to_owned()
        } else {
            path.display().to_string()
        }
    });
    let summary = Summary {
        captured: &captured,
        written,
        statistics,
        place,
    };
    let text = if arguments.json {
        summary.json()
    } else {
        summary.line()
    };
    if to_stdout || !arguments.json {
        writeln!(io::stderr(), "{text}")?;
    } else {
        writeln!(io::stdout(), "{text}")?;
    }
    for problem in captured.metadata.problems.iter().take(MAX_PROBLEMS) {
        writeln!(io::stderr(), "v8mini-capture: warning: {}", problem.message)?;
    }
    Ok(if summary.is_complete() {
        Outcome::Complete
    } else {
        Outcome::Incomplete
    })
}

/// Makes the kernel choose this program when memory runs out, and not the process that is captured: both may share a
/// container's limit, and the copy of the heap is what exceeds it.
fn be_the_first_to_go() {
    // Raising one's own score is always allowed; without /proc nothing else works either.
    let _unchanged = std::fs::write("/proc/self/oom_score_adj", "1000");
}

/// Problems that are printed; all are in the file.
const MAX_PROBLEMS: usize = 10;

fn write_file(
    captured: &Captured,
    path: &Path,
    options: WriteOptions,
    progress: &mut dyn FnMut(u64),
) -> anyhow::Result<(Written, Statistics)> {
    let file = OutputFile::create(path)?;
    let (file, written, statistics) = captured.write(file, options, progress)?;
    file.commit()?;
    Ok((written, statistics))
}

/// Says that there is no file, and for a full disk what to do.
fn no_file(path: &Path, error: anyhow::Error) -> anyhow::Error {
    let full = error.chain().any(|cause| {
        cause
            .downcast_ref::<io::Error>()
            .is_some_and(|io| io.kind() == io::ErrorKind::StorageFull)
    });
    let advice = if full {
        " (free some space, or name another place with -o FILE)"
    } else {
        ""
    };
    error.context(format!("nothing was written to {}{advice}", path.display()))
}

/// `node.PID.TIME.v8mini`, the time of the stop in UTC: `node.4711.20261122T181500Z.v8mini`.
fn default_path(captured: &Captured) -> PathBuf {
    let process = &captured.metadata.process;
    let time =
        jiff::Timestamp::from_nanosecond(i128::from(process.captured_at_ns)).unwrap_or_default();
    let time = time.strftime("%Y%m%dT%H%M%SZ");
    PathBuf::from(format!("node.{}.{time}.v8mini", process.pid))
}

fn progress_bar() -> ProgressBar {
    let target = if io::stderr().is_terminal() {
        ProgressDrawTarget::stderr()
    } else {
        ProgressDrawTarget::hidden()
    };
    let bar = ProgressBar::with_draw_target(None, target);
    if let Ok(style) =
        ProgressStyle::with_template("{spinner} {msg:20} {wide_bar} {bytes}/{total_bytes} {eta}")
    {
        bar.set_style(style);
    }
    bar
}

/// What is said at the end.
struct Summary<'a> {
    captured: &'a Captured,
    written: Written,
    statistics: Statistics,
    place: Option<String>,
}

impl Summary<'_> {
    fn is_complete(&self) -> bool {
        self.captured.metadata.problems.is_empty()
    }

    fn line(&self) -> String {
        let metadata = &self.captured.metadata;
        let Statistics {
            pause_ns,
            wanted_bytes,
            captured_bytes,
            ..
        } = self.statistics;
        let coverage = 100.0 * captured_bytes as f64 / wanted_bytes.max(1) as f64;
        format!(
            "paused {:.1} ms · {} in {} isolate{}, {} pages · coverage {coverage:.1} % · {}{}",
            pause_ns as f64 / 1e6,
            HumanBytes(self.written.raw_bytes),
            metadata.isolates.len(),
            if metadata.isolates.len() == 1 {
                ""
            } else {
                "s"
            },
            metadata.pages.len(),
            HumanBytes(self.written.stored_bytes),
            match &self.place {
                Some(place) => format!(" in {place}"),
                None => " would be written".to_owned(),
            },
        )
    }

    fn isolate_json(&self, isolate: &Isolate) -> serde_json::Value {
        let mut spaces = BTreeMap::<&str, (usize, u64)>::new();
        for page in self
            .captured
            .metadata
            .pages
            .iter()
            .filter(|page| page.heap == isolate.heap)
        {
            let (pages, bytes) = spaces.entry(page.space.name()).or_default();
            *pages += 1;
            *bytes += page.size;
        }
        let spaces: serde_json::Map<_, _> = spaces
            .into_iter()
            .map(|(name, (pages, bytes))| {
                (
                    name.to_owned(),
                    serde_json::json!({ "pages": pages, "bytes": bytes }),
                )
            })
            .collect();
        serde_json::json!({
            "address": format!("{:#x}", isolate.address),
            "heap": format!("{:#x}", isolate.heap),
            "tid": isolate.tid,
            "gc_state": format!("{:?}", isolate.gc_state).to_lowercase(),
            "allocation_areas": isolate.allocation_areas.len(),
            "spaces": spaces,
        })
    }

    fn json(&self) -> String {
        let metadata = &self.captured.metadata;
        let problems: Vec<_> = metadata
            .problems
            .iter()
            .map(
                |problem| serde_json::json!({ "stage": problem.stage, "message": problem.message }),
            )
            .collect();
        serde_json::json!({
            "file": self.place,
            "pid": metadata.process.pid,
            "node_version": metadata.process.node_version,
            "v8_version": metadata.v8_version.map(|version| version.to_string()),
            "mode": metadata.process.mode,
            "pause_ns": self.statistics.pause_ns,
            "total_ns": self.statistics.total_ns,
            "wanted_bytes": self.statistics.wanted_bytes,
            "captured_bytes": self.statistics.captured_bytes,
            "raw_bytes": self.written.raw_bytes,
            "stored_bytes": self.written.stored_bytes,
            "isolates": metadata.isolates.iter().map(|isolate| self.isolate_json(isolate)).collect::<Vec<_>>(),
            "pages": metadata.pages.len(),
            "threads": metadata.threads.len(),
            "complete": self.is_complete(),
            "problems": problems,
        })
        .to_string()
    }
}
