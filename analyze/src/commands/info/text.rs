//! What `v8mini info` says, for people.

use std::io::Write;

use super::report::{Report, report};
use crate::commands::output::{
    DIM, HEADING, Output, WARNING, grouped, human_bytes, human_duration,
};
use crate::commands::session::Session;
use crate::commands::verdict::Verdict;
use crate::heap::Tally;

/// So many kinds of unrecognised ranges are shown as text; JSON has all.
const GAPS_SHOWN: usize = 12;

/// Writes the report for people.
pub(super) fn text(
    output: &mut Output,
    session: &Session,
    tally: &Tally,
    verdict: &Verdict,
) -> anyhow::Result<()> {
    let report = report(session, tally, verdict);
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
    if let Some(signal) = &report.capture.signal {
        fact(output, "died of", &signal.text)?;
    }
    if report.capture.redaction != "none" {
        let level = &report.capture.redaction;
        fact(
            output,
            "redacted",
            &format!("{level}: see v8mini redact --help"),
        )?;
    }
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
                gap.largest_at.clone(),
            ]
        })
        .collect();
    if !rows.is_empty() {
        output.table(
            &[
                "Not recognised",
                "Begins with",
                "Places",
                "Bytes",
                "Largest at",
            ],
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
