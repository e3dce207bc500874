//! The strategy that works everywhere: stop all threads, copy, let go. It costs about 0.2 s per GB.

use std::io;
use std::time::{Duration, SystemTime};

use memmap2::{Advice, MmapMut};
use nix::errno::Errno;
use nix::libc::{self, pid_t};
use nix::time::{ClockId, clock_gettime};

use super::collection::{await_end, stopped_again, wait_after};
use super::copy::copy;
use super::error::CaptureError;
use super::freeze::Frozen;
use super::remote_memory::RemoteMemory;
use super::snapshot::{FrozenView, Planner, Snapshot, SnapshotMemory, Snapshotter};
use super::{maps, threads};

/// How often the process is stopped anew because its heap has outgrown the buffer; after that, the copy is made all the same.
const ATTEMPTS: usize = 3;
/// Slack of the buffer over what is known to be needed: the heap grows until the process is stopped, and during a collection
/// the unused half of new space counts.
const SLACK_BYTES: u64 = 32 << 20;

/// Stop all threads, copy, let go.
#[derive(Debug)]
pub struct StopAndCopy {
    pid: pid_t,
    page_size: u64,
    buffer: Option<MmapMut>,
    max_pause: Option<Duration>,
    retries: u32,
}

impl StopAndCopy {
    /// Prepares a copy of about `expected_bytes`.
    ///
    /// The buffer is populated now: touching fresh memory in the pause would double it.
    ///
    /// # Errors
    /// [`CaptureError::NoMemory`].
    pub fn new(pid: pid_t, page_size: u64, expected_bytes: u64) -> Result<Self, CaptureError> {
        let mut new = Self {
            pid,
            page_size,
            buffer: None,
            max_pause: None,
            retries: 0,
        };
        new.prepare(expected_bytes)?;
        Ok(new)
    }

    /// Gives up rather than stop the process for longer than `max_pause`, and stops it up to `retries` times again if a garbage
    /// collection is under way.
    #[must_use]
    pub fn limited(self, max_pause: Option<Duration>, retries: u32) -> Self {
        Self {
            max_pause,
            retries,
            ..self
        }
    }

    fn prepare(&mut self, expected_bytes: u64) -> Result<(), CaptureError> {
        let bytes = expected_bytes
            .saturating_add(expected_bytes / 8)
            .saturating_add(SLACK_BYTES);
        // The old buffer goes first: both together may be too much.
        self.buffer = None;
        let buffer = usize::try_from(bytes)
            .map_err(|_| io::ErrorKind::OutOfMemory.into())
            .and_then(prefaulted);
        self.buffer = Some(buffer.map_err(|source| CaptureError::NoMemory {
            pid: self.pid,
            bytes,
            source,
        })?);
        Ok(())
    }
}

/// Anonymous memory that is already there, in huge pages where the kernel has them.
pub(super) fn prefaulted(len: usize) -> io::Result<MmapMut> {
    let mut buffer = MmapMut::map_anon(len.max(1))?;
    // Kernels without transparent huge pages refuse; small pages cost a few percent.
    let _small_pages = buffer.advise(Advice::HugePage);
    match buffer.advise(Advice::PopulateWrite) {
        Ok(()) => {}
        // Kernels before 5.14 cannot populate on request: touch every page instead.
        Err(error) if error.raw_os_error() == Some(Errno::EINVAL as i32) => {
            buffer.iter_mut().step_by(4096).for_each(|byte| *byte = 0);
        }
        Err(error) => return Err(error),
    }
    Ok(buffer)
}

impl Snapshotter for StopAndCopy {
    fn mode(&self) -> &'static str {
        "stop"
    }

    fn snapshot(&mut self, planner: &mut dyn Planner) -> Result<Snapshot, CaptureError> {
        let mut attempts = 0;
        let mut collecting = 0;
        loop {
            attempts += 1;
            let buffer = match self.buffer.take() {
                Some(buffer) => buffer,
                None => prefaulted(1).map_err(|source| CaptureError::NoMemory {
                    pid: self.pid,
                    bytes: 1,
                    source,
                })?,
            };
            let may_grow = attempts >= ATTEMPTS;
            let stop = Stop {
                pid: self.pid,
                page_size: self.page_size,
                buffer,
                may_grow,
                may_be_collecting: collecting >= self.retries,
                max_pause: self.max_pause,
            };
            // On a thread of its own: whatever happens, the end of that thread detaches from the process.
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
                Attempt::TooSmall { wanted_bytes } => self.prepare(wanted_bytes)?,
                Attempt::Collecting { buffer } => {
                    self.buffer = Some(buffer);
                    attempts -= 1;
                    collecting += 1;
                    wait_after(collecting);
                }
            }
        }
    }
}

enum Attempt {
    Done(Box<Snapshot>),
    /// The buffer would not do; the process was let go at once.
    TooSmall {
        wanted_bytes: u64,
    },
    /// A garbage collection was under way; the process was let go at once.
    Collecting {
        buffer: MmapMut,
    },
}

/// One stop.
struct Stop {
    pid: pid_t,
    page_size: u64,
    buffer: MmapMut,
    /// Whether to make room in the stop if there is too little. Fresh memory is slow to write to.
    may_grow: bool,
    /// Whether a garbage collection is put up with.
    may_be_collecting: bool,
    max_pause: Option<Duration>,
}

impl Stop {
    fn run(mut self, planner: &mut dyn Planner) -> Result<Attempt, CaptureError> {
        let pid = self.pid;
        let before = threads::facts(pid)?;
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
        let memory = RemoteMemory::new(pid, &regions, self.page_size);
        let view = FrozenView {
            memory: &memory,
            regions: &regions,
            threads: &threads,
        };
        if !self.may_be_collecting && planner.at_stop(view).collecting {
            let Self { buffer, .. } = self;
            return Ok(Attempt::Collecting { buffer });
        }
        let plan = planner.plan(view);
        let wanted_bytes: u64 = plan.iter().map(|range| range.len).sum();
        if wanted_bytes > self.buffer.len() as u64 {
            if !self.may_grow {
                return Ok(Attempt::TooSmall { wanted_bytes });
            }
            let bytes = usize::try_from(wanted_bytes).unwrap_or(usize::MAX);
            self.buffer = MmapMut::map_anon(bytes).map_err(|source| CaptureError::NoMemory {
                pid,
                bytes: wanted_bytes,
                source,
            })?;
        }
        let pieces = copy(
            &memory,
            &plan,
            &mut self.buffer,
            self.page_size,
            deadline,
            &mut problems,
        );
        let (pause, report) = frozen.thaw();
        problems.extend(report.problems);
        let pieces = pieces.map_err(|given_up| given_up.of(pid, self.max_pause))?;
        if pieces.is_empty() {
            return Err(CaptureError::Exited { pid });
        }
        let memory = Box::new(SnapshotMemory::new(self.buffer, pieces));
        Ok(Attempt::Done(Box::new(Snapshot {
            memory,
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
}

/// Raises the priority of the calling thread for the stop, where that is allowed (root, `CAP_SYS_NICE`).
///
/// On a busy machine the copy otherwise shares the processors with everybody while the process stands still: next to 8 busy
/// programs on 2 processors, the pause for 150 MB was 0.6 s instead of 0.09 s.
pub(super) fn hurry() {
    // SAFETY: setpriority takes three integers; 0 is the calling thread.
    let _not_allowed = unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, -20) };
}
