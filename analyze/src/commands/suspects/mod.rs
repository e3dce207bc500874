//! `v8mini suspects`: what looks like a leak, and which code fills it.

mod report;

use std::io::Write;
use std::path::PathBuf;

use clap::Args;

pub(super) use report::Report;
use report::{LargestReport, SuspectReport, report, write_largest, write_suspect};

use super::file::{FileArgs, InputArgs};
use super::output::{DIM, Outcome, Output};
use super::session::{Query, Session};
use super::verdict::Verdict;
use crate::graph::EdgeKind;
use crate::heap::{Classes, PageSelection};
use crate::suspects::{Effect, Heap, Holder, Suspect};

/// What retains less than this part of all that is alive is not large.
const LARGE_PART: f64 = 0.05;
/// So many accumulations that are no suspects are told.
const LARGEST: usize = 5;
/// Growth of less than this part is none.
const NOISE: f64 = 0.01;

/// Names what looks like a leak: what accumulates, where, what holds it, and which code puts it there
///
/// A suspect is an object on which many similar ones hang that make up a good part of all that is alive, while code that has
/// run again and again puts more there and none was found that takes them out. So tables that were filled once and caches
/// within a bound are no suspects: the largest are named below them, and --all shows them in full. One capture cannot prove a leak: name later captures of the same process, and
/// growth decides instead.
#[derive(Debug, Args)]
pub(super) struct Suspects {
    #[command(flatten)]
    file: FileArgs,

    /// Later captures of the same process, in the order of time.
    #[arg(value_name = "LATER")]
    later: Vec<PathBuf>,

    /// Show so many; 0 for all.
    #[arg(long, short = 'n', value_name = "N", default_value_t = 5)]
    limit: usize,

    /// Also what has accumulated but looks harmless.
    #[arg(long)]
    all: bool,
}

/// What was found in one capture.
struct Found {
    live_bytes: u64,
    suspects: Vec<Suspect>,
}

impl Suspects {
    /// Whether it is about one file: no later ones are compared.
    pub(super) fn is_about_one_file(&self) -> bool {
        self.later.is_empty()
    }
}

impl Query for Suspects {
    fn input(&self) -> &InputArgs {
        &self.file.input
    }

    fn answer(&self, session: &Session, output: &mut Output) -> anyhow::Result<Outcome> {
        let compared = !self.later.is_empty();
        let mut captures = vec![self.find(session, compared || self.all)?];
        let mut last = None;
        for path in &self.later {
            drop(last.take());
            let later = self.file.input.with_path(path).open_session()?;
            captures.push(self.find(&later, true)?);
            last = Some(later);
        }
        let newest = last.as_ref().unwrap_or(session);
        let file = self.later.last().unwrap_or(&self.file.input.path);
        let Some(current) = captures.pop() else {
            return Ok(Outcome::NothingFound);
        };
        let mut reports: Vec<SuspectReport> = Vec::new();
        let mut largest: Vec<LargestReport> = Vec::new();
        for suspect in &current.suspects {
            let mut counts: Vec<u64> = captures
                .iter()
                .map(|earlier| count_of(earlier, suspect))
                .collect();
            counts.push(suspect.accumulation.count);
            let is_leak = |counts: &[u64]| {
                grows(counts) && (suspect.is_suspect || !is_emptied(suspect) || rises(counts))
            };
            let is_shown = match compared {
                true => is_leak(&counts),
                false => suspect.is_suspect,
            };
            if !self.all && !is_shown {
                let is_large = suspect.part >= LARGE_PART && suspect.holder.is_of_program;
                if !compared && is_large && largest.len() < LARGEST {
                    largest.push(LargestReport::of(suspect));
                }
                continue;
            }
            reports.push(report(
                suspect,
                if compared { counts } else { Vec::new() },
                file,
            ));
        }
        let count = reports.len();
        if self.limit > 0 {
            reports.truncate(self.limit);
        }
        let selection = self.file.selection(newest)?;
        let tree = newest.dominators(selection);
        let verdict = Verdict::of_tree(newest, selection, &tree);
        if self.file.json {
            output.json(&Report {
                live_bytes: current.live_bytes,
                count,
                suspects: &reports,
                largest: &largest,
                coverage: verdict.coverage(),
                warnings: &verdict.warnings,
            })?;
        } else {
            for (number, suspect) in reports.iter().enumerate() {
                write_suspect(output, number + 1, suspect)?;
            }
            match count {
                0 => writeln!(
                    output,
                    "no suspects: nothing has accumulated that code goes on filling; --all shows what has accumulated"
                )?,
                _ if reports.len() < count => writeln!(
                    output,
                    "{DIM}… and {} more: --limit 0 shows all{DIM:#}",
                    count - reports.len()
                )?,
                _ => {}
            }
            write_largest(output, &largest, file)?;
            verdict.write(output)?;
        }
        Ok(verdict.outcome(count > 0))
    }
}

impl Suspects {
    fn find(&self, session: &Session, in_full: bool) -> anyhow::Result<Found> {
        let selection: PageSelection = self.file.selection(session)?;
        let graph = session.graph(selection);
        let paths = session.paths(selection);
        let tree = session.dominators(selection);
        let classes = Classes::new(&session.objects, &session.tally(selection));
        let references = session.references();
        let heap = Heap::new(
            &session.objects,
            &graph,
            &tree,
            &paths,
            references,
            &classes,
        );
        Ok(Found {
            live_bytes: heap.live_bytes,
            suspects: heap.accumulations(in_full),
        })
    }
}

/// How many items the same accumulation had in an earlier capture: the one that is reached by the same names.
fn count_of(earlier: &Found, suspect: &Suspect) -> u64 {
    earlier
        .suspects
        .iter()
        .find(|other| {
            other.owner_class == suspect.owner_class
                && other.items == suspect.items
                && names(&other.holder) == names(&suspect.holder)
        })
        .map_or(0, |other| other.accumulation.count)
}

fn names(holder: &Holder) -> Vec<&str> {
    let named = |kind| matches!(kind, EdgeKind::Property | EdgeKind::Context);
    let steps = holder.steps.iter().filter(|step| named(step.kind));
    steps.map(|step| step.name.as_str()).collect()
}

/// Whether there are more each time, and noticeably more in the end.
fn grows(counts: &[u64]) -> bool {
    let (Some(first), Some(last)) = (counts.first(), counts.last()) else {
        return false;
    };
    let last_step = counts.windows(2).next_back().map_or(0, |pair| match pair {
        [before, after] => after.saturating_sub(*before),
        _ => 0,
    });
    counts.is_sorted() && last > first && last_step as f64 > *last as f64 * NOISE
}

/// Whether code takes things out again: then it may only have been filled a little more than before.
fn is_emptied(suspect: &Suspect) -> bool {
    let mut uses = suspect.uses.iter();
    uses.any(|found| found.effect == Effect::Shrinks)
}

/// Whether there are more each time, over three captures or more.
fn rises(counts: &[u64]) -> bool {
    counts.len() > 2
        && counts.first() > Some(&0)
        && counts.is_sorted_by(|before, after| before < after)
}
