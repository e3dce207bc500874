//! Chunks: what a `.v8mini` file is made of after its header.

use std::fmt;

use crate::layout::fixed_layout;

/// Magic number of the zstd skippable frames that this format uses: one of the sixteen that zstd
/// sets aside for users.
pub(crate) const FRAME_MAGIC: u32 = 0x184D_2A58;

/// Sync marker of a chunk header, by which a reader finds the next chunk behind damage. No text in
/// ASCII or UTF-8 holds it.
pub(crate) const MARKER: [u8; 4] = [0x8B, b'V', b'8', 0x9E];

/// Bytes of a zstd skippable frame's own header: magic and size.
pub(crate) const FRAME_HEADER_LEN: u64 = 8;

/// Size of a chunk header with the frame header that it begins with.
pub(crate) const CHUNK_HEADER_LEN: u64 = ChunkHeader::LEN as u64;

/// What a chunk holds: four ASCII letters.
///
/// As in PNG, the case of a letter is a flag. An upper-case first letter makes the kind *critical*:
/// a reader that does not know it must refuse the file. A lower-case second letter makes it
/// *private*: nobody but its owner may define it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChunkKind(pub [u8; 4]);

impl ChunkKind {
    /// The process, and when and how it was captured.
    pub const PROCESS: Self = Self(*b"PROC");
    /// Mapped files.
    pub const MODULES: Self = Self(*b"mODS");
    /// `v8dbg_*` constants.
    pub const CONSTANTS: Self = Self(*b"cNST");
    /// Native symbols.
    pub const SYMBOLS: Self = Self(*b"sYMS");
    /// How to unwind native code.
    pub const UNWIND_ROWS: Self = Self(*b"uNWD");
    /// Threads and registers.
    pub const THREADS: Self = Self(*b"tHRD");
    /// V8 isolates.
    pub const ISOLATES: Self = Self(*b"ISOL");
    /// V8 heap pages.
    pub const PAGES: Self = Self(*b"PAGE");
    /// The memory map.
    pub const REGIONS: Self = Self(*b"rEGN");
    /// Resident memory by kind.
    pub const ACCOUNTING: Self = Self(*b"aCCT");
    /// The signal that the process died of.
    pub const SIGNAL: Self = Self(*b"sIGN");
    /// Bytes of memory.
    pub const MEMORY: Self = Self(*b"MEMY");
    /// Bytes of memory, packed.
    pub const PACKED: Self = Self(*b"PACK");
    /// What could not be captured.
    pub const PROBLEMS: Self = Self(*b"pROB");
    /// Figures of the capture.
    pub const STATISTICS: Self = Self(*b"sTAT");
    /// Where chunks are.
    pub const INDEX: Self = Self(*b"INDX");
    /// The end of a complete file.
    pub const END: Self = Self(*b"DONE");

    /// The kinds of this version of the format with their version and what messages call them.
    pub(crate) const KNOWN: [(Self, u16, &'static str); 17] = [
        (Self::PROCESS, 1, "process record"),
        (Self::MODULES, 1, "list of modules"),
        (Self::CONSTANTS, 1, "list of V8 constants"),
        (Self::SYMBOLS, 1, "list of symbols"),
        (Self::UNWIND_ROWS, 1, "list of unwind rows"),
        (Self::THREADS, 1, "list of threads"),
        (Self::ISOLATES, 1, "list of isolates"),
        (Self::PAGES, 1, "page table"),
        (Self::REGIONS, 1, "memory map"),
        (Self::ACCOUNTING, 1, "memory accounting"),
        (Self::SIGNAL, 1, "signal record"),
        (Self::MEMORY, 1, "memory chunk"),
        (Self::PACKED, 2, "segment of packed memory"),
        (Self::PROBLEMS, 1, "list of problems"),
        (Self::STATISTICS, 1, "statistics record"),
        (Self::INDEX, 1, "index"),
        (Self::END, 1, "end record"),
    ];

    /// Whether a reader that does not know the kind must refuse the file.
    pub const fn is_critical(self) -> bool {
        self.0[0].is_ascii_uppercase()
    }

    /// The highest version of the kind that this crate reads; `None` if it does not know the kind.
    pub(crate) fn known_version(self) -> Option<u16> {
        Self::KNOWN
            .iter()
            .find(|(kind, ..)| *kind == self)
            .map(|(_, version, _)| *version)
    }

    /// What messages call the kind.
    pub fn describe(self) -> &'static str {
        Self::KNOWN
            .iter()
            .find(|(kind, ..)| *kind == self)
            .map_or("chunk", |(.., name)| *name)
    }
}

impl fmt::Display for ChunkKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.escape_ascii())
    }
}

impl fmt::Debug for ChunkKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ChunkKind({self})")
    }
}

/// How the payload of a chunk is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Encoding {
    /// As it is, inside the skippable frame: zstd tools skip it.
    Raw,
    /// As one zstd frame inside the skippable frame: zstd tools skip it.
    Zstd,
    /// As one zstd frame behind the skippable frame: `zstd -d` yields its content.
    ZstdFrame,
    /// By a number that this version does not know.
    Unknown(u8),
}

impl Encoding {
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Raw => 0,
            Self::Zstd => 1,
            Self::ZstdFrame => 2,
            Self::Unknown(code) => code,
        }
    }

    pub(crate) const fn from_code(code: u8) -> Self {
        match code {
            0 => Self::Raw,
            1 => Self::Zstd,
            2 => Self::ZstdFrame,
            _ => Self::Unknown(code),
        }
    }
}

fixed_layout! {
    /// The header in front of every payload, with the zstd skippable frame header that it begins
    /// with.
    struct ChunkHeader [64] {
        0 frame_magic: u32,
        4 frame_size: u32,
        8 marker: [u8; 4],
        12 kind: [u8; 4],
        16 kind_version: u16,
        18 encoding: u8,
        19 flags: u8,
        20 sequence: u32,
        24 stored_len: u64,
        32 raw_len: u64,
        40 key: u64,
        48 capture_tag: [u8; 8],
        56 payload_crc: u32,
        60 header_crc: u32,
    }
}

/// Where a chunk is and what it holds: the part of a chunk header that the index repeats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Offset of the chunk header in the file.
    pub(crate) offset: u64,
    pub(crate) stored_len: u64,
    pub(crate) raw_len: u64,
    pub(crate) key: u64,
    pub(crate) payload_crc: u32,
    pub(crate) sequence: u32,
    pub(crate) kind: ChunkKind,
    pub(crate) kind_version: u16,
    pub(crate) encoding: Encoding,
}

impl Entry {
    /// Offset of the payload in the file.
    pub(crate) const fn payload_offset(&self) -> u64 {
        self.offset.saturating_add(CHUNK_HEADER_LEN)
    }

    /// Offset of what follows the chunk.
    pub(crate) const fn end(&self) -> u64 {
        self.payload_offset().saturating_add(self.stored_len)
    }

    /// The chunk header that announces this entry, with its checksum.
    pub(crate) fn header(&self, capture_tag: [u8; 8]) -> [u8; ChunkHeader::LEN] {
        let mut header = ChunkHeader {
            frame_magic: FRAME_MAGIC,
            frame_size: self.frame_size().unwrap_or(u32::MAX),
            marker: MARKER,
            kind: self.kind.0,
            kind_version: self.kind_version,
            encoding: self.encoding.code(),
            flags: 0,
            sequence: self.sequence,
            stored_len: self.stored_len,
            raw_len: self.raw_len,
            key: self.key,
            capture_tag,
            payload_crc: self.payload_crc,
            header_crc: 0,
        };
        header.header_crc = header_crc(&header.to_bytes());
        header.to_bytes()
    }

    /// Size of the skippable frame; `None` if the payload should be inside and does not fit.
    fn frame_size(&self) -> Option<u32> {
        let inside = match self.encoding {
            Encoding::ZstdFrame => 0,
            _ => self.stored_len,
        };
        u32::try_from((CHUNK_HEADER_LEN - FRAME_HEADER_LEN).checked_add(inside)?).ok()
    }

    /// The entry that a chunk header at `offset` announces; `None` if the bytes are no intact
    /// header of this capture.
    pub(crate) fn from_header(
        offset: u64,
        bytes: &[u8; ChunkHeader::LEN],
        capture_tag: [u8; 8],
    ) -> Option<Self> {
        let header = ChunkHeader::from_bytes(bytes);
        let entry = Self {
            offset,
            stored_len: header.stored_len,
            raw_len: header.raw_len,
            key: header.key,
            payload_crc: header.payload_crc,
            sequence: header.sequence,
            kind: ChunkKind(header.kind),
            kind_version: header.kind_version,
            encoding: Encoding::from_code(header.encoding),
        };
        let intact = header.frame_magic == FRAME_MAGIC
            && header.marker == MARKER
            && header.capture_tag == capture_tag
            && header.header_crc == header_crc(bytes)
            && entry.frame_size() == Some(header.frame_size)
            && header.kind.iter().all(u8::is_ascii_alphabetic);
        intact.then_some(entry)
    }
}

/// CRC-32 of a chunk header without its last four bytes, which hold it.
fn header_crc(bytes: &[u8; ChunkHeader::LEN]) -> u32 {
    crc32fast::hash(&bytes[..ChunkHeader::LEN - 4])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_says_what_it_was_made_from() {
        let entry = Entry {
            offset: 128,
            stored_len: 77,
            raw_len: 99,
            key: 0x1234_5678_9abc,
            payload_crc: 5,
            sequence: 6,
            kind: ChunkKind::MEMORY,
            kind_version: 1,
            encoding: Encoding::ZstdFrame,
        };
        let bytes = entry.header(*b"capture!");
        assert_eq!(Entry::from_header(128, &bytes, *b"capture!"), Some(entry));
        assert_eq!(Entry::from_header(128, &bytes, *b"another!"), None);
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(
                Entry::from_header(128, &flipped, *b"capture!"),
                None,
                "bit {bit}"
            );
        }
    }

    #[test]
    fn the_case_of_the_first_letter_says_critical() {
        assert!(ChunkKind::MEMORY.is_critical());
        assert!(!ChunkKind::MODULES.is_critical());
    }
}
