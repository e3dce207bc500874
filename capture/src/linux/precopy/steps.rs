//! Steps: stops too short to be noticed, in each of which some of the pages that the log names are protected.
//!
//! To protect a page of a process that runs takes 5 µs and more, nearly all of it for the interrupt by which the other processors are told:
//! a program of 4 GB that writes to 60 pages in a millisecond writes as fast as it is copied then. Of one that stands still nobody has
//! to be told, and it takes 0.85 µs (Linux 6.18, one call each). So it is stopped for half a millisecond, in which as many pages are protected as
//! that allows; they are copied while it runs again, in less time than it needs to write to as many others.
//!
//! A program that writes to ten times as many is not caught up with that way: each scavenge writes once more to whatever was written since the
//! one before. It is held up: for a while, what is protected is also copied before it goes on, for one to four milliseconds each time, after which
//! it runs for a quarter of that. So little is written meanwhile that this comes to an end whatever the program does.

use std::time::{Duration, Instant};

use v8mini_format::memory::MemoryRange;

use super::SessionError;
use super::live::Session;
use super::patience::Patience;
use crate::linux::freeze::Frozen;
use crate::linux::range_set::RangeSet;
use crate::linux::snapshot::Planner;

/// How long all steps may take.
const PATIENCE: Duration = Duration::from_secs(4);
/// The part of that after which the program is held up: a light writer of 4 GB takes half of it.
const HOLD_AFTER: f64 = 0.125;
/// The part of it after which it is put up with that it is no longer less.
const STEADY_AFTER: f64 = 0.6;
/// With so many pages written it is at once: it would not be caught up with otherwise.
const MANY_PAGES: u64 = 32 << 10;
/// The part of it in which the least is asked for.
const SOON: f64 = 0.03;
/// Few enough pages for the stop: at first; then, so that a program that always leaves twice as many is not stepped on for longer; and when it
/// was held up.
const LEFT_AT_FIRST: u64 = 96;
const LEFT_SOON: u64 = 192;
const LEFT_LATE: u64 = 384;
/// How long a step lasts, once all threads stand.
const STEP: Duration = Duration::from_micros(500);
/// How long one lasts that holds the program up, for each so many pages that wait, at least once and at most so many times. Longer ones are for
/// many pages: the next scavenge must not come before they are copied.
const HOLD: Duration = Duration::from_millis(1);
const PAGES_PER_HOLD: u64 = 8192;
const MAX_HOLDS: u32 = 4;
/// More pages than one such step copies.
const HELD_PAGES: u64 = 8192;
/// Pages from one look at the clock to the next.
const PAGES_PER_LOOK: usize = 64;
/// A program that is held up runs for one part in so many of the time for which it stands.
const STANDS: u32 = 4;
/// So many pages that the heap has begun to use are taken up at once: it takes four milliseconds at 4 GB, however few they are.
const MANY_NEW: usize = 96;

impl Session<'_> {
    /// Steps until little is left for the stop. There must be a log.
    pub(super) fn follow_in_steps(
        &mut self,
        planner: &mut dyn Planner,
    ) -> Result<(), SessionError> {
        let mut patience = Patience::new(PATIENCE);
        // Pages of the image that were written and are not protected yet, as the last look at the log has told.
        let mut waiting = Vec::new();
        let mut is_held_up = false;
        loop {
            self.plan_if_doubtful(planner)?;
            if waiting.is_empty() {
                if self.is_remapped()? {
                    let fresh = self.remap(planner)?;
                    self.copy_in_haste(&fresh)?;
                }
                waiting = self.next_waiting(planner)?;
            }
            self.await_collection(planner);
            self.drain();
            let pending = (self.pending()).saturating_add(waiting.len() as u64 * self.page_size);
            let waited = patience.waited();
            is_held_up |= waited > HOLD_AFTER || pending > MANY_PAGES * self.page_size;
            let enough = match waited {
                _ if is_held_up => LEFT_LATE,
                0.0..SOON => LEFT_AT_FIRST,
                _ => LEFT_SOON,
            };
            let is_little = pending <= enough * self.page_size;
            let is_collecting = planner.is_collecting();
            let look = patience.look(pending, is_collecting);
            // What is held up leaves less and less, if slowly.
            let is_steady = look.is_least && waited > STEADY_AFTER;
            let is_good = (is_little || is_steady) && !is_collecting;
            if look.is_late || (is_good && self.is_known()?) {
                (self.entries.pages).extend(waiting.iter().map(|page: &MemoryRange| page.start));
                return Ok(());
            }
            if self.is_doubtful {
                // What waits is not protected, so the next plan's scan finds it.
                waiting.clear();
            } else if is_held_up {
                let stood = self.step_and_copy(&mut waiting, hold(pending / self.page_size))?;
                std::thread::sleep(stood / STANDS);
            } else {
                self.step(&mut waiting)?;
            }
        }
    }

    /// The pages of the image that the log has told of by now.
    fn next_waiting(
        &mut self,
        planner: &mut dyn Planner,
    ) -> Result<Vec<MemoryRange>, SessionError> {
        self.drain();
        let (image, mut others) = self.watched.sort(&mut self.entries.pages);
        self.entries.pages.clear();
        let watched = &self.watched;
        others.retain(|&page| watched.unpopulated.contains(page) || watched.vacant.contains(page));
        if others.len() > MANY_NEW {
            let new = self.take_up(planner, Vec::new(), others)?;
            self.copy_in_haste(&new)?;
        } else {
            self.entries.pages.append(&mut others);
        }
        let len = self.page_size;
        let step = usize::try_from(len).unwrap_or(usize::MAX);
        let pages = (image.ranges().iter())
            .flat_map(|range| (range.start..range.end()).step_by(step))
            .map(|start| MemoryRange { start, len });
        Ok(pages.collect())
    }

    /// Protects some of the waiting pages in a stop, and copies them when the process runs again.
    fn step(&mut self, waiting: &mut Vec<MemoryRange>) -> Result<(), SessionError> {
        let (frozen, deadline) = self.stop_for(STEP)?;
        let mut left = waiting.len();
        for some in waiting.rchunks(PAGES_PER_LOOK) {
            self.protect(some);
            left -= some.len();
            if Instant::now() > deadline {
                break;
            }
        }
        self.go_on(frozen);
        self.copy_in_haste(&RangeSet::new(waiting.split_off(left)))?;
        self.drain();
        Ok(())
    }

    /// Protects some of the waiting pages in a stop that lasts for so long, and copies them in it. Returns how long the process stood.
    fn step_and_copy(
        &mut self,
        waiting: &mut Vec<MemoryRange>,
        time: Duration,
    ) -> Result<Duration, SessionError> {
        self.make_room(HELD_PAGES.min(waiting.len() as u64) * self.page_size);
        let (frozen, deadline) = self.stop_for(time)?;
        while !waiting.is_empty() && Instant::now() < deadline {
            let some = waiting.split_off(waiting.len().saturating_sub(PAGES_PER_LOOK));
            self.protect(&some);
            self.copy_in_haste(&RangeSet::new(some))?;
        }
        let stood = self.go_on(frozen);
        self.drain();
        Ok(stood)
    }

    /// Stops the process; until when something may be done about its memory.
    fn stop_for(&self, time: Duration) -> Result<(Frozen, Instant), SessionError> {
        let limit = self.limits.max_pause;
        let frozen = Frozen::stop_within(self.pid, limit).map_err(SessionError::Stop)?;
        // Half of what is allowed: a look at the clock comes late.
        let time = limit.map_or(time, |limit| time.min(limit / 2));
        Ok((frozen, Instant::now() + time))
    }
}

/// How long to hold up a program that has so many pages waiting.
fn hold(pages: u64) -> Duration {
    let times = u32::try_from(pages / PAGES_PER_HOLD).unwrap_or(u32::MAX);
    HOLD * times.clamp(1, MAX_HOLDS)
}
