//! Opening a file and reading memory from it.

mod packed;

use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use crate::cache::Cache;
use crate::chunk::{ChunkKind, Encoding, Entry};
use crate::directory::{self, Directory, is_known};
use crate::error::OpenError;
use crate::header::{FILE_HEADER_LEN, FileHeader, SIGNATURE};
use crate::integrity::{Damage, Integrity};
use crate::limits::{CACHE_BYTES, METADATA_MAX, SEGMENT_CACHE_BYTES, SEGMENT_TEXT_MAX};
use crate::memory::{Memory, MemoryRange, ReadError};
use crate::memory_map::{MemoryMap, Segment};
use crate::model::{Metadata, Redaction};
use crate::pack::{SegmentCache, SegmentSpool, TextCache};
use crate::payload::{self, Decoder, check_lengths};
use crate::records;
use crate::source::Source;
use packed::segments;

/// An opened `.v8mini` file: its metadata, and its memory at any address.
///
/// All metadata is read when the file is opened; memory is read, checked and decompressed chunk by
/// chunk as it is asked for, by any number of threads. A file that another program cuts meanwhile
/// gives [`ReadError::Damaged`].
pub struct CaptureFile {
    pub(crate) source: Source,
    pub(crate) decoder: Decoder,
    pub(crate) header: FileHeader,
    pub(crate) entries: Vec<Entry>,
    map: MemoryMap,
    /// The ranges of each segment of packed memory, by number of the chunk.
    segments: HashMap<u32, Vec<MemoryRange>>,
    metadata: Metadata,
    integrity: Integrity,
    cache: Cache,
    segment_cache: SegmentCache,
    /// Addresses and numbers of all segments, sorted.
    segment_keys: Vec<(u64, u32)>,
    /// Whether any segment has copies of others' texts.
    has_copies: bool,
    text_cache: TextCache,
    spool: Option<SegmentSpool>,
}

/// A chunk as tools list it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChunkInfo {
    /// What it holds.
    pub kind: ChunkKind,
    /// Version of the kind.
    pub kind_version: u16,
    /// How its payload is stored.
    pub encoding: Encoding,
    /// Its number in the file, from 0.
    pub sequence: u32,
    /// Where its header is in the file.
    pub offset: u64,
    /// Bytes of its payload in the file.
    pub stored_len: u64,
    /// Bytes of its payload, decoded.
    pub raw_len: u64,
    /// Memory: first address. Lists: number of the first item. Index: offset of the one before.
    pub key: u64,
}

impl CaptureFile {
    /// Opens a file.
    ///
    /// # Errors
    /// If it cannot be read, is no capture, or is one that this version must not read. A damaged or
    /// cut file opens: see [`Self::integrity`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        let path = path.as_ref();
        let source = File::open(path).and_then(Source::from_file);
        let source = source.map_err(|source| OpenError::Open {
            path: path.to_owned(),
            source,
        })?;
        Self::from_source(source)
    }

    /// Opens a file that is open already, wherever its position is.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn from_file(file: File) -> Result<Self, OpenError> {
        let source = Source::from_file(file);
        Self::from_source(source.map_err(|source| OpenError::Io { offset: 0, source })?)
    }

    /// Bytes that [`Self::recognises`] looks at.
    pub const HEAD_LEN: usize = 16;

    /// Whether a file that begins so is meant to be a capture, intact or not.
    pub fn recognises(head: &[u8]) -> bool {
        head.get(8..Self::HEAD_LEN) == Some(&SIGNATURE)
    }

    /// Opens a file that is in memory.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self, OpenError> {
        Self::from_source(Source::Bytes(bytes))
    }

    fn from_source(source: Source) -> Result<Self, OpenError> {
        let header = read_header(&source)?;
        let decoder = Decoder::default();
        let Directory {
            entries,
            mut integrity,
        } = directory::read(&source, &decoder, &header)?;
        let mut metadata = read_metadata(&source, &decoder, &entries, &mut integrity)?;
        metadata.redaction = Redaction::from_code(header.redaction);
        let segments = segments(&source, &entries, &mut integrity);
        let packed = segments
            .iter()
            .flat_map(|(chunk, ranges)| ranges.iter().map(|range| (*chunk, *range)));
        let map = MemoryMap::new(memory_chunks(&entries, &mut integrity).chain(packed));
        if integrity.truncated_at.is_some() {
            integrity.missing = missing(&metadata, &map);
        }
        let cache = Cache::new(CACHE_BYTES);
        let packed = (0..)
            .zip(&entries)
            .filter(|(_, entry)| entry.kind == ChunkKind::PACKED);
        let mut segment_keys: Vec<(u64, u32)> =
            packed.map(|(chunk, entry)| (entry.key, chunk)).collect();
        segment_keys.sort_unstable();
        let has_copies = entries
            .iter()
            .any(|entry| entry.kind == ChunkKind::PACKED && entry.kind_version > 1);
        let segment_cache = SegmentCache::new(SEGMENT_CACHE_BYTES);
        Ok(Self {
            source,
            decoder,
            header,
            entries,
            map,
            segments,
            metadata,
            integrity,
            cache,
            segment_cache,
            segment_keys,
            has_copies,
            text_cache: TextCache::new(SEGMENT_TEXT_MAX),
            spool: None,
        })
    }

    /// Keeps up to `bytes` of decoded memory, instead of [`CACHE_BYTES`]: for programs that follow
    /// pointers all over a large heap.
    #[must_use]
    pub fn with_cache_bytes(mut self, bytes: u64) -> Self {
        self.cache = Cache::new(bytes);
        self.segment_cache = SegmentCache::new(bytes.max(SEGMENT_CACHE_BYTES));
        self
    }

    /// Whether some of the memory is packed.
    pub fn is_packed(&self) -> bool {
        !self.segments.is_empty()
    }

    /// Puts packed memory into an empty file when it is unpacked for the first time, and reads it from there: without that, only
    /// [`SEGMENT_CACHE_BYTES`] of it are kept, too little for programs that follow pointers all over a large heap.
    #[must_use]
    pub fn with_spool(mut self, file: File) -> Self {
        let mut chunks: Vec<u32> = self.segments.keys().copied().collect();
        chunks.sort_unstable();
        self.spool = Some(SegmentSpool::new(file, chunks.into_iter()));
        self
    }

    /// What identifies the file and its format.
    pub fn header(&self) -> &FileHeader {
        &self.header
    }

    /// Everything besides memory.
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// Whether the file is whole, as far as opening it showed.
    pub fn integrity(&self) -> &Integrity {
        &self.integrity
    }

    /// Length of the file in bytes.
    pub fn file_len(&self) -> u64 {
        self.source.len()
    }

    /// The chunks in the order of the file.
    pub fn chunks(&self) -> impl ExactSizeIterator<Item = ChunkInfo> {
        self.entries.iter().map(|entry| ChunkInfo {
            kind: entry.kind,
            kind_version: entry.kind_version,
            encoding: entry.encoding,
            sequence: entry.sequence,
            offset: entry.offset,
            stored_len: entry.stored_len,
            raw_len: entry.raw_len,
            key: entry.key,
        })
    }

    /// Fills `buf`, which lies within `segment`, with the bytes at `addr`.
    fn read_segment(&self, segment: &Segment, addr: u64, buf: &mut [u8]) -> Result<(), ReadError> {
        let damaged = |damage: Damage| ReadError::Damaged {
            addr,
            reason: damage.to_string(),
        };
        let unmapped = ReadError::Unmapped {
            addr,
            len: buf.len() as u64,
        };
        let Some(entry) = self.entries.get(segment.chunk as usize) else {
            return Err(unmapped);
        };
        if entry.kind == ChunkKind::PACKED {
            return self.read_packed(segment.chunk, entry, addr, buf);
        }
        let whole = addr == entry.key && buf.len() as u64 == entry.raw_len;
        // Whoever reads whole chunks walks the heap and does not come back: no use in filling the
        // cache.
        if whole && self.cache.peek(segment.chunk).is_none() {
            return self
                .decoder
                .decode_into(&self.source, entry, buf)
                .map_err(damaged);
        }
        let decode = || self.decoder.decode(&self.source, entry);
        let raw = self.cache.get(segment.chunk, decode).map_err(damaged)?;
        let holds = (segment.start, segment.end());
        self.cache
            .keep_at_hand(addr, holds, entry.key, Arc::clone(&raw));
        let start = addr.checked_sub(entry.key).unwrap_or(u64::MAX);
        let bytes = usize::try_from(start)
            .ok()
            .and_then(|start| raw.get(start..)?.get(..buf.len()));
        buf.copy_from_slice(bytes.ok_or(unmapped)?);
        Ok(())
    }
}

impl fmt::Debug for CaptureFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CaptureFile")
            .field("header", &self.header)
            .field("chunks", &self.entries.len())
            .field("integrity", &self.integrity)
            .finish_non_exhaustive()
    }
}

impl Memory for CaptureFile {
    fn read_at(&self, addr: u64, buf: &mut [u8]) -> Result<(), ReadError> {
        let len = buf.len() as u64;
        let unmapped = || ReadError::Unmapped { addr, len };
        if self.cache.read_at_hand(addr, buf) {
            return Ok(());
        }
        let (mut at, mut rest) = (addr, buf);
        while !rest.is_empty() {
            let segment = self.map.find(at).ok_or_else(unmapped)?;
            let available = segment.end() - at;
            let take = rest
                .len()
                .min(usize::try_from(available).unwrap_or(usize::MAX));
            let (part, tail) = rest.split_at_mut(take);
            self.read_segment(segment, at, part)?;
            rest = tail;
            if !rest.is_empty() {
                at = at.checked_add(take as u64).ok_or_else(unmapped)?;
            }
        }
        Ok(())
    }

    /// What the file says it stores; whether its bytes are intact shows when they are read.
    fn ranges(&self) -> Vec<MemoryRange> {
        self.map.ranges()
    }
}

fn read_header(source: &Source) -> Result<FileHeader, OpenError> {
    let len = source.len();
    let io = |source| OpenError::Io { offset: 0, source };
    if len < FILE_HEADER_LEN {
        let start = source.read(0, len).map_err(io)?;
        let magic = crate::chunk::FRAME_MAGIC.to_le_bytes();
        let begins_well = start.iter().zip(magic).all(|(a, b)| *a == b);
        return Err(if begins_well {
            OpenError::TooShort {
                len,
                expected: FILE_HEADER_LEN,
            }
        } else {
            OpenError::not_a_capture(&start)
        });
    }
    FileHeader::from_bytes(&source.read_array(0).map_err(io)?)
}

/// Decodes all metadata chunks. A damaged one costs itself alone.
fn read_metadata(
    source: &Source,
    decoder: &Decoder,
    entries: &[Entry],
    integrity: &mut Integrity,
) -> Result<Metadata, OpenError> {
    let mut metadata = Metadata::default();
    let mut has_process = false;
    let mut weight = 0;
    for entry in entries
        .iter()
        .filter(|entry| is_known(entry) && records::is_metadata(entry.kind))
    {
        if entry.kind == ChunkKind::PROCESS && std::mem::replace(&mut has_process, true) {
            integrity.report(payload::damage(entry, "it is the second of its kind"));
            continue;
        }
        // A chunk costs its raw length even if nothing comes out of it. One that is too long is not
        // decoded at all.
        if check_lengths(entry).is_ok() {
            weight += entry.raw_len;
        }
        let result = decoder.decode(source, entry).and_then(|raw| {
            records::apply(entry.kind, &raw, &mut metadata)
                .map_err(|reason| payload::damage(entry, reason))
        });
        match result {
            Ok(taken) => weight += taken.saturating_sub(entry.raw_len),
            Err(damage) => integrity.report(damage),
        }
        if weight > METADATA_MAX {
            return Err(OpenError::LimitExceeded {
                what: "the size of its metadata",
                limit: METADATA_MAX,
            });
        }
    }
    Ok(metadata)
}

/// Memory chunks with plausible addresses, by number; the others are reported.
fn memory_chunks<'a>(
    entries: &'a [Entry],
    integrity: &'a mut Integrity,
) -> impl Iterator<Item = (u32, MemoryRange)> + use<'a> {
    let memory = (0..)
        .zip(entries)
        .filter(|(_, entry)| entry.kind == ChunkKind::MEMORY);
    let memory = memory.filter(|(_, entry)| {
        let fits = match entry.key.checked_add(entry.raw_len) {
            Some(_) => check_lengths(entry),
            None => Err("it would end behind the last address".to_owned()),
        };
        fits.map_err(|reason| integrity.report(payload::damage(entry, reason)))
            .is_ok()
    });
    memory.map(|(chunk, entry)| {
        let range = MemoryRange {
            start: entry.key,
            len: entry.raw_len,
        };
        (chunk, range)
    })
}

/// The parts of V8 pages that are not stored.
fn missing(metadata: &Metadata, map: &MemoryMap) -> Vec<MemoryRange> {
    let mut missing = Vec::new();
    let mut stored = map.ranges().into_iter().peekable();
    let mut pages: Vec<MemoryRange> = metadata
        .pages
        .iter()
        .map(|page| MemoryRange {
            start: page.address,
            len: page.size,
        })
        .collect();
    pages.sort_unstable();
    let mut at = 0;
    for page in pages {
        at = page.start.max(at);
        while at < page.end() {
            // Ranges that end before the place in question are done with.
            while stored.next_if(|range| range.end() <= at).is_some() {}
            match stored.peek() {
                Some(range) if range.start <= at => at = range.end(),
                next => {
                    let end = next.map_or(page.end(), |range| range.start.min(page.end()));
                    missing.push(MemoryRange {
                        start: at,
                        len: end - at,
                    });
                    at = end;
                }
            }
        }
    }
    missing
}
