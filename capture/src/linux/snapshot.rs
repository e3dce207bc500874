//! Taking an image of a process that does not change meanwhile.
//!
//! [`Snapshotter`] is the narrow interface behind which strategies differ: what it takes is a [`Planner`] that says which memory is wanted
//! once the process stands still; what it gives is that memory and the pause it cost.

use std::time::{Duration, SystemTime};

use memmap2::{Advice, MmapMut};
use nix::errno::Errno;
use nix::libc::pid_t;
use nix::time::{ClockId, clock_gettime};
use v8mini_format::memory::{Memory, MemoryRange, ReadError};
use v8mini_format::model::{Problem, Region, Thread};

use super::error::CaptureError;
use super::freeze::Frozen;
use super::remote_memory::RemoteMemory;
use super::{maps, procfs, registers};

/// A process that stands still.
#[derive(Clone, Copy)]
pub struct FrozenView<'a> {
    /// Its memory.
    pub memory: &'a dyn Memory,
    /// Its memory map.
    pub regions: &'a [Region],
    /// Its threads with their registers, main thread first.
    pub threads: &'a [Thread],
}

/// Says which memory a snapshot consists of.
pub trait Planner: Send {
    /// The ranges to copy: sorted, disjoint, within the readable memory. Called while the process is stopped: every
    /// microsecond counts.
    fn plan(&mut self, frozen: FrozenView<'_>) -> Vec<MemoryRange>;
}

/// A strategy for taking an image.
pub trait Snapshotter {
    /// Name of the strategy, as recorded in the capture.
    fn mode(&self) -> &'static str;

    /// Takes the image.
    ///
    /// # Errors
    /// When the process is gone, may not be traced, or does not fit in memory. It goes on in every case.
    fn snapshot(&mut self, planner: &mut dyn Planner) -> Result<Snapshot, CaptureError>;
}

/// An image of a process at one moment.
#[derive(Debug)]
pub struct Snapshot {
    /// The copied memory.
    pub memory: SnapshotMemory,
    /// The memory map at that moment.
    pub regions: Vec<Region>,
    /// The threads at that moment, main thread first.
    pub threads: Vec<Thread>,
    /// How long the threads were stopped.
    pub pause: Duration,
    /// The moment.
    pub at: SystemTime,
    /// The same moment on `CLOCK_MONOTONIC`.
    pub at_monotonic: Duration,
    /// Bytes that the plan asked for.
    pub wanted_bytes: u64,
    /// What went wrong without being fatal.
    pub problems: Vec<Problem>,
}

/// Stop all threads, copy, let go: works everywhere, costs about 0.2 s per GB.
#[derive(Debug)]
pub struct StopAndCopy {
    pid: pid_t,
    page_size: u64,
    buffer: MmapMut,
}

impl StopAndCopy {
    /// Prepares a copy of up to about `expected_bytes`; more is possible and slower.
    ///
    /// The buffer is populated now: touching fresh memory in the pause would double it.
    ///
    /// # Errors
    /// [`CaptureError::NoMemory`].
    pub fn new(pid: pid_t, page_size: u64, expected_bytes: u64) -> Result<Self, CaptureError> {
        let no_memory = |source| CaptureError::NoMemory {
            pid,
            bytes: expected_bytes,
            source,
        };
        let len = usize::try_from(expected_bytes)
            .map_err(|e| no_memory(std::io::Error::new(std::io::ErrorKind::OutOfMemory, e)))?;
        let buffer = prefaulted(len).map_err(no_memory)?;
        Ok(Self {
            pid,
            page_size,
            buffer,
        })
    }
}

/// Anonymous memory that is already there, in huge pages where the kernel has them.
fn prefaulted(len: usize) -> std::io::Result<MmapMut> {
    let mut buffer = MmapMut::map_anon(len.max(1))?;
    // Kernels without transparent huge pages refuse; small pages cost a few percent.
    let _small_pages = buffer.advise(Advice::HugePage);
    // Kernels before 5.14 cannot populate on request: touch every page instead.
    if buffer.advise(Advice::PopulateWrite).is_err() {
        buffer.iter_mut().step_by(4096).for_each(|byte| *byte = 0);
    }
    Ok(buffer)
}

impl Snapshotter for StopAndCopy {
    fn mode(&self) -> &'static str {
        "stop"
    }

    fn snapshot(&mut self, planner: &mut dyn Planner) -> Result<Snapshot, CaptureError> {
        let buffer = std::mem::replace(
            &mut self.buffer,
            MmapMut::map_anon(1).map_err(|source| CaptureError::NoMemory {
                pid: self.pid,
                bytes: 1,
                source,
            })?,
        );
        let (pid, page_size) = (self.pid, self.page_size);
        // On a thread of its own: whatever happens, the end of that thread detaches from the process.
        std::thread::scope(|scope| {
            match scope
                .spawn(|| stop_and_copy(pid, page_size, buffer, planner))
                .join()
            {
                Ok(result) => result,
                Err(panic) => std::panic::resume_unwind(panic),
            }
        })
    }
}

fn stop_and_copy(
    pid: pid_t,
    page_size: u64,
    mut buffer: MmapMut,
    planner: &mut dyn Planner,
) -> Result<Snapshot, CaptureError> {
    let before = thread_facts(pid)?;
    let frozen = Frozen::stop(pid)?;
    let at = SystemTime::now();
    // The clock always exists; zero says "unknown".
    let at_monotonic =
        clock_gettime(ClockId::CLOCK_MONOTONIC).map_or(Duration::ZERO, Duration::from);
    let mut problems = Vec::new();
    let regions = maps::read_regions(pid).map_err(|error| CaptureError::proc(pid, &error))?;
    let threads = read_threads(pid, &frozen, &regions, &before, &mut problems);
    let memory = RemoteMemory::new(pid, &regions, page_size);
    let plan = planner.plan(FrozenView {
        memory: &memory,
        regions: &regions,
        threads: &threads,
    });
    let wanted_bytes: u64 = plan.iter().map(|range| range.len).sum();
    if wanted_bytes > buffer.len() as u64 {
        let bytes = usize::try_from(wanted_bytes).unwrap_or(usize::MAX);
        buffer = MmapMut::map_anon(bytes).map_err(|source| CaptureError::NoMemory {
            pid,
            bytes: wanted_bytes,
            source,
        })?;
    }
    let pieces = copy(&memory, &plan, &mut buffer, page_size, &mut problems);
    let (pause, report) = frozen.thaw();
    problems.extend(report.problems);
    let pieces = pieces
        .filter(|pieces| !pieces.is_empty())
        .ok_or(CaptureError::Exited { pid })?;
    let memory = SnapshotMemory { buffer, pieces };
    Ok(Snapshot {
        memory,
        regions,
        threads,
        pause,
        at,
        at_monotonic,
        wanted_bytes,
        problems,
    })
}

/// Names and states of the threads before the stop: the stop itself changes the state to `t`.
fn thread_facts(pid: pid_t) -> Result<Vec<(pid_t, procfs::Stat)>, CaptureError> {
    let tids = procfs::threads(pid).map_err(|error| CaptureError::proc(pid, &error))?;
    Ok(tids
        .into_iter()
        .filter_map(|tid| Some((tid, procfs::Stat::read(pid, Some(tid)).ok()?)))
        .collect())
}

fn read_threads(
    pid: pid_t,
    frozen: &Frozen,
    regions: &[Region],
    before: &[(pid_t, procfs::Stat)],
    problems: &mut Vec<Problem>,
) -> Vec<Thread> {
    let mut threads = Vec::new();
    for tid in frozen.threads() {
        let registers = registers::read(tid).unwrap_or_else(|errno| {
            let message = format!("the registers of thread {tid} cannot be read: {errno}");
            problems.push(Problem {
                stage: "registers".to_owned(),
                message,
                address: 0,
                bytes: 0,
            });
            Vec::new()
        });
        let known = before
            .iter()
            .find(|(other, _)| *other == tid)
            .map(|(_, stat)| stat.clone());
        let born_since = known.is_none();
        let stat = known.or_else(|| procfs::Stat::read(pid, Some(tid)).ok());
        let mut thread = Thread {
            tid: u32::try_from(tid).unwrap_or(0),
            name: stat.as_ref().map(|s| s.name.clone()).unwrap_or_default(),
            registers,
            state: stat.filter(|_| !born_since).map_or('?', |s| s.state),
            ..Thread::default()
        };
        let stack_pointer = thread.register("rsp").or_else(|| thread.register("sp"));
        if let Some(region) = stack_pointer.and_then(|sp| region_of(regions, sp)) {
            thread.stack_start = region.start;
            thread.stack_end = region.end;
        }
        threads.push(thread);
    }
    // The main thread has the process's own number; it is not always the lowest.
    threads.sort_by_key(|thread| (i64::from(thread.tid) != i64::from(pid), thread.tid));
    threads
}

fn region_of(regions: &[Region], address: u64) -> Option<&Region> {
    let at = regions.partition_point(|region| region.end <= address);
    regions.get(at).filter(|region| region.start <= address)
}

/// Bytes per call: large enough to be cheap, small enough that both sides stay in the cache's reach.
const BYTES_PER_CALL: u64 = 1 << 20;

/// Copies the planned ranges into `buffer`, one after the other; returns what was copied, as (range, offset in the buffer). `None` if the process is gone.
fn copy(
    memory: &RemoteMemory,
    plan: &[MemoryRange],
    buffer: &mut [u8],
    page_size: u64,
    problems: &mut Vec<Problem>,
) -> Option<Vec<Piece>> {
    let mut pieces: Vec<Piece> = Vec::new();
    let mut used = 0_usize;
    let mut pending: std::collections::VecDeque<MemoryRange> = plan.iter().copied().collect();
    let mut batch = Vec::new();
    while !pending.is_empty() {
        batch.clear();
        let mut total = 0;
        while let Some(range) = pending.front_mut() {
            let len = range.len.min(BYTES_PER_CALL - total);
            batch.push(MemoryRange {
                start: range.start,
                len,
            });
            total += len;
            if len < range.len {
                *range = MemoryRange {
                    start: range.start + len,
                    len: range.len - len,
                };
            } else {
                pending.pop_front();
            }
            if total == BYTES_PER_CALL || batch.len() == 1024 {
                break;
            }
        }
        let Some(local) = buffer.get_mut(used..) else {
            break;
        };
        let mut read = match memory.read_ranges(&batch, local) {
            Ok(read) => read as u64,
            Err(Errno::ESRCH) => return None,
            Err(_) => 0,
        };
        let mut failed = None;
        for (at, range) in batch.iter().enumerate() {
            let got = range.len.min(read);
            read -= got;
            push_piece(
                &mut pieces,
                MemoryRange {
                    start: range.start,
                    len: got,
                },
                used,
            );
            used += usize::try_from(got).unwrap_or(0);
            if got < range.len {
                failed = Some((
                    at,
                    MemoryRange {
                        start: range.start + got,
                        len: range.len - got,
                    },
                ));
                break;
            }
        }
        let Some((at, failed)) = failed else { continue };
        // Give up one operating-system page, and go on behind it with all that was not read.
        let skip = (page_size - failed.start % page_size).min(failed.len);
        problems.push(Problem {
            stage: "read-page".to_owned(),
            message: format!("{skip} bytes at {:#x} cannot be read", failed.start),
            address: failed.start,
            bytes: skip,
        });
        batch
            .iter()
            .skip(at + 1)
            .rev()
            .for_each(|range| pending.push_front(*range));
        if failed.len > skip {
            pending.push_front(MemoryRange {
                start: failed.start + skip,
                len: failed.len - skip,
            });
        }
    }
    Some(pieces)
}

fn push_piece(pieces: &mut Vec<Piece>, range: MemoryRange, offset: usize) {
    if range.len == 0 {
        return;
    }
    match pieces.last_mut() {
        Some(last) if last.range.end() == range.start => last.range.len += range.len,
        _ => pieces.push(Piece { range, offset }),
    }
}

#[derive(Debug, Clone, Copy)]
struct Piece {
    range: MemoryRange,
    offset: usize,
}

/// The copied memory.
#[derive(Debug)]
pub struct SnapshotMemory {
    buffer: MmapMut,
    /// Sorted by address.
    pieces: Vec<Piece>,
}

impl SnapshotMemory {
    /// The copied pieces in order of their addresses.
    pub fn pieces(&self) -> impl Iterator<Item = (u64, &[u8])> + '_ {
        self.pieces.iter().filter_map(|piece| {
            let len = usize::try_from(piece.range.len).ok()?;
            Some((
                piece.range.start,
                self.buffer
                    .get(piece.offset..piece.offset.checked_add(len)?)?,
            ))
        })
    }

    /// Bytes copied.
    pub fn len_bytes(&self) -> u64 {
        self.pieces.iter().map(|piece| piece.range.len).sum()
    }
}

impl Memory for SnapshotMemory {
    fn read_at(&self, addr: u64, buf: &mut [u8]) -> Result<(), ReadError> {
        let unmapped = ReadError::Unmapped {
            addr,
            len: buf.len() as u64,
        };
        let at = self
            .pieces
            .partition_point(|piece| piece.range.end() <= addr);
        let found = self.pieces.get(at).and_then(|piece| {
            let start = piece
                .offset
                .checked_add(usize::try_from(addr.checked_sub(piece.range.start)?).ok()?)?;
            let end = start.checked_add(buf.len())?;
            let limit = piece
                .offset
                .checked_add(usize::try_from(piece.range.len).ok()?)?;
            (end <= limit).then(|| self.buffer.get(start..end))?
        });
        buf.copy_from_slice(found.ok_or(unmapped)?);
        Ok(())
    }

    fn ranges(&self) -> Vec<MemoryRange> {
        self.pieces.iter().map(|piece| piece.range).collect()
    }
}
