//! `v8mini diff`: what grew from one capture to the next.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, ValueEnum};
use regex::Regex;
use schemars::JsonSchema;
use serde::Serialize;
use v8mini_format::model::Process;

use super::file::InputArgs;
use super::output::{DIM, HEADING, Outcome, Output, WARNING, grouped, human_bytes};
use super::schema::Hex;
use super::session::{Query, Session};
use super::verdict::Verdict;
use crate::growth::{self, By, Matched, Profile, Role, Row, match_objects};
use crate::heap::{Class, ClassKind, PageSelection};
use crate::inspect::{Options, describe, one_line};

/// Processes whose start times differ by less are the same, if they have the same number.
const SAME_START_NS: i128 = 2_000_000_000;
/// So many new objects of a class are named.
const NAMED: usize = 5;

/// Shows what grew between captures of one program: classes or shapes, by count and bytes, and which objects are new
///
/// With three and more captures, each row says whether it grows steadily, as a leak does, or only warmed up. Captures and
/// cores can be mixed. Isolates are compared by what they do, main or worker, not by their addresses. Dead objects that are
/// not yet swept are counted, too: what grows by garbage alone fluctuates over several captures.
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

    /// Name the objects of the shown rows that are new in the last capture: of so many rows that grew and that the program
    /// knows.
    #[arg(long, value_name = "ROWS", num_args = 0..=1, default_missing_value = "5")]
    objects: Option<usize>,

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
    /// The most bytes in the last capture.
    Size,
    /// The alphabet.
    Name,
}

/// One of the captures.
#[derive(Debug, Serialize, JsonSchema)]
struct CaptureReport {
    file: String,
    pid: u32,
    node_version: String,
    /// Nanoseconds since 1970; 0 if it is not known.
    captured_at_ns: i64,
    objects: u64,
    shallow_bytes: u64,
    coverage_ratio: f64,
}

#[derive(Debug, Serialize, JsonSchema)]
struct RowReport {
    name: String,
    kind: &'static str,
    role: &'static str,
    /// In each capture.
    counts: Vec<u64>,
    shallow_bytes: Vec<u64>,
    growth_count: i64,
    growth_bytes: i64,
    verdict: &'static str,
    /// By least squares; null without times.
    bytes_per_hour: Option<f64>,
    /// Of all growth, what happened in the last interval; null if there is none.
    last_share: Option<f64>,
    /// Address of one of them in the last capture, tagged.
    #[schemars(with = "Option<Hex>")]
    example: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct ObjectsReport {
    name: String,
    role: &'static str,
    same: u64,
    changed: u64,
    moved: u64,
    ambiguous: u64,
    new: u64,
    gone: u64,
    /// Some of the new ones.
    examples: Vec<Example>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Example {
    #[schemars(with = "Hex")]
    address: String,
    #[serde(serialize_with = "super::output::plain")]
    summary: String,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Report<'a> {
    captures: &'a [CaptureReport],
    by: &'static str,
    same_process: bool,
    includes_unreachable: bool,
    rows: Vec<RowReport>,
    totals: Totals,
    objects: Vec<ObjectsReport>,
    warnings: &'a [String],
}

#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
struct Totals {
    rows: usize,
    growth_count: i64,
    growth_bytes: i64,
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
        let mut warnings = Vec::new();
        let mut summaries = vec![self.summarize(session, &self.input, &mut warnings)];
        let mut last = None;
        for path in &self.later {
            let input = self.input.with_path(path);
            // The one before is closed first: two heaps at a time are enough.
            drop(last.take());
            let later = input.open_session()?;
            summaries.push(self.summarize(&later, &input, &mut warnings));
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
        }
        let objects = match (self.objects, &last) {
            (Some(count), Some(last)) => self.objects(session, last, &rows, count, same_process),
            _ => Vec::new(),
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
            self.text(output, &report)?;
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
    ) -> Summary {
        let metadata = &session.objects.image().metadata;
        let profile = Profile::of(&session.objects, self.by.group(), |selection| {
            session.tally(selection)
        });
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
        Summary {
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
        }
    }

    /// Which objects of the rows that grew most are new.
    fn objects(
        &self,
        before: &Session,
        after: &Session,
        rows: &[Row],
        count: usize,
        same_process: bool,
    ) -> Vec<ObjectsReport> {
        let all = PageSelection::default();
        let (tally_before, tally_after) = (before.tally(all), after.tally(all));
        let mut known: Vec<&Class> = Vec::new();
        let mut reports = Vec::new();
        for row in rows {
            let class = &row.group.class;
            let is_known_to_programs = matches!(
                class.kind,
                ClassKind::Instance | ClassKind::Function | ClassKind::Primitive
            );
            if reports.len() >= count {
                break;
            }
            if row.growth_count() <= 0 || !is_known_to_programs || known.contains(&class) {
                continue;
            }
            known.push(class);
            let matched = match_objects(
                (&before.objects, &tally_before),
                (&after.objects, &tally_after),
                class,
                self.by.group(),
                same_process,
            );
            reports.push(objects_report(after, row, &matched));
        }
        reports
    }

    fn text(&self, output: &mut Output, report: &Report<'_>) -> anyhow::Result<()> {
        for (index, capture) in report.captures.iter().enumerate() {
            writeln!(
                output,
                "{DIM}[{}]{DIM:#} {}: process {}, Node.js {}, {} objects, {}",
                index + 1,
                capture.file,
                capture.pid,
                capture.node_version,
                grouped(capture.objects),
                human_bytes(capture.shallow_bytes)
            )?;
        }
        writeln!(output)?;
        let several = report.captures.len() > 2;
        let roles = report.rows.iter().any(|row| row.role != Role::Main.name());
        let rows = report.rows.iter().map(|row| {
            let counts: Vec<String> = row.counts.iter().map(|count| grouped(*count)).collect();
            let role = if roles && row.role != Role::Main.name() {
                format!(" [{}]", row.role)
            } else {
                String::new()
            };
            let mut cells = vec![
                signed(row.growth_bytes),
                signed(row.growth_count),
                counts.join(" → "),
                grouped(row.shallow_bytes.last().copied().unwrap_or(0)),
            ];
            if several {
                cells.push(row.verdict.to_owned());
            }
            cells.push(row.name.clone() + &role);
            cells
        });
        let mut header = vec!["Bytes +", "Count +", "Counts", "Bytes now"];
        if several {
            header.push("Trend");
        }
        header.push(self.by.title());
        output.table(&header, &[0, 1, 3], rows.collect())?;
        if report.rows.len() < report.totals.rows {
            writeln!(
                output,
                "{DIM}… and {} more rows: --limit 0 shows all{DIM:#}",
                grouped((report.totals.rows - report.rows.len()) as u64)
            )?;
        }
        writeln!(
            output,
            "\n{} objects, {} bytes in all, dead ones that are not yet swept included",
            signed(report.totals.growth_count),
            signed(report.totals.growth_bytes)
        )?;
        for class in &report.objects {
            write_objects(output, class)?;
        }
        if let Some(last) = report.captures.last()
            && let Some(row) = report.rows.iter().find(|row| row.growth_bytes > 0)
        {
            writeln!(
                output,
                "\n{DIM}next: v8mini instances {} '{}'{DIM:#}",
                last.file,
                row.name.split(" {").next().unwrap_or(&row.name)
            )?;
        }
        for warning in report.warnings {
            writeln!(output, "{WARNING}warning:{WARNING:#} {warning}")?;
        }
        Ok(())
    }
}

fn row_report(row: &Row, timed: bool) -> RowReport {
    RowReport {
        name: row.group.class.name.clone(),
        kind: row.group.class.kind.name(),
        role: row.group.role.name(),
        counts: row.counts.iter().map(|count| count.count).collect(),
        shallow_bytes: row.counts.iter().map(|count| count.bytes).collect(),
        growth_count: row.growth_count(),
        growth_bytes: row.growth_bytes(),
        verdict: row.trend.verdict.name(),
        bytes_per_hour: timed.then_some(row.trend.slope * 3600.0),
        last_share: row.trend.last_share,
        example: row.last().ends.map(|(_, last)| last.to_string()),
    }
}

fn objects_report(after: &Session, row: &Row, matched: &Matched) -> ObjectsReport {
    let examples = matched.new.iter().take(NAMED).map(|address| Example {
        address: address.to_string(),
        summary: one_line(&describe(
            &after.objects,
            address.tagged(),
            &Options::ONE_LINE,
        )),
    });
    ObjectsReport {
        name: row.group.class.name.clone(),
        role: row.group.role.name(),
        same: matched.same,
        changed: matched.changed,
        moved: matched.moved,
        ambiguous: matched.ambiguous,
        new: matched.new.len() as u64,
        gone: matched.gone,
        examples: examples.collect(),
    }
}

fn write_objects(output: &mut Output, class: &ObjectsReport) -> std::io::Result<()> {
    writeln!(
        output,
        "\n{HEADING}{}{HEADING:#}: {} new, {} gone; {} unchanged, {} changed, {} moved by the garbage collector",
        class.name,
        grouped(class.new),
        grouped(class.gone),
        grouped(class.same),
        grouped(class.changed),
        grouped(class.moved)
    )?;
    if class.ambiguous > 0 {
        writeln!(
            output,
            "  {DIM}of the moved ones, {} look like others: which is which cannot be told{DIM:#}",
            grouped(class.ambiguous)
        )?;
    }
    for example in &class.examples {
        writeln!(output, "  {}", example.summary)?;
    }
    let rest = class.new.saturating_sub(class.examples.len() as u64);
    if rest > 0 {
        writeln!(output, "  {DIM}… and {} more{DIM:#}", grouped(rest))?;
    }
    Ok(())
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

/// `+1,234`, `-5`, `0`.
fn signed(number: i64) -> String {
    let digits = grouped(number.unsigned_abs());
    match number {
        0 => digits,
        1.. => format!("+{digits}"),
        _ => format!("-{digits}"),
    }
}
