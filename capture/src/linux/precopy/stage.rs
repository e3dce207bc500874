//! Room for copies that must be quick.

use std::io;
use std::time::Instant;

use memmap2::MmapMut;
use v8mini_format::memory::MemoryRange;
use v8mini_format::model::Problem;

use crate::linux::copy::{GivenUp, copy};
use crate::linux::remote_memory::RemoteMemory;
use crate::linux::snapshot::Copied;
use crate::linux::stop_and_copy::prefaulted;

/// Memory that was made ready before it is needed, and what was copied into it, in order: of pages that were copied twice, the
/// later copy counts.
///
/// Fresh memory takes as long to write to for the first time as to copy a page into it.
#[derive(Debug)]
pub(super) struct Stage {
    buffer: MmapMut,
    used: usize,
    pieces: Vec<Copied>,
}

impl Stage {
    /// Room for so many bytes.
    ///
    /// # Errors
    /// When there is not so much memory.
    pub(super) fn new(bytes: u64) -> io::Result<Self> {
        Ok(Self {
            buffer: prefaulted(usize::try_from(bytes).unwrap_or(usize::MAX))?,
            used: 0,
            pieces: Vec::new(),
        })
    }

    /// Room that is not made ready, for what has turned out to be more.
    ///
    /// # Errors
    /// As [`Stage::new`].
    pub(super) fn at_once(bytes: u64) -> io::Result<Self> {
        Ok(Self {
            buffer: MmapMut::map_anon(usize::try_from(bytes).unwrap_or(usize::MAX))?,
            used: 0,
            pieces: Vec::new(),
        })
    }

    /// Bytes that are left.
    pub(super) fn room(&self) -> u64 {
        (self.buffer.len() - self.used) as u64
    }

    /// Copies pages, as far as there is room. What cannot be read is told to `problems`.
    ///
    /// # Errors
    /// When the process is gone, or `deadline` has passed.
    pub(super) fn copy(
        &mut self,
        memory: &RemoteMemory,
        pages: &[MemoryRange],
        page_size: u64,
        deadline: Option<Instant>,
        problems: &mut Vec<Problem>,
    ) -> Result<(), GivenUp> {
        let Some(rest) = self.buffer.get_mut(self.used..) else {
            return Ok(());
        };
        let copied = copy(memory, pages, rest, page_size, deadline, problems)?;
        let begin = self.used;
        for piece in copied {
            let len = usize::try_from(piece.range.len).unwrap_or(0);
            self.used = self.used.max(begin + piece.offset + len);
            self.pieces.push(Copied {
                offset: begin + piece.offset,
                ..piece
            });
        }
        Ok(())
    }

    /// What was copied, in that order.
    pub(super) fn pieces(&self) -> impl Iterator<Item = (u64, &[u8])> + '_ {
        self.pieces.iter().filter_map(|piece| {
            let len = usize::try_from(piece.range.len).ok()?;
            let end = piece.offset.checked_add(len)?;
            Some((piece.range.start, self.buffer.get(piece.offset..end)?))
        })
    }

    /// Forgets what was copied: there is room for as much again.
    pub(super) fn clear(&mut self) {
        self.used = 0;
        self.pieces.clear();
    }
}
