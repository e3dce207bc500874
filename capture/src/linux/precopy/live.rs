//! What happens while the process runs: copying, and copying again.

use std::io;
use std::time::Duration;

use nix::errno::Errno;
use nix::libc::pid_t;
use v8mini_format::FrameQueue;
use v8mini_format::memory::MemoryRange;
use v8mini_format::model::{Problem, Region};

use super::SessionError;
use super::copier::Copier;
use super::image::CompressedImage;
use super::spill::Spill;
use super::stage::Stage;
use super::throttle::Throttle;
use super::tools::Tools;
use super::watched::Watched;
use crate::linux::collection::await_end;
use crate::linux::fault_log::Entries;
use crate::linux::manners::Manners;
use crate::linux::mappings::{self, Mappings};
use crate::linux::options::Options;
use crate::linux::pagemap_scan::Then;
use crate::linux::range_set::RangeSet;
use crate::linux::remote_memory::RemoteMemory;
use crate::linux::snapshot::{FrozenView, Planner};
use crate::linux::{maps, procfs};

/// Rounds end when so many pages were written since the last: the stop copies them in a quarter of a millisecond.
const FEW_PAGES: u64 = 192;
/// Rounds that plan anew, at most: what was written during the first copy, which takes seconds, takes the longest.
const MAX_ROUNDS: u32 = 3;
/// Pages that are so near to each other are protected by one call, with those between them: each call interrupts the
/// processors that the program runs on, and to protect what is protected costs next to nothing.
const NEAR_PAGES: u64 = 64;
/// Beyond so many calls per gigabyte of image, a scan of everything is quicker: a call takes 15 µs, to scan a gigabyte 20 to 35 ms.
const CALLS_PER_GB: u64 = 1500;

/// What a log has told.
pub(super) struct Logged {
    /// Pages of the image that were written.
    pub(super) image: RangeSet,
    /// Other pages that were written or made.
    pub(super) others: Vec<u64>,
    /// The calls that protect the pages of the image again.
    pub(super) calls: Vec<MemoryRange>,
    /// Whether nothing is missing, and a scan would not be quicker.
    pub(super) is_enough: bool,
}

/// A process that is watched and copied.
pub(super) struct Session<'a> {
    pub(super) pid: pid_t,
    pub(super) page_size: u64,
    pub(super) limits: &'a Options,
    pub(super) tools: Tools,
    pub(super) watched: Watched,
    pub(super) image: CompressedImage,
    /// The process, as it was mapped when it was last planned.
    pub(super) memory: RemoteMemory,
    pub(super) regions: Vec<Region>,
    /// Pages that were mapped then.
    pub(super) mapped_pages: u64,
    /// Tells single mappings, where the kernel can.
    mappings: Option<Mappings>,
    /// What was logged, and is not worked off.
    pub(super) entries: Entries,
    /// What was mapped anew since the process was last planned.
    pub(super) remapped: RangeSet,
    /// Whether it must be planned again because the log has a gap.
    pub(super) is_doubtful: bool,
    /// Whether it must be because there is something new that no page can be added for: a heap, or memory that the map did not have.
    pub(super) is_unplanned: bool,
    /// Bytes that were written in the last round.
    pub(super) last_written: u64,
    /// How long the process stood still each time that it was stopped only for its memory to be protected.
    pub(super) still: Vec<Duration>,
    /// What was copied in haste, and is not laid over the image yet.
    pub(super) stage: Option<Stage>,
    /// Where pages are read to on their way into the image.
    buffer: Vec<u8>,
    pub(super) notes: Vec<String>,
    pub(super) problems: Vec<Problem>,
}

impl<'a> Session<'a> {
    /// Begins; nothing is watched yet.
    pub(super) fn new(
        pid: pid_t,
        page_size: u64,
        regions: &[Region],
        tools: Tools,
        limits: &'a Options,
    ) -> Result<Self, SessionError> {
        let mut notes = Vec::new();
        let spills = limits.temporary.as_deref().and_then(|directory| {
            Spill::pair(directory)
                .map_err(|error| {
                    notes.push(format!(
                        "no temporary file in {}: {error}; the copy stays in memory",
                        directory.display()
                    ));
                })
                .ok()
        });
        Ok(Self {
            pid,
            page_size,
            limits,
            tools,
            watched: Watched::new(page_size),
            image: CompressedImage::new(page_size, limits.memory, spills),
            memory: RemoteMemory::new(pid, regions, page_size),
            regions: regions.to_vec(),
            mapped_pages: 0,
            mappings: Mappings::open(pid).ok(),
            entries: Entries::default(),
            remapped: RangeSet::default(),
            is_doubtful: false,
            is_unplanned: false,
            last_written: 0,
            still: Vec::new(),
            stage: None,
            buffer: Vec::new(),
            notes,
            problems: Vec::new(),
        })
    }

    fn queue(&self) -> Result<FrameQueue, SessionError> {
        FrameQueue::new(self.limits.level, self.threads()).map_err(SessionError::Store)
    }

    fn threads(&self) -> usize {
        let all = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        match self.limits.threads {
            // With a thread for each processor, the program waits for its own helpers, and all takes longer: on two, where it
            // never rests, 10.5 s for 7.5, and gaps of 30 ms for 18.
            0 => (all / 2).clamp(1, 8),
            threads => threads,
        }
    }

    /// Protects everything, and copies it.
    pub(super) fn first_copy(
        &mut self,
        planner: &mut dyn Planner,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<(), SessionError> {
        let mut manners = Manners::yielding();
        let fresh = self.refresh(planner, &RangeSet::default())?;
        let total = fresh.bytes();
        let mut queue = self.queue()?;
        let throttle = Throttle::new(self.limits.max_cpu);
        Copier {
            memory: &self.memory,
            page_size: self.page_size,
            throttle: &throttle,
        }
        .copy(&mut queue, &fresh, &mut self.image, &mut |done| {
            manners.check();
            progress(done, total);
        })?;
        self.last_written = u64::MAX;
        Ok(())
    }

    /// Reads the memory map, plans, and watches what is wanted now. Returns what has to be copied.
    fn refresh(
        &mut self,
        planner: &mut dyn Planner,
        remapped: &RangeSet,
    ) -> Result<RangeSet, SessionError> {
        self.mapped_pages = procfs::mapped_pages(self.pid).map_err(SessionError::Proc)?;
        self.regions = maps::read_regions(self.pid).map_err(SessionError::Proc)?;
        if self.regions.is_empty() {
            return Err(SessionError::Exited);
        }
        self.memory = RemoteMemory::new(self.pid, &self.regions, self.page_size);
        let live = FrozenView {
            memory: &self.memory,
            regions: &self.regions,
            threads: &[],
        };
        let watch = planner.watch(live);
        let before = self.watched.vacant.without(remapped);
        let fresh = self
            .watched
            .update(&mut self.tools.userfaultfd, &watch, &self.regions, remapped)
            .map_err(refused)?;
        Ok(fresh.or(&self.look_again(planner, &before)?))
    }

    /// The memory map as it is now, and the number of its pages. What was mapped since it was last read is `changed`, if a log has told all that.
    pub(super) fn map_again(
        &mut self,
        changed: Option<&RangeSet>,
    ) -> io::Result<(Vec<Region>, u64)> {
        let pages = procfs::mapped_pages(self.pid)?;
        if let (Some(mappings), Some(changed)) = (&mut self.mappings, changed)
            && let Ok(regions) = mappings.again(&self.regions, changed)
        {
            // No log tells what is unmapped.
            let count = |regions| mappings::pages(regions, self.page_size);
            let expected = (self.mapped_pages + count(&regions)).checked_sub(count(&self.regions));
            if expected == Some(pages) {
                return Ok((regions, pages));
            }
        }
        Ok((maps::read_regions(self.pid)?, pages))
    }

    /// Copies what was written, again and again, until little is left.
    ///
    /// In no hurry it would never come to an end; it is short.
    pub(super) fn rounds(&mut self, planner: &mut dyn Planner) -> Result<(), SessionError> {
        self.watched.release_young(&self.tools.userfaultfd);
        self.image.keep_in_memory(false);
        for round in 0..MAX_ROUNDS {
            let before = self.last_written;
            self.last_written = self.round(round == 0, planner)?;
            if self.last_written > before / 2 || self.is_little(self.last_written) {
                break;
            }
        }
        Ok(())
    }

    pub(super) fn is_little(&self, bytes: u64) -> bool {
        bytes <= FEW_PAGES * self.page_size
    }

    /// Takes from the log what it has to tell, to what it has told before.
    pub(super) fn drain(&mut self) {
        self.tools.drain(&mut self.entries);
        self.is_doubtful |= self.entries.incomplete;
        if !self.entries.mapped.is_empty() {
            let mapped = self.entries.mapped.drain(..);
            self.remapped = (self.remapped).or(&RangeSet::of_pages(mapped, self.page_size));
        }
    }

    /// Waits while the program collects garbage: what it writes then would be copied in vain, and protecting it again would make the
    /// collection longer.
    pub(super) fn await_collection(&mut self, planner: &dyn Planner) {
        await_end(planner, || self.drain());
    }

    /// Copies pages at once.
    pub(super) fn copy_again(&mut self, pages: &RangeSet) -> Result<(), SessionError> {
        // What was copied in haste is older.
        self.lay_over();
        let copier = Copier {
            memory: &self.memory,
            page_size: self.page_size,
            throttle: &Throttle::new(0),
        };
        let (tools, entries) = (&mut self.tools, &mut self.entries);
        let mut drain = || tools.drain(entries);
        Ok(copier.copy_again(pages, &mut self.image, &mut self.buffer, &mut drain)?)
    }

    /// Protects pages; whether all are. What is not mapped any more is found out by the copy.
    pub(super) fn protect(&self, ranges: &[MemoryRange]) -> bool {
        let userfaultfd = &self.tools.userfaultfd;
        let protected = ranges
            .iter()
            .filter(|range| userfaultfd.protect(**range).is_ok());
        protected.count() == ranges.len()
    }

    /// Protects the pages of the image that the log has told of, in few calls. Returns what has to be copied: those, and what was
    /// written between them since.
    ///
    /// Such a page is in the log by now, but must not be left to it: once protected, no scan would find it, and a scan is what a round makes
    /// do with if the log turns out to have a gap, or to be longer than a scan takes.
    pub(super) fn protect_logged(&mut self, logged: &Logged) -> Result<RangeSet, SessionError> {
        let written = self.scan_and_protect(&logged.calls)?;
        Ok(written.or(&logged.image))
    }

    /// What the log has told since the last round.
    pub(super) fn logged(&mut self) -> Logged {
        let is_complete = self.tools.log.is_some() && !self.entries.incomplete;
        let (image, others) = self.watched.sort(&mut self.entries.pages);
        self.entries.clear();
        let near = NEAR_PAGES * self.page_size;
        let calls = image.joined(&self.watched.image, near);
        let many = CALLS_PER_GB * (self.watched.image.bytes() >> 30).max(1);
        Logged {
            is_enough: is_complete && calls.len() as u64 <= many,
            image,
            others,
            calls,
        }
    }

    /// One round; returns how many bytes were written since the last.
    pub(super) fn round(
        &mut self,
        first: bool,
        planner: &mut dyn Planner,
    ) -> Result<u64, SessionError> {
        self.lay_over();
        self.await_collection(planner);
        self.drain();
        let mapped_pages = procfs::mapped_pages(self.pid).map_err(SessionError::Proc)?;
        let mut remapped = std::mem::take(&mut self.remapped);
        let is_unplanned = std::mem::take(&mut self.is_unplanned);
        let is_doubtful = std::mem::take(&mut self.is_doubtful) || is_unplanned;
        let mut replan =
            first || is_doubtful || mapped_pages != self.mapped_pages || !remapped.is_empty();
        let logged = self.logged();
        replan |= logged.others.iter().any(|page| {
            page.is_multiple_of(self.watched.alignment) || self.watched.unpopulated.contains(*page)
        });
        let written = if first || !logged.is_enough {
            let runs = self.watched.runs.clone();
            let found = self.scan_and_protect(&runs)?;
            let lost = self.unregistered()?;
            replan |= !found.and(&self.watched.vacant).is_empty() || !lost.is_empty();
            remapped = remapped.or(&lost);
            found
        } else {
            let written = self.protect_logged(&logged)?;
            let len = self.page_size;
            let others = logged.others.into_iter();
            let others = others.map(|start| MemoryRange { start, len });
            let vacant = RangeSet::new(others.collect()).and(&self.watched.vacant);
            self.protect(vacant.ranges());
            written
        };
        let fresh = if replan {
            self.refresh(planner, &remapped)?
        } else {
            RangeSet::default()
        };
        let held = match fresh.is_empty() {
            true => RangeSet::default(),
            false => self.image.held(),
        };
        let mut queue = self.queue()?;
        let throttle = Throttle::new(self.limits.max_cpu);
        let copier = Copier {
            memory: &self.memory,
            page_size: self.page_size,
            throttle: &throttle,
        };
        let new = fresh.without(&held);
        // A ring that is not emptied meanwhile would overflow, and the next round would have to plan anew.
        let (tools, entries) = (&mut self.tools, &mut self.entries);
        let mut drain = || tools.drain(entries);
        copier.copy(&mut queue, &new, &mut self.image, &mut |_| drain())?;
        let again = written.or(&fresh.and(&held)).and(&self.watched.image);
        copier.copy_again(&again, &mut self.image, &mut self.buffer, &mut drain)?;
        Ok(again.bytes() + new.bytes())
    }

    /// The pages of `ranges` that were written, protected again.
    pub(super) fn scan_and_protect(
        &mut self,
        ranges: &[MemoryRange],
    ) -> Result<RangeSet, SessionError> {
        let mut written = Vec::new();
        match (self.tools.scan).written(ranges, Then::ProtectAgain, &mut written) {
            Ok(()) => Ok(RangeSet::new(written)),
            Err(errno) => Err(SessionError::scan(errno)),
        }
    }

    /// What is watched and not registered any more, because something else was mapped in its place.
    ///
    /// A complete log tells what is mapped anew; without one, it is worth a scan.
    pub(super) fn unregistered(&mut self) -> Result<RangeSet, SessionError> {
        let Self { tools, watched, .. } = self;
        let mut ignored = Vec::new();
        let mut is_registered = |ranges: &[MemoryRange]| match tools.scan.written(
            ranges,
            Then::CheckRegistered,
            &mut ignored,
        ) {
            Err(Errno::ESRCH) => Err(SessionError::Exited),
            result => Ok(result.is_ok()),
        };
        let mut lost = Vec::new();
        if !is_registered(&watched.runs)? {
            for range in watched.image.or(&watched.vacant).ranges() {
                if !is_registered(&[*range])? {
                    lost.push(*range);
                }
            }
        }
        Ok(RangeSet::new(lost))
    }
}

pub(super) fn refused(errno: Errno) -> SessionError {
    SessionError::Refused(match errno {
        Errno::EBUSY => "its heap is registered with a userfaultfd already".to_owned(),
        errno => format!("its heap cannot be write-protected: {errno}"),
    })
}

#[cfg(test)]
pub(super) mod tests {
    use std::os::fd::{FromRawFd, OwnedFd};

    use nix::libc;

    use super::*;
    use crate::linux::fault_log::FaultLog;
    use crate::linux::pagemap_scan::PagemapScan;
    use crate::linux::userfaultfd::{self, Userfaultfd};

    pub(in super::super) const PAGE: u64 = 4096;

    /// What it takes to watch this process; `None` where the kernel does not give it.
    fn tools(pid: pid_t) -> Option<Tools> {
        // SAFETY: the call takes one integer, and returns a descriptor that nobody else owns.
        let fd = unsafe { libc::syscall(userfaultfd::SYSCALL, userfaultfd::FLAGS) };
        let fd = i32::try_from(fd).ok().filter(|fd| *fd >= 0)?;
        Some(Tools {
            // SAFETY: as above.
            userfaultfd: Userfaultfd::new(unsafe { OwnedFd::from_raw_fd(fd) }).ok()?,
            scan: PagemapScan::open(pid).ok()?,
            log: Some(FaultLog::open(pid, PAGE).ok()?),
        })
    }

    /// A session that watches the eight pages of `memory`, which are this process's own, and has nothing logged; `None` as [`tools`].
    pub(in super::super) fn watching<'a>(
        memory: &memmap2::MmapMut,
        limits: &'a Options,
    ) -> Option<(Session<'a>, RangeSet)> {
        let pid = nix::unistd::getpid().as_raw();
        let Some(tools) = tools(pid) else {
            eprintln!("not tested: the kernel does not watch memory");
            return None;
        };
        let all = RangeSet::new(vec![MemoryRange {
            start: memory.as_ptr() as u64,
            len: 8 * PAGE,
        }]);
        let regions = maps::read_regions(pid).unwrap();
        let mut session = Session::new(pid, PAGE, &regions, tools, limits).unwrap();
        let none = RangeSet::default;
        let new = [all.clone(), none()];
        (session.watched)
            .follow(&mut session.tools.userfaultfd, &regions, &none(), new)
            .unwrap();
        session.drain();
        session.entries.clear();
        Some((session, all))
    }

    /// A page that lies between logged ones is protected with them. If it was written after the log was read, it is known to nobody else: no
    /// scan finds it, and the log need not be complete the next time.
    #[test]
    fn what_is_protected_in_passing_is_copied() {
        let mut memory = memmap2::MmapMut::map_anon(8 * PAGE as usize).unwrap();
        memory.fill(1);
        let limits = Options::default();
        let Some((mut session, all)) = watching(&memory, &limits) else {
            return;
        };

        let page = |number: u64| all.ranges()[0].start + number * PAGE;
        memory[0] = 2;
        memory[4 * PAGE as usize] = 2;
        session.drain();
        let logged = session.logged();
        let starts: Vec<u64> = logged.image.ranges().iter().map(|r| r.start).collect();
        assert_eq!(starts, [page(0), page(4)]);
        memory[2 * PAGE as usize] = 2;
        let copied = session.protect_logged(&logged).unwrap();
        assert!(
            [0, 2, 4]
                .iter()
                .all(|&number| copied.contains(page(number)))
        );
        assert_eq!(copied.bytes(), 3 * PAGE);
        assert!(session.scan_and_protect(all.ranges()).unwrap().is_empty());
    }
}
