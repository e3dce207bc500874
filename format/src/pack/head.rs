//! What a segment begins with: its ranges of memory, and where its frames are.

use crate::layout::fixed_layout;
use crate::limits::{SEGMENT_MAX, SEGMENT_RANGES_MAX, SEGMENT_SOURCES_MAX};
use crate::memory::MemoryRange;

use super::Stream;
use super::copies::check_sources;

fixed_layout! {
    /// The head of a segment.
    struct SegmentHead [40] {
        0 memory_len: u64,
        8 range_count: u32,
        12 frame_count: u32,
        16 group_count: u32,
        20 item_count: u32,
        24 far_count: u32,
        28 constant_count: u32,
        32 source_count: u32,
        36 tables_crc: u32,
    }
}

fixed_layout! {
    /// A range of memory in a segment.
    struct RangeRecord [16] {
        0 start: u64,
        8 len: u64,
    }
}

fixed_layout! {
    /// A segment whose text this one has copies of.
    struct SourceRecord [16] {
        0 addr: u64,
        8 text_len: u32,
        12 text_crc: u32,
    }
}

fixed_layout! {
    /// A zstd frame of a segment.
    struct FrameRecord [12] {
        0 stream: u32,
        4 raw_len: u32,
        8 stored_len: u32,
    }
}

/// Some memory, packed: what [`super::SegmentBuilder`] makes and [`crate::Writer::segment`] stores.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// Address of the first byte.
    pub(crate) addr: u64,
    /// Bytes of memory.
    pub(crate) memory_len: u64,
    /// Version of the chunk's kind: 2 if it has copies of other segments' texts.
    pub(crate) version: u16,
    /// The payload of a chunk.
    pub(crate) payload: Vec<u8>,
}

impl Segment {
    /// Bytes of memory, before they were packed.
    pub const fn memory_len(&self) -> u64 {
        self.memory_len
    }

    /// What a `PACK` chunk of the file holds.
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// Bytes that it takes in the file.
    pub const fn stored_len(&self) -> u64 {
        self.payload.len() as u64
    }
}

/// Head, ranges and sources of a segment, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SegmentTables {
    pub(crate) head: SegmentHead,
    /// Sorted by address, disjoint.
    pub(crate) ranges: Vec<MemoryRange>,
    /// The segments whose texts it has copies of.
    pub(crate) sources: Vec<SourceRecord>,
}

/// Bytes of the checksum at the end of the head.
const CRC_LEN: usize = 4;

impl SegmentTables {
    /// Bytes that head, ranges and sources take at the start of a payload whose head is given; `None` if there are more than may be.
    pub(crate) fn len_of(head: &SegmentHead, version: u16) -> Option<u64> {
        let ranges = u64::from(head.range_count);
        let sources = u64::from(sources_of(head, version));
        (ranges <= SEGMENT_RANGES_MAX && sources <= SEGMENT_SOURCES_MAX).then(|| {
            SegmentHead::LEN as u64
                + ranges * RangeRecord::LEN as u64
                + sources * SourceRecord::LEN as u64
        })
    }

    /// The bytes, with their checksum.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut head = self.head;
        let ranges: Vec<u8> = self
            .ranges
            .iter()
            .flat_map(|range| {
                let MemoryRange { start, len } = *range;
                RangeRecord { start, len }.to_bytes()
            })
            .collect();
        let sources = self.sources.iter().flat_map(|source| source.to_bytes());
        let tables: Vec<u8> = ranges.into_iter().chain(sources).collect();
        head.tables_crc = tables_crc(&head.to_bytes(), &tables);
        let mut bytes = head.to_bytes().to_vec();
        bytes.extend(tables);
        bytes
    }

    /// Reads and checks the start of a payload, of a chunk of some version of its kind. Says what is wrong otherwise.
    pub(crate) fn from_bytes(bytes: &[u8], version: u16) -> Result<Self, String> {
        let (raw_head, rest) = bytes
            .split_first_chunk::<{ SegmentHead::LEN }>()
            .ok_or("it is shorter than the head of a segment")?;
        let head = SegmentHead::from_bytes(raw_head);
        let source_count = sources_of(&head, version);
        let len = Self::len_of(&head, version).ok_or_else(|| {
            format!(
                "it claims {} ranges of memory and {source_count} sources",
                head.range_count
            )
        })?;
        let tables_len = usize::try_from(len).unwrap_or(usize::MAX) - SegmentHead::LEN;
        let tables = rest
            .get(..tables_len)
            .ok_or("it ends inside its table of ranges")?;
        let found = tables_crc(raw_head, tables);
        if found != head.tables_crc {
            return Err(format!(
                "CRC-32 of its head: {:#010x} expected, {found:#010x} found",
                head.tables_crc
            ));
        }
        let sources_len = source_count as usize * SourceRecord::LEN;
        let (raw_ranges, raw_sources) = tables.split_at(tables_len - sources_len);
        let ranges: Vec<MemoryRange> = raw_ranges
            .as_chunks::<{ RangeRecord::LEN }>()
            .0
            .iter()
            .map(|bytes| {
                let RangeRecord { start, len } = RangeRecord::from_bytes(bytes);
                MemoryRange { start, len }
            })
            .collect();
        check_ranges(head.memory_len, &ranges)?;
        let sources = raw_sources.as_chunks::<{ SourceRecord::LEN }>().0.iter();
        let sources: Vec<SourceRecord> = sources.map(SourceRecord::from_bytes).collect();
        check_sources(&sources)?;
        Ok(Self {
            head,
            ranges,
            sources,
        })
    }
}

/// Number of sources: version 1 knew none.
const fn sources_of(head: &SegmentHead, version: u16) -> u32 {
    if version < 2 { 0 } else { head.source_count }
}

/// Whether ranges are as the format wants them: multiples of 8, in order, disjoint, and together as long as the head says.
pub(super) fn check_ranges(memory_len: u64, ranges: &[MemoryRange]) -> Result<(), String> {
    let mut end = 0;
    let mut sum = 0_u64;
    for range in ranges {
        let MemoryRange { start, len } = *range;
        let fits = len > 0
            && (start | len).is_multiple_of(8)
            && len <= SEGMENT_MAX
            && start >= end
            && start.checked_add(len).is_some();
        if !fits {
            return Err(format!("its range {start:#x}, {len:#x} bytes, cannot be"));
        }
        end = start + len;
        sum += len;
    }
    if sum != memory_len || sum > SEGMENT_MAX {
        return Err(format!(
            "its ranges are {sum} bytes long, its head says {memory_len}, at most {SEGMENT_MAX} are allowed"
        ));
    }
    Ok(())
}

fn tables_crc(head: &[u8; SegmentHead::LEN], tables: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&head[..SegmentHead::LEN - CRC_LEN]);
    crc.update(tables);
    crc.finalize()
}

impl FrameRecord {
    /// The stream that the frame belongs to.
    pub(crate) fn stream(self) -> Option<Stream> {
        Stream::ALL.get(usize::try_from(self.stream).ok()?).copied()
    }
}
