//! The last rounds before the stop: quick ones, which plan nothing.

use std::time::Duration;

use v8mini_format::memory::{Memory, MemoryRange};
use v8mini_format::model::{Permissions, Region};

use super::SessionError;
use super::live::{Session, refused};
use super::patience::Patience;
use super::watched::readable;
use crate::linux::range_set::RangeSet;
use crate::linux::remote_memory::RemoteMemory;
use crate::linux::snapshot::{FrozenView, NewPage, Planner};
use crate::linux::{maps, procfs};

/// How long to wait for a moment at which little was written: before everything is made ready for the stop, then before the young
/// generation is watched, and after that.
pub(super) const AT_FIRST: Duration = Duration::from_millis(700);
const BEFORE_YOUNG: Duration = Duration::from_millis(300);
const WITH_YOUNG: Duration = Duration::from_millis(1000);
/// At most this each time where there is a log: steps follow.
const BEFORE_STEPS: Duration = Duration::from_millis(300);
/// The stop copies more pages than this in more time than it takes to read the memory map.
const MUCH_PAGES: u64 = 4096;
/// A stop that only protects looks at everything, 5 to 7 ms per gigabyte: as long as it takes to copy a sixty-fourth of that. It has to save
/// more: a light writer of 1 GB was stopped two or three times so that the last stop took 22 to 31 ms, and 26 without. It counts double,
/// because [`Session::pending`] says what was written in the time of the last round, with a scavenge in it as a rule.
const WORTH_A_STOP: u64 = 16;
/// Bytes that are scanned at once; a multiple of every size of page.
pub(super) const STRETCH: u64 = 32 << 20;

impl Session<'_> {
    /// The last rounds: until little is written, first without the young generation, then with it.
    ///
    /// A scavenge that meets protected pages of the young generation takes twice as long (V8 12.4, 16 MB: 10 ms for 5).
    pub(super) fn settle(&mut self, planner: &mut dyn Planner) -> Result<(), SessionError> {
        self.calm_down(planner, BEFORE_YOUNG)?;
        planner.prepare(FrozenView {
            memory: &self.memory,
            regions: &self.regions,
            threads: &[],
        });
        self.admit_young(planner)?;
        self.calm_down(planner, WITH_YOUNG)?;
        let worth = self.watched.image.bytes() / WORTH_A_STOP;
        if self.tools.log.is_some() {
            self.follow_in_steps(planner)
        } else if self.pending() > worth.max(MUCH_PAGES * self.page_size) {
            self.follow_in_stops(planner)
        } else {
            Ok(())
        }
    }

    /// Rounds in quick succession, by the last plan, until little is written and the memory map is known: to plan anew takes 10 to 40 ms
    /// per gigabyte, in which a program writes more than is copied in it.
    ///
    /// A collection of the young generation writes thousands of pages at once, and maps more: it passes. A program that writes faster
    /// than it is copied is stopped all the same, at a moment that is no worse than others.
    pub(super) fn calm_down(
        &mut self,
        planner: &mut dyn Planner,
        time: Duration,
    ) -> Result<(), SessionError> {
        let mut patience = Patience::new(match self.tools.log {
            Some(_) => time.min(BEFORE_STEPS),
            None => time,
        });
        loop {
            self.plan_if_doubtful(planner)?;
            if self.is_remapped()? {
                let fresh = self.remap(planner)?;
                self.copy_again(&fresh)?;
            }
            self.quick_round(planner)?;
            self.drain();
            let pending = self.pending();
            let is_collecting = planner.is_collecting();
            let look = patience.look(pending, is_collecting);
            // To read the memory map in the stop takes 4 ms per gigabyte: much where little is left to be copied.
            let is_much = pending > MUCH_PAGES * self.page_size;
            let is_good = (self.is_little(pending) || look.is_least) && !is_collecting;
            if look.is_late || (is_good && self.is_known()?) || (look.is_least && is_much) {
                return Ok(());
            }
        }
    }

    /// Whether the plan and the memory map are what they were.
    pub(super) fn is_known(&self) -> Result<bool, SessionError> {
        Ok(!self.is_doubtful && !self.is_unplanned && !self.is_remapped()?)
    }

    /// Plans anew if the log has a gap, or there is a heap that was in no plan.
    pub(super) fn plan_if_doubtful(
        &mut self,
        planner: &mut dyn Planner,
    ) -> Result<(), SessionError> {
        if self.is_doubtful || self.is_unplanned {
            let with_young = self.watched.with_young;
            self.last_written = self.round(true, planner)?;
            if with_young {
                self.admit_young(planner)?;
            }
        }
        Ok(())
    }

    /// Watches and copies the young generation, once no collection is under way.
    fn admit_young(&mut self, planner: &mut dyn Planner) -> Result<(), SessionError> {
        self.await_collection(planner);
        // Parts of large mappings that nothing was written to do not exist.
        let memory = RemoteMemory::new(self.pid, &self.regions, self.page_size);
        let existing = RangeSet::new(memory.ranges());
        let fresh = (self.watched)
            .admit_young(&mut self.tools.userfaultfd, &self.regions, &existing)
            .map_err(refused)?;
        self.copy_again(&fresh)?;
        self.last_written = fresh.bytes();
        Ok(())
    }

    /// Bytes that the stop would have to copy now: as the log tells, or as many as the last time.
    pub(super) fn pending(&self) -> u64 {
        match self.tools.log {
            Some(_) if !self.entries.incomplete => self.entries.pages.len() as u64 * self.page_size,
            _ => self.last_written,
        }
    }

    pub(super) fn is_remapped(&self) -> Result<bool, SessionError> {
        let mapped_pages = procfs::mapped_pages(self.pid).map_err(SessionError::Proc)?;
        Ok(!self.remapped.is_empty() || mapped_pages != self.mapped_pages)
    }

    /// Reads the memory map anew and watches what is new in it, without planning anew. Returns what has to be copied.
    pub(super) fn remap(&mut self, planner: &mut dyn Planner) -> Result<RangeSet, SessionError> {
        let remapped = std::mem::take(&mut self.remapped);
        let is_logged = self.tools.log.is_some() && !self.is_doubtful;
        let (regions, pages) = self
            .map_again(is_logged.then_some(&remapped))
            .map_err(SessionError::Proc)?;
        if regions.is_empty() {
            return Err(SessionError::Exited);
        }
        self.mapped_pages = pages;
        let bases = new_bases(&self.regions, &regions, &remapped, self.watched.alignment);
        self.regions = regions;
        let before = self.watched.vacant.without(&remapped);
        let fresh = self.follow(planner, bases, &remapped)?;
        Ok(fresh.or(&self.look_again(planner, &before)?))
    }

    /// Looks once more at the places where no page began and that are watched since, those `before` aside: a page that was made
    /// between the first look and the protection is not among what is written later.
    pub(super) fn look_again(
        &mut self,
        planner: &mut dyn Planner,
        before: &RangeSet,
    ) -> Result<RangeSet, SessionError> {
        let new = self.watched.vacant.without(before);
        let mut bases: Vec<u64> = new.ranges().iter().map(|range| range.start).collect();
        bases.retain(|&base| !matches!(planner.new_page(&self.memory, base), NewPage::None));
        match bases.is_empty() {
            true => Ok(RangeSet::default()),
            false => self.follow(planner, bases, &RangeSet::default()),
        }
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
                NewPage::NewHeap => self.is_unplanned = true,
            }
        }
        let pages = RangeSet::of_pages(pages, len);
        let readable = readable(&self.regions);
        // Memory that was made readable in a mapping that there was does not change the number of mapped pages.
        self.is_unplanned |= !pages.without(&readable).is_empty();
        let new = [pages, RangeSet::new(vacant)];
        (self.watched)
            .follow(&mut self.tools.userfaultfd, &self.regions, remapped, new)
            .map_err(refused)
    }

    /// Copies what was written, by the last plan; pages of the heap that are new or fill up are added to it.
    fn quick_round(&mut self, planner: &mut dyn Planner) -> Result<(), SessionError> {
        self.await_collection(planner);
        self.drain();
        let logged = self.logged();
        let (mut written, mut scanned, mut bases) = (RangeSet::default(), 0, Vec::new());
        if logged.is_enough {
            written = self.protect_logged(&logged)?;
        } else {
            (scanned, bases) = self.scan_and_copy()?;
        }
        let written = written.or(&self.take_up(planner, bases, logged.others)?);
        self.copy_again(&written)?;
        self.last_written = scanned + written.bytes();
        Ok(())
    }

    /// Watches what the heap has begun to use: of `others`, which the log has told of, the pages that fill up, and the pages that begin at
    /// `bases`. Returns what has to be copied.
    pub(super) fn take_up(
        &mut self,
        planner: &mut dyn Planner,
        mut bases: Vec<u64>,
        others: Vec<u64>,
    ) -> Result<RangeSet, SessionError> {
        let mut new = RangeSet::default();
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
            // In a mapping that is not registered, the log has the first write only.
            self.is_doubtful |= !self.protect(fresh.ranges());
            self.watched.adopt(&fresh);
            new = fresh;
        }
        if !bases.is_empty() {
            // Protected before it is looked at: what is written to it after that is seen.
            for &start in &bases {
                self.protect(&[MemoryRange { start, len }]);
            }
            new = new.or(&self.follow(planner, bases, &RangeSet::default())?);
        }
        Ok(new)
    }

    /// Scans for what was written, and copies it, stretch by stretch: in one go, what is protected first is written again before the last is
    /// copied. A program that writes 300 pages in a millisecond is left with half as many for the stop.
    ///
    /// Returns how many bytes were copied, and where a page of the heap may have come into being.
    fn scan_and_copy(&mut self) -> Result<(u64, Vec<u64>), SessionError> {
        let (mut copied, mut bases) = (0, Vec::new());
        for stretch in self.watched.stretches(STRETCH) {
            let found = self.scan_and_protect(&stretch)?;
            let vacant = found.and(&self.watched.vacant);
            bases.extend(vacant.ranges().iter().map(|range| range.start));
            let written = found.and(&self.watched.image);
            self.copy_again(&written)?;
            copied += written.bytes();
        }
        if self.tools.log.is_none() {
            let lost = self.unregistered()?;
            self.remapped = self.remapped.or(&lost);
        }
        Ok((copied, bases))
    }
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
    let old = RangeSet::new(maps::mapped(before, anonymous));
    let new = RangeSet::new(maps::mapped(after, anonymous));
    let step = usize::try_from(alignment).unwrap_or(1 << 18);
    (new.without(&old).or(&new.and(remapped)).ranges().iter())
        .flat_map(|range| (range.start.next_multiple_of(alignment)..range.end()).step_by(step))
        .collect()
}
