//! What happens while the process runs: copying, and copying again.

use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::libc::pid_t;
use v8mini_format::FrameQueue;
use v8mini_format::memory::{Memory, MemoryRange, ReadError};
use v8mini_format::model::{Permissions, Problem, Region};

use super::SessionError;
use super::copier::Copier;
use super::halt::Done;
use super::image::CompressedImage;
use super::spill::Spill;
use super::throttle::{Throttle, be_nice};
use super::tools::Tools;
use super::watched::{Watched, mapped};
use crate::linux::fault_log::Entries;
use crate::linux::options::Options;
use crate::linux::pagemap_scan::Then;
use crate::linux::range_set::RangeSet;
use crate::linux::remote_memory::RemoteMemory;
use crate::linux::snapshot::{FrozenView, NewPage, Planner, Snapshot};
use crate::linux::{maps, procfs};

/// Rounds end when so many pages were written since the last: the stop copies them in a quarter of a millisecond.
const FEW_PAGES: u64 = 192;
/// Rounds that plan anew, at most: what was written during the first copy, which takes seconds, takes the longest.
const MAX_ROUNDS: u32 = 3;
/// How long to wait for a moment at which little was written.
const PATIENCE: Duration = Duration::from_millis(700);
/// Beyond so many logged faults, a scan is cheaper than to protect page by page.
const MANY_FAULTS: usize = 4000;
/// Room for the stop: what was written in the last round several times over, and stacks and isolates.
const STAGE_FACTOR: u64 = 4;
const STAGE_SLACK: u64 = 16 << 20;

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
    /// What was logged, and is not worked off.
    pub(super) entries: Entries,
    /// What was mapped anew since the process was last planned.
    pub(super) remapped: RangeSet,
    /// Whether it must be planned again for another reason: the log has a gap, or there is a new heap.
    pub(super) is_doubtful: bool,
    /// Bytes that were written in the last round.
    pub(super) last_written: u64,
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
        let spill = limits.temporary.as_deref().and_then(|directory| {
            Spill::create(directory)
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
            image: CompressedImage::new(page_size, limits.memory, spill),
            memory: RemoteMemory::new(pid, regions, page_size),
            regions: regions.to_vec(),
            mapped_pages: 0,
            entries: Entries::default(),
            remapped: RangeSet::default(),
            is_doubtful: false,
            last_written: 0,
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
            0 => all.min(8),
            threads => threads,
        }
    }

    /// Protects everything, and copies it.
    pub(super) fn first_copy(
        &mut self,
        planner: &mut dyn Planner,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<(), SessionError> {
        be_nice();
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
        let watch = planner.watch(FrozenView {
            memory: &self.memory,
            regions: &self.regions,
            threads: &[],
        });
        self.watched
            .update(&mut self.tools.userfaultfd, &watch, &self.regions, remapped)
            .map_err(refused)
    }

    /// Copies what was written, again and again, until little is left.
    ///
    /// In no hurry it would never come to an end; it is short.
    pub(super) fn rounds(&mut self, planner: &mut dyn Planner) -> Result<(), SessionError> {
        for round in 0..MAX_ROUNDS {
            let before = self.last_written;
            self.last_written = self.round(round == 0, planner)?;
            if self.last_written > before / 2 || self.is_little() {
                break;
            }
        }
        Ok(())
    }

    fn is_little(&self) -> bool {
        self.last_written <= FEW_PAGES * self.page_size
    }

    /// Rounds in quick succession, by the last plan, until little is written and the memory map is known: to plan anew takes 10 to 40 ms
    /// per gigabyte, in which a program writes more than is copied in it.
    ///
    /// A collection of the young generation writes thousands of pages at once, and maps more: it passes. A program that writes faster
    /// than it is copied is stopped all the same, at a moment that is no worse than others.
    pub(super) fn settle(&mut self, planner: &mut dyn Planner) -> Result<(), SessionError> {
        let began = Instant::now();
        let mut least = u64::MAX;
        loop {
            if self.is_doubtful {
                self.last_written = self.round(true, planner)?;
            }
            if self.is_remapped()? {
                self.remap(planner)?;
            }
            self.quick_round(planner)?;
            let elapsed = began.elapsed();
            least = least.min(self.last_written);
            let is_good = self.is_little() || {
                elapsed > PATIENCE && self.last_written <= least.saturating_mul(2)
            };
            let is_known = !self.is_doubtful && !self.is_remapped()?;
            if (is_good && is_known) || elapsed > 2 * PATIENCE {
                return Ok(());
            }
        }
    }

    fn is_remapped(&self) -> Result<bool, SessionError> {
        let mapped_pages = procfs::mapped_pages(self.pid).map_err(SessionError::Proc)?;
        Ok(!self.remapped.is_empty() || mapped_pages != self.mapped_pages)
    }

    /// Reads the memory map anew and watches what is new in it, without planning anew.
    fn remap(&mut self, planner: &mut dyn Planner) -> Result<(), SessionError> {
        self.mapped_pages = procfs::mapped_pages(self.pid).map_err(SessionError::Proc)?;
        let regions = maps::read_regions(self.pid).map_err(SessionError::Proc)?;
        if regions.is_empty() {
            return Err(SessionError::Exited);
        }
        let remapped = std::mem::take(&mut self.remapped);
        let bases = new_bases(&self.regions, &regions, &remapped, self.watched.alignment);
        self.regions = regions;
        let fresh = self.follow(planner, bases, &remapped)?;
        self.copy_again(&fresh)
    }

    /// Watches the pages of the heap that begin at `bases`, and the bases at which none does yet; what was `remapped`, again. Returns what has to
    /// be copied.
    ///
    /// What belongs to a page besides itself, such as its metadata, may lie in mappings of which nothing was watched yet.
    fn follow(
        &mut self,
        planner: &mut dyn Planner,
        bases: Vec<u64>,
        remapped: &RangeSet,
    ) -> Result<RangeSet, SessionError> {
        let (mut pages, mut vacant) = (Vec::new(), Vec::new());
        let len = self.page_size;
        for start in bases {
            match planner.new_page(&self.memory, start) {
                NewPage::None => vacant.push(MemoryRange { start, len }),
                NewPage::Ranges(ranges) => pages.extend(ranges),
                NewPage::NewHeap => self.is_doubtful = true,
            }
        }
        let new = [RangeSet::of_pages(pages, len), RangeSet::new(vacant)];
        (self.watched)
            .follow(&mut self.tools.userfaultfd, &self.regions, remapped, new)
            .map_err(refused)
    }

    /// Takes from the log what it has to tell.
    fn drain(&mut self) {
        self.entries.clear();
        if let Some(log) = &mut self.tools.log {
            log.drain(&mut self.entries);
        }
        self.is_doubtful |= self.entries.incomplete;
        let mapped = self.entries.mapped.drain(..);
        self.remapped = (self.remapped).or(&RangeSet::of_pages(mapped, self.page_size));
    }

    /// Copies what was written, by the last plan; pages of the heap that are new or fill up are added to it.
    fn quick_round(&mut self, planner: &mut dyn Planner) -> Result<(), SessionError> {
        self.drain();
        let (found, others) = self.watched.sort(&mut self.entries.pages);
        let scans = self.tools.log.is_none()
            || self.entries.incomplete
            || self.entries.pages.len() > MANY_FAULTS;
        let (mut written, mut bases) = (found, Vec::new());
        if scans {
            let (found, lost) = self.scan_and_protect()?;
            self.remapped = self.remapped.or(&lost);
            bases.extend(
                found
                    .and(&self.watched.vacant)
                    .ranges()
                    .iter()
                    .map(|r| r.start),
            );
            written = found.and(&self.watched.image);
        } else {
            self.protect(&written);
        }
        let len = self.page_size;
        let mut fresh = Vec::new();
        for start in others {
            if self.watched.unpopulated.contains(start) {
                fresh.push(MemoryRange { start, len });
            } else if self.watched.vacant.contains(start) {
                bases.push(start);
            }
        }
        if !fresh.is_empty() {
            let fresh = RangeSet::of_pages(fresh, len).without(&self.watched.image);
            self.protect(&fresh);
            self.watched.adopt(&fresh);
            written = written.or(&fresh);
        }
        if !bases.is_empty() {
            // Protected before it is looked at: what is written to it after that is seen.
            for &start in &bases {
                self.protect(&RangeSet::new(vec![MemoryRange { start, len }]));
            }
            written = written.or(&self.follow(planner, bases, &RangeSet::default())?);
        }
        self.copy_again(&written)?;
        self.last_written = written.bytes();
        Ok(())
    }

    /// Copies pages at once.
    fn copy_again(&mut self, pages: &RangeSet) -> Result<(), SessionError> {
        let copier = Copier {
            memory: &self.memory,
            page_size: self.page_size,
            throttle: &Throttle::new(0),
        };
        Ok(copier.copy_again(pages, &mut self.image)?)
    }

    /// Protects pages. What is not mapped any more is found out by the copy.
    fn protect(&self, pages: &RangeSet) {
        for range in pages.ranges() {
            let _unmapped = self.tools.userfaultfd.protect(*range);
        }
    }

    /// One round; returns how many bytes were written since the last.
    fn round(&mut self, first: bool, planner: &mut dyn Planner) -> Result<u64, SessionError> {
        self.drain();
        let mapped_pages = procfs::mapped_pages(self.pid).map_err(SessionError::Proc)?;
        let mut remapped = std::mem::take(&mut self.remapped);
        let mut replan = first
            || std::mem::take(&mut self.is_doubtful)
            || mapped_pages != self.mapped_pages
            || !remapped.is_empty();
        let mut written = RangeSet::default();
        let scanning = first
            || self.tools.log.is_none()
            || self.entries.incomplete
            || self.entries.pages.len() > MANY_FAULTS;
        if scanning {
            let (found, lost) = self.scan_and_protect()?;
            replan |= !found.and(&self.watched.vacant).is_empty() || !lost.is_empty();
            remapped = remapped.or(&lost);
            written = written.or(&found.and(&self.watched.image));
        } else {
            let (found, others) = self.watched.sort(&mut self.entries.pages);
            replan |= others.iter().any(|page| {
                page.is_multiple_of(self.watched.alignment)
                    || self.watched.unpopulated.contains(*page)
            });
            self.protect(&found);
            let len = self.page_size;
            let others = others.into_iter().map(|start| MemoryRange { start, len });
            self.protect(&RangeSet::new(others.collect()).and(&self.watched.vacant));
            written = found;
        }
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
        copier.copy(&mut queue, &new, &mut self.image, &mut |_| {})?;
        let again = written.or(&fresh.and(&held)).and(&self.watched.image);
        copier.copy_again(&again, &mut self.image)?;
        Ok(again.bytes() + new.bytes())
    }

    /// The pages that were written, protected again; and those that are not registered any more, because something else
    /// was mapped in their place.
    fn scan_and_protect(&mut self) -> Result<(RangeSet, RangeSet), SessionError> {
        let Self { tools, watched, .. } = self;
        let mut written = Vec::new();
        let mut lost = Vec::new();
        let mut scan = |ranges: &[MemoryRange], then, found: &mut Vec<MemoryRange>| match tools
            .scan
            .written(ranges, then, found)
        {
            Err(Errno::ESRCH) => Err(SessionError::Exited),
            result => Ok(result.is_ok()),
        };
        scan(&watched.runs, Then::ProtectAgain, &mut written)?;
        let mut ignored = Vec::new();
        if !scan(&watched.runs, Then::CheckRegistered, &mut ignored)? {
            for range in watched.image.or(&watched.vacant).ranges() {
                if !scan(&[*range], Then::CheckRegistered, &mut ignored)? {
                    lost.push(*range);
                }
            }
        }
        Ok((RangeSet::new(written), RangeSet::new(lost)))
    }

    /// Room that the stop will need.
    pub(super) fn stage_bytes(&self) -> u64 {
        self.last_written
            .saturating_mul(STAGE_FACTOR)
            .min(self.watched.image.bytes())
            .saturating_add(STAGE_SLACK)
    }

    /// After the stop: checks the log against a scan, gives everything back, and says what the image consists of.
    pub(super) fn finish(
        mut self,
        planner: &mut dyn Planner,
        done: Done,
    ) -> Result<Snapshot, SessionError> {
        let Done {
            regions,
            threads,
            pause,
            at,
            at_monotonic,
            changed,
            readable,
            problems,
            pieces,
        } = done;
        for (start, bytes) in pieces.pieces() {
            self.image.lay_over(start, bytes);
        }
        self.problems.extend(problems);
        if self.tools.log.is_some() {
            self.check_log(&changed)?;
        }
        let Self {
            mut image,
            tools,
            notes,
            mut problems,
            watched,
            ..
        } = self;
        drop(tools);
        let readable = readable.or(&image.held()).or(&watched.image);
        let whole = Extended {
            image: &image,
            ranges: readable.ranges().to_vec(),
        };
        let plan = planner.plan(FrozenView {
            memory: &whole,
            regions: &regions,
            threads: &threads,
        });
        let plan = RangeSet::new(plan);
        let missing = plan.without(&image.held());
        problems.extend(missing.ranges().iter().map(|range| Problem {
            stage: "read-page".to_owned(),
            message: format!("{} bytes at {:#x} cannot be read", range.len, range.start),
            address: range.start,
            bytes: range.len,
        }));
        image.limit_to(&plan);
        Ok(Snapshot {
            memory: Box::new(image),
            regions,
            threads,
            pause,
            at,
            at_monotonic,
            wanted_bytes: plan.bytes(),
            problems,
            notes,
        })
    }

    /// Looks for pages that were written without being logged.
    ///
    /// `changed` is what the stop has copied. Memory that the process has discarded (`MADV_DONTNEED`) is not logged either, and reads as
    /// zero: it was dead. Whether it was discarded before the stop or in the milliseconds since cannot be told; it is stored as
    /// zero.
    fn check_log(&mut self, changed: &RangeSet) -> Result<(), SessionError> {
        let mut written = Vec::new();
        match (self.tools.scan).written(&self.watched.runs, Then::Leave, &mut written) {
            Ok(()) => {}
            Err(Errno::ESRCH) => return Ok(()),
            Err(errno) => {
                self.notes
                    .push(format!("the log of page faults was not checked: {errno}"));
                return Ok(());
            }
        }
        self.entries.clear();
        if let Some(log) = &mut self.tools.log {
            log.drain(&mut self.entries);
        }
        let page = |&start: &u64| MemoryRange {
            start,
            len: self.page_size,
        };
        let since = RangeSet::new(self.entries.pages.iter().map(page).collect());
        let mapped = RangeSet::of_pages(self.entries.mapped.iter().copied(), self.page_size);
        let unlogged = RangeSet::new(written)
            .and(&self.watched.image)
            .without(changed)
            .without(&since)
            .without(&mapped);
        let mut bytes = vec![0; usize::try_from(self.page_size).unwrap_or(0)];
        let (mut discarded, mut missed) = (0_u64, Vec::new());
        for range in unlogged.ranges() {
            for start in (range.start..range.end()).step_by(bytes.len()) {
                if self.memory.read_at(start, &mut bytes).is_err() {
                    continue;
                }
                if bytes.iter().all(|byte| *byte == 0) {
                    self.image.lay_over(start, &bytes);
                    discarded += 1;
                } else {
                    missed.push(start);
                }
            }
        }
        if discarded > 0 {
            self.notes.push(format!(
                "{discarded} pages were given back to the kernel meanwhile, and are stored as zeros"
            ));
        }
        if let (Some(first), false) = (missed.first(), self.entries.incomplete) {
            self.problems.push(Problem {
                stage: "unlogged".to_owned(),
                message: format!(
                    "{} pages, the first at {first:#x}, were written without a logged page fault (by io_uring or another process?): \
                     the capture may have them as they were before; --mode precopy sees such writes",
                    missed.len()
                ),
                address: *first,
                bytes: 0,
            });
        }
        Ok(())
    }
}

fn refused(errno: Errno) -> SessionError {
    SessionError::Refused(match errno {
        Errno::EBUSY => "its heap is registered with a userfaultfd already".to_owned(),
        errno => format!("its heap cannot be write-protected: {errno}"),
    })
}

/// Where a page of the heap could begin in memory that was mapped since, or mapped anew.
pub(super) fn new_bases(
    before: &[Region],
    after: &[Region],
    remapped: &RangeSet,
    alignment: u64,
) -> Vec<u64> {
    let anonymous = |region: &Region| {
        let Permissions { read, shared, .. } = region.permissions;
        read && !shared && region.name.is_empty()
    };
    let old = RangeSet::new(mapped(before, anonymous));
    let new = RangeSet::new(mapped(after, anonymous));
    let step = usize::try_from(alignment).unwrap_or(1 << 18);
    (new.without(&old).or(&new.and(remapped)).ranges().iter())
        .flat_map(|range| (range.start.next_multiple_of(alignment)..range.end()).step_by(step))
        .collect()
}

/// An image, with more ranges than it holds: so that a plan asks for all that it should hold.
struct Extended<'a> {
    image: &'a CompressedImage,
    ranges: Vec<MemoryRange>,
}

impl Memory for Extended<'_> {
    fn read_at(&self, addr: u64, buf: &mut [u8]) -> Result<(), ReadError> {
        self.image.read_at(addr, buf)
    }

    fn ranges(&self) -> Vec<MemoryRange> {
        self.ranges.clone()
    }
}
