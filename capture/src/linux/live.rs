//! Capturing a live process, from its number to an image ready to be written.

use std::time::{Duration, Instant};

use nix::libc::pid_t;
use v8mini_format::memory::MemoryRange;
use v8mini_format::model::{Metadata, Module, Redaction, Region, Statistics};

use super::binary::SymbolCache;
use super::error::CaptureError;
use super::fork::ForkedClone;
use super::inject::{Injector, Why};
use super::leftovers::Leftovers;
use super::list::ListedV8;
use super::manners::{Manners, on_a_thread};
use super::mode::{Declined, Mode};
use super::options::Options;
use super::planner::HeapPlanner;
use super::precopy::Precopy;
use super::remote_memory::RemoteMemory;
use super::snapshot::{FrozenView, Image, Planner, Snapshot, Snapshotter};
use super::stop_and_copy::StopAndCopy;
use super::{binary, buffers, maps, procfs};
use crate::content::Edits;
use crate::locate::{IsolateClues, Pages, locate_pages};
use crate::symbols::{self, V8Symbols};

/// What is going on, for a progress bar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Progress {
    /// Looking for V8's symbols and pages, while the process runs.
    Locating,
    /// The process is being copied while it runs.
    Copying {
        /// Bytes copied.
        done: u64,
        /// Bytes in all, about.
        total: u64,
    },
    /// The process is about to be stopped for a copy of about so many bytes.
    Stopping {
        /// Bytes expected.
        bytes: u64,
    },
    /// The process runs again; the copy is being interpreted.
    Reading,
}

/// An image of a process, ready to be written.
#[derive(Debug)]
pub struct Captured {
    /// Everything besides the memory.
    pub metadata: Metadata,
    /// The memory as it was while the process stood still.
    pub memory: Box<dyn Image>,
    /// Immutable memory read after the process went on: contents of external strings. And memory that was never touched, as zeros.
    pub late_memory: Vec<(u64, Vec<u8>)>,
    /// What is changed in the memory on its way to the file.
    pub edits: Edits,
    /// Memory that belongs to nothing that was to be captured, and was copied all the same.
    pub(super) stale: Vec<MemoryRange>,
    /// What is worth knowing of how the image was taken; nothing is missing because of it.
    pub notes: Vec<String>,
    /// Modes that would have been better, and why they were not used.
    pub declined: Vec<Declined>,
    /// Figures of the capture so far.
    pub statistics: Statistics,
    /// When the capture began.
    pub began: Instant,
}

/// Captures the process `pid`: finds V8, stops the process, copies, lets it go, and interprets the copy.
///
/// # Errors
/// See [`CaptureError`]; the process goes on unharmed in every case.
pub fn capture(
    pid: pid_t,
    options: &Options,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<Captured, CaptureError> {
    let began = Instant::now();
    let options = &Options {
        // What is dead need not be what it was to hold a secret.
        full: options.full && options.redaction == Redaction::None,
        // Not even in passing may the disk see what is to be redacted.
        temporary: options
            .temporary
            .clone()
            .filter(|_| options.redaction == Redaction::None),
        ..options.clone()
    };
    progress(Progress::Locating);
    let target = Target::locate(pid, &mut SymbolCache::default())?;
    // Not even in memory is there what would have to be redacted.
    let buffer_limit = options
        .buffers
        .filter(|_| options.redaction == Redaction::None);
    let mut planner = HeapPlanner::new(&target).with_from_space(options.full);
    let want_buffers = |planner: &mut HeapPlanner<'_>| {
        if let Some(found) = buffer_limit.and_then(|limit| buffers::find(&target, limit).ok()) {
            planner.want_buffers(found.ranges);
        }
    };
    want_buffers(&mut planner);
    let expected: u64 = planner
        .plan(target.live_view())
        .iter()
        .map(|range| range.len)
        .sum();
    let injector = Injector::find(pid, &target.memory, &target.regions);
    clean_leftovers(pid, &injector);
    let mut declined = Vec::new();
    for mode in options.mode.candidates() {
        if !declined.is_empty() {
            // The last mode has taken its time, and buffers come and go.
            want_buffers(&mut planner);
        }
        match target.snapshot(*mode, options, &injector, &mut planner, expected, progress) {
            Ok(snapshot) => {
                progress(Progress::Reading);
                // The process runs again: from here on nothing is urgent.
                return on_a_thread(|| {
                    Manners::nice();
                    let buffers = buffer_limit.map(|_| planner.buffers());
                    let mut captured = Captured {
                        declined,
                        ..target.interpret(snapshot, mode.name(), began, buffers)
                    };
                    captured.edit(options)?;
                    Ok(captured)
                });
            }
            Err(CaptureError::Unavailable { mode, reason, .. }) => {
                declined.push(Declined { mode, reason });
            }
            Err(error) => return Err(error),
        }
    }
    Err(CaptureError::Exited { pid })
}

/// Removes what a capture that was killed has left in the process. Where that is impossible, it does no harm.
fn clean_leftovers(pid: pid_t, injector: &Result<Injector, Why>) {
    let leftovers = Leftovers::find(pid);
    if let Ok(injector) = injector
        && !leftovers.is_empty()
    {
        let _stay = leftovers.clean(injector);
    }
}

/// Whether a process runs V8; `None` if it cannot be looked at.
pub fn is_v8(pid: pid_t) -> Option<bool> {
    match Target::locate(pid, &mut SymbolCache::default()) {
        Ok(_) => Some(true),
        Err(CaptureError::NotV8 { .. }) => Some(false),
        Err(_) => None,
    }
}

/// What was found out about a process while it ran.
pub(super) struct Target {
    pub(super) pid: pid_t,
    pub(super) page_size: u64,
    pub(super) stat: procfs::Stat,
    pub(super) regions: Vec<Region>,
    pub(super) memory: RemoteMemory,
    pub(super) modules: Vec<Module>,
    pub(super) v8: Option<(Module, V8Symbols)>,
    pub(super) pages: Pages,
}

impl Target {
    pub(super) fn locate(pid: pid_t, cache: &mut SymbolCache) -> Result<Self, CaptureError> {
        let stat = check(pid)?;
        let page_size = page_size();
        let regions = maps::read_regions(pid).map_err(|error| CaptureError::proc(pid, &error))?;
        if regions.is_empty() {
            // Gone since, or a kernel thread, which has no memory of its own.
            let stat = check(pid)?;
            return Err(CaptureError::NotV8 {
                pid,
                name: stat.name,
                reason: "it has no memory of its own (a kernel thread)".to_owned(),
            });
        }
        let memory = RemoteMemory::new(pid, &regions, page_size);
        memory
            .probe()
            .map_err(|errno| CaptureError::not_permitted(pid, errno))?;
        let modules = symbols::modules(&memory, &regions);
        let v8 = binary::find_v8(pid, &modules, &regions, cache);
        let version = v8.as_ref().and_then(|(_, symbols)| symbols.v8_version);
        let pages = locate_pages(&memory, &regions, version).ok_or_else(|| CaptureError::NotV8 {
            pid,
            name: stat.name.clone(),
            reason: match &v8 {
                Some((module, _)) => format!(
                    "{} contains V8, but no heap page was found in {} mappings; it may not have started V8 yet",
                    module.path,
                    regions.len()
                ),
                None => format!(
                    "no V8 symbols in its {} executables and libraries, and no heap page in {} mappings",
                    modules.len(),
                    regions.len()
                ),
            },
        })?;
        Ok(Self {
            pid,
            page_size,
            stat,
            regions,
            memory,
            modules,
            v8,
            pages,
        })
    }

    /// Takes a snapshot in one mode.
    fn snapshot(
        &self,
        mode: Mode,
        options: &Options,
        injector: &Result<Injector, Why>,
        planner: &mut HeapPlanner<'_>,
        expected_bytes: u64,
        progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<Snapshot, CaptureError> {
        let (pid, page_size) = (self.pid, self.page_size);
        let injector = || {
            injector.clone().map_err(|why| CaptureError::Unavailable {
                pid,
                mode: mode.name(),
                reason: why.to_string(),
            })
        };
        match mode {
            Mode::Log | Mode::Precopy => {
                let mut copying = |done, total| progress(Progress::Copying { done, total });
                Precopy::new(self, mode, injector()?, options, &mut copying)?.snapshot(planner)
            }
            Mode::Fork => {
                progress(Progress::Stopping {
                    bytes: expected_bytes,
                });
                ForkedClone::new(pid, page_size, injector()?, expected_bytes)?
                    .limited(options.max_pause, options.retries)
                    .snapshot(planner)
            }
            Mode::Auto | Mode::Stop => {
                progress(Progress::Stopping {
                    bytes: expected_bytes,
                });
                StopAndCopy::new(pid, page_size, expected_bytes)?
                    .limited(options.max_pause, options.retries)
                    .snapshot(planner)
            }
        }
    }

    /// What a listing tells.
    pub(super) fn listed(&self) -> ListedV8 {
        let symbols = self.v8.as_ref().map(|(_, symbols)| symbols);
        ListedV8 {
            node_version: symbols.and_then(|symbols| symbols.node_version.clone()),
            version: symbols.and_then(|symbols| symbols.v8_version),
            heap_bytes: self.pages.pages.iter().map(|page| page.size).sum(),
            isolates: self.pages.heaps().len(),
        }
    }

    pub(super) fn live_view(&self) -> FrozenView<'_> {
        FrozenView {
            memory: &self.memory,
            regions: &self.regions,
            threads: &[],
        }
    }

    pub(super) fn clues(&self) -> IsolateClues<'_> {
        IsolateClues {
            symbols: self.v8.as_ref().map(|(_, symbols)| symbols),
            load_bias: self.v8.as_ref().map_or(0, |(module, _)| module.load_bias),
        }
    }
}

/// Whether the number names a process that can be captured at all.
fn check(pid: pid_t) -> Result<procfs::Stat, CaptureError> {
    if pid <= 0 {
        return Err(CaptureError::NoSuchProcess { pid });
    }
    if pid == nix::unistd::getpid().as_raw() {
        return Err(CaptureError::IsSelf { pid });
    }
    let stat = procfs::Stat::read(pid, None).map_err(|error| CaptureError::proc(pid, &error))?;
    // /proc lists processes only, yet answers for the number of any thread.
    if let Some(process) = procfs::status_field(pid, "Tgid").filter(|tgid| *tgid != pid.to_string())
    {
        return Err(CaptureError::IsThread {
            pid,
            process,
            name: stat.name,
        });
    }
    if matches!(stat.state, 'Z' | 'X') {
        return Err(CaptureError::Zombie { pid });
    }
    Ok(stat)
}

fn page_size() -> u64 {
    let size = nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE)
        .ok()
        .flatten();
    size.and_then(|size| u64::try_from(size).ok())
        .unwrap_or(4096)
}

pub(super) fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
