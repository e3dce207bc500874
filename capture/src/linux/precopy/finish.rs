//! After the stop, while the process runs again: what was copied is checked, and becomes the image.

use std::time::Duration;

use nix::errno::Errno;
use v8mini_format::memory::{Memory, MemoryRange, ReadError};
use v8mini_format::model::Problem;

use super::SessionError;
use super::halt::Done;
use super::image::CompressedImage;
use super::live::Session;
use crate::linux::pagemap_scan::Then;
use crate::linux::range_set::RangeSet;
use crate::linux::snapshot::{FrozenView, Planner, Snapshot};

impl Session<'_> {
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
        } = done;
        self.lay_over();
        self.problems.extend(problems);
        self.tell_stops(pause);
        let pause = self.still.iter().copied().fold(pause, Duration::max);
        let wanted = self.watched.image.clone();
        if self.tools.log.is_some() {
            self.check_log(&wanted, &changed)?;
        }
        let Self {
            mut image,
            tools,
            stage,
            notes,
            mut problems,
            ..
        } = self;
        drop(tools);
        // Some hundred megabytes, which nobody needs any more.
        drop(stage);
        image.keep_in_memory(false);
        let readable = readable.or(&image.held()).or(&wanted);
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
    /// `image` was watched, and `changed` is what the stop has copied. Memory that the process has discarded (`MADV_DONTNEED`) is not logged either, and reads as
    /// zero: it was dead. Whether it was discarded before the stop or in the milliseconds since cannot be told; it is stored as
    /// zero.
    fn check_log(&mut self, image: &RangeSet, changed: &RangeSet) -> Result<(), SessionError> {
        let mut written = Vec::new();
        // The young generation first: the next scavenge is not far.
        let young = self.watched.young_runs();
        let mut checked = (self.tools.scan).written(&young, Then::Leave, &mut written);
        self.watched.release_young(&self.tools.userfaultfd);
        if checked.is_ok() {
            checked = (self.tools.scan).written(&self.watched.runs, Then::Leave, &mut written);
        }
        match checked {
            Ok(()) => {}
            Err(Errno::ESRCH) => return Ok(()),
            Err(errno) => {
                self.notes
                    .push(format!("the log of page faults was not checked: {errno}"));
                return Ok(());
            }
        }
        self.entries.clear();
        self.tools.drain(&mut self.entries);
        let page = |&start: &u64| MemoryRange {
            start,
            len: self.page_size,
        };
        let since = RangeSet::new(self.entries.pages.iter().map(page).collect());
        let mapped = RangeSet::of_pages(self.entries.mapped.iter().copied(), self.page_size);
        let unlogged = RangeSet::new(written)
            .and(image)
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
