//! `v8mini-capture PID`.

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use v8mini_capture::linux::{Mode, Options, Progress, capture};
use v8mini_format::WriteOptions;
use v8mini_format::model::Redaction;

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

    /// How to take the snapshot: `log` copies the process while it runs, and stops it only for what was written last, which a log of
    /// its page faults tells, for less than a millisecond; `precopy` finds it by a scan, for 2 to 5 ms per GB; `fork` has the process
    /// clone itself and reads the clone, about 35 ms per GB; `stop` stops it for the whole copy, about 200 ms per GB. `auto` takes
    /// the first that works, any other takes the next that works, and says so.
    #[arg(long, value_name = "MODE", default_value_t = Mode::Auto, value_parser = PossibleValuesParser::new(Mode::ALL.map(|(name, _)| name)).try_map(|name| name.parse::<Mode>()))]
    mode: Mode,

    /// Print the summary as JSON on standard output (on standard error with `-o -`).
    #[arg(long)]
    json: bool,

    /// Give up, without a file, rather than stop the process for longer than so many milliseconds.
    #[arg(long, value_name = "MS", value_parser = milliseconds)]
    max_pause: Option<Duration>,

    /// Stop again up to so many times if a garbage collection is under way; after that, the capture says that it was.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(..=1000))]
    retries: u32,

    /// Memory for the compressed copy of a process that runs, in MiB; what exceeds it goes to a nameless temporary file beside the
    /// output.
    #[arg(long, value_name = "MIB", default_value_t = 64)]
    memory: u64,

    /// Percent of one processor that copying and compressing may use while the process runs; 0 for all there are. They yield to
    /// the process in any case.
    #[arg(long, value_name = "PERCENT", default_value_t = 100)]
    max_cpu: u32,

    /// Compare the copy with the stopped process: for tests, because it takes long.
    #[arg(long, hide = true)]
    verify: bool,

    /// Compression level of zstd. Levels above 1 cost time and save little: heaps are mostly pointers.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(i32).range(-7..=19), allow_negative_numbers = true)]
    level: i32,

    /// Threads that compress; as many as there are processors by default, but no more than 8.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: Option<u16>,

    /// Store what holds no objects, too, as it is: the inside of free memory and of unused pages. By default it is zeroed, unless something points there.
    #[arg(long)]
    full: bool,

    /// Replace contents before anything is written: lengths, shapes and references stay.
    ///
    /// `strings`: the characters of all strings, the bytes in typed arrays, the arguments of the program, and whatever in stacks is no
    /// address and no small number. Names of properties, classes, functions and variables, and the source of functions stay: keys of
    /// objects that serve as dictionaries are names, too. `all`: those as well.
    #[arg(long, value_name = "WHAT", value_enum, conflicts_with = "full")]
    redact: Option<Redact>,

    /// Capture, but write nothing: shows the pause and what would be stored.
    #[arg(long)]
    dry_run: bool,
}

impl CaptureArguments {
    fn options(&self) -> Options {
        let mut options = Options::default();
        options.mode = self.mode;
        options.full = self.full;
        options.redaction = self.redact.map_or(Redaction::None, Redact::level);
        options.max_pause = self.max_pause;
        options.retries = self.retries;
        options.memory = self.memory.saturating_mul(1 << 20);
        options.temporary = self.temporary();
        options.max_cpu = self.max_cpu;
        options.level = self.level;
        options.threads = self.threads.map_or(0, usize::from);
        options.verify = self.verify;
        options
    }

    /// Where a temporary file may be made: beside the output, where there is room for the capture itself.
    fn temporary(&self) -> Option<PathBuf> {
        match &self.output {
            Some(path) if path.as_os_str() == "-" => Some(std::env::temp_dir()),
            Some(path) => match path.parent() {
                Some(parent) if !parent.as_os_str().is_empty() => Some(parent.to_owned()),
                _ => Some(PathBuf::from(".")),
            },
            None => Some(PathBuf::from(".")),
        }
    }
}

/// What to redact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Redact {
    /// Contents of strings and buffers.
    Strings,
    /// Names and sources of functions, too.
    All,
}

impl Redact {
    pub(super) const fn level(self) -> Redaction {
        match self {
            Self::Strings => Redaction::Strings,
            Self::All => Redaction::All,
        }
    }
}

/// Parses milliseconds, such as `50` or `0.5`.
fn milliseconds(text: &str) -> Result<Duration, String> {
    let value: f64 = text
        .parse()
        .map_err(|_| "expected a number of milliseconds")?;
    Duration::try_from_secs_f64(value / 1e3)
        .ok()
        .filter(|limit| !limit.is_zero())
        .ok_or_else(|| "expected a positive number of milliseconds".to_owned())
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
    let captured = capture(
        arguments.pid,
        &arguments.options(),
        &mut |progress| match progress {
            Progress::Locating => bar.set_message("locating the heap"),
            Progress::Copying { done, total } => {
                bar.set_message("copying live");
                bar.set_length(total);
                bar.set_position(done);
            }
            Progress::Stopping { .. } => bar.set_message("copying"),
            _ => bar.set_message("reading the copy"),
        },
    )?;
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
    for note in &captured.notes {
        let _unheard = writeln!(io::stderr(), "v8mini-capture: note: {note}");
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
