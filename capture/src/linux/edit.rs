//! What is changed in a capture before it is written.

use v8mini_format::memory::{Memory, MemoryRange, ReadError};
use v8mini_format::model::Redaction;

use super::error::CaptureError;
use super::live::Captured;
use super::options::Options;
use super::snapshot::Image;
use crate::content::{DeadMemory, Edit, Fill, outside, redact};

impl Captured {
    /// Decides what is changed in the memory on its way to the file, and redacts the metadata.
    ///
    /// # Errors
    /// [`CaptureError::Redact`]: then nothing may be written.
    pub(super) fn edit(&mut self, options: &Options) -> Result<(), CaptureError> {
        let everything = Everything {
            image: &*self.memory,
            late: &self.late_memory,
        };
        let stored = everything.ranges();
        let metadata = &mut self.metadata;
        if options.redaction != Redaction::None {
            let pid = metadata.process.pid;
            self.edits = redact(&everything, &stored, metadata, options.redaction)
                .map_err(|source| CaptureError::Redact { pid, source })?;
        } else if !options.full {
            let (pages, isolates) = (&metadata.pages, &metadata.isolates);
            self.edits = DeadMemory::find(&everything, &stored, pages, isolates).edits();
        }
        if !self.stale.is_empty() {
            let fill = Fill::ZERO;
            let stale = self.stale.iter().map(|&range| Edit { range, fill });
            self.edits = self.edits.iter().copied().chain(stale).collect();
        }
        Ok(())
    }
}

/// All memory that will be written.
struct Everything<'a> {
    image: &'a dyn Image,
    /// What was read after the stop: sorted, disjoint.
    late: &'a [(u64, Vec<u8>)],
}

impl Memory for Everything<'_> {
    fn read_at(&self, addr: u64, buf: &mut [u8]) -> Result<(), ReadError> {
        let image = self.image.read_at(addr, buf);
        if image.is_ok() {
            return image;
        }
        let at = self.late.partition_point(|(start, _)| *start <= addr);
        let found = at.checked_sub(1).and_then(|at| {
            let (start, bytes) = self.late.get(at)?;
            let from = usize::try_from(addr - start).ok()?;
            bytes.get(from..from.checked_add(buf.len())?)
        });
        match found {
            Some(bytes) => {
                buf.copy_from_slice(bytes);
                Ok(())
            }
            None => image,
        }
    }

    /// Neighbours are not joined: no read crosses from one source to the other.
    fn ranges(&self) -> Vec<MemoryRange> {
        let mut ranges = self.image.ranges();
        let planned = ranges.clone();
        for (start, bytes) in self.late {
            let late = MemoryRange {
                start: *start,
                len: bytes.len() as u64,
            };
            ranges.extend(outside(&[late], &planned));
        }
        ranges.sort_unstable();
        ranges
    }
}
