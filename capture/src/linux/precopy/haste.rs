//! Copying in haste: to where room was made ready, because fresh memory takes as long to write to for the first time as to copy a page.
//!
//! What was copied so is laid over the image later, when there is time for it: in any case before something newer is.

use super::SessionError;
use super::live::Session;
use super::stage::Stage;
use crate::linux::range_set::RangeSet;

/// Room for the stop: what is written in a round several times over, and stacks and isolates. It is made ready, which takes a second for
/// some hundred megabytes, in which the program goes on writing: by what the round before has copied, it was 1.3 GB for a light writer of 4 GB.
const STAGE_FACTOR: u64 = 4;
const STAGE_SLACK: u64 = 32 << 20;
/// More than this is not made ready where there is a log: what steps have copied is laid over the image in between.
const STAGE_FOR_STEPS: u64 = 512 << 20;
/// Nor more than this where there is none. For a program that writes everywhere it was as much as the image: memory that the image takes once
/// more, and seconds in which as much is written again.
const STAGE_WITHOUT_LOG: u64 = 1 << 30;
/// What of it is left to the stop: 1,024 pages and more, stacks and isolates; where there is no log, a part of it.
const RESERVE: u64 = 16 << 20;
const RESERVED_PART: u64 = 4;

impl Session<'_> {
    /// Room that the stop will need.
    pub(super) fn stage_bytes(&self) -> u64 {
        let most = match self.tools.log {
            Some(_) if !self.entries.incomplete => STAGE_FOR_STEPS,
            _ => self.watched.image.bytes().min(STAGE_WITHOUT_LOG),
        };
        self.pending()
            .saturating_mul(STAGE_FACTOR)
            .min(most)
            .saturating_add(STAGE_SLACK)
    }

    /// Copies pages to where room was made for them, and leaves it at that for now.
    pub(super) fn copy_in_haste(&mut self, pages: &RangeSet) -> Result<(), SessionError> {
        let has_room = self.make_room(pages.bytes());
        let Some(stage) = self.stage.as_mut().filter(|_| has_room) else {
            return self.copy_again(pages);
        };
        // What vanishes meanwhile is no loss: whatever comes in its place is new.
        let mut vanished = Vec::new();
        let (memory, ranges) = (&self.memory, pages.ranges());
        stage
            .copy(memory, ranges, self.page_size, None, &mut vanished)
            .map_err(|_gone| SessionError::Exited)
    }

    /// Lays what was copied in haste over the image if there is no room for so many bytes more; whether there is some then.
    pub(super) fn make_room(&mut self, bytes: u64) -> bool {
        if self.has_room(bytes) {
            return true;
        }
        self.lay_over();
        self.has_room(bytes)
    }

    /// Whether there is room for so many bytes, and for the stop.
    fn has_room(&self, bytes: u64) -> bool {
        let reserve = match self.tools.log {
            Some(_) => RESERVE,
            None => self.stage_bytes() / RESERVED_PART,
        };
        let room = self.stage.as_ref().map_or(0, Stage::room);
        bytes.saturating_add(reserve) <= room
    }

    /// Lays what was copied in haste over the image.
    pub(super) fn lay_over(&mut self) {
        let Some(stage) = &mut self.stage else {
            return;
        };
        for (start, bytes) in stage.pieces() {
            self.image.lay_over(start, bytes);
        }
        stage.clear();
    }
}

#[cfg(test)]
mod tests {
    use v8mini_format::memory::Memory;

    use super::super::live::tests::{PAGE, watching};
    use super::*;
    use crate::linux::options::Options;

    #[test]
    fn what_was_copied_last_counts() {
        let mut memory = memmap2::MmapMut::map_anon(8 * PAGE as usize).unwrap();
        let limits = Options::default();
        let Some((mut session, all)) = watching(&memory, &limits) else {
            return;
        };
        session.stage = Some(Stage::new(RESERVE + 16 * PAGE).unwrap());
        let start = all.ranges()[0].start;
        let byte_of = |session: &mut Session<'_>| {
            session.lay_over();
            let mut byte = [0];
            session.image.read_at(start, &mut byte).unwrap();
            byte[0]
        };
        memory.fill(1);
        session.copy_in_haste(&all).unwrap();
        memory.fill(2);
        session.copy_in_haste(&all).unwrap();
        assert_eq!(byte_of(&mut session), 2);
        // A round copies at once, though something older waits to be laid over the image.
        session.copy_in_haste(&all).unwrap();
        memory.fill(3);
        session.copy_again(&all).unwrap();
        assert_eq!(byte_of(&mut session), 3);
        // Without room, too.
        for number in 4..10 {
            memory.fill(number);
            session.copy_in_haste(&all).unwrap();
        }
        assert_eq!(byte_of(&mut session), 9);
    }
}
