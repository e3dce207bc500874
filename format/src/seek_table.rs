//! The table of frames at the very end of a file, by which tools for the zstd seekable format
//! (0.1.0) read at random. This crate finds the end record through it and otherwise ignores it: it
//! has no addresses and is lost when a file is cut.

use crate::chunk::{CHUNK_HEADER_LEN, Encoding, Entry};
use crate::header::FILE_HEADER_LEN;

/// Magic of the skippable frame that the seekable format demands.
pub(crate) const FRAME_MAGIC: u32 = 0x184D_2A5E;
/// Last four bytes of a seekable file.
pub(crate) const FOOTER_MAGIC: u32 = 0x8F92_EAB1;
/// Frame count, descriptor, magic.
pub(crate) const FOOTER_LEN: u64 = 9;
/// Bytes of one entry: compressed and decompressed size; checksums are left out.
pub(crate) const ENTRY_LEN: u64 = 8;
/// Frame header and footer.
pub(crate) const OVERHEAD: u64 = 8 + FOOTER_LEN;

/// Sizes of the frames written so far.
#[derive(Debug)]
pub(crate) struct SeekTable {
    frames: Vec<(u32, u32)>,
}

impl SeekTable {
    /// A table that begins with the file header.
    pub(crate) fn new() -> Self {
        let mut table = Self { frames: Vec::new() };
        table.push(FILE_HEADER_LEN, 0);
        table
    }

    /// Adds the one or two frames of a chunk.
    pub(crate) fn push_chunk(&mut self, entry: &Entry) {
        if entry.encoding == Encoding::ZstdFrame {
            self.push(CHUNK_HEADER_LEN, 0);
            self.push(entry.stored_len, entry.raw_len);
        } else {
            self.push(CHUNK_HEADER_LEN.saturating_add(entry.stored_len), 0);
        }
    }

    /// Length of the frame that [`Self::to_bytes`] makes.
    pub(crate) const fn byte_len(&self) -> u64 {
        self.frames.len() as u64 * ENTRY_LEN + OVERHEAD
    }

    fn push(&mut self, stored_len: u64, raw_len: u64) {
        // Every frame is bounded by the limits of the format, far below 4 GiB.
        let narrow = |len: u64| u32::try_from(len).unwrap_or(u32::MAX);
        self.frames.push((narrow(stored_len), narrow(raw_len)));
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let size = self.byte_len() - 8;
        let mut bytes = Vec::with_capacity(self.byte_len() as usize);
        bytes.extend_from_slice(&FRAME_MAGIC.to_le_bytes());
        bytes.extend_from_slice(&(size as u32).to_le_bytes());
        for (stored_len, raw_len) in &self.frames {
            bytes.extend_from_slice(&stored_len.to_le_bytes());
            bytes.extend_from_slice(&raw_len.to_le_bytes());
        }
        bytes.extend_from_slice(&(self.frames.len() as u32).to_le_bytes());
        bytes.push(0);
        bytes.extend_from_slice(&FOOTER_MAGIC.to_le_bytes());
        bytes
    }
}

/// Length of the whole seek table frame, given the last nine bytes of a file; `None` if they are no
/// footer.
pub(crate) fn len_from_footer(footer: &[u8; FOOTER_LEN as usize]) -> Option<u64> {
    let [c0, c1, c2, c3, descriptor, m0, m1, m2, m3] = *footer;
    let count = u32::from_le_bytes([c0, c1, c2, c3]);
    let magic = u32::from_le_bytes([m0, m1, m2, m3]);
    (magic == FOOTER_MAGIC && descriptor == 0).then(|| u64::from(count) * ENTRY_LEN + OVERHEAD)
}
