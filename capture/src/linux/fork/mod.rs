//! The strategy for kernels and sandboxes without asynchronous write protection: the process clones itself, and the clone, which
//! shares its pages until somebody writes to them, is read while the process runs. The pause is that of a `fork`: about 35 ms per GB.
//!
//! ```text
//!  live     read which mappings V8 hides from clones
//!  stopped  an idle thread's chain: MADV_DOFORK for each run of them, clone, MADV_DONTFORK for each run
//!  live     read the clone; end it; have the process wait for it
//! ```
//!
//! What V8 mapped between the first step and the second is copied in the stop.

mod child;
mod hidden;

use std::time::{Duration, Instant, SystemTime};

use memmap2::MmapMut;
use nix::errno::Errno;
use nix::libc::{self, pid_t};
use nix::time::{ClockId, clock_gettime};
use v8mini_format::memory::{Memory, MemoryRange, ReadError};
use v8mini_format::model::{Problem, Region};

use self::child::{Child, wait_for};
use self::hidden::HiddenMemory;
use super::collection::{await_end, stopped_again, wait_after};
use super::copy::copy;
use super::error::CaptureError;
use super::freeze::Frozen;
use super::inject::{Argument, Call, Injector, Outcome};
use super::remote_memory::RemoteMemory;
use super::snapshot::{Copied, FrozenView, Planner, Snapshot, SnapshotMemory, Snapshotter};
use super::stop_and_copy::{hurry, prefaulted};
use super::{headroom, maps, threads};

const MODE: &str = "fork";
/// The clone shares everything with the process that can be shared with another address space, and so opens and closes nothing when it
/// begins and ends; its end sends no signal (the lowest byte is 0).
const CLONE_FLAGS: libc::c_int = libc::CLONE_FILES | libc::CLONE_FS | libc::CLONE_IO;
/// How long the calls may take: cloning 4 GB takes 0.15 s on an idle machine.
const LIMIT: Duration = Duration::from_secs(10);
/// How often the process is stopped anew because it has mapped more than [`FRESH_BYTES`] since.
const ATTEMPTS: u32 = 3;
/// Room for what was mapped shortly before the stop.
const FRESH_BYTES: usize = 32 << 20;
/// Bytes read from the clone at a time; between, the memory left is looked at.
const STEP_BYTES: u64 = 64 << 20;
/// Memory left that has to stay untouched.
const RESERVE_BYTES: u64 = 64 << 20;

/// Clones the process and reads the clone.
#[derive(Debug)]
pub struct ForkedClone {
    pid: pid_t,
    page_size: u64,
    injector: Injector,
    max_pause: Option<Duration>,
    retries: u32,
}

impl ForkedClone {
    /// Looks whether a clone of a process with about `expected_bytes` of heap is possible.
    ///
    /// # Errors
    /// [`CaptureError::Unavailable`] if its memory limit leaves no room for it, or nobody could make it clone itself.
    pub fn new(
        pid: pid_t,
        page_size: u64,
        injector: Injector,
        expected_bytes: u64,
    ) -> Result<Self, CaptureError> {
        // The clone has page tables of its own, and each page that the process writes to meanwhile exists twice. A service that
        // writes at random wrote to a quarter of its heap while a clone of a gigabyte was read.
        let needed = headroom::page_tables(pid)
            .saturating_add(expected_bytes / 2)
            .saturating_add(RESERVE_BYTES);
        match headroom::bytes(pid) {
            Some(left) if left < needed => Err(unavailable(
                pid,
                format!(
                    "its memory limit or the machine leaves {} MB, and {} MB are wanted for pages that it writes to while a clone \
                     is read",
                    left >> 20,
                    needed >> 20
                ),
            )),
            _ => Ok(Self {
                pid,
                page_size,
                injector,
                max_pause: None,
                retries: 0,
            }),
        }
    }

    /// Gives up rather than stop the process for longer than `max_pause`, and stops it up to `retries` times again if a garbage
    /// collection is under way. How long a clone takes, the kernel alone decides.
    #[must_use]
    pub fn limited(self, max_pause: Option<Duration>, retries: u32) -> Self {
        Self {
            max_pause,
            retries,
            ..self
        }
    }
}

fn unavailable(pid: pid_t, reason: String) -> CaptureError {
    CaptureError::Unavailable {
        pid,
        mode: MODE,
        reason,
    }
}

impl Snapshotter for ForkedClone {
    fn mode(&self) -> &'static str {
        MODE
    }

    fn snapshot(&mut self, planner: &mut dyn Planner) -> Result<Snapshot, CaptureError> {
        let (mut outgrown, mut collecting) = (0, 0);
        while outgrown < ATTEMPTS {
            let stop = Stop {
                pid: self.pid,
                page_size: self.page_size,
                injector: self.injector,
                max_pause: self.max_pause,
                may_be_collecting: collecting >= self.retries,
            };
            // On a thread of its own: whatever happens, the end of that thread detaches from the process and its clone.
            let attempt =
                std::thread::scope(|scope| match scope.spawn(|| stop.run(planner)).join() {
                    Ok(result) => result,
                    Err(panic) => std::panic::resume_unwind(panic),
                });
            match attempt? {
                Attempt::Done(mut snapshot) => {
                    if collecting > 0 {
                        snapshot.notes.push(stopped_again(collecting));
                    }
                    return Ok(*snapshot);
                }
                Attempt::Outgrown => outgrown += 1,
                Attempt::Collecting => {
                    collecting += 1;
                    wait_after(collecting);
                }
            }
        }
        Err(unavailable(
            self.pid,
            format!(
                "it maps more than {} MB of new memory between two looks",
                FRESH_BYTES >> 20
            ),
        ))
    }
}

/// What came of a stop.
enum Attempt {
    Done(Box<Snapshot>),
    /// Too much was mapped shortly before.
    Outgrown,
    /// A garbage collection was under way; the process was let go at once.
    Collecting,
}

/// One stop.
struct Stop {
    pid: pid_t,
    page_size: u64,
    injector: Injector,
    max_pause: Option<Duration>,
    /// Whether a garbage collection is put up with.
    may_be_collecting: bool,
}

impl Stop {
    fn run(self, planner: &mut dyn Planner) -> Result<Attempt, CaptureError> {
        let pid = self.pid;
        let before = threads::facts(pid)?;
        let mut fresh_buffer =
            prefaulted(FRESH_BYTES).map_err(|source| CaptureError::NoMemory {
                pid,
                bytes: FRESH_BYTES as u64,
                source,
            })?;
        let hidden = HiddenMemory::read(pid).map_err(|error| CaptureError::proc(pid, &error))?;
        hurry();
        await_end(planner, || {});
        let frozen = Frozen::stop_within(pid, self.max_pause)?;
        let deadline = self.max_pause.map(|limit| frozen.stopped_at() + limit);
        let at = SystemTime::now();
        // The clock always exists; zero says "unknown".
        let at_monotonic =
            clock_gettime(ClockId::CLOCK_MONOTONIC).map_or(Duration::ZERO, Duration::from);
        let mut problems = Vec::new();
        let regions = maps::read_regions(pid).map_err(|error| CaptureError::proc(pid, &error))?;
        let threads = threads::read(pid, &frozen, &regions, &before, &mut problems);
        let live = FrozenView {
            memory: &RemoteMemory::new(pid, &[], self.page_size),
            regions: &regions,
            threads: &threads,
        };
        if !self.may_be_collecting && planner.at_stop(live).collecting {
            return Ok(Attempt::Collecting);
        }
        let fresh = self.copy_fresh(
            &hidden,
            &regions,
            &mut fresh_buffer,
            deadline,
            &mut problems,
        )?;
        let Some(fresh) = fresh else {
            return Ok(Attempt::Outgrown);
        };
        let runs = hidden.runs(&regions);
        let outcome = self
            .injector
            .run_frozen(&frozen, &regions, &calls(&runs), &[wait_for(0)], LIMIT)
            .map_err(|why| unavailable(pid, why.to_string()))?;
        let (pause, report) = frozen.thaw();
        problems.extend(report.problems);

        let mut child = self.child(&outcome, runs.len())?;
        child
            .wait_until_stopped()
            .map_err(|errno| unavailable(pid, format!("its clone did not stop: {errno}")))?;
        let fresh = SnapshotMemory::new(fresh_buffer, fresh);
        let memory = CloneMemory {
            clone: RemoteMemory::new(child.pid(), &regions, self.page_size),
            fresh: &fresh,
        };
        let plan = planner.plan(FrozenView {
            memory: &memory,
            regions: &regions,
            threads: &threads,
        });
        let wanted_bytes = plan.iter().map(|range| range.len).sum();
        let memory = self.copy_clone(&memory, &plan, wanted_bytes, &mut problems)?;
        if !child.end() {
            problems.push(Problem {
                stage: MODE.to_owned(),
                message: "the clone is left as a zombie child of the process; the next capture removes it"
                    .to_owned(),
                address: 0,
                bytes: 0,
            });
        }
        Ok(Attempt::Done(Box::new(Snapshot {
            memory: Box::new(memory),
            regions,
            threads,
            pause,
            at,
            at_monotonic,
            wanted_bytes,
            problems,
            notes: Vec::new(),
        })))
    }

    /// Copies the mappings of which nobody knows whether the clone will have them; `None` if they are too large.
    fn copy_fresh(
        &self,
        hidden: &HiddenMemory,
        regions: &[Region],
        buffer: &mut MmapMut,
        deadline: Option<Instant>,
        problems: &mut Vec<Problem>,
    ) -> Result<Option<Vec<Copied>>, CaptureError> {
        let fresh: Vec<Region> = hidden.fresh(regions).cloned().collect();
        let memory = RemoteMemory::new(self.pid, &fresh, self.page_size);
        let plan = memory.ranges();
        let wanted: u64 = plan.iter().map(|range| range.len).sum();
        if wanted > buffer.len() as u64 {
            return Ok(None);
        }
        copy(&memory, &plan, buffer, self.page_size, deadline, problems)
            .map_err(|given_up| given_up.of(self.pid, self.max_pause))
            .map(Some)
    }

    /// The clone that the calls have made.
    fn child(&self, outcome: &Outcome, runs: usize) -> Result<Child, CaptureError> {
        let cloned = outcome.returned.get(runs).copied();
        match (cloned, outcome.child) {
            (Some(Ok(inner_pid)), Some(pid)) => Ok(Child::new(pid, inner_pid, self.injector)),
            (Some(Err(errno)), _) => {
                let cure = match errno {
                    Errno::EAGAIN => {
                        " (the limit of processes of its user or control group is reached)"
                    }
                    Errno::ENOMEM => " (no memory for another set of page tables)",
                    _ => "",
                };
                Err(unavailable(
                    self.pid,
                    format!("clone failed: {errno}{cure}"),
                ))
            }
            _ => Err(unavailable(self.pid, "no clone was seen".to_owned())),
        }
    }

    /// Copies the planned memory while the process runs, as long as that leaves it room.
    fn copy_clone(
        &self,
        memory: &CloneMemory<'_>,
        plan: &[MemoryRange],
        wanted_bytes: u64,
        problems: &mut Vec<Problem>,
    ) -> Result<SnapshotMemory, CaptureError> {
        let pid = self.pid;
        let no_memory = |source| CaptureError::NoMemory {
            pid,
            bytes: wanted_bytes,
            source,
        };
        let len = usize::try_from(wanted_bytes).unwrap_or(usize::MAX);
        let mut buffer = MmapMut::map_anon(len.max(1)).map_err(no_memory)?;
        let mut pieces = Vec::new();
        let mut used = 0;
        for step in memory.steps(plan) {
            let Some(rest) = buffer.get_mut(used..) else {
                break;
            };
            let copied = match step {
                Step::Fresh(range) => memory.copy_fresh(range, rest),
                Step::Clone(ranges) => {
                    copy(&memory.clone, &ranges, rest, self.page_size, None, problems)
                        .map_err(|given_up| given_up.of(pid, None))?
                }
            };
            for piece in copied {
                let offset = used + piece.offset;
                pieces.push(Copied { offset, ..piece });
            }
            used = pieces.last().map_or(0, |piece| {
                piece.offset + usize::try_from(piece.range.len).unwrap_or(0)
            });
            if headroom::bytes(pid).is_some_and(|left| left < RESERVE_BYTES / 2) {
                return Err(unavailable(
                    pid,
                    "its memory limit came too close while its clone was read".to_owned(),
                ));
            }
        }
        if pieces.is_empty() {
            return Err(CaptureError::Exited { pid });
        }
        Ok(SnapshotMemory::new(buffer, pieces))
    }
}

/// What the idle thread shall do.
fn calls(runs: &[MemoryRange]) -> Vec<Call> {
    let advise = |advice: libc::c_int| {
        runs.iter().map(move |run| {
            let advice = u64::from(advice.cast_unsigned());
            Call::new(
                libc::SYS_madvise,
                [run.start.into(), run.len.into(), advice.into()],
            )
        })
    };
    let flags = u64::from(CLONE_FLAGS.cast_unsigned());
    let clone = Call::new(libc::SYS_clone, [flags.into(), Argument::ChildStack]);
    advise(libc::MADV_DOFORK)
        .chain([clone])
        .chain(advise(libc::MADV_DONTFORK))
        .collect()
}

/// The memory of the process at the stop: in its clone, and besides what was copied then.
struct CloneMemory<'a> {
    clone: RemoteMemory,
    fresh: &'a SnapshotMemory,
}

/// A part of a plan.
enum Step {
    /// Copied in the stop.
    Fresh(MemoryRange),
    /// To be read from the clone.
    Clone(Vec<MemoryRange>),
}

impl CloneMemory<'_> {
    /// Divides a plan by where its memory is, in order, into steps of about [`STEP_BYTES`].
    fn steps(&self, plan: &[MemoryRange]) -> Vec<Step> {
        let fresh = self.fresh.ranges();
        let mut steps = Vec::new();
        let mut bytes = 0;
        let mut push = |range: MemoryRange, is_fresh: bool| {
            match steps.last_mut() {
                _ if range.len == 0 => {}
                _ if is_fresh => steps.push(Step::Fresh(range)),
                Some(Step::Clone(ranges)) if bytes < STEP_BYTES => {
                    bytes += range.len;
                    ranges.push(range);
                }
                _ => {
                    bytes = range.len;
                    steps.push(Step::Clone(vec![range]));
                }
            };
        };
        for range in plan {
            let (mut at, end) = (range.start, range.end());
            let first = fresh.partition_point(|fresh| fresh.end() <= at);
            for fresh in fresh
                .iter()
                .skip(first)
                .take_while(|fresh| fresh.start < end)
            {
                let start = fresh.start.max(at);
                push(between(at, start), false);
                at = fresh.end().min(end);
                push(between(start, at), true);
            }
            push(between(at, end), false);
        }
        steps
    }

    fn copy_fresh(&self, range: MemoryRange, buffer: &mut [u8]) -> Vec<Copied> {
        let target = usize::try_from(range.len)
            .ok()
            .and_then(|len| buffer.get_mut(..len));
        let is_copied =
            target.is_some_and(|target| self.fresh.read_at(range.start, target).is_ok());
        is_copied
            .then_some(Copied { range, offset: 0 })
            .into_iter()
            .collect()
    }
}

fn between(start: u64, end: u64) -> MemoryRange {
    MemoryRange {
        start,
        len: end.saturating_sub(start),
    }
}

impl Memory for CloneMemory<'_> {
    fn read_at(&self, addr: u64, buf: &mut [u8]) -> Result<(), ReadError> {
        self.fresh
            .read_at(addr, buf)
            .or_else(|_| self.clone.read_at(addr, buf))
    }

    fn ranges(&self) -> Vec<MemoryRange> {
        self.clone.ranges()
    }
}
