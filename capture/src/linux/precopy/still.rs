//! Stops that only protect: for programs that write to new pages as fast as those of the last round are protected and copied.
//!
//! To protect a page of a process that runs takes about a microsecond, nearly all of it to tell the other processors, which have to
//! answer; of one that stands still, a tenth of that (Linux 6.18). So such a program is stopped for some milliseconds, in which nothing
//! happens but that, and what was written until then is copied while it runs again. That takes as long per page as the program needs to
//! write to half of one, so each round leaves less than the one before, until little enough is left for the stop.

use std::time::{Duration, Instant};

use super::SessionError;
use super::live::Session;
use super::settle::STRETCH;
use crate::linux::fault_log::Entries;
use crate::linux::freeze::Frozen;
use crate::linux::pagemap_scan::Then;
use crate::linux::range_set::RangeSet;
use crate::linux::snapshot::Planner;

/// So many such stops in a row, at least unless little is left, and at most.
const AT_LEAST: usize = 4;
const MAX_STOPS: usize = 8;
/// As few pages are copied in the stop in less time than it takes to protect a gigabyte once more.
const ENOUGH_PAGES: u64 = 2048;
/// A round that leaves more than this part of what the one before has left was hardly worth its stop…
const WORTH: f64 = 0.85;
/// …and is the last, if it leaves no more than so much of the least so far.
const NO_WORSE: f64 = 1.25;
/// The part of the room for the stop that is left to it.
const RESERVE: u64 = 4;
/// The log is read each time that so many ranges were copied: its rings must not overflow.
const RANGES_AT_ONCE: usize = 2048;

impl Session<'_> {
    /// Rounds that protect in a stop, until they leave little or no longer less.
    pub(super) fn follow_in_stops(
        &mut self,
        planner: &mut dyn Planner,
    ) -> Result<(), SessionError> {
        self.plan_if_doubtful(planner)?;
        self.follow_until_steady(planner, AT_LEAST)?;
        // What was mapped meanwhile is watched by none of these rounds, and to find it takes as long as one of them.
        if self.is_remapped()? {
            let fresh = self.remap(planner)?;
            self.copy_in_haste(&fresh)?;
            self.follow_until_steady(planner, 1)?;
        }
        Ok(())
    }

    /// So many rounds `at_least`, until one leaves little or no longer less.
    fn follow_until_steady(
        &mut self,
        planner: &mut dyn Planner,
        at_least: usize,
    ) -> Result<(), SessionError> {
        let (mut before, mut least) = (self.pending(), u64::MAX);
        for round in 1..=MAX_STOPS {
            let is_in_time = self.still_round(planner)?;
            self.drain();
            let pending = self.pending();
            // What a collection writes in the middle of a round passes.
            let is_least = pending as f64 <= least as f64 * NO_WORSE;
            let was_worth_it = (pending as f64) < before as f64 * WORTH;
            let is_steady = round >= at_least && is_least && !was_worth_it;
            if !is_in_time || pending <= ENOUGH_PAGES * self.page_size || is_steady {
                break;
            }
            least = least.min(pending);
            before = pending;
        }
        Ok(())
    }

    /// One round; whether there was time to protect everything.
    fn still_round(&mut self, planner: &mut dyn Planner) -> Result<bool, SessionError> {
        self.await_collection(planner);
        let stretches = self.watched.stretches(STRETCH);
        let limit = self.limits.max_pause;
        self.drain();
        let mut found = Vec::new();

        let frozen = Frozen::stop_within(self.pid, limit).map_err(SessionError::Stop)?;
        let deadline = limit.map(|limit| frozen.stopped_at() + limit);
        self.drain();
        let (mut scanned, mut is_late) = (Ok(()), false);
        for stretch in &stretches {
            is_late = deadline.is_some_and(|deadline| Instant::now() > deadline);
            if is_late || scanned.is_err() {
                break;
            }
            scanned = (self.tools.scan).written(stretch, Then::ProtectAgain, &mut found);
        }
        let mut entries = Entries::default();
        std::mem::swap(&mut entries, &mut self.entries);
        let (pause, report) = frozen.thaw();

        self.still.push(pause);
        self.problems.extend(report.problems);
        match scanned {
            Ok(()) => {}
            Err(errno) => return Err(SessionError::scan(errno)),
        }
        // First what costs the more the later it is done.
        let found = RangeSet::new(found);
        let written = found.and(&self.watched.image);
        self.copy_in_haste(&written)?;
        let (_, others) = self.watched.sort(&mut entries.pages);
        if is_late {
            // Of what was not looked at, the log still has to tell.
            self.entries.pages.append(&mut entries.pages);
            self.entries.incomplete |= entries.incomplete;
        }
        let vacant = found.and(&self.watched.vacant);
        let bases = vacant.ranges().iter().map(|range| range.start).collect();
        if self.tools.log.is_none() {
            let lost = self.unregistered()?;
            self.remapped = self.remapped.or(&lost);
        }
        let new = self.take_up(planner, bases, others)?;
        self.copy_in_haste(&new)?;
        self.last_written = written.bytes() + new.bytes();
        Ok(!is_late)
    }

    /// Copies pages to where there is room for them, and leaves it at that for now.
    fn copy_in_haste(&mut self, pages: &RangeSet) -> Result<(), SessionError> {
        let reserve = self.stage_bytes() / RESERVE;
        let enough = pages.bytes().saturating_add(reserve);
        if self
            .stage
            .as_ref()
            .is_none_or(|stage| stage.room() < enough)
        {
            self.lay_over();
        }
        let Some(stage) = (self.stage.as_mut()).filter(|stage| stage.room() >= enough) else {
            return self.copy_again(pages);
        };
        // What vanishes meanwhile is no loss: whatever comes in its place is new.
        let mut vanished = Vec::new();
        for some in pages.ranges().chunks(RANGES_AT_ONCE) {
            stage
                .copy(&self.memory, some, self.page_size, None, &mut vanished)
                .map_err(|_gone| SessionError::Exited)?;
            self.tools.drain(&mut self.entries);
        }
        Ok(())
    }

    /// Says that the process was stopped more than once.
    pub(super) fn tell_stops(&mut self, last: Duration) {
        let milliseconds = |time: Duration| time.as_secs_f64() * 1e3;
        if let Some(longest) = self.still.iter().max() {
            self.notes.push(format!(
                "the process writes as fast as it is copied, so it was stopped {} times, for {:.1} ms at most, only to see what it writes to; \
                 the last stop took {:.1} ms",
                self.still.len(),
                milliseconds(*longest),
                milliseconds(last),
            ));
        }
    }
}
