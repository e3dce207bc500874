//! Memory that is compressed before it is known whether, and in which order, it will be stored.
//!
//! A capture that copies a process while it runs compresses as it goes, and learns only at the end which of the copies
//! are still true. [`FrameQueue`] compresses on threads of its own; [`crate::Writer::frame`] stores the result as it is.

use std::io;

use crate::compress::{Job, Queue};

/// Some memory, compressed as a chunk of the file will be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Address of the first byte, in the captured process.
    pub addr: u64,
    /// Bytes of memory.
    pub raw_len: u64,
    /// One zstd frame.
    pub stored: Vec<u8>,
    /// CRC-32 of `stored`.
    pub crc: u32,
}

impl Frame {
    /// The memory.
    ///
    /// # Errors
    /// If `stored` is damaged.
    pub fn decompress(&self) -> io::Result<Vec<u8>> {
        let len = usize::try_from(self.raw_len).map_err(|_| io::ErrorKind::OutOfMemory)?;
        let raw = zstd::bulk::decompress(&self.stored, len)?;
        if raw.len() == len {
            Ok(raw)
        } else {
            Err(io::Error::other(format!(
                "{} bytes at {:#x} were compressed, {} came out",
                len,
                self.addr,
                raw.len()
            )))
        }
    }
}

/// Compresses memory in the order in which it comes, on several threads; what is under way is bounded.
pub struct FrameQueue {
    queue: Queue,
    /// Buffers to use again.
    spare: Vec<Vec<u8>>,
}

impl FrameQueue {
    /// A queue that compresses at a zstd level, on `threads` threads; with one, on the caller's.
    ///
    /// Threads inherit the priority of the caller's thread.
    ///
    /// # Errors
    /// If zstd refuses the level.
    pub fn new(level: i32, threads: usize) -> io::Result<Self> {
        Ok(Self {
            queue: Queue::new(level, threads)?,
            spare: Vec::new(),
        })
    }

    /// An empty buffer for [`FrameQueue::push`], used again where possible.
    pub fn buffer(&mut self) -> Vec<u8> {
        self.spare.pop().unwrap_or_default()
    }

    /// Puts the memory at `addr` in; gives back the oldest frame if the queue is full.
    ///
    /// What is to be stored by [`crate::Writer::frame`] must not cross a multiple of
    /// [`crate::limits::MEMORY_CHUNK_ALIGN`].
    ///
    /// # Errors
    /// If compression fails.
    pub fn push(&mut self, addr: u64, raw: Vec<u8>) -> io::Result<Option<Frame>> {
        let done = self.queue.push(Job {
            addr,
            raw,
            ..Job::default()
        })?;
        Ok(done.map(|job| self.frame(job)))
    }

    /// Takes the oldest frame out; `None` if the queue is empty.
    ///
    /// # Errors
    /// If compression fails.
    pub fn pop(&mut self) -> io::Result<Option<Frame>> {
        let done = self.queue.pop()?;
        Ok(done.map(|job| self.frame(job)))
    }

    fn frame(&mut self, job: Job) -> Frame {
        let Job {
            addr,
            mut raw,
            raw_len,
            mut stored,
            crc,
        } = job;
        raw.clear();
        self.spare.push(raw);
        // The bound that zstd asks for is several times what is used.
        stored.shrink_to_fit();
        Frame {
            addr,
            raw_len,
            stored,
            crc,
        }
    }
}

impl std::fmt::Debug for FrameQueue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FrameQueue").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Statistics;
    use crate::{CaptureFile, Memory, Metadata, WriteOptions, Writer};

    #[test]
    fn frames_are_chunks_like_any_other() {
        let mut queue = FrameQueue::new(1, 2).unwrap();
        let mut frames = Vec::new();
        for i in 0..20_u64 {
            let mut raw = queue.buffer();
            raw.resize(4096, i as u8);
            frames.extend(queue.push(0x40_0000 + i * 4096, raw).unwrap());
        }
        while let Some(frame) = queue.pop().unwrap() {
            frames.push(frame);
        }
        let mut writer =
            Writer::create(Vec::new(), WriteOptions::default(), &Metadata::default()).unwrap();
        for (i, frame) in frames.iter().enumerate() {
            let raw = vec![i as u8; 4096];
            assert_eq!(frame.decompress().unwrap(), raw);
            // Every third comes uncompressed; memory and frames keep their order.
            if i % 3 == 0 {
                writer.memory(frame.addr, &raw).unwrap();
            } else {
                writer.frame(frame).unwrap();
            }
        }
        // A later chunk of the same address wins.
        writer.memory(0x40_0000, &[0xFF; 4096]).unwrap();
        let (bytes, written) = writer.finish(&[], &Statistics::default()).unwrap();
        assert_eq!(written.raw_bytes, 21 * 4096);
        let file = CaptureFile::from_bytes(bytes).unwrap();
        let mut page = vec![0; 20 * 4096];
        file.read_at(0x40_0000, &mut page).unwrap();
        for (i, page) in page.chunks(4096).enumerate() {
            let byte = if i == 0 { 0xFF } else { i as u8 };
            assert!(page.iter().all(|b| *b == byte), "page {i}");
        }
    }

    #[test]
    fn frames_cross_no_boundary() {
        let mut queue = FrameQueue::new(1, 1).unwrap();
        let frame = queue.push(0x3_F000, vec![1; 8192]).unwrap().unwrap();
        let mut writer =
            Writer::create(Vec::new(), WriteOptions::default(), &Metadata::default()).unwrap();
        assert!(writer.frame(&frame).is_err());
    }
}
