//! `v8mini-capture PID`.

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use v8mini_capture::linux::{Mode, Options, Progress, capture};
use v8mini_format::WriteOptions;

use super::Outcome;
use super::destination::Destination;
use super::summary::Summary;

/// What to capture and where to put it.
#[derive(Debug, clap::Args)]
pub(super) struct CaptureArguments {
    /// Process to capture.
    #[arg(value_name = "PID")]
    pid: i32,

    /// File to write; `-` for standard output. By default `node.PID.TIME.v8mini` in the current directory.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// How to take the snapshot: `fork` has the process clone itself and reads the clone, which costs a pause of about 35 ms per GB; `stop`
    /// stops it for the whole copy, about 200 ms per GB. `auto` takes the best that works, and says so if it is not the first.
    #[arg(long, value_name = "MODE", default_value_t = Mode::Auto, value_parser = PossibleValuesParser::new(Mode::ALL.map(|(name, _)| name)).try_map(|name| name.parse::<Mode>()))]
    mode: Mode,

    /// Print the summary as JSON on standard output (on standard error with `-o -`).
    #[arg(long)]
    json: bool,

    /// Compression level of zstd. Levels above 1 cost time and save little: heaps are mostly pointers.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(i32).range(-7..=19), allow_negative_numbers = true)]
    level: i32,

    /// Threads that compress; as many as there are processors by default, but no more than 8.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: Option<u16>,

    /// Store what holds no objects, too, as it is: the inside of free memory and of unused pages. By default it is zeroed, unless something points there.
    #[arg(long)]
    full: bool,

    /// Capture, but write nothing: shows the pause and what would be stored.
    #[arg(long)]
    dry_run: bool,
}

/// Runs the command.
pub(super) fn run(arguments: &CaptureArguments) -> anyhow::Result<Outcome> {
    let destination = if arguments.dry_run {
        Destination::Nowhere
    } else {
        Destination::open(arguments.output.as_deref(), arguments.pid)?
    };
    be_the_first_to_go();
    let bar = progress_bar();
    let mut how = Options::default();
    how.full = arguments.full;
    how.mode = arguments.mode;
    let captured = capture(arguments.pid, how, &mut |progress| {
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
        threads: arguments.threads.map_or(0, usize::from),
        ..WriteOptions::default()
    };
    let place = destination.name();
    let json_to_stdout = arguments.json && !matches!(destination, Destination::Stdout);
    let (written, statistics) =
        destination.write(&captured, options, &mut |done| bar.set_position(done))?;
    bar.finish_and_clear();
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
    // Whoever does not want to hear the summary has the capture nevertheless.
    let _unheard = if json_to_stdout {
        writeln!(io::stdout(), "{text}")
    } else {
        writeln!(io::stderr(), "{text}")
    };
    for declined in &captured.declined {
        let _unheard = writeln!(
            io::stderr(),
            "v8mini-capture: mode {} instead of {}, because {}",
            captured.metadata.process.mode,
            declined.mode,
            declined.reason
        );
    }
    for problem in captured.metadata.problems.iter().take(MAX_PROBLEMS) {
        let _unheard = writeln!(io::stderr(), "v8mini-capture: warning: {}", problem.message);
    }
    Ok(if summary.is_complete() {
        Outcome::Complete
    } else {
        Outcome::Incomplete
    })
}

/// Problems that are printed; all are in the file.
const MAX_PROBLEMS: usize = 10;

/// Makes the kernel choose this program when memory runs out, and not the process that is captured: both may share a
/// container's limit, and the copy of the heap is what exceeds it.
fn be_the_first_to_go() {
    // Raising one's own score is always allowed; without /proc nothing else works either.
    let _unchanged = std::fs::write("/proc/self/oom_score_adj", "1000");
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
