//! The last rounds before the stop: quick ones, which plan nothing.

use std::time::{Duration, Instant};

use v8mini_format::memory::MemoryRange;
use v8mini_format::model::{Permissions, Region};

use super::SessionError;
use super::live::{Logged, Session, refused};
use super::watched::mapped;
use crate::linux::range_set::RangeSet;
use crate::linux::snapshot::{NewPage, Planner};
use crate::linux::{maps, procfs};

/// How long to wait for a moment at which little was written.
const PATIENCE: Duration = Duration::from_millis(1400);
/// The stop copies more pages than this in more time than it takes to read the memory map.
const MUCH_PAGES: u64 = 4096;
/// How long to wait at least, if it is no longer less from round to round.
const HASTE: Duration = Duration::from_millis(500);

impl Session<'_> {
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
            self.drain();
            let elapsed = began.elapsed();
            // What is no less than the least so far, or hardly more, will not become much less.
            let near = least / 8;
            let is_least = self.last_written.abs_diff(least) <= near && elapsed > HASTE;
            least = least.min(self.last_written);
            let is_known = !self.is_doubtful && !self.is_remapped()?;
            // To read the memory map in the stop takes 4 ms per gigabyte: much where little is left to be copied.
            let is_much = self.last_written > MUCH_PAGES * self.page_size;
            // A stop in a collection is in vain.
            let is_good = (self.is_little() || is_least) && !planner.is_collecting();
            if elapsed > PATIENCE || (is_good && is_known) || (is_least && is_much) {
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
        let before = self.watched.vacant.without(&remapped);
        let fresh = self.follow(planner, bases, &remapped)?;
        let fresh = fresh.or(&self.look_again(planner, &before)?);
        self.copy_again(&fresh)
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
                NewPage::NewHeap => self.is_doubtful = true,
            }
        }
        let new = [RangeSet::of_pages(pages, len), RangeSet::new(vacant)];
        (self.watched)
            .follow(&mut self.tools.userfaultfd, &self.regions, remapped, new)
            .map_err(refused)
    }

    /// Copies what was written, by the last plan; pages of the heap that are new or fill up are added to it.
    fn quick_round(&mut self, planner: &mut dyn Planner) -> Result<(), SessionError> {
        self.await_collection(planner);
        self.drain();
        let logged = self.logged();
        if logged.is_enough {
            self.protect_logged(&logged);
        }
        let Logged {
            image: mut written,
            others,
            is_enough,
            ..
        } = logged;
        let mut bases = Vec::new();
        if !is_enough {
            let (found, lost) = self.scan_and_protect(self.tools.log.is_none())?;
            self.remapped = self.remapped.or(&lost);
            bases.extend(
                found
                    .and(&self.watched.vacant)
                    .ranges()
                    .iter()
                    .map(|r| r.start),
            );
            written = found.and(&self.watched.image);
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
            self.protect(fresh.ranges());
            self.watched.adopt(&fresh);
            written = written.or(&fresh);
        }
        if !bases.is_empty() {
            // Protected before it is looked at: what is written to it after that is seen.
            for &start in &bases {
                self.protect(&[MemoryRange { start, len }]);
            }
            written = written.or(&self.follow(planner, bases, &RangeSet::default())?);
        }
        self.copy_again(&written)?;
        self.last_written = written.bytes();
        Ok(())
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
    let old = RangeSet::new(mapped(before, anonymous));
    let new = RangeSet::new(mapped(after, anonymous));
    let step = usize::try_from(alignment).unwrap_or(1 << 18);
    (new.without(&old).or(&new.and(remapped)).ranges().iter())
        .flat_map(|range| (range.start.next_multiple_of(alignment)..range.end()).step_by(step))
        .collect()
}
