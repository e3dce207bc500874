//! `v8mini info`: what was captured, and how far it can be trusted.

use std::io::Write;

use clap::Args;
use jiff::Timestamp;
use serde::Serialize;
use v8mini_format::model::{GcState, Isolate, Metadata};

use super::file::{FileArgs, Opened};
use super::output::{DIM, HEADING, Outcome, Output, WARNING, grouped, human_bytes, human_duration};
use super::verdict::{CoverageReport, Verdict};
use crate::heap::{Coverage, GapStart, Tally};
use crate::self_check::Check;
use crate::v8::Objects;

/// So many kinds of unrecognised ranges are shown as text; JSON has all.
const GAPS_SHOWN: usize = 12;

/// Shows what was captured: process, versions, pause, isolates, spaces, and how far the layout can be trusted
#[derive(Debug, Args)]
pub(super) struct Info {
    #[command(flatten)]
    file: FileArgs,
}

#[derive(Serialize)]
struct Report<'a> {
    process: ProcessReport<'a>,
    v8_version: String,
    capture: CaptureReport<'a>,
    isolates: Vec<IsolateReport>,
    threads: Vec<ThreadReport<'a>>,
    spaces: Vec<SpaceReport>,
    /// What was not recognised, largest first.
    not_recognised: Vec<GapReport>,
    memory: Vec<MemoryReport<'a>>,
    layout: LayoutReport<'a>,
    coverage: CoverageReport,
    warnings: Vec<String>,
}

#[derive(Serialize)]
struct ProcessReport<'a> {
    pid: u32,
    name: &'a str,
    executable: &'a str,
    arguments: &'a [String],
    node_version: &'a str,
    architecture: &'a str,
    kernel: &'a str,
    /// Absent where it is not known: a core does not say it.
    #[serde(skip_serializing_if = "Option::is_none")]
    uptime_seconds: Option<f64>,
}

#[derive(Serialize)]
struct CaptureReport<'a> {
    captured_at: String,
    mode: &'a str,
    writer: &'a str,
    /// Absent from a cut file, which ends before it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pause_ns: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    total_ns: Option<u64>,
    complete: bool,
}

#[derive(Serialize)]
struct IsolateReport {
    number: usize,
    address: String,
    heap: String,
    tid: u32,
    gc: &'static str,
    pages: usize,
    committed_bytes: u64,
    allocation_areas: Vec<AreaReport>,
}

#[derive(Serialize)]
struct AreaReport {
    start: String,
    top: String,
    limit: String,
}

#[derive(Serialize)]
struct ThreadReport<'a> {
    tid: u32,
    name: &'a str,
    state: char,
    isolate: Option<usize>,
}

#[derive(Serialize)]
struct SpaceReport {
    space: &'static str,
    pages: u64,
    committed_bytes: u64,
    object_bytes: u64,
    free_bytes: u64,
    unallocated_bytes: u64,
    idle_bytes: u64,
    overhead_bytes: u64,
    unknown_bytes: u64,
    missing_bytes: u64,
}

#[derive(Serialize)]
struct GapReport {
    space: &'static str,
    begins_with: String,
    places: u64,
    bytes: u64,
}

#[derive(Serialize)]
struct MemoryReport<'a> {
    kind: &'a str,
    resident_bytes: u64,
    mapped_bytes: u64,
}

#[derive(Serialize)]
struct LayoutReport<'a> {
    table: &'a str,
    within_range: bool,
    verified_on: &'a [String],
    v8dbg_constants: usize,
    checks: &'a [Check],
}

impl Info {
    /// Runs the command.
    pub(super) fn run(&self, output: &mut Output) -> anyhow::Result<Outcome> {
        let opened = self.file.open()?;
        let selection = self.file.selection(&opened)?;
        let tally = Tally::count(&opened.objects, selection);
        let verdict = Verdict::of(&opened, selection, &tally);
        if self.file.json {
            output.json(&report(&opened, &tally, &verdict))?;
        } else {
            text(output, &opened, &tally, &verdict)?;
        }
        Ok(verdict.outcome(true))
    }
}

fn report<'a>(opened: &'a Opened, tally: &Tally, verdict: &'a Verdict) -> Report<'a> {
    let metadata = &opened.objects.image().metadata;
    let layout = opened.objects.layout();
    let process = &metadata.process;
    Report {
        process: ProcessReport {
            pid: process.pid,
            name: &process.name,
            executable: &process.executable,
            arguments: &process.arguments,
            node_version: &process.node_version,
            architecture: &process.architecture,
            kernel: &process.kernel,
            uptime_seconds: (process.uptime_ns != 0).then_some(process.uptime_ns as f64 / 1e9),
        },
        v8_version: layout.version.to_string(),
        capture: CaptureReport {
            captured_at: timestamp(process.captured_at_ns),
            mode: &process.mode,
            writer: &process.writer,
            pause_ns: metadata.statistics.map(|statistics| statistics.pause_ns),
            total_ns: metadata.statistics.map(|statistics| statistics.total_ns),
            complete: opened.is_whole(),
        },
        isolates: isolates(metadata),
        threads: metadata
            .threads
            .iter()
            .map(|thread| ThreadReport {
                tid: thread.tid,
                name: &thread.name,
                state: thread.state,
                isolate: isolate_number(metadata, thread.isolate),
            })
            .collect(),
        spaces: spaces(&tally.coverage),
        not_recognised: gaps(&opened.objects, tally),
        memory: metadata
            .accounting
            .iter()
            .map(|memory| MemoryReport {
                kind: &memory.kind,
                resident_bytes: memory.resident_bytes,
                mapped_bytes: memory.mapped_bytes,
            })
            .collect(),
        layout: LayoutReport {
            table: &layout.table,
            within_range: layout.within_range,
            verified_on: &layout.verified,
            v8dbg_constants: metadata.constants.len(),
            checks: &verdict.checks,
        },
        coverage: verdict.coverage(),
        warnings: verdict.warnings.clone(),
    }
}

fn isolates(metadata: &Metadata) -> Vec<IsolateReport> {
    let report = |(number, isolate): (usize, &Isolate)| {
        let pages = || {
            metadata
                .pages
                .iter()
                .filter(|page| page.heap == isolate.heap)
        };
        IsolateReport {
            number,
            address: format!("{:#x}", isolate.address),
            heap: format!("{:#x}", isolate.heap),
            tid: isolate.tid,
            gc: match isolate.gc_state {
                GcState::Idle => "idle",
                GcState::Collecting => "collecting",
                _ => "unknown",
            },
            pages: pages().count(),
            committed_bytes: pages().map(|page| page.size).sum(),
            allocation_areas: isolate
                .allocation_areas
                .iter()
                .map(|area| AreaReport {
                    start: format!("{:#x}", area.start),
                    top: format!("{:#x}", area.top),
                    limit: format!("{:#x}", area.limit),
                })
                .collect(),
        }
    };
    metadata.isolates.iter().enumerate().map(report).collect()
}

fn isolate_number(metadata: &Metadata, address: u64) -> Option<usize> {
    metadata
        .isolates
        .iter()
        .position(|isolate| address != 0 && isolate.address == address)
}

fn spaces(coverage: &Coverage) -> Vec<SpaceReport> {
    coverage
        .spaces
        .iter()
        .map(|(space, part)| SpaceReport {
            space: space.name(),
            pages: part.pages,
            committed_bytes: part.committed,
            object_bytes: part.objects,
            free_bytes: part.free,
            unallocated_bytes: part.unallocated,
            idle_bytes: part.idle,
            overhead_bytes: part.overhead,
            unknown_bytes: part.unknown,
            missing_bytes: part.missing,
        })
        .collect()
}

fn gaps(objects: &Objects, tally: &Tally) -> Vec<GapReport> {
    let mut gaps: Vec<GapReport> = tally
        .gaps
        .iter()
        .map(|((space, start), (places, bytes))| GapReport {
            space: space.name(),
            begins_with: match start {
                GapStart::NoMap => "no map".to_owned(),
                GapStart::Object(instance_type) => objects.type_name(*instance_type),
            },
            places: *places,
            bytes: *bytes,
        })
        .collect();
    gaps.sort_by_key(|gap| std::cmp::Reverse(gap.bytes));
    gaps
}

/// In UTC; 0 stands for unknown, as with a core that came through a pipe.
fn timestamp(ns: i64) -> String {
    if ns == 0 {
        return "unknown".to_owned();
    }
    Timestamp::from_nanosecond(i128::from(ns))
        .map_or_else(|_| "unknown".to_owned(), |at| at.to_string())
}

fn text(
    output: &mut Output,
    opened: &Opened,
    tally: &Tally,
    verdict: &Verdict,
) -> anyhow::Result<()> {
    let report = report(opened, tally, verdict);
    let fact = |output: &mut Output, name: &str, value: &str| {
        writeln!(output, "{HEADING}{name:<10}{HEADING:#} {value}")
    };
    let process = &report.process;
    fact(
        output,
        "process",
        &format!(
            "{} ({}), pid {}",
            process.name, process.executable, process.pid
        ),
    )?;
    fact(output, "command", &process.arguments.join(" "))?;
    let node = if process.node_version.is_empty() {
        "unknown"
    } else {
        process.node_version
    };
    fact(
        output,
        "versions",
        &format!(
            "Node.js {node}, V8 {}, {} on Linux{}{}",
            report.v8_version,
            process.architecture,
            if process.kernel.is_empty() { "" } else { " " },
            process.kernel
        ),
    )?;
    // A core does not say how long the process had run.
    let uptime = process
        .uptime_seconds
        .map(|seconds| {
            format!(
                ", {} after its start",
                human_duration((seconds * 1e9) as u64)
            )
        })
        .unwrap_or_default();
    fact(
        output,
        "captured",
        &format!("{}{uptime}", report.capture.captured_at),
    )?;
    let pause = match (report.capture.pause_ns, report.capture.total_ns) {
        (Some(0), Some(0)) => format!(
            "none (mode {}), by {}",
            report.capture.mode, report.capture.writer
        ),
        (Some(pause), Some(total)) => format!(
            "{} (mode {}, {} in all), by {}",
            human_duration(pause),
            report.capture.mode,
            human_duration(total),
            report.capture.writer
        ),
        _ => format!(
            "unknown: the file ends before it (mode {})",
            report.capture.mode
        ),
    };
    fact(output, "pause", &pause)?;
    let layout = &report.layout;
    fact(
        output,
        "layout",
        &format!(
            "{} v8dbg constants, then spec/layouts/{}{}",
            layout.v8dbg_constants,
            layout.table,
            if layout.within_range {
                ""
            } else {
                " (nearest: no table covers this V8)"
            }
        ),
    )?;
    for check in &verdict.checks {
        let mark = if check.passed { "ok" } else { "FAILED" };
        let style = if check.passed { DIM } else { WARNING };
        writeln!(
            output,
            "{:<10} {style}{mark:<6}{style:#} {}: {}",
            "", check.name, check.detail
        )?;
    }
    writeln!(output)?;
    tables(output, &report)?;
    verdict.write(output)?;
    Ok(())
}

fn tables(output: &mut Output, report: &Report<'_>) -> anyhow::Result<()> {
    let rows = report
        .isolates
        .iter()
        .map(|isolate| {
            vec![
                isolate.number.to_string(),
                isolate.address.clone(),
                isolate.tid.to_string(),
                isolate.gc.to_owned(),
                grouped(isolate.pages as u64),
                human_bytes(isolate.committed_bytes),
            ]
        })
        .collect();
    output.table(
        &["Isolate", "Address", "Thread", "GC", "Pages", "Committed"],
        &[0, 2, 4, 5],
        rows,
    )?;
    writeln!(output)?;
    let rows = report
        .spaces
        .iter()
        .map(|space| {
            let mut row = vec![space.space.to_owned(), grouped(space.pages)];
            row.extend(
                [
                    space.committed_bytes,
                    space.object_bytes,
                    space.free_bytes,
                    space.unallocated_bytes,
                    space.idle_bytes,
                    space.overhead_bytes,
                    space.unknown_bytes,
                    space.missing_bytes,
                ]
                .map(grouped),
            );
            row
        })
        .collect();
    output.table(
        &[
            "Space",
            "Pages",
            "Committed",
            "Objects",
            "Free",
            "Unallocated",
            "Idle",
            "Overhead",
            "Unknown",
            "Missing",
        ],
        &[1, 2, 3, 4, 5, 6, 7, 8, 9],
        rows,
    )?;
    writeln!(
        output,
        "{DIM}bytes; committed is the sum of what follows it{DIM:#}\n"
    )?;
    let rows: Vec<Vec<String>> = report
        .not_recognised
        .iter()
        .take(GAPS_SHOWN)
        .map(|gap| {
            vec![
                gap.space.to_owned(),
                gap.begins_with.clone(),
                grouped(gap.places),
                grouped(gap.bytes),
            ]
        })
        .collect();
    if !rows.is_empty() {
        output.table(
            &["Not recognised", "Begins with", "Places", "Bytes"],
            &[2, 3],
            rows,
        )?;
        writeln!(output)?;
    }
    let rows = report
        .memory
        .iter()
        .map(|memory| {
            vec![
                memory.kind.to_owned(),
                human_bytes(memory.resident_bytes),
                human_bytes(memory.mapped_bytes),
            ]
        })
        .collect();
    output.table(&["Memory", "Resident", "Mapped"], &[1, 2], rows)?;
    writeln!(output)?;
    Ok(())
}
