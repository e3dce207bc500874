//! What `v8mini info` says, as JSON has it.

use jiff::Timestamp;
use rustc_hash::FxHashMap;
use schemars::JsonSchema;
use serde::Serialize;
use v8mini_format::model::{GcState, Isolate, Metadata};

use crate::commands::schema::Hex;
use crate::commands::session::Session;
use crate::commands::verdict::{CoverageReport, Verdict};
use crate::heap::{Coverage, GapStart, Tally};
use crate::self_check::Check;
use crate::v8::Objects;

#[derive(Serialize, JsonSchema)]
pub(in crate::commands) struct Report<'a> {
    pub(super) process: ProcessReport<'a>,
    pub(super) v8_version: String,
    pub(super) capture: CaptureReport<'a>,
    pub(super) isolates: Vec<IsolateReport>,
    pub(super) threads: Vec<ThreadReport<'a>>,
    pub(super) spaces: Vec<SpaceReport>,
    /// What was not recognised, largest first.
    pub(super) not_recognised: Vec<GapReport>,
    pub(super) memory: Vec<MemoryReport<'a>>,
    pub(super) layout: LayoutReport<'a>,
    pub(super) coverage: CoverageReport,
    pub(super) warnings: Vec<String>,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct ProcessReport<'a> {
    pub(super) pid: u32,
    pub(super) name: &'a str,
    pub(super) executable: &'a str,
    pub(super) arguments: &'a [String],
    pub(super) node_version: &'a str,
    pub(super) architecture: &'a str,
    pub(super) kernel: &'a str,
    /// Absent where it is not known: a core does not say it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) uptime_seconds: Option<f64>,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct CaptureReport<'a> {
    pub(super) captured_at: String,
    pub(super) mode: &'a str,
    pub(super) writer: &'a str,
    /// What of the memory was replaced before it was written: `none`, `strings`, `all`.
    pub(super) redaction: String,
    /// What the process was dying of, if it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) signal: Option<SignalReport>,
    /// Absent from a cut file, which ends before it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) pause_ns: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) total_ns: Option<u64>,
    pub(super) complete: bool,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct SignalReport {
    /// The same for people: `SIGSEGV at 0x10 in thread 77`.
    pub(super) text: String,
    pub(super) number: u32,
    pub(super) code: i64,
    #[schemars(with = "Hex")]
    pub(super) address: String,
    pub(super) tid: u32,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct IsolateReport {
    pub(super) number: usize,
    #[schemars(with = "Hex")]
    pub(super) address: String,
    #[schemars(with = "Hex")]
    pub(super) heap: String,
    pub(super) tid: u32,
    pub(super) gc: &'static str,
    pub(super) pages: usize,
    pub(super) committed_bytes: u64,
    pub(super) allocation_areas: Vec<AreaReport>,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct AreaReport {
    #[schemars(with = "Hex")]
    pub(super) start: String,
    #[schemars(with = "Hex")]
    pub(super) top: String,
    #[schemars(with = "Hex")]
    pub(super) limit: String,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct ThreadReport<'a> {
    pub(super) tid: u32,
    pub(super) name: &'a str,
    pub(super) state: char,
    pub(super) isolate: Option<usize>,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct SpaceReport {
    pub(super) space: &'static str,
    pub(super) pages: u64,
    pub(super) committed_bytes: u64,
    pub(super) object_bytes: u64,
    pub(super) free_bytes: u64,
    pub(super) unallocated_bytes: u64,
    pub(super) idle_bytes: u64,
    pub(super) overhead_bytes: u64,
    pub(super) unknown_bytes: u64,
    pub(super) missing_bytes: u64,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct GapReport {
    pub(super) space: &'static str,
    pub(super) begins_with: String,
    pub(super) places: u64,
    pub(super) bytes: u64,
    #[schemars(with = "Hex")]
    pub(super) largest_at: String,
    pub(super) largest_bytes: u64,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct MemoryReport<'a> {
    pub(super) kind: &'a str,
    pub(super) resident_bytes: u64,
    pub(super) mapped_bytes: u64,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct LayoutReport<'a> {
    pub(super) table: &'a str,
    pub(super) within_range: bool,
    pub(super) verified_on: &'a [String],
    pub(super) v8dbg_constants: usize,
    pub(super) checks: &'a [Check],
}

/// Everything that the command says.
pub(super) fn report<'a>(session: &'a Session, tally: &Tally, verdict: &'a Verdict) -> Report<'a> {
    let metadata = &session.objects.image().metadata;
    let layout = session.objects.layout();
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
            redaction: metadata.redaction.to_string(),
            signal: metadata.signal.map(|signal| SignalReport {
                text: signal.to_string(),
                number: signal.number,
                code: signal.code,
                address: format!("{:#x}", signal.address),
                tid: signal.tid,
            }),
            pause_ns: metadata.statistics.map(|statistics| statistics.pause_ns),
            total_ns: metadata.statistics.map(|statistics| statistics.total_ns),
            complete: session.is_whole(),
        },
        isolates: isolates(&session.objects),
        threads: threads(metadata),
        spaces: spaces(&tally.coverage),
        not_recognised: gaps(&session.objects, tally),
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

fn isolates(objects: &Objects) -> Vec<IsolateReport> {
    // By heap: how many pages, and their bytes. One look at each page, because nothing bounds the product of both lists.
    let mut heaps: FxHashMap<u64, (usize, u64)> = FxHashMap::default();
    for page in objects.pages().pages() {
        let (count, bytes) = heaps.entry(page.heap).or_default();
        *count += 1;
        *bytes += page.size;
    }
    let report = |(number, isolate): (usize, &Isolate)| {
        let (pages, committed_bytes) = heaps.get(&isolate.heap).copied().unwrap_or_default();
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
            pages,
            committed_bytes,
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
    let isolates = &objects.image().metadata.isolates;
    isolates.iter().enumerate().map(report).collect()
}

fn threads(metadata: &Metadata) -> Vec<ThreadReport<'_>> {
    let isolates = metadata.isolates.iter().enumerate();
    // Of two with the same address the first counts: it is put in last.
    let numbers: FxHashMap<u64, usize> = isolates
        .rev()
        .filter(|(_, isolate)| isolate.address != 0)
        .map(|(number, isolate)| (isolate.address, number))
        .collect();
    let threads = metadata.threads.iter().map(|thread| ThreadReport {
        tid: thread.tid,
        name: &thread.name,
        state: thread.state,
        isolate: numbers.get(&thread.isolate).copied(),
    });
    threads.collect()
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
        .map(|((space, start), gaps)| GapReport {
            space: space.name(),
            begins_with: match start {
                GapStart::NoMap => "no map".to_owned(),
                GapStart::Object(instance_type) => objects.type_name(*instance_type),
            },
            places: gaps.places,
            bytes: gaps.bytes,
            largest_at: format!("{:#x}", gaps.largest.0),
            largest_bytes: gaps.largest.1,
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
