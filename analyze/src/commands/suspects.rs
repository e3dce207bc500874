//! `v8mini suspects`: what looks like a leak, and which code fills it.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use schemars::JsonSchema;
use serde::Serialize;

use super::file::{FileArgs, InputArgs};
use super::output::{DIM, HEADING, Outcome, Output, grouped, human_bytes, percent};
use super::schema::Hex;
use super::session::{Query, Session};
use super::verdict::{CoverageReport, Verdict};
use crate::graph::EdgeKind;
use crate::heap::{Classes, PageSelection};
use crate::suspects::{self, Arrangement, Effect, Heap, Holder, Suspect, Use};

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

#[derive(Debug, Serialize, JsonSchema)]
struct SuspectReport {
    /// In one sentence, for people.
    title: String,
    /// The object that accumulates, tagged.
    #[schemars(with = "Hex")]
    address: String,
    class: String,
    arrangement: &'static str,
    items: String,
    count: u64,
    retained_bytes: u64,
    live_part: f64,
    holder: HolderReport,
    code: Vec<CodeReport>,
    contents: Vec<ContentReport>,
    reasons: Vec<String>,
    /// With later captures: how many there were in each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    counts: Vec<u64>,
    /// Commands to type next.
    next: Vec<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct HolderReport {
    root: &'static str,
    #[schemars(with = "Hex")]
    address: String,
    class: String,
    steps: Vec<StepReport>,
    /// In one line, for people.
    path: String,
}

#[derive(Debug, Serialize, JsonSchema)]
struct StepReport {
    kind: &'static str,
    name: String,
    #[schemars(with = "Hex")]
    address: String,
    class: String,
}

#[derive(Debug, Serialize, JsonSchema)]
struct CodeReport {
    /// `grows`, `appends`, `shrinks`, `replaces`, `bounds`, `uses`: what it does with the object; `item`: the items lead to it.
    role: &'static str,
    function: String,
    location: Option<String>,
    /// The line of the source.
    #[serde(skip_serializing_if = "String::is_empty")]
    line: String,
}

#[derive(Debug, Serialize, JsonSchema)]
struct ContentReport {
    class: String,
    count: u64,
    shallow_bytes: u64,
}

/// An accumulation that one capture does not make a suspect.
#[derive(Debug, Serialize, JsonSchema)]
struct LargestReport {
    /// The object that accumulates, tagged.
    #[schemars(with = "Hex")]
    address: String,
    class: String,
    items: String,
    count: u64,
    retained_bytes: u64,
    live_part: f64,
    /// The path from a root, in one line.
    path: String,
    reasons: Vec<String>,
}

impl LargestReport {
    fn of(suspect: &Suspect) -> Self {
        Self {
            address: suspect.owner.to_string(),
            class: suspect.owner_class.clone(),
            items: suspect.items.clone(),
            count: suspect.accumulation.count,
            retained_bytes: suspect.accumulation.bytes,
            live_part: suspect.part,
            path: holder_report(&suspect.holder).path,
            reasons: suspect.reasons.clone(),
        }
    }
}

#[derive(Serialize, JsonSchema)]
pub(super) struct Report<'a> {
    live_bytes: u64,
    /// How many there are, shown or not.
    count: usize,
    suspects: &'a [SuspectReport],
    /// Of one capture: what is large, but nothing shows that it grows.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    largest: &'a [LargestReport],
    coverage: CoverageReport,
    warnings: &'a [String],
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
        let tree = newest.dominators(selection)?;
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
        let graph = session.graph(selection)?;
        let paths = session.paths(selection)?;
        let tree = session.dominators(selection)?;
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

fn report(suspect: &Suspect, counts: Vec<u64>, file: &std::path::Path) -> SuspectReport {
    let accumulation = &suspect.accumulation;
    let arrangement = match accumulation.arrangement {
        Arrangement::Crowd => "crowd",
        Arrangement::Chain => "chain",
        Arrangement::Tree => "tree",
    };
    let noun = match accumulation.arrangement {
        Arrangement::Crowd if accumulation.members > 0 => format!(
            "in {} collections of one {}",
            grouped(accumulation.members),
            suspect.owner_class
        ),
        Arrangement::Crowd => format!("in one {}", suspect.owner_class),
        Arrangement::Chain => format!("in a chain that begins at one {}", suspect.owner_class),
        Arrangement::Tree => format!("in a tree below one {}", suspect.owner_class),
    };
    let mut code: Vec<CodeReport> = suspect.uses.iter().map(code_report).collect();
    code.extend(suspect.item_code.iter().map(|item| CodeReport {
        role: "item",
        function: item.function.clone(),
        location: item.location.as_ref().map(ToString::to_string),
        line: String::new(),
    }));
    let mut reasons = suspect.reasons.clone();
    if let [first, .., last] = counts.as_slice() {
        if last > first {
            let refuted = [
                suspects::ONLY_READ,
                suspects::FILLED_ONCE,
                suspects::ONE_PIECE,
            ];
            reasons.retain(|reason| !refuted.contains(&reason.as_str()));
            for reason in &mut reasons {
                if reason == suspects::TAKEN_OUT {
                    reason.push_str(", but less than is put in");
                }
            }
        }
        reasons.insert(
            0,
            format!("it grew from {} to {}", grouped(*first), grouped(*last)),
        );
    }
    let grew = matches!(counts.as_slice(), [first, .., last] if last > first);
    if !grew && suspect.is_suspect {
        reasons.push(
            "one capture cannot tell a leak from a table that is as large as it has to be: name a later one, too"
                .to_owned(),
        );
    }
    let file = file.display();
    let address = suspect.owner.to_string();
    SuspectReport {
        title: format!(
            "{}: {} × {} {noun} retain {}, {} of all that is alive",
            if grew {
                "Likely leak"
            } else if suspect.is_suspect {
                "Possible leak"
            } else {
                "Accumulation"
            },
            grouped(accumulation.count),
            suspect.items,
            human_bytes(accumulation.bytes),
            percent(suspect.part)
        ),
        next: vec![
            format!("v8mini inspect {file} {address}"),
            format!("v8mini path {file} {address}"),
            format!("v8mini tree {file} --node {address}"),
        ],
        address,
        class: suspect.owner_class.clone(),
        arrangement,
        items: suspect.items.clone(),
        count: accumulation.count,
        retained_bytes: accumulation.bytes,
        live_part: suspect.part,
        holder: holder_report(&suspect.holder),
        code,
        contents: suspect
            .contents
            .iter()
            .map(|content| ContentReport {
                class: content.class.clone(),
                count: content.count,
                shallow_bytes: content.bytes,
            })
            .collect(),
        reasons,
        counts,
    }
}

fn code_report(found: &Use) -> CodeReport {
    CodeReport {
        role: match found.effect {
            Effect::Grows => "grows",
            Effect::Appends => "appends",
            Effect::Shrinks => "shrinks",
            Effect::Replaces => "replaces",
            Effect::Bounds => "bounds",
            Effect::Uses => "uses",
        },
        function: found.function.clone(),
        location: found.location.as_ref().map(ToString::to_string),
        line: found.line.clone(),
    }
}

fn holder_report(holder: &Holder) -> HolderReport {
    let mut path = holder.first.1.clone();
    for step in &holder.steps {
        match step.kind {
            EdgeKind::Element => path += &format!("[{}]", step.name),
            EdgeKind::Context => path += &format!(" → variable {}", step.name),
            EdgeKind::Property => path += &format!(".{}", step.name),
            _ => path += &format!(" → {}", step.name),
        }
    }
    if holder.is_cut {
        path.insert_str(0, "… → ");
    }
    HolderReport {
        root: holder.root.name(),
        address: holder.first.0.to_string(),
        class: holder.first.1.clone(),
        steps: holder
            .steps
            .iter()
            .map(|step| StepReport {
                kind: step.kind.name(),
                name: step.name.clone(),
                address: step.to.to_string(),
                class: step.class.clone(),
            })
            .collect(),
        path,
    }
}

fn write_largest(
    output: &mut Output,
    largest: &[LargestReport],
    file: &std::path::Path,
) -> std::io::Result<()> {
    if largest.is_empty() {
        return Ok(());
    }
    let file = file.display();
    writeln!(
        output,
        "{HEADING}large, but nothing shows that it grows: take a second capture and run `v8mini diff {file} LATER`{HEADING:#}"
    )?;
    for found in largest {
        writeln!(
            output,
            "   {} in {} × {} in {} {}  {DIM}{}{DIM:#}",
            human_bytes(found.retained_bytes),
            grouped(found.count),
            found.items,
            found.class,
            found.address,
            found.path
        )?;
        for reason in &found.reasons {
            writeln!(output, "      {DIM}{reason}{DIM:#}")?;
        }
    }
    writeln!(output)
}

fn write_suspect(
    output: &mut Output,
    number: usize,
    suspect: &SuspectReport,
) -> std::io::Result<()> {
    writeln!(output, "{HEADING}{number}. {}{HEADING:#}", suspect.title)?;
    writeln!(
        output,
        "   where      {} {}",
        suspect.class, suspect.address
    )?;
    writeln!(
        output,
        "   held by    {} {DIM}(root: {}){DIM:#}",
        suspect.holder.path, suspect.holder.root
    )?;
    for code in &suspect.code {
        let role = match code.role {
            "grows" | "appends" => "filled by",
            "shrinks" => "emptied by",
            "replaces" => "set by",
            "bounds" => "bounded by",
            "item" => "items of",
            _ => "used by",
        };
        let function = match code.function.as_str() {
            "" => "(anonymous function)",
            name => name,
        };
        writeln!(
            output,
            "   {role:<11}{function} {DIM}{}{DIM:#}  {}",
            code.location.as_deref().unwrap_or(""),
            code.line
        )?;
    }
    for (index, content) in suspect.contents.iter().enumerate() {
        writeln!(
            output,
            "   {:<11}{} × {}, {}",
            if index == 0 { "contents" } else { "" },
            grouped(content.count),
            content.class,
            human_bytes(content.shallow_bytes)
        )?;
    }
    for reason in &suspect.reasons {
        writeln!(output, "   because    {reason}")?;
    }
    for next in &suspect.next {
        writeln!(output, "   {DIM}next       {next}{DIM:#}")?;
    }
    writeln!(output)
}
