//! `v8mini diff`: what grew from one capture to the next.

mod objects;
pub(super) mod report;
mod text;

use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, ValueEnum};
use regex::Regex;
use v8mini_format::model::Process;

use self::report::{CaptureReport, Report, Totals, row_report};
use super::file::InputArgs;
use super::output::{Outcome, Output};
use super::session::{Query, Session};
use super::verdict::Verdict;
use crate::graph::Graph;
use crate::growth::{self, By, Profile, Row};
use crate::heap::PageSelection;

/// Processes whose start times differ by less are the same, if they have the same number.
const SAME_START_NS: i128 = 2_000_000_000;
/// Of so many rows that grew, the new objects are looked at unless the caller says of how many.
const ROWS: usize = 3;

/// Shows what grew between captures of one program: classes or shapes, which of their objects are new, and what holds those
///
/// With three and more captures, each row says whether it grows steadily, as a leak does, or only warmed up. Captures and
/// cores can be mixed. Isolates are compared by what they do, main or worker, not by their addresses. Dead objects that are
/// not yet swept are counted, too: what grows by garbage alone fluctuates over several captures, and retains nothing.
///
/// V8 moves objects. One that has kept its address and its contents counts as the same; one with the contents of another that
/// is gone, as moved; the rest as new. Of new ones the way from the roots is told, and the object on it that was there before.
/// On heaps of more than 256 MiB only addresses and the next holder are looked at, unless --objects is given.
#[derive(Debug, Args)]
pub(super) struct Diff {
    #[command(flatten)]
    input: InputArgs,

    /// Later captures, in the order of time.
    #[arg(value_name = "LATER", required = true)]
    later: Vec<PathBuf>,

    /// What makes a row.
    #[arg(long, value_name = "WHAT", default_value = "constructor")]
    by: Grouping,

    /// Which row comes first.
    #[arg(long, value_name = "KEY", default_value = "growth")]
    sort: Sort,

    /// Show so many rows; 0 for all.
    #[arg(long, short = 'n', value_name = "N", default_value_t = 30)]
    limit: usize,

    /// Only rows whose name matches this regular expression.
    #[arg(long, value_name = "PATTERN")]
    filter: Option<String>,

    /// Look at the new objects of so many rows that grew and that the program knows; 0 for none [default: 3].
    #[arg(long, value_name = "ROWS", num_args = 0..=1, default_missing_value = "5")]
    objects: Option<usize>,

    /// Also tell what the objects of each row keep: takes a graph of every capture.
    #[arg(long)]
    retained: bool,

    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Grouping {
    /// The class that `new` named.
    Constructor,
    /// The class and the names of the properties.
    Shape,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Sort {
    /// The most growth in bytes.
    Growth,
    /// The most growth in objects.
    Count,
    /// The most growth in what they keep, with --retained.
    Retained,
    /// The most bytes in the last capture.
    Size,
    /// The alphabet.
    Name,
}

/// What is kept of a capture when it is closed.
struct Summary {
    process: Process,
    report: CaptureReport,
    profile: Profile,
    complete: bool,
}

impl Query for Diff {
    fn input(&self) -> &InputArgs {
        &self.input
    }

    fn answer(&self, session: &Session, output: &mut Output) -> anyhow::Result<Outcome> {
        let filter = match &self.filter {
            Some(pattern) => Some(
                Regex::new(pattern)
                    .with_context(|| format!("--filter: '{pattern}' is no regular expression"))?,
            ),
            None => None,
        };
        if self.sort == Sort::Retained && !self.retained {
            anyhow::bail!(
                "--sort retained: what objects keep is found out with --retained only; give both"
            );
        }
        let mut warnings = Vec::new();
        let mut summaries = vec![self.summarize(session, &self.input, &mut warnings)?];
        let mut last = None;
        for path in &self.later {
            let input = self.input.with_path(path);
            // The one before is closed first: two heaps at a time are enough.
            drop(last.take());
            let later = input.open_session()?;
            summaries.push(self.summarize(&later, &input, &mut warnings)?);
            last = Some(later);
        }
        let same_process = compare_processes(&summaries, &mut warnings);
        let times = times(&summaries, &mut warnings);
        let (profiles, complete): (Vec<Profile>, Vec<bool>) = summaries
            .iter_mut()
            .map(|summary| (std::mem::take(&mut summary.profile), summary.complete))
            .unzip();
        let mut rows = growth::compare(&profiles, times.as_deref());
        drop(profiles);
        if let Some(filter) = filter {
            rows.retain(|row| filter.is_match(&row.group.class.name));
        }
        self.sort.apply(&mut rows);
        let totals = Totals {
            rows: rows.len(),
            growth_count: rows.iter().map(Row::growth_count).sum(),
            growth_bytes: rows.iter().map(Row::growth_bytes).sum(),
        };
        if self.limit > 0 {
            rows.truncate(self.limit);
            // What has not changed is of interest to nobody who asks what grew.
            if self.sort != Sort::Size && self.sort != Sort::Name {
                while rows.len() > 1 && rows.last().is_some_and(|row| !has_changed(row)) {
                    rows.pop();
                }
            }
        }
        let objects = match &last {
            Some(last) => {
                let comparison = objects::Comparison {
                    before: session,
                    after: last,
                    by: self.by.group(),
                    same_process,
                };
                let bytes = summaries.last().map_or(0, |last| last.report.shallow_bytes);
                match self.objects {
                    Some(count) => comparison.matched(&rows, count),
                    None if bytes <= objects::LARGE_BYTES => comparison.matched(&rows, ROWS),
                    None => comparison.sampled(&rows, ROWS),
                }
            }
            None => Vec::new(),
        };
        let captures: Vec<CaptureReport> = summaries
            .into_iter()
            .map(|summary| summary.report)
            .collect();
        let report = Report {
            captures: &captures,
            by: self.by.name(),
            same_process,
            includes_unreachable: true,
            rows: rows
                .iter()
                .map(|row| row_report(row, times.is_some()))
                .collect(),
            totals,
            objects,
            warnings: &warnings,
        };
        if self.json {
            output.json(&report)?;
        } else {
            text::write(output, &report, self.by.title())?;
        }
        Ok(if complete.contains(&false) {
            Outcome::Incomplete
        } else if rows.is_empty() {
            Outcome::NothingFound
        } else {
            Outcome::Done
        })
    }
}

impl Diff {
    fn summarize(
        &self,
        session: &Session,
        input: &InputArgs,
        warnings: &mut Vec<String>,
    ) -> anyhow::Result<Summary> {
        let metadata = &session.objects.image().metadata;
        let mut profile = Profile::of(&session.objects, self.by.group(), |selection| {
            session.tally(selection)
        });
        if self.retained {
            // Not the session's: one graph at a time takes memory enough.
            let graph = Graph::build(&session.objects, PageSelection::default());
            profile.retain(&session.objects, &graph.into_dominators());
        }
        let whole = session.tally(PageSelection::default());
        let verdict = Verdict::of(session, PageSelection::default(), &whole);
        let file = input.path.display().to_string();
        warnings.extend(
            verdict
                .warnings
                .iter()
                .map(|warning| format!("{file}: {warning}")),
        );
        let total = profile.total();
        Ok(Summary {
            process: metadata.process.clone(),
            report: CaptureReport {
                file,
                pid: metadata.process.pid,
                node_version: metadata.process.node_version.clone(),
                captured_at_ns: metadata.process.captured_at_ns,
                objects: total.count,
                shallow_bytes: total.bytes,
                coverage_ratio: profile.coverage.ratio(),
            },
            profile,
            complete: verdict.outcome(true) == Outcome::Done,
        })
    }
}

/// Whether the last capture has more or less of it than the first.
fn has_changed(row: &Row) -> bool {
    row.growth_bytes() != 0 || row.growth_count() != 0 || row.growth_retained() != 0
}

/// Whether all captures are of one process. Says so if they are not even of one program.
fn compare_processes(summaries: &[Summary], warnings: &mut Vec<String>) -> bool {
    let Some((first, others)) = summaries.split_first() else {
        return false;
    };
    let mut same_process = true;
    for other in others {
        let (a, b) = (&first.process, &other.process);
        let differ = |what: &str, one: &str, two: &str| {
            format!(
                "these may be different programs: {what} is {one} in {} and {two} in {}",
                first.report.file, other.report.file
            )
        };
        if a.node_version != b.node_version {
            warnings.push(differ("Node.js", &a.node_version, &b.node_version));
        }
        // The core of a process that was killed early may not have its arguments.
        if !a.arguments.is_empty() && !b.arguments.is_empty() && a.arguments != b.arguments {
            let (one, two) = (a.arguments.join(" "), b.arguments.join(" "));
            warnings.push(differ("the command line", &one, &two));
        }
        let started = |process: &Process| {
            (process.uptime_ns != 0)
                .then(|| i128::from(process.captured_at_ns) - i128::from(process.uptime_ns))
        };
        // A core does not say when its process started.
        let same_start = match (started(a), started(b)) {
            (Some(one), Some(two)) => (one - two).abs() < SAME_START_NS,
            _ => true,
        };
        same_process &= a.pid == b.pid && same_start && a.node_version == b.node_version;
    }
    same_process
}

/// When the captures were made, in seconds from the first one; `None` if that is not known, or makes no sense.
fn times(summaries: &[Summary], warnings: &mut Vec<String>) -> Option<Vec<f64>> {
    let at = |summary: &Summary| summary.report.captured_at_ns;
    let first = summaries.first().map(at)?;
    if summaries.iter().any(|summary| at(summary) == 0) {
        return None;
    }
    if !summaries.is_sorted_by_key(at) {
        warnings.push("the captures are not in the order of time: growth is told from the first named to the last".to_owned());
        return None;
    }
    let seconds = |summary| (at(summary) as f64 - first as f64) / 1e9;
    Some(summaries.iter().map(seconds).collect())
}

impl Sort {
    fn apply(self, rows: &mut [Row]) {
        let name = |row: &Row| (row.group.class.name.clone(), row.group.role);
        match self {
            Self::Growth => rows.sort_by_cached_key(|row| (-row.growth_bytes(), name(row))),
            Self::Count => rows.sort_by_cached_key(|row| (-row.growth_count(), name(row))),
            Self::Retained => rows.sort_by_cached_key(|row| (-row.growth_retained(), name(row))),
            Self::Size => rows.sort_by_cached_key(|row| (!row.last().bytes, name(row))),
            Self::Name => rows.sort_by_cached_key(name),
        }
    }
}

impl Grouping {
    const fn group(self) -> By {
        match self {
            Self::Constructor => By::Class,
            Self::Shape => By::Shape,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Constructor => "constructor",
            Self::Shape => "shape",
        }
    }

    const fn title(self) -> &'static str {
        match self {
            Self::Constructor => "Constructor",
            Self::Shape => "Shape",
        }
    }
}
