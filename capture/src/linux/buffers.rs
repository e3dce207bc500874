//! The contents of buffers in a live capture.
//!
//! Which memory they are is found out while the process runs, because it takes a pass over the heap; the bytes are of the moment of the
//! stop, like everything else. What was made between the two is missing, and said.

use v8mini_format::memory::MemoryRange;
use v8mini_format::model::Problem;

use super::live::Target;
use super::planner::HeapPlanner;
use super::snapshot::{FrozenView, Planner};
use crate::content::{BufferShape, Buffers, outside};
use crate::locate::{Pages, clipped};

/// Stage of problems with them.
const STAGE: &str = "buffers";

/// What a capture has of the contents of buffers.
#[derive(Debug, Default)]
pub(super) struct Held {
    /// Memory that was planned as a buffer's, and was none any more in the stop.
    pub(super) stale: Vec<MemoryRange>,
    /// Contents that the process has never touched: zeros.
    pub(super) untouched: Vec<MemoryRange>,
    /// How much there is, in words.
    pub(super) note: Option<String>,
}

/// The contents of buffers of a process that runs, `limit` bytes at most.
pub(super) fn find(target: &Target, limit: u64) -> Result<Buffers, Problem> {
    let shape = shape(target)?;
    let view = target.live_view();
    Ok(Buffers::find_within(
        view.memory,
        view.regions,
        &target.pages.pages,
        &shape,
        limit,
    ))
}

fn shape(target: &Target) -> Result<BufferShape, Problem> {
    let symbols = target.clues().symbols;
    symbols
        .and_then(|symbols| BufferShape::new(&symbols.constants))
        .ok_or_else(|| Problem {
            stage: STAGE.to_owned(),
            message: "the binary has no v8dbg constants: contents of buffers are missing"
                .to_owned(),
            ..Problem::default()
        })
}

/// Holds what was `planned` against the buffers that there were in the stop.
pub(super) fn compare(
    target: &Target,
    planned: &[MemoryRange],
    image: FrozenView<'_>,
    pages: &Pages,
    problems: &mut Vec<Problem>,
) -> Held {
    let shape = match shape(target) {
        Ok(shape) => shape,
        Err(problem) => {
            problems.push(problem);
            return Held::default();
        }
    };
    let there = Buffers::find(image.memory, image.regions, &pages.pages, &shape);
    let held = image.memory.ranges();
    let unread: Vec<MemoryRange> = problems
        .iter()
        .filter(|problem| problem.stage == "read-page")
        .map(|problem| MemoryRange {
            start: problem.address,
            len: problem.bytes,
        })
        .collect();
    let absent = outside(&there.ranges, &held);
    // Planned, mapped, and yet not copied: there are no pages.
    let untouched: Vec<MemoryRange> = absent
        .iter()
        .flat_map(|range| clipped(planned, range.start, range.end()))
        .collect();
    let untouched = outside(&untouched, &unread);
    let missing = bytes(&outside(&absent, &untouched));
    let all = there.len_bytes();
    if missing > 0 {
        problems.push(Problem {
            stage: STAGE.to_owned(),
            message: format!(
                "{missing} of the {all} bytes in {} buffers are missing: they exceed --buffer-limit, or the buffers were made while the \
                 process was captured",
                there.count
            ),
            address: 0,
            bytes: missing,
        });
    }
    // Not what is also something else by now.
    let rest = HeapPlanner::new(target).plan(image);
    Held {
        stale: outside(&outside(planned, &there.ranges), &rest),
        untouched,
        note: Some(format!(
            "contents of {} buffers: {} of {all} bytes",
            there.count,
            all - missing
        )),
    }
}

fn bytes(ranges: &[MemoryRange]) -> u64 {
    ranges.iter().map(|range| range.len).sum()
}
