//! Stops that only protect, where there is no log: for programs that write to new pages as fast as those of the last round are protected and
//! copied.
//!
//! To protect a page of a process that runs takes about a microsecond, nearly all of it to tell the other processors, which have to
//! answer; of one that stands still, a tenth of that (Linux 6.18). So such a program is stopped for some milliseconds, in which nothing
//! happens but that, and what was written until then is copied while it runs again. That takes as long per page as the program needs to
//! write to half of one, so each round leaves less than the one before, until little enough is left for the stop.

use std::time::{Duration, Instant};

use super::SessionError;
use super::live::Session;
use super::settle::STRETCH;
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
        let mut found = Vec::new();

        let frozen = Frozen::stop_within(self.pid, limit).map_err(SessionError::Stop)?;
        let deadline = limit.map(|limit| frozen.stopped_at() + limit);
        let (mut scanned, mut is_late) = (Ok(()), false);
        for stretch in &stretches {
            is_late = deadline.is_some_and(|deadline| Instant::now() > deadline);
            if is_late || scanned.is_err() {
                break;
            }
            scanned = (self.tools.scan).written(stretch, Then::ProtectAgain, &mut found);
        }
        self.go_on(frozen);

        match scanned {
            Ok(()) => {}
            Err(errno) => return Err(SessionError::scan(errno)),
        }
        // First what costs the more the later it is done.
        let found = RangeSet::new(found);
        let written = found.and(&self.watched.image);
        self.copy_in_haste(&written)?;
        let vacant = found.and(&self.watched.vacant);
        let bases = vacant.ranges().iter().map(|range| range.start).collect();
        let lost = self.unregistered()?;
        self.remapped = self.remapped.or(&lost);
        let new = self.take_up(planner, bases, Vec::new())?;
        self.copy_in_haste(&new)?;
        self.last_written = written.bytes() + new.bytes();
        Ok(!is_late)
    }

    /// Lets the process go that was not stopped for good yet. Returns how long it stood.
    pub(super) fn go_on(&mut self, frozen: Frozen) -> Duration {
        let (pause, report) = frozen.thaw();
        self.still.push(pause);
        self.problems.extend(report.problems);
        pause
    }

    /// Says that the process was stopped more than once.
    pub(super) fn tell_stops(&mut self, last: Duration) {
        let milliseconds = |time: Duration| time.as_secs_f64() * 1e3;
        if let Some(longest) = self.still.iter().max() {
            self.notes.push(format!(
                "stopped {} times before, for {:.1} ms at most, to see what the process writes to; the last stop took {:.1} ms",
                self.still.len(),
                milliseconds(*longest),
                milliseconds(last),
            ));
        }
    }
}
