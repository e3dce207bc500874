//! The stop: what is left to be copied, and nothing else.

use std::time::{Duration, SystemTime};

use nix::errno::Errno;
use nix::time::{ClockId, clock_gettime};
use v8mini_format::memory::{Memory, MemoryRange};
use v8mini_format::model::{Problem, Region, Thread};

use super::SessionError;
use super::live::Session;
use super::settle::{AT_FIRST, new_bases};
use super::stage::Stage;
use super::watched::readable;
use crate::linux::error::CaptureError;
use crate::linux::freeze::Frozen;
use crate::linux::mode::Mode;
use crate::linux::options::Options;
use crate::linux::pagemap_scan::Then;
use crate::linux::range_set::RangeSet;
use crate::linux::remote_memory::RemoteMemory;
use crate::linux::snapshot::{FrozenView, NewPage, Planner};
use crate::linux::stop_and_copy::hurry;
use crate::linux::{maps, pagemap, procfs, threads};

/// How the process is to be stopped.
pub(super) struct Halt<'a> {
    pub(super) limits: &'a Options,
    pub(super) mode: Mode,
    /// Whether a garbage collection is put up with.
    pub(super) may_be_collecting: bool,
    /// Whether to make room in the stop if there is too little. Fresh memory is slow to write to.
    pub(super) may_grow: bool,
}

/// What came of a stop.
pub(super) enum Halted {
    Done(Box<Done>),
    /// More was written than there was room for; the process was let go at once.
    TooSmall,
    /// A garbage collection was under way; the process was let go at once.
    Collecting,
}

/// What a stop has found.
pub(super) struct Done {
    pub(super) regions: Vec<Region>,
    pub(super) threads: Vec<Thread>,
    pub(super) pause: Duration,
    pub(super) at: SystemTime,
    pub(super) at_monotonic: Duration,
    /// What was copied in the stop.
    pub(super) changed: RangeSet,
    /// Memory that can be read, as far as it was looked at in the stop.
    pub(super) readable: RangeSet,
    pub(super) problems: Vec<Problem>,
}

impl Halt<'_> {
    /// Stops the process, copies what is left, and lets it go.
    pub(super) fn run(
        &self,
        session: &mut Session<'_>,
        planner: &mut dyn Planner,
    ) -> Result<Halted, CaptureError> {
        let pid = session.pid;
        let page_size = session.page_size;
        let no_memory = |bytes: u64| move |source| CaptureError::NoMemory { pid, bytes, source };
        let failed = |error: SessionError| error.of(pid, self.mode);
        session.image.keep_in_memory(true);
        session.calm_down(planner, AT_FIRST).map_err(failed)?;
        let room = session.stage_bytes();
        session.stage = Some(Stage::new(room).map_err(no_memory(room))?);
        let before = threads::facts(pid)?;
        session.entries.pages.reserve(1 << 16);
        // All that took time, in which more was written. To hurry before it would be at the expense of the program.
        hurry();
        session.settle(planner).map_err(failed)?;
        // There are 15,000 mappings at 4 GB, which as a rule are the same in the stop.
        let readable_before = readable(&session.regions);

        let frozen = Frozen::stop_within(pid, self.limits.max_pause)?;
        let deadline = self
            .limits
            .max_pause
            .map(|limit| frozen.stopped_at() + limit);
        let at = SystemTime::now();
        // The clock always exists; zero says "unknown".
        let at_monotonic =
            clock_gettime(ClockId::CLOCK_MONOTONIC).map_or(Duration::ZERO, Duration::from);
        let mut problems = std::mem::take(&mut session.problems);
        // Before anything is looked for in it.
        let map = MapInStop::read(session)?;
        let regions = map.regions.as_deref().unwrap_or(&session.regions);
        let stopped = threads::read(pid, &frozen, regions, &before, &mut problems);
        let at_stop = planner.at_stop(FrozenView {
            memory: &session.memory,
            regions,
            threads: &stopped,
        });
        if at_stop.collecting && !self.may_be_collecting {
            session.problems = problems;
            return Ok(Halted::Collecting);
        }
        let Found {
            mut wanted,
            mut made,
        } = find(session, planner, &stopped, &map)?;
        made.extend(at_stop.ranges);
        wanted.extend_from_slice(session.watched.unprotected.ranges());
        let readable = (map.regions.as_deref()).map_or(readable_before, readable);
        let wanted = RangeSet::of_pages(wanted, page_size).and(&readable);
        // The memory map as it was need not tell: what `malloc` makes writable has been part of a mapping before.
        let beyond = RangeSet::of_pages(made, page_size).or(&session.watched.beyond);
        let wanted = wanted.or(&beyond);
        let is_room = |stage: &Stage| wanted.bytes() <= stage.room();
        if !session.stage.as_ref().is_some_and(is_room) {
            session.last_written = wanted.bytes();
            if !self.may_grow {
                session.problems = problems;
                return Ok(Halted::TooSmall);
            }
            session.lay_over();
            let larger = Stage::at_once(wanted.bytes()).map_err(no_memory(wanted.bytes()))?;
            session.stage = Some(larger);
        }
        let mut unreadable = Vec::new();
        if let Some(stage) = &mut session.stage {
            let (memory, pages) = (&session.memory, wanted.ranges());
            stage
                .copy(memory, pages, page_size, deadline, &mut unreadable)
                .map_err(|error| error.of(pid, self.limits.max_pause))?;
        }
        if self.limits.verify {
            session.lay_over();
            let known = map.regions.as_deref().unwrap_or(&session.regions);
            let view = FrozenView {
                memory: &session.memory,
                regions: known,
                threads: &stopped,
            };
            problems.extend(verify(session, planner, view));
        }
        let (pause, report) = frozen.thaw();
        problems.extend(report.problems);
        session.entries.mapped.clear();
        Ok(Halted::Done(Box::new(Done {
            regions: map.regions.unwrap_or_else(|| session.regions.clone()),
            threads: stopped,
            pause,
            at,
            at_monotonic,
            readable: wanted.without(&beyond),
            changed: wanted,
            problems,
        })))
    }
}

/// The memory map in the stop.
struct MapInStop {
    /// Whether the log is complete.
    is_logged: bool,
    /// What was mapped since the last round, as far as the log tells.
    remapped: RangeSet,
    /// The memory map, if it may have changed.
    regions: Option<Vec<Region>>,
}

impl MapInStop {
    fn read(session: &mut Session<'_>) -> Result<Self, CaptureError> {
        let pid = session.pid;
        let proc = |error: std::io::Error| CaptureError::proc(pid, &error);
        let is_logged = match &mut session.tools.log {
            Some(log) => {
                log.drain(&mut session.entries);
                !session.entries.incomplete && !session.is_doubtful
            }
            None => false,
        };
        (session.entries.mapped).extend_from_slice(session.remapped.ranges());
        let mapped = session.entries.mapped.iter().copied();
        let mut remapped = RangeSet::of_pages(mapped, session.page_size);
        let mut regions = None;
        if !is_logged
            || !remapped.is_empty()
            || procfs::mapped_pages(pid).map_err(proc)? != session.mapped_pages
        {
            let changed = is_logged.then_some(&remapped);
            regions = Some(session.map_again(changed).map_err(proc)?.0);
        }
        if let (false, Some(regions)) = (is_logged, &regions) {
            remapped = remapped.or(&replaced(session, regions));
        }
        Ok(Self {
            is_logged,
            remapped,
            regions,
        })
    }
}

/// The mappings in which something is watched and that are not registered, because they have taken the place of others. One page tells
/// for all.
fn replaced(session: &mut Session<'_>, regions: &[Region]) -> RangeSet {
    let mut replaced = Vec::new();
    for region in regions {
        let whole = maps::extent(region);
        let Some(watched) = session.watched.image.overlapping(whole).first() else {
            continue;
        };
        let page = MemoryRange {
            start: watched.start.max(whole.start),
            len: session.page_size,
        };
        let scan = &mut session.tools.scan;
        if scan.written(&[page], Then::CheckRegistered, &mut Vec::new()) == Err(Errno::EPERM) {
            replaced.push(whole);
        }
    }
    RangeSet::new(replaced)
}

/// What is to be copied because it has changed since the last round, in any order.
struct Found {
    wanted: Vec<MemoryRange>,
    /// What belongs to new pages of the heap: the memory map as it was need not have it.
    made: Vec<MemoryRange>,
}

/// Finds what has changed since the last round: by the log if there is one and it is complete, else by a scan.
fn find(
    session: &mut Session<'_>,
    planner: &mut dyn Planner,
    stopped: &[Thread],
    map: &MapInStop,
) -> Result<Found, CaptureError> {
    let pid = session.pid;
    let MapInStop {
        is_logged,
        remapped,
        regions,
    } = map;
    let watched = &session.watched;
    let mut wanted: Vec<MemoryRange> = Vec::new();
    // Where a page of the heap may have been made.
    let mut bases: Vec<u64> = Vec::new();
    if *is_logged {
        let (image, others) = watched.sort(&mut session.entries.pages);
        wanted.extend_from_slice(image.ranges());
        for start in others {
            if watched.unpopulated.contains(start) {
                let len = session.page_size;
                wanted.push(MemoryRange { start, len });
            }
            if start.is_multiple_of(watched.alignment) {
                bases.push(start);
            }
        }
    } else {
        let mut written = Vec::new();
        match (session.tools.scan).written(&watched.runs, Then::Leave, &mut written) {
            Ok(()) => {}
            Err(Errno::ESRCH) => return Err(CaptureError::Exited { pid }),
            Err(errno) => return Err(CaptureError::proc(pid, &errno.into())),
        }
        let written = RangeSet::new(written);
        wanted.extend_from_slice(watched.image.and(&written).ranges());
        bases.extend(
            watched
                .vacant
                .and(&written)
                .ranges()
                .iter()
                .map(|r| r.start),
        );
        wanted.extend(populated_since(session));
    }
    // What was mapped in the place of something else is empty where it was not touched since.
    wanted.extend_from_slice(watched.image.and(remapped).ranges());
    if let Some(regions) = regions {
        let alignment = watched.alignment;
        bases.extend(new_bases(&session.regions, regions, remapped, alignment));
    }
    bases.sort_unstable();
    bases.dedup();
    let (mut new_heap, mut made) = (session.is_unplanned, Vec::new());
    for base in bases {
        match planner.new_page(&session.memory, base) {
            NewPage::None => {}
            NewPage::Ranges(ranges) => made.extend(ranges),
            NewPage::NewHeap => new_heap = true,
        }
    }
    if new_heap {
        let known = regions.as_deref().unwrap_or(&session.regions);
        let memory = RemoteMemory::new(pid, known, session.page_size);
        let plan = planner.plan(FrozenView {
            memory: &memory,
            regions: known,
            threads: stopped,
        });
        let new = RangeSet::new(plan).without(&session.watched.image);
        wanted.extend_from_slice(new.ranges());
    }
    Ok(Found { wanted, made })
}

/// The parts of the heap's pages that did not exist in the last round, and do now.
fn populated_since(session: &Session<'_>) -> Vec<MemoryRange> {
    let unpopulated = &session.watched.unpopulated;
    if unpopulated.is_empty() {
        return Vec::new();
    }
    let Ok(pagemap) = std::fs::File::open(procfs::path(session.pid, "pagemap")) else {
        return unpopulated.ranges().to_vec();
    };
    let parts = unpopulated.ranges().iter();
    parts
        .flat_map(|range| pagemap::populated(&pagemap, range.start, range.end(), session.page_size))
        .collect()
}

/// Compares the image with the process, which still stands: what should be in the image, and is not, or otherwise.
fn verify(
    session: &Session<'_>,
    planner: &mut dyn Planner,
    frozen: FrozenView<'_>,
) -> Vec<Problem> {
    // The log need not have told of every change.
    let regions = maps::read_regions(session.pid).unwrap_or_else(|_| frozen.regions.to_vec());
    let memory = RemoteMemory::new(session.pid, &regions, session.page_size);
    let plan = planner.plan(FrozenView {
        memory: &memory,
        regions: &regions,
        ..frozen
    });
    let mut problems = Vec::new();
    let page_size = session.page_size;
    let plan = RangeSet::of_pages(plan, page_size).and(&RangeSet::new(memory.ranges()));
    let len = usize::try_from(page_size).unwrap_or(4096);
    let (mut theirs, mut ours) = (vec![0; len], vec![0; len]);
    let (mut missing, mut different, mut zero, mut first) = (0_u64, 0_u64, 0_u64, 0);
    for range in plan.ranges() {
        for page in (range.start..range.end()).step_by(len) {
            if memory.read_at(page, &mut theirs).is_err() {
                continue;
            }
            let wrong = match session.image.read_at(page, &mut ours) {
                Err(_) => &mut missing,
                Ok(()) if ours == theirs => continue,
                Ok(()) if theirs.iter().all(|byte| *byte == 0) => &mut zero,
                Ok(()) => &mut different,
            };
            *wrong += 1;
            if first == 0 {
                first = page;
            }
        }
    }
    if missing + different + zero > 0 {
        problems.push(Problem {
            stage: "verify".to_owned(),
            message: format!(
                "{different} pages of the image differ from the process, {zero} are zero in it only, and {missing} are missing; the first is at {first:#x}"
            ),
            address: first,
            bytes: missing * page_size,
        });
    }
    problems
}
