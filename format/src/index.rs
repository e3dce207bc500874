//! The index: where every chunk is, as a chain of `INDX` chunks that ends at the end record.

use crate::chunk::{CHUNK_HEADER_LEN, ChunkKind, Encoding, Entry};
use crate::layout::fixed_layout;

fixed_layout! {
    /// What an index chunk begins with.
    struct IndexHead [16] {
        0 previous_index: u64,
        8 entry_count: u32,
        12 entry_size: u32,
    }
}

fixed_layout! {
    /// One chunk in an index: a copy of its header's facts, so that a chunk with a damaged header
    /// can still be read.
    struct IndexEntry [48] {
        0 offset: u64,
        8 stored_len: u64,
        16 raw_len: u64,
        24 key: u64,
        32 payload_crc: u32,
        36 sequence: u32,
        40 kind: [u8; 4],
        44 kind_version: u16,
        46 encoding: u8,
        47 unused: u8,
    }
}

fixed_layout! {
    /// The payload of the end record.
    struct EndRecord [56] {
        0 last_index: u64,
        8 chunk_count: u64,
        16 memory_chunk_count: u64,
        24 memory_raw_bytes: u64,
        32 memory_stored_bytes: u64,
        40 end_offset: u64,
        48 payload_crcs: u32,
        52 complete: u32,
    }
}

/// Size of the end record with its chunk header.
pub(crate) const END_CHUNK_LEN: u64 = CHUNK_HEADER_LEN + EndRecord::LEN as u64;

/// A decoded index chunk.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Index {
    /// Offset of the index chunk before this one; 0 if this is the first.
    pub(crate) previous: u64,
    /// All chunks from the previous index chunk (inclusive) to this one (exclusive).
    pub(crate) entries: Vec<Entry>,
}

impl Index {
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let head = IndexHead {
            previous_index: self.previous,
            entry_count: self.entries.len() as u32,
            entry_size: IndexEntry::LEN as u32,
        };
        let mut bytes = head.to_bytes().to_vec();
        bytes.reserve(self.entries.len() * IndexEntry::LEN);
        for entry in &self.entries {
            bytes.extend_from_slice(&index_entry(entry).to_bytes());
        }
        bytes
    }

    /// `None` if the bytes are no index. Longer entries, of a later minor version, are read as far
    /// as they are known.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (head, rest) = bytes.split_first_chunk::<{ IndexHead::LEN }>()?;
        let head = IndexHead::from_bytes(head);
        let stride = head.entry_size as usize;
        if stride < IndexEntry::LEN
            || (head.entry_count as usize).checked_mul(stride) != Some(rest.len())
        {
            return None;
        }
        let entry = |bytes: &[u8]| bytes.first_chunk().map(IndexEntry::from_bytes).map(entry);
        Some(Self {
            previous: head.previous_index,
            entries: rest.chunks_exact(stride).filter_map(entry).collect(),
        })
    }
}

fn index_entry(entry: &Entry) -> IndexEntry {
    IndexEntry {
        offset: entry.offset,
        stored_len: entry.stored_len,
        raw_len: entry.raw_len,
        key: entry.key,
        payload_crc: entry.payload_crc,
        sequence: entry.sequence,
        kind: entry.kind.0,
        kind_version: entry.kind_version,
        encoding: entry.encoding.code(),
        unused: 0,
    }
}

fn entry(raw: IndexEntry) -> Entry {
    Entry {
        offset: raw.offset,
        stored_len: raw.stored_len,
        raw_len: raw.raw_len,
        key: raw.key,
        payload_crc: raw.payload_crc,
        sequence: raw.sequence,
        kind: ChunkKind(raw.kind),
        kind_version: raw.kind_version,
        encoding: Encoding::from_code(raw.encoding),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(sequence: u32) -> Entry {
        Entry {
            offset: 128 + u64::from(sequence) * 100,
            stored_len: 36,
            raw_len: 4096,
            key: 0x7000,
            payload_crc: 1,
            sequence,
            kind: ChunkKind::MEMORY,
            kind_version: 1,
            encoding: Encoding::ZstdFrame,
        }
    }

    #[test]
    fn an_index_survives_the_round_trip() {
        let index = Index {
            previous: 77,
            entries: (0..5).map(sample).collect(),
        };
        assert_eq!(Index::from_bytes(&index.to_bytes()), Some(index));
    }

    #[test]
    fn longer_entries_of_a_later_version_are_read() {
        let index = Index {
            previous: 0,
            entries: vec![sample(0), sample(1)],
        };
        let old = index.to_bytes();
        let mut new = old[..12].to_vec();
        new.extend_from_slice(&56_u32.to_le_bytes());
        for entry in old[16..].chunks(48) {
            new.extend_from_slice(entry);
            new.extend_from_slice(&[0xEE; 8]);
        }
        assert_eq!(Index::from_bytes(&new), Some(index));
    }

    #[test]
    fn lying_counts_are_refused() {
        let mut bytes = Index {
            previous: 0,
            entries: vec![sample(0)],
        }
        .to_bytes();
        bytes[8] = 2;
        assert_eq!(Index::from_bytes(&bytes), None);
        bytes[8..16].fill(0xFF);
        assert_eq!(Index::from_bytes(&bytes), None);
        assert_eq!(Index::from_bytes(&bytes[..10]), None);
    }
}
