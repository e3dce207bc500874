//! Checksums for files that were changed: without them no change gets past the first check.
//!
//! Offsets are those of `spec/file-format.md`.

use std::ops::Range;

/// Length of the file header; its checksum is in the last four bytes.
const FILE_HEADER_LEN: usize = 128;
/// The capture's id in the file header.
const CAPTURE_ID: Range<usize> = 48..64;
/// Length of a chunk header; its checksum is in the last four bytes.
const CHUNK_HEADER_LEN: usize = 64;
/// Sync marker of a chunk header.
const MARKER: Range<usize> = 8..12;
/// Kinds whose payload holds checksums.
const INDEX: &[u8] = b"INDX";
const END: &[u8] = b"DONE";

/// Where one chunk is.
#[derive(Debug, Clone, Copy)]
struct Chunk {
    offset: usize,
    stored_len: usize,
}

impl Chunk {
    fn payload(self) -> Range<usize> {
        let start = self.offset + CHUNK_HEADER_LEN;
        start..start + self.stored_len
    }
}

/// Makes the checksums of the file header and of all chunks right, as far as chunks follow each other.
pub fn seal(file: &mut [u8]) {
    seal_header(file);
    for chunk in chunks(file) {
        seal_chunk(file, chunk);
    }
}

/// As [`seal`], and the copies of the checksums in the index and in the end record, too: such a file is read by its index.
pub fn seal_index(file: &mut [u8]) {
    seal(file);
    let chunks = chunks(file);
    let crc_of = |file: &[u8], chunk: Chunk| read::<4>(file, chunk.offset + 56);
    let mut all = crc32fast::Hasher::new();
    for chunk in &chunks {
        match file.get(chunk.offset + 12..chunk.offset + 16) {
            Some(INDEX) => {
                for at in chunk.payload().skip(16).step_by(48) {
                    let Some(offset) = read::<8>(file, at) else {
                        break;
                    };
                    let listed = chunks
                        .iter()
                        .find(|chunk| chunk.offset as u64 == u64::from_le_bytes(offset));
                    if let Some(crc) = listed.and_then(|listed| crc_of(file, *listed)) {
                        write(file, at + 32, &crc);
                    }
                }
                seal_chunk(file, *chunk);
            }
            Some(END) => {
                let crcs = all.clone().finalize().to_le_bytes();
                write(file, chunk.payload().start + 48, &crcs);
                seal_chunk(file, *chunk);
            }
            _ => {}
        }
        if let Some(crc) = crc_of(file, *chunk) {
            all.update(&crc);
        }
    }
}

fn seal_header(file: &mut [u8]) {
    let Some((fields, _)) = file.split_at_checked(FILE_HEADER_LEN - 4) else {
        return;
    };
    let crc = crc32fast::hash(fields).to_le_bytes();
    write(file, FILE_HEADER_LEN - 4, &crc);
}

fn seal_chunk(file: &mut [u8], chunk: Chunk) {
    let Some(payload) = file.get(chunk.payload()) else {
        return;
    };
    let crc = crc32fast::hash(payload).to_le_bytes();
    let Some(tag) = read::<8>(file, CAPTURE_ID.start) else {
        return;
    };
    write(file, chunk.offset + 48, &tag);
    write(file, chunk.offset + 56, &crc);
    let Some(fields) = file.get(chunk.offset..chunk.offset + 60) else {
        return;
    };
    let crc = crc32fast::hash(fields).to_le_bytes();
    write(file, chunk.offset + 60, &crc);
}

fn chunks(file: &[u8]) -> Vec<Chunk> {
    let mut chunks = Vec::new();
    let mut offset = FILE_HEADER_LEN;
    while let Some(header) = file.get(offset..offset + CHUNK_HEADER_LEN)
        && header[MARKER] == *b"\x8BV8\x9E"
        && let Some(stored_len) = read::<8>(header, 24)
    {
        let left = file.len() - offset - CHUNK_HEADER_LEN;
        let stored_len = usize::try_from(u64::from_le_bytes(stored_len)).unwrap_or(usize::MAX);
        if stored_len > left {
            break;
        }
        chunks.push(Chunk { offset, stored_len });
        offset += CHUNK_HEADER_LEN + stored_len;
    }
    chunks
}

fn read<const N: usize>(file: &[u8], at: usize) -> Option<[u8; N]> {
    file.get(at..)?.first_chunk().copied()
}

fn write(file: &mut [u8], at: usize, bytes: &[u8]) {
    if let Some(place) = file.get_mut(at..at + bytes.len()) {
        place.copy_from_slice(bytes);
    }
}

/// A file with one chunk that is neither compressed nor listed anywhere.
pub fn file_with(kind: [u8; 4], payload: &[u8]) -> Vec<u8> {
    file_of(&[LooseChunk {
        kind,
        version: 1,
        key: 0,
        payload,
    }])
}

/// A chunk that is neither compressed nor listed anywhere.
#[derive(Debug, Clone, Copy)]
pub struct LooseChunk<'a> {
    /// Its kind.
    pub kind: [u8; 4],
    /// Version of the kind.
    pub version: u16,
    /// Its key: the address of memory.
    pub key: u64,
    /// What it holds.
    pub payload: &'a [u8],
}

/// A file with nothing but such chunks.
pub fn file_of(chunks: &[LooseChunk<'_>]) -> Vec<u8> {
    let mut file = vec![0; FILE_HEADER_LEN];
    // The header of any capture of this version will do.
    let header = crate::seeds::CAPTURE.get(..FILE_HEADER_LEN);
    write(&mut file, 0, header.unwrap_or_default());
    for (sequence, chunk) in (0_u32..).zip(chunks) {
        let len = chunk.payload.len() as u64;
        let at = file.len();
        file.resize(at + CHUNK_HEADER_LEN, 0);
        file.extend_from_slice(chunk.payload);
        write(&mut file, at, &0x184D_2A58_u32.to_le_bytes());
        write(&mut file, at + 4, &(56 + len as u32).to_le_bytes());
        write(&mut file, at + MARKER.start, b"\x8BV8\x9E");
        write(&mut file, at + 12, &chunk.kind);
        write(&mut file, at + 16, &chunk.version.to_le_bytes());
        write(&mut file, at + 20, &sequence.to_le_bytes());
        write(&mut file, at + 24, &len.to_le_bytes());
        write(&mut file, at + 32, &len.to_le_bytes());
        write(&mut file, at + 40, &chunk.key.to_le_bytes());
    }
    seal(&mut file);
    file
}
