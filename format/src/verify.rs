//! Checking every byte of a file.

use crate::chunk::{ChunkKind, Entry};
use crate::directory::is_known;
use crate::integrity::{Damage, Integrity};
use crate::payload::damage;
use crate::reader::CaptureFile;
use crate::seek_table::{FRAME_MAGIC, SeekTable};

impl CaptureFile {
    /// Reads, checks and decodes every chunk, and what opening does not look at: chunk headers that
    /// the index stands in for, and the seek table.
    ///
    /// Takes as long as decompressing the whole file, in the memory of one chunk. Returns what
    /// opening found and what is found now.
    pub fn verify(&self) -> Integrity {
        let mut integrity = self.integrity().clone();
        let known: std::collections::HashSet<u64> = integrity
            .damage
            .iter()
            .map(|damage| damage.offset)
            .collect();
        let mut buffer = Vec::new();
        for (chunk, entry) in (0..)
            .zip(&self.entries)
            .filter(|(_, entry)| !known.contains(&entry.offset))
        {
            if let Err(damage) = self.verify_chunk(chunk, entry, &mut buffer) {
                integrity.report(damage);
            }
        }
        if let Some(end) = self
            .entries
            .last()
            .filter(|entry| entry.kind == ChunkKind::END)
            && let Err(reason) = self.verify_seek_table(end.end())
        {
            integrity.report(Damage {
                offset: end.end(),
                len: self.source.len() - end.end(),
                kind: None,
                addresses: None,
                reason,
            });
        }
        integrity
    }

    fn verify_chunk(&self, chunk: u32, entry: &Entry, buffer: &mut Vec<u8>) -> Result<(), Damage> {
        let tag = self.header.capture_tag();
        let header = self.source.read_array(entry.offset).ok();
        let announced = header.and_then(|bytes| Entry::from_header(entry.offset, &bytes, tag));
        if announced != Some(*entry) {
            return Err(damage(
                entry,
                "its header does not say what the index says; the index is used",
            ));
        }
        if !is_known(entry) {
            return self.verify_unknown(entry);
        }
        crate::payload::check_lengths(entry).map_err(|reason| damage(entry, reason))?;
        if entry.kind == ChunkKind::PACKED {
            return self.unpack(chunk, entry).map(|_| ());
        }
        buffer.resize(entry.raw_len as usize, 0);
        self.decoder.decode_into(&self.source, entry, buffer)
    }

    /// Checks the checksum of a chunk that cannot be interpreted, a piece at a time: its length is
    /// not bounded.
    fn verify_unknown(&self, entry: &Entry) -> Result<(), Damage> {
        const PIECE: u64 = 1024 * 1024;
        let mut crc = crc32fast::Hasher::new();
        let mut at = entry.payload_offset();
        while at < entry.end() {
            let len = PIECE.min(entry.end() - at);
            let piece = self.source.read(at, len);
            crc.update(&piece.map_err(|error| damage(entry, error.to_string()))?);
            at += len;
        }
        if crc.finalize() == entry.payload_crc {
            Ok(())
        } else {
            Err(damage(entry, "the CRC-32 of its payload does not match"))
        }
    }

    /// Whether the file ends, at `offset`, with the seek table that its chunks call for.
    fn verify_seek_table(&self, offset: u64) -> Result<(), String> {
        let mut table = SeekTable::new();
        self.entries
            .iter()
            .for_each(|entry| table.push_chunk(entry));
        let found_len = self.source.len() - offset;
        if found_len == table.byte_len() {
            let found = self
                .source
                .read(offset, found_len)
                .map_err(|error| error.to_string())?;
            if found[..] == table.to_bytes()[..] {
                return Ok(());
            }
        }
        Err(format!(
            "the zstd seek table (frame {FRAME_MAGIC:#x}, {} bytes) is not the one that the chunks \
             call for; zstd tools may misread the file, v8mini does not need it",
            table.byte_len()
        ))
    }
}
