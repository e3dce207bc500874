//! Copying while the process runs.

use std::collections::VecDeque;
use std::io;

use nix::errno::Errno;
use v8mini_format::limits::MEMORY_CHUNK_ALIGN;
use v8mini_format::memory::MemoryRange;
use v8mini_format::{Frame, FrameQueue};

use super::image::{CompressedImage, HEAD_BYTES, Head, head_of};
use super::throttle::Throttle;
use crate::linux::range_set::RangeSet;
use crate::linux::remote_memory::RemoteMemory;

/// Smaller parts are kept as they are, page by page: metadata and spaces, which everybody reads, and pages that will
/// be written again.
const COMPRESS_FROM: u64 = 64 << 10;
/// Pages that are read at once into the overlay.
const BATCH_BYTES: u64 = 1 << 20;

/// Copies memory into an image.
pub(super) struct Copier<'a> {
    pub(super) memory: &'a RemoteMemory,
    pub(super) page_size: u64,
    pub(super) throttle: &'a Throttle,
}

/// Why copying ends early.
#[derive(Debug)]
pub(super) enum CopyError {
    /// The process is gone.
    Exited,
    /// Compressing failed, or the temporary file is full.
    Store(io::Error),
}

impl From<io::Error> for CopyError {
    fn from(error: io::Error) -> Self {
        Self::Store(error)
    }
}

impl Copier<'_> {
    /// Copies for the first time: large parts are compressed. `progress` is told the bytes that are done. What cannot be
    /// read, because it is gone already, is left out.
    pub(super) fn copy(
        &self,
        queue: &mut FrameQueue,
        ranges: &RangeSet,
        image: &mut CompressedImage,
        progress: &mut dyn FnMut(u64),
    ) -> Result<(), CopyError> {
        let mut heads = VecDeque::new();
        let mut done = 0;
        let store = |image: &mut CompressedImage, frame: Frame, heads: &mut VecDeque<Head>| {
            image.add(frame, heads.pop_front().unwrap_or([0; HEAD_BYTES]))
        };
        for range in ranges.ranges() {
            let mut start = range.start;
            while start < range.end() {
                let block = (start / MEMORY_CHUNK_ALIGN + 1).saturating_mul(MEMORY_CHUNK_ALIGN);
                let len = block.min(range.end()) - start;
                let part = MemoryRange { start, len };
                let mut raw = queue.buffer();
                raw.resize(usize::try_from(len).unwrap_or(0), 0);
                match self.memory.read_ranges(&[part], &mut raw) {
                    Err(Errno::ESRCH) => return Err(CopyError::Exited),
                    Ok(read) if read == raw.len() && len >= COMPRESS_FROM => {
                        heads.push_back(head_of(&raw));
                        if let Some(frame) = queue.push(start, raw)? {
                            store(image, frame, &mut heads)?;
                        }
                    }
                    Ok(read) if read == raw.len() => image.lay_over(start, &raw),
                    _ => self.page_by_page(part, image)?,
                }
                start += len;
                done += len;
                progress(done);
                self.throttle.pace();
            }
        }
        while let Some(frame) = queue.pop()? {
            store(image, frame, &mut heads)?;
        }
        Ok(())
    }

    /// Copies pages that were written since they were copied. `between` is called every now and then; `buffer` is best used again and
    /// again: the kernel clears fresh memory, which takes as long as to copy it.
    pub(super) fn copy_again(
        &self,
        pages: &RangeSet,
        image: &mut CompressedImage,
        buffer: &mut Vec<u8>,
        between: &mut dyn FnMut(),
    ) -> Result<(), CopyError> {
        buffer.resize(usize::try_from(BATCH_BYTES).unwrap_or(0), 0);
        let mut batch: Vec<MemoryRange> = Vec::new();
        let mut bytes = 0;
        for range in pages.ranges() {
            let mut start = range.start;
            while start < range.end() {
                let len = (range.end() - start).min(BATCH_BYTES - bytes);
                batch.push(MemoryRange { start, len });
                bytes += len;
                start += len;
                if bytes == BATCH_BYTES {
                    self.read_batch(&batch, buffer, image)?;
                    batch.clear();
                    bytes = 0;
                    between();
                    self.throttle.pace();
                }
            }
        }
        self.read_batch(&batch, buffer, image)
    }

    fn read_batch(
        &self,
        batch: &[MemoryRange],
        buffer: &mut [u8],
        image: &mut CompressedImage,
    ) -> Result<(), CopyError> {
        let wanted: usize = batch
            .iter()
            .map(|range| usize::try_from(range.len).unwrap_or(0))
            .sum();
        let Some(buffer) = buffer.get_mut(..wanted) else {
            return Ok(());
        };
        match self.memory.read_ranges(batch, buffer) {
            Err(Errno::ESRCH) => return Err(CopyError::Exited),
            Ok(read) if read == wanted => {
                let mut rest = &*buffer;
                for range in batch {
                    let (bytes, after) = rest.split_at(usize::try_from(range.len).unwrap_or(0));
                    image.lay_over(range.start, bytes);
                    rest = after;
                }
            }
            _ => {
                for range in batch {
                    self.page_by_page(*range, image)?;
                }
            }
        }
        Ok(())
    }

    /// Copies what can be read of memory of which something cannot.
    fn page_by_page(
        &self,
        range: MemoryRange,
        image: &mut CompressedImage,
    ) -> Result<(), CopyError> {
        let len = self.page_size;
        let mut page = vec![0; usize::try_from(len).unwrap_or(0)];
        let mut start = range.start;
        while start < range.end() {
            match self
                .memory
                .read_ranges(&[MemoryRange { start, len }], &mut page)
            {
                Err(Errno::ESRCH) => return Err(CopyError::Exited),
                Ok(read) if read == page.len() => image.lay_over(start, &page),
                _ => {}
            }
            start += len;
        }
        Ok(())
    }
}
