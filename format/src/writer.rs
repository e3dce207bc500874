//! Writing a file: front to back, without seeking, in bounded memory.

use std::io::Write;
use std::num::NonZero;

use crate::chunk::ChunkKind;
use crate::codes::machine_code;
use crate::compress::{Job, Queue};
use crate::error::WriteError;
use crate::frame::Frame;
use crate::header::{FORMAT_VERSION, Features, FileHeader};
use crate::limits::{CHECKPOINT_BYTES, MEMORY_CHUNK_ALIGN, SEGMENT_STORED_MAX};
use crate::model::{Metadata, Problem, Statistics};
use crate::output::Output;
use crate::pack::Segment;
use crate::records;
use crate::wire::StatisticsV1;

/// Threads at most, unless the caller asks for more: beyond, the disk is slower than they are, and
/// each has half a megabyte under way on a machine that has other work.
const THREADS_MAX: usize = 8;

/// How to write a file.
#[derive(Debug, Clone, Copy)]
pub struct WriteOptions {
    /// zstd level of the memory. On heap pages level 3 is hardly smaller than level 1 and takes
    /// longer.
    pub level: i32,
    /// Threads that compress; 0 for as many as the machine has cores, but no more than eight.
    pub threads: usize,
    /// UUID of the capture; `None` for a random one.
    pub capture_id: Option<[u8; 16]>,
    /// Bytes of file between index checkpoints.
    pub checkpoint_bytes: u64,
}

impl Default for WriteOptions {
    fn default() -> Self {
        Self {
            level: 1,
            threads: 0,
            capture_id: None,
            checkpoint_bytes: CHECKPOINT_BYTES,
        }
    }
}

/// What a finished file holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Written {
    /// Bytes of memory, uncompressed.
    pub raw_bytes: u64,
    /// Bytes of the whole file.
    pub stored_bytes: u64,
    /// Bytes of the compressed memory in it.
    pub memory_stored_bytes: u64,
    /// Chunks of all kinds.
    pub chunks: u64,
    /// Memory chunks.
    pub memory_chunks: u64,
    /// Segments of packed memory.
    pub segments: u64,
}

/// Writes one capture into anything that takes bytes: a file, a pipe, a socket.
///
/// [`Writer::create`] writes what is known before the first byte of memory, so that a file cut
/// anywhere later can still be read. Dropping a writer without [`Writer::finish`] leaves such a cut
/// file.
///
/// ```
/// use v8mini_format::{CaptureFile, Memory, Metadata, WriteOptions, Writer, model::Statistics};
///
/// let mut writer = Writer::create(Vec::new(), WriteOptions::default(), &Metadata::default())?;
/// writer.memory(0x1000, b"sixteen bytes...")?;
/// let (bytes, written) = writer.finish(&[], &Statistics::default())?;
/// assert_eq!(written.raw_bytes, 16);
///
/// let file = CaptureFile::from_bytes(bytes)?;
/// let mut word = [0; 7];
/// file.read_at(0x1000, &mut word)?;
/// assert_eq!(&word, b"sixteen");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Writer<W: Write> {
    out: Output<W>,
    queue: Queue,
    /// Memory that waits for its neighbour, within one [`MEMORY_CHUNK_ALIGN`] block.
    pending: Job,
    /// Buffers to use again.
    spare: Option<Job>,
}

impl<W: Write> Writer<W> {
    /// Begins a file: header, then all of `head` except its statistics.
    ///
    /// Problems in `head` are written here, before the memory; those found later go to
    /// [`Writer::finish`].
    ///
    /// # Errors
    /// If the output refuses bytes, or a single item of `head` is larger than
    /// [`crate::limits::RECORD_MAX`].
    pub fn create(out: W, options: WriteOptions, head: &Metadata) -> Result<Self, WriteError> {
        let capture_id = match options.capture_id {
            Some(id) => id,
            None => random_uuid()?,
        };
        let header = FileHeader {
            version: FORMAT_VERSION,
            features: Features::default(),
            capture_id,
            captured_at_ns: head.process.captured_at_ns,
            monotonic_ns: head.process.monotonic_ns,
            machine: machine_code(&head.process.architecture),
            pointer_size: 8,
            redaction: head.redaction.code(),
            os_page_size: head.process.os_page_size,
            writer: head.process.writer.clone(),
        };
        let threads = match options.threads {
            0 => std::thread::available_parallelism()
                .map_or(1, NonZero::get)
                .min(THREADS_MAX),
            threads => threads,
        };
        let queue = Queue::new(options.level, threads).map_err(compress_error("memory"))?;
        let mut out = Output::new(out, &header, options.checkpoint_bytes)?;
        for record in records::head_records(head)? {
            out.put_record(&record)?;
        }
        Ok(Self {
            out,
            queue,
            pending: Job::default(),
            spare: None,
        })
    }

    /// Stores memory: any length, in any order. Bytes for an address that was stored before replace
    /// the earlier ones.
    ///
    /// Ranges that follow each other within 256 KiB become one chunk, so handing over single OS
    /// pages costs nothing.
    ///
    /// # Errors
    /// If the output refuses bytes, or the range ends behind the last address.
    pub fn memory(&mut self, addr: u64, bytes: &[u8]) -> Result<(), WriteError> {
        let len = bytes.len() as u64;
        if addr.checked_add(len).is_none() {
            return Err(WriteError::AddressOverflow { addr, len });
        }
        let (mut addr, mut rest) = (addr, bytes);
        while !rest.is_empty() {
            let room = MEMORY_CHUNK_ALIGN - addr % MEMORY_CHUNK_ALIGN;
            let (part, tail) = rest.split_at(rest.len().min(room as usize));
            self.append(addr, part)?;
            addr += part.len() as u64;
            rest = tail;
        }
        Ok(())
    }

    /// Stores memory that was compressed before: as [`Writer::memory`] does, in the same order with it.
    ///
    /// # Errors
    /// If the output refuses bytes, or the frame crosses a multiple of [`MEMORY_CHUNK_ALIGN`].
    pub fn frame(&mut self, frame: &Frame) -> Result<(), WriteError> {
        let Frame { addr, raw_len, .. } = *frame;
        let room = MEMORY_CHUNK_ALIGN - addr % MEMORY_CHUNK_ALIGN;
        if raw_len == 0 || raw_len > room || addr.checked_add(raw_len).is_none() {
            return Err(WriteError::AddressOverflow { addr, len: raw_len });
        }
        self.submit()?;
        let job = Job {
            addr,
            raw_len,
            stored: frame.stored.clone(),
            crc: frame.crc,
            ..Job::default()
        };
        match self.queue.pass(job).map_err(compress_error("memory"))? {
            Some(done) => self.write(done),
            None => Ok(()),
        }
    }

    /// Stores a segment of packed memory. It comes behind all memory that was handed over before, so that it replaces what of
    /// that is at its addresses.
    ///
    /// # Errors
    /// If the output refuses bytes, or the segment is longer than [`crate::limits::SEGMENT_STORED_MAX`].
    pub fn segment(&mut self, segment: &Segment) -> Result<(), WriteError> {
        if segment.stored_len() > SEGMENT_STORED_MAX {
            return Err(WriteError::RecordTooLarge {
                kind: ChunkKind::PACKED,
                len: segment.stored_len(),
                max: SEGMENT_STORED_MAX,
            });
        }
        self.submit()?;
        while let Some(done) = self.queue.pop().map_err(compress_error("memory"))? {
            self.write(done)?;
        }
        self.out.put_segment(segment)
    }

    /// Appends bytes that lie within one block to the pending chunk, or begins a new one.
    fn append(&mut self, addr: u64, part: &[u8]) -> Result<(), WriteError> {
        let continues = !self.pending.raw.is_empty()
            && self.pending.addr + self.pending.raw.len() as u64 == addr
            && !addr.is_multiple_of(MEMORY_CHUNK_ALIGN);
        if !continues {
            self.submit()?;
            self.pending.addr = addr;
        }
        self.pending.raw.extend_from_slice(part);
        Ok(())
    }

    /// Hands the pending chunk to the compressor, and writes what comes out.
    fn submit(&mut self) -> Result<(), WriteError> {
        if self.pending.raw.is_empty() {
            return Ok(());
        }
        let fresh = self.spare.take().unwrap_or_default();
        let job = std::mem::replace(&mut self.pending, fresh);
        if let Some(done) = self.queue.push(job).map_err(compress_error("memory"))? {
            self.write(done)?;
        }
        Ok(())
    }

    fn write(&mut self, mut job: Job) -> Result<(), WriteError> {
        self.out.put_memory(&job)?;
        job.raw.clear();
        self.spare = Some(job);
        Ok(())
    }

    /// Ends the file: problems found since [`Writer::create`], statistics, index, end record, seek
    /// table; flushes.
    ///
    /// # Errors
    /// If the output refuses bytes.
    pub fn finish(
        mut self,
        problems: &[Problem],
        statistics: &Statistics,
    ) -> Result<(W, Written), WriteError> {
        self.submit()?;
        while let Some(done) = self.queue.pop().map_err(compress_error("memory"))? {
            self.write(done)?;
        }
        let mut tail = Vec::new();
        records::problem_records(problems, &mut tail)?;
        records::split([StatisticsV1::from(statistics)], &mut tail)?;
        for record in tail {
            self.out.put_record(&record)?;
        }
        self.out.finish()
    }
}

pub(crate) fn compress_error(what: &'static str) -> impl Fn(std::io::Error) -> WriteError {
    move |source| WriteError::Compress { what, source }
}

/// A random UUID: version 4, variant 1.
fn random_uuid() -> Result<[u8; 16], WriteError> {
    let mut id = [0; 16];
    getrandom::fill(&mut id).map_err(|error| WriteError::Random(error.to_string()))?;
    id[6] = id[6] & 0x0F | 0x40;
    id[8] = id[8] & 0x3F | 0x80;
    Ok(id)
}
