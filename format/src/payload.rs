//! Payloads: read, checked and decoded.

use std::borrow::Cow;
use std::sync::{Mutex, PoisonError};

use zstd::bulk::Decompressor;

use crate::chunk::{ChunkKind, Encoding, Entry};
use crate::integrity::Damage;
use crate::limits::{MEMORY_CHUNK_MAX, RECORD_MAX, SEGMENT_STORED_MAX, STORED_SLACK};
use crate::memory::MemoryRange;
use crate::source::Source;

/// Decompressors to use again: each holds some 100 KB, and creating one costs as much as a small
/// chunk.
#[derive(Default)]
pub(crate) struct Decoder {
    idle: Mutex<Vec<Decompressor<'static>>>,
}

impl Decoder {
    /// The raw payload of a chunk.
    pub(crate) fn decode(&self, source: &Source, entry: &Entry) -> Result<Vec<u8>, Damage> {
        let stored = stored_payload(source, entry)?;
        if entry.encoding == Encoding::Raw {
            return Ok(stored.into_owned());
        }
        let mut raw = vec![0; entry.raw_len as usize];
        self.decompress(entry, &stored, &mut raw)?;
        Ok(raw)
    }

    /// The raw payload of a chunk, into a buffer of exactly its raw length.
    pub(crate) fn decode_into(
        &self,
        source: &Source,
        entry: &Entry,
        raw: &mut [u8],
    ) -> Result<(), Damage> {
        let stored = stored_payload(source, entry)?;
        if entry.encoding != Encoding::Raw {
            return self.decompress(entry, &stored, raw);
        }
        if stored.len() != raw.len() {
            return Err(damage(entry, "its raw and stored length differ"));
        }
        raw.copy_from_slice(&stored);
        Ok(())
    }

    fn decompress(&self, entry: &Entry, stored: &[u8], raw: &mut [u8]) -> Result<(), Damage> {
        // zstd would decode several frames in a row; exactly one is allowed.
        let frame = zstd::zstd_safe::find_frame_compressed_size(stored);
        if frame != Ok(stored.len()) {
            return Err(damage(entry, "its payload is not exactly one zstd frame"));
        }
        let idle = || self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = idle().pop();
        let mut decompressor = match taken {
            Some(decompressor) => decompressor,
            None => Decompressor::new().map_err(|error| damage(entry, error.to_string()))?,
        };
        let result = decompressor.decompress_to_buffer(stored, raw);
        idle().push(decompressor);
        match result {
            Ok(len) if len == raw.len() => Ok(()),
            Ok(len) => Err(damage(
                entry,
                format!("it decompresses to {len} bytes instead of {}", raw.len()),
            )),
            Err(error) => Err(damage(entry, format!("it does not decompress: {error}"))),
        }
    }
}

/// The stored payload, its length bounded and its checksum verified.
fn stored_payload<'a>(source: &'a Source, entry: &Entry) -> Result<Cow<'a, [u8]>, Damage> {
    check_lengths(entry).map_err(|reason| damage(entry, reason))?;
    let stored = source
        .read(entry.payload_offset(), entry.stored_len)
        .map_err(|error| damage(entry, format!("its payload cannot be read: {error}")))?;
    let found = crc32fast::hash(&stored);
    if found != entry.payload_crc {
        let expected = entry.payload_crc;
        return Err(damage(
            entry,
            format!("CRC-32 of its payload: {expected:#010x} expected, {found:#010x} found"),
        ));
    }
    Ok(stored)
}

/// Whether the lengths of a chunk of a known kind are within the limits.
pub(crate) fn check_lengths(entry: &Entry) -> Result<(), String> {
    let Entry {
        raw_len,
        stored_len,
        ..
    } = *entry;
    let max = match entry.kind {
        ChunkKind::MEMORY => MEMORY_CHUNK_MAX,
        ChunkKind::PACKED => SEGMENT_STORED_MAX,
        _ => RECORD_MAX,
    };
    if raw_len > max {
        return Err(format!(
            "its raw length of {raw_len} bytes exceeds the limit of {max}"
        ));
    }
    match entry.encoding {
        Encoding::Raw if stored_len != raw_len => Err(format!(
            "its raw length is {raw_len}, its stored length {stored_len}, but nothing is compressed"
        )),
        Encoding::Zstd | Encoding::ZstdFrame if stored_len > raw_len + STORED_SLACK => {
            Err(format!(
                "its stored length of {stored_len} bytes is more than {raw_len} bytes can need"
            ))
        }
        Encoding::Unknown(code) => Err(format!("its encoding {code} is unknown")),
        _ => Ok(()),
    }
}

/// Damage of a whole chunk.
pub(crate) fn damage(entry: &Entry, reason: impl Into<String>) -> Damage {
    let memory = entry.kind == ChunkKind::MEMORY;
    Damage {
        offset: entry.offset,
        len: entry.end() - entry.offset,
        kind: Some(entry.kind),
        addresses: memory.then_some(MemoryRange {
            start: entry.key,
            len: entry.raw_len,
        }),
        reason: reason.into(),
    }
}
