//! Writing a file: front to back, without seeking, in bounded memory.

use std::io::Write;
use std::num::NonZero;

use crate::chunk::{ChunkKind, Encoding, Entry};
use crate::codes::machine_code;
use crate::compress::{self, Job, Queue};
use crate::error::WriteError;
use crate::header::{FORMAT_VERSION, Features, FileHeader};
use crate::index::{EndRecord, Index};
use crate::limits::{
    CHECKPOINT_BYTES, CHUNKS_MAX, INDEX_ENTRIES_MAX, MEMORY_CHUNK_ALIGN, RECORD_MAX,
};
use crate::model::{Metadata, Problem, Statistics};
use crate::records::{self, RawRecord};
use crate::seek_table::SeekTable;
use crate::wire::StatisticsV1;

/// Payloads below this many bytes are stored as they are: a zstd frame costs more than it saves.
const COMPRESS_FROM: usize = 256;

/// Places among [`CHUNKS_MAX`] that memory leaves free, so that a file can always be finished.
const TAIL_RESERVE: u64 = 4096;

/// How to write a file.
#[derive(Debug, Clone, Copy)]
pub struct WriteOptions {
    /// zstd level of the memory. On heap pages level 3 is hardly smaller than level 1 and takes longer.
    pub level: i32,
    /// Threads that compress; 0 for as many as the machine has cores.
    pub threads: usize,
    /// UUID of the capture; `None` for a random one.
    pub capture_id: Option<[u8; 16]>,
    /// Redaction level that the header states; 0 if no byte of memory was replaced.
    pub redaction: u8,
    /// Bytes of file between index checkpoints.
    pub checkpoint_bytes: u64,
}

impl Default for WriteOptions {
    fn default() -> Self {
        Self {
            level: 1,
            threads: 0,
            capture_id: None,
            redaction: 0,
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
}

/// Writes one capture into anything that takes bytes: a file, a pipe, a socket.
///
/// [`Writer::create`] writes what is known before the first byte of memory, so that a file cut anywhere later can still be
/// read. Dropping a writer without [`Writer::finish`] leaves such a cut file.
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
    /// Problems in `head` are written here, before the memory; those found later go to [`Writer::finish`].
    ///
    /// # Errors
    /// If the output refuses bytes, or a single item of `head` is larger than [`RECORD_MAX`].
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
            redaction: options.redaction,
            os_page_size: head.process.os_page_size,
            writer: head.process.writer.clone(),
        };
        let threads = match options.threads {
            0 => std::thread::available_parallelism().map_or(1, NonZero::get),
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

    /// Stores memory: any length, in any order. Bytes for an address that was stored before replace the earlier ones.
    ///
    /// Ranges that follow each other within 256 KiB become one chunk, so handing over single OS pages costs nothing.
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

    /// Ends the file: problems found since [`Writer::create`], statistics, index, end record, seek table; flushes.
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

/// The bytes going out, and what has to be remembered of them for the index.
struct Output<W: Write> {
    out: W,
    /// Bytes written so far.
    offset: u64,
    capture_tag: [u8; 8],
    compressor: zstd::bulk::Compressor<'static>,
    /// Chunks since the last index, that one included.
    entries: Vec<Entry>,
    /// Offset of the last index chunk; 0 before the first.
    last_index: u64,
    checkpoint_bytes: u64,
    seek_table: SeekTable,
    /// Over the payload CRCs of all chunks.
    payload_crcs: crc32fast::Hasher,
    written: Written,
}

impl<W: Write> Output<W> {
    fn new(out: W, header: &FileHeader, checkpoint_bytes: u64) -> Result<Self, WriteError> {
        let mut output = Self {
            out,
            offset: 0,
            capture_tag: header.capture_tag(),
            compressor: compress::compressor(zstd::DEFAULT_COMPRESSION_LEVEL)
                .map_err(compress_error("metadata"))?,
            entries: Vec::new(),
            last_index: 0,
            checkpoint_bytes,
            seek_table: SeekTable::new(),
            payload_crcs: crc32fast::Hasher::new(),
            written: Written::default(),
        };
        output.put(&header.to_bytes())?;
        Ok(output)
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), WriteError> {
        let offset = self.offset;
        self.out
            .write_all(bytes)
            .map_err(|source| WriteError::Io { offset, source })?;
        self.offset += bytes.len() as u64;
        Ok(())
    }

    fn put_memory(&mut self, job: &Job) -> Result<(), WriteError> {
        let raw_len = job.raw.len() as u64;
        let blank = self.blank(ChunkKind::MEMORY, 1, Encoding::ZstdFrame);
        let entry = Entry {
            raw_len,
            key: job.addr,
            payload_crc: job.crc,
            ..blank
        };
        self.put_chunk(entry, &job.stored)?;
        self.written.raw_bytes += raw_len;
        self.written.memory_stored_bytes += job.stored.len() as u64;
        self.written.memory_chunks += 1;
        self.checkpoint()
    }

    fn put_record(&mut self, record: &RawRecord) -> Result<(), WriteError> {
        let mut stored = Vec::new();
        let mut encoding = Encoding::Raw;
        if record.payload.len() >= COMPRESS_FROM {
            compress::compress(&mut self.compressor, &record.payload, &mut stored)
                .map_err(compress_error(record.kind.describe()))?;
            if stored.len() < record.payload.len() {
                encoding = Encoding::Zstd;
            }
        }
        let payload = if encoding == Encoding::Zstd {
            &stored
        } else {
            &record.payload
        };
        let entry = Entry {
            raw_len: record.payload.len() as u64,
            key: record.first,
            payload_crc: crc32fast::hash(payload),
            ..self.blank(record.kind, record.version, encoding)
        };
        self.put_chunk(entry, payload)?;
        self.checkpoint()
    }

    /// An entry for the chunk that comes next, without what depends on its payload.
    fn blank(&self, kind: ChunkKind, kind_version: u16, encoding: Encoding) -> Entry {
        Entry {
            offset: self.offset,
            stored_len: 0,
            raw_len: 0,
            key: 0,
            payload_crc: 0,
            sequence: self.written.chunks as u32,
            kind,
            kind_version,
            encoding,
        }
    }

    fn put_chunk(&mut self, entry: Entry, payload: &[u8]) -> Result<(), WriteError> {
        let entry = Entry {
            stored_len: payload.len() as u64,
            ..entry
        };
        let reserve = if entry.kind == ChunkKind::MEMORY {
            TAIL_RESERVE
        } else {
            0
        };
        if self.written.chunks + reserve >= CHUNKS_MAX {
            return Err(WriteError::TooManyChunks { max: CHUNKS_MAX });
        }
        self.put(&entry.header(self.capture_tag))?;
        self.put(payload)?;
        self.seek_table.push_chunk(&entry);
        self.written.chunks += 1;
        // The end record cannot contain its own checksum, and nothing refers to it.
        if entry.kind != ChunkKind::END {
            self.payload_crcs.update(&entry.payload_crc.to_le_bytes());
            self.entries.push(entry);
        }
        Ok(())
    }

    /// Puts an index where the last one is too far away.
    fn checkpoint(&mut self) -> Result<(), WriteError> {
        let due = self.offset - self.last_index >= self.checkpoint_bytes
            || self.entries.len() as u64 >= INDEX_ENTRIES_MAX;
        if due { self.put_index() } else { Ok(()) }
    }

    fn put_index(&mut self) -> Result<(), WriteError> {
        let entries = std::mem::take(&mut self.entries);
        let payload = Index {
            previous: self.last_index,
            entries,
        }
        .to_bytes();
        debug_assert!(payload.len() as u64 <= RECORD_MAX);
        let entry = Entry {
            raw_len: payload.len() as u64,
            key: self.last_index,
            payload_crc: crc32fast::hash(&payload),
            ..self.blank(ChunkKind::INDEX, 1, Encoding::Raw)
        };
        self.last_index = entry.offset;
        self.put_chunk(entry, &payload)
    }

    fn finish(mut self) -> Result<(W, Written), WriteError> {
        self.put_index()?;
        let end = EndRecord {
            last_index: self.last_index,
            chunk_count: self.written.chunks + 1,
            memory_chunk_count: self.written.memory_chunks,
            memory_raw_bytes: self.written.raw_bytes,
            memory_stored_bytes: self.written.memory_stored_bytes,
            end_offset: self.offset,
            payload_crcs: self.payload_crcs.clone().finalize(),
            complete: 1,
        };
        let payload = end.to_bytes();
        let entry = Entry {
            raw_len: payload.len() as u64,
            payload_crc: crc32fast::hash(&payload),
            ..self.blank(ChunkKind::END, 1, Encoding::Raw)
        };
        self.put_chunk(entry, &payload)?;
        let table = self.seek_table.to_bytes();
        self.put(&table)?;
        let offset = self.offset;
        self.out
            .flush()
            .map_err(|source| WriteError::Io { offset, source })?;
        self.written.stored_bytes = self.offset;
        Ok((self.out, self.written))
    }
}

fn compress_error(what: &'static str) -> impl Fn(std::io::Error) -> WriteError {
    move |source| WriteError::Compress {
        what: what.to_owned(),
        source,
    }
}

/// A random UUID: version 4, variant 1.
fn random_uuid() -> Result<[u8; 16], WriteError> {
    let mut id = [0; 16];
    getrandom::fill(&mut id).map_err(|error| WriteError::Random(error.to_string()))?;
    id[6] = id[6] & 0x0F | 0x40;
    id[8] = id[8] & 0x3F | 0x80;
    Ok(id)
}
