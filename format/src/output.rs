//! The bytes of a file going out in order: chunks, index checkpoints, end.

use std::io::Write;

use crate::chunk::{ChunkKind, Encoding, Entry};
use crate::compress::{self, Job};
use crate::error::WriteError;
use crate::header::FileHeader;
use crate::index::{EndRecord, Index};
use crate::limits::{CHUNKS_MAX, INDEX_ENTRIES_MAX, RECORD_MAX};
use crate::pack::Segment;
use crate::records::RawRecord;
use crate::seek_table::SeekTable;
use crate::writer::{Written, compress_error};

/// Payloads below this many bytes are stored as they are: a zstd frame costs more than it saves.
const COMPRESS_FROM: usize = 256;

/// Places among [`CHUNKS_MAX`] that memory leaves free, so that a file can always be finished.
const TAIL_RESERVE: u64 = 4096;

/// The bytes going out, and what has to be remembered of them for the index.
pub(crate) struct Output<W: Write> {
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
    /// Raw and stored bytes of memory chunks, without segments.
    memory_chunks: (u64, u64),
}

impl<W: Write> Output<W> {
    pub(crate) fn new(
        out: W,
        header: &FileHeader,
        checkpoint_bytes: u64,
    ) -> Result<Self, WriteError> {
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
            memory_chunks: (0, 0),
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

    pub(crate) fn put_memory(&mut self, job: &Job) -> Result<(), WriteError> {
        let blank = self.blank(ChunkKind::MEMORY, 1, Encoding::ZstdFrame);
        let entry = Entry {
            raw_len: job.raw_len,
            key: job.addr,
            payload_crc: job.crc,
            ..blank
        };
        self.put_chunk(entry, &job.stored)?;
        self.written.raw_bytes += job.raw_len;
        self.written.memory_stored_bytes += job.stored.len() as u64;
        self.written.memory_chunks += 1;
        self.memory_chunks.0 += job.raw_len;
        self.memory_chunks.1 += job.stored.len() as u64;
        self.checkpoint()
    }

    pub(crate) fn put_segment(&mut self, segment: &Segment) -> Result<(), WriteError> {
        let blank = self.blank(ChunkKind::PACKED, segment.version, Encoding::Raw);
        let entry = Entry {
            raw_len: segment.stored_len(),
            key: segment.addr,
            payload_crc: crc32fast::hash(&segment.payload),
            ..blank
        };
        self.put_chunk(entry, &segment.payload)?;
        self.written.raw_bytes += segment.memory_len;
        self.written.memory_stored_bytes += segment.stored_len();
        self.written.segments += 1;
        self.checkpoint()
    }

    pub(crate) fn put_record(&mut self, record: &RawRecord) -> Result<(), WriteError> {
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
        let reserve = if matches!(entry.kind, ChunkKind::MEMORY | ChunkKind::PACKED) {
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

    pub(crate) fn finish(mut self) -> Result<(W, Written), WriteError> {
        self.put_index()?;
        let end = EndRecord {
            last_index: self.last_index,
            chunk_count: self.written.chunks + 1,
            memory_chunk_count: self.written.memory_chunks,
            memory_raw_bytes: self.memory_chunks.0,
            memory_stored_bytes: self.memory_chunks.1,
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
