//! `v8mini-capture PID`.

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

use crate::linux::{Options, Progress, capture};
use anyhow::Context;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::Outcome;
use super::destination::Destination;
use super::how::HowArguments;
use super::summary::Summary;

/// What to capture and where to put it.
#[derive(Debug, clap::Args)]
pub(super) struct CaptureArguments {
    /// Process to capture.
    // Optional only because a subcommand takes its place; else clap sees to it.
    #[arg(value_name = "PID", required = true)]
    pid: Option<i32>,

    /// File to write; `-` for standard output. By default `node.PID.TIME.v8mini` in the current directory.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    #[command(flatten)]
    how: HowArguments,

    /// Print the summary as JSON on standard output (on standard error with `-o -`).
    #[arg(long)]
    json: bool,

    /// Compare the copy with the stopped process: for tests, because it takes long.
    #[arg(long, hide = true)]
    verify: bool,

    /// Capture, but write nothing: shows the pause and what would be stored.
    #[arg(long)]
    dry_run: bool,
}

impl CaptureArguments {
    fn options(&self) -> Options {
        let mut options = self.how.options(self.temporary());
        options.verify = self.verify;
        options
    }

    /// Where a temporary file may be made: beside the output, where there is room for the capture itself.
    fn temporary(&self) -> PathBuf {
        match &self.output {
            Some(path) if path.as_os_str() == "-" => std::env::temp_dir(),
            path => path
                .as_deref()
                .and_then(Path::parent)
                .filter(|parent| !parent.as_os_str().is_empty())
                .map_or_else(|| PathBuf::from("."), Path::to_owned),
        }
    }
}

/// Runs the command.
pub(super) fn run(arguments: &CaptureArguments) -> anyhow::Result<Outcome> {
    let pid = arguments
        .pid
        .context("name a process: v8mini-capture PID; v8mini-capture list shows the candidates")?;
    let destination = if arguments.dry_run {
        Destination::Nowhere
    } else {
        let packer = arguments.how.packer()?;
        Destination::open(arguments.output.as_deref(), pid, packer)?
    };
    be_the_first_to_go();
    let bar = progress_bar();
    let captured = capture(pid, &arguments.options(), &mut |progress| match progress {
        Progress::Locating => bar.set_message("locating the heap"),
        Progress::Copying { done, total } => {
            bar.set_message("copying live");
            bar.set_length(total);
            bar.set_position(done);
        }
        Progress::Stopping { .. } => bar.set_message("copying"),
        _ => bar.set_message("reading the copy"),
    })?;
    bar.set_length(captured.memory_bytes());
    bar.set_message("writing");
    let place = destination.name();
    let json_to_stdout = arguments.json && !destination.is_stdout();
    let output = destination.write(&captured, arguments.how.write_options(), &mut |done| {
        bar.set_position(done);
    })?;
    bar.finish_and_clear();
    let summary = Summary {
        captured: &captured,
        output: &output,
        place,
    };
    let text = if arguments.json {
        summary.json().to_string()
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
    if let Some(error) = &output.unpacked {
        let _unheard = writeln!(
            io::stderr(),
            "v8mini-capture: warning: not packed: {error:#}"
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
pub(super) fn be_the_first_to_go() {
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
