//! A log of all page faults of a process: what was written, without a look at the page tables.
//!
//! The first write to a protected page is a page fault, and the kernel can note the address of each in a ring that this
//! program reads: 16 bytes and 0.1 µs per fault, whoever reads it or not. So a stop needs no scan of the heap.
//!
//! Not in the log: memory that is discarded (`MADV_DONTNEED`), and writes by the kernel to pages that it had pinned
//! (`io_uring`, `process_vm_writev`). A scan after the stop finds both.

mod event;
mod ring;

use std::collections::BTreeSet;
use std::fs;

use nix::errno::Errno;
use nix::libc::pid_t;
use v8mini_format::memory::MemoryRange;

use super::procfs;
use event::{Event, Faults};
use ring::{Record, Ring};

/// Bytes of each processor's ring: 65 536 faults.
const RING_BYTES: usize = 1 << 20;
/// Faults that are kept, at most: beyond them, a scan tells more in less memory. A process may fault without end.
const MAX_ENTRIES: usize = 4 << 20;
/// How often the list of threads is read until no new one appears. Those that appear later are children of threads that are watched, and inherit.
const MAX_PASSES: usize = 20;

/// What the log has to tell since it was last asked.
#[derive(Debug, Default)]
pub(super) struct Entries {
    /// Start addresses of pages that were faulted in or written for the first time; in no order, with repetitions.
    pub(super) pages: Vec<u64>,
    /// Memory that was mapped, or whose protection was changed.
    pub(super) mapped: Vec<MemoryRange>,
    /// Whether anything is missing.
    pub(super) incomplete: bool,
}

impl Entries {
    /// Forgets all, and keeps the memory.
    pub(super) fn clear(&mut self) {
        self.pages.clear();
        self.mapped.clear();
        self.incomplete = false;
    }
}

/// The page faults of all threads of a process, those included that are still to be born.
#[derive(Debug)]
pub(super) struct FaultLog {
    pid: pid_t,
    page_size: u64,
    /// One for each processor.
    outputs: Vec<Output>,
    watched: BTreeSet<pid_t>,
    /// Those of them that have started no thread since they are watched.
    ///
    /// A new thread inherits its parent's events long before it is listed: one that was being started just when its parent came to be
    /// watched has inherited nothing, and appears later. It can only be the first that its parent starts.
    before_first_start: BTreeSet<pid_t>,
    /// Whether a thread could not be watched: nothing in the log is complete any more.
    is_blind: bool,
    /// Kept open for as long as they shall log.
    events: Vec<Event>,
}

#[derive(Debug)]
struct Output {
    processor: u32,
    /// `None` until the first event is opened, whose ring all others use.
    ring: Option<(Ring, Event)>,
}

impl FaultLog {
    /// Begins to log.
    ///
    /// # Errors
    /// As `perf_event_open(2)`: `EACCES` or `EPERM` without permission, `EMFILE`, `ENOSYS`.
    pub(super) fn open(pid: pid_t, page_size: u64) -> Result<Self, Errno> {
        allow_many_files();
        let mut log = Self {
            pid,
            page_size,
            outputs: processors()
                .into_iter()
                .map(|processor| Output {
                    processor,
                    ring: None,
                })
                .collect(),
            watched: BTreeSet::new(),
            before_first_start: BTreeSet::new(),
            is_blind: false,
            events: Vec::new(),
        };
        for _ in 0..MAX_PASSES {
            if !log.watch_new_threads()? {
                break;
            }
        }
        if log.watched.is_empty() {
            return Err(Errno::ESRCH);
        }
        Ok(log)
    }

    /// Watches the threads that are not watched yet; whether there were any. Watching one that has inherited its event already does no harm:
    /// its faults are noted twice.
    fn watch_new_threads(&mut self) -> Result<bool, Errno> {
        let threads = procfs::threads(self.pid).map_err(|_| Errno::ESRCH)?;
        let mut any = false;
        for tid in threads {
            if !self.watched.contains(&tid) {
                any |= self.watch(tid)?;
            }
        }
        Ok(any)
    }

    /// Watches a thread; whether it has not ended since.
    fn watch(&mut self, tid: pid_t) -> Result<bool, Errno> {
        self.watched.insert(tid);
        match self.open_events(tid) {
            Ok(()) => {
                self.before_first_start.insert(tid);
                Ok(true)
            }
            Err(Errno::ESRCH) => Ok(false),
            Err(errno) => Err(errno),
        }
    }

    fn open_events(&mut self, tid: pid_t) -> Result<(), Errno> {
        let page_size = usize::try_from(self.page_size).unwrap_or(4096);
        for output in &mut self.outputs {
            let first = output.ring.as_ref().map(|(_, event)| event);
            let minor = match Event::open(tid, output.processor, Faults::Minor, first) {
                // The processor is off.
                Err(Errno::ENODEV) => continue,
                result => result?,
            };
            // The kernel redirects into a ring that is mapped already, and into no other.
            let first = match &mut output.ring {
                Some((_, first)) => {
                    self.events.push(minor);
                    first
                }
                none => {
                    let ring = Ring::map(&minor, page_size, RING_BYTES)?;
                    &none.insert((ring, minor)).1
                }
            };
            let major = Event::open(tid, output.processor, Faults::Major, Some(first));
            self.events.push(major?);
        }
        Ok(())
    }

    /// Adds what has happened since the last call.
    pub(super) fn drain(&mut self, entries: &mut Entries) {
        let mask = !(self.page_size - 1);
        let mut started = Vec::new();
        for (ring, _) in self.outputs.iter_mut().filter_map(|o| o.ring.as_mut()) {
            ring.drain(&mut |record| match record {
                Record::Fault(address) => entries.pages.push(address & mask),
                Record::Mapped(range) => entries.mapped.push(range),
                Record::Started { by, tid } => started.push((by, tid)),
                Record::Lost | Record::Unknown => entries.incomplete = true,
                Record::Other => {}
            });
        }
        if entries.pages.len() > MAX_ENTRIES {
            entries.pages = Vec::new();
            entries.incomplete = true;
        }
        for (by, tid) in started {
            if self.before_first_start.remove(&by) {
                // What it has done so far is not in the log.
                entries.incomplete = true;
                self.is_blind |= self.watch(tid).is_err();
            }
        }
        entries.incomplete |= self.is_blind;
    }
}

/// The processors that are on: `0-3,8`.
fn processors() -> Vec<u32> {
    let list = fs::read_to_string("/sys/devices/system/cpu/online").unwrap_or_default();
    let found = parse_processors(list.trim());
    if found.is_empty() {
        let count = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        return (0..u32::try_from(count).unwrap_or(1)).collect();
    }
    found
}

/// More than any machine has; a longer list is no list.
const MAX_PROCESSORS: u32 = 1 << 16;

fn parse_processors(list: &str) -> Vec<u32> {
    let range = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let last: u32 = last.parse().ok().filter(|last| *last < MAX_PROCESSORS)?;
        Some(first.parse().ok()?..=last)
    };
    list.split(',').filter_map(range).flatten().collect()
}

/// Two descriptors for each thread on each processor are more than the usual 1024.
fn allow_many_files() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    if let Ok((_, most)) = getrlimit(Resource::RLIMIT_NOFILE) {
        // Where it stays low, opening events fails and says so.
        let _stays = setrlimit(Resource::RLIMIT_NOFILE, most, most);
    }
}

/// Why the log cannot be had, in words.
pub(super) fn why_not(errno: Errno) -> String {
    match errno {
        Errno::EACCES | Errno::EPERM => {
            let paranoid = fs::read_to_string("/proc/sys/kernel/perf_event_paranoid")
                .unwrap_or_else(|_| "?".to_owned());
            format!(
                "perf_event_open is not permitted (kernel.perf_event_paranoid is {}; CAP_PERFMON or root may)",
                paranoid.trim()
            )
        }
        Errno::ENOSYS => {
            "the kernel has no perf_event_open, or a seccomp filter hides it".to_owned()
        }
        Errno::EMFILE => {
            "perf_event_open needs more file descriptors than this program may open".to_owned()
        }
        errno => format!("perf_event_open fails: {errno}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_processors() {
        assert_eq!(parse_processors("0-3,8"), [0, 1, 2, 3, 8]);
        assert_eq!(parse_processors("0"), [0]);
        assert_eq!(parse_processors(""), Vec::<u32>::new());
        assert_eq!(parse_processors("0-4294967295,x,3"), [3]);
        assert!(!processors().is_empty());
    }

    /// A log of this process, and nothing in it yet; `None` where there can be none.
    fn of_this_process() -> Option<(FaultLog, Entries)> {
        let pid = nix::unistd::getpid().as_raw();
        let mut log = FaultLog::open(pid, 4096)
            .inspect_err(|errno| eprintln!("not tested: {}", why_not(*errno)))
            .ok()?;
        // Other tests start threads meanwhile.
        log.before_first_start.clear();
        let mut entries = Entries::default();
        log.drain(&mut entries);
        entries.clear();
        Some((log, entries))
    }

    #[test]
    fn logs_what_new_threads_of_new_threads_touch() {
        let Some((mut log, mut entries)) = of_this_process() else {
            return;
        };
        let touch = || {
            let mut memory = memmap2::MmapMut::map_anon(64 * 4096).unwrap();
            let start = memory.as_ptr() as u64;
            memory.iter_mut().step_by(4096).for_each(|byte| *byte = 1);
            (start, memory)
        };
        let (start, memory) = std::thread::spawn(move || std::thread::spawn(touch).join().unwrap())
            .join()
            .unwrap();
        log.drain(&mut entries);
        assert!(!entries.incomplete);
        let hit = entries.pages.contains(&start);
        let mapped = entries.mapped.iter().any(|range| range.contains(start));
        assert!(hit && mapped, "{start:#x} is not in {entries:x?}");
        drop(memory);
    }

    #[test]
    fn the_first_thread_that_a_thread_starts_is_doubted() {
        let Some((mut log, mut entries)) = of_this_process() else {
            return;
        };
        log.before_first_start
            .insert(nix::unistd::gettid().as_raw());
        for is_first in [true, false] {
            std::thread::spawn(|| {}).join().unwrap();
            log.drain(&mut entries);
            assert_eq!(entries.incomplete, is_first);
            entries.clear();
        }
    }

    #[test]
    fn a_full_ring_is_doubtful_although_nothing_was_written_to_it_since() {
        let Some((mut log, mut entries)) = of_this_process() else {
            return;
        };
        let mut memory = memmap2::MmapMut::map_anon(1024 * 4096).unwrap();
        let touches = log.outputs.len() * RING_BYTES / 16 + 1024;
        for _ in 0..touches.div_ceil(1024) {
            memory.iter_mut().step_by(4096).for_each(|byte| *byte = 1);
            // SAFETY: the memory is this test's own, and read as zeros afterwards.
            unsafe { memory.unchecked_advise(memmap2::UncheckedAdvice::DontNeed) }.unwrap();
        }
        log.drain(&mut entries);
        assert!(entries.incomplete);
    }
}
