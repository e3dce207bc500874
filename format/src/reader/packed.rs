//! Reading packed memory: which segment has it, and the texts that one segment has copies of.

use std::collections::HashMap;
use std::sync::Arc;

use super::CaptureFile;
use crate::chunk::{ChunkKind, Encoding, Entry};
use crate::integrity::{Damage, Integrity};
use crate::memory::{MemoryRange, ReadError};
use crate::pack::{self, OwnText, SegmentHead, SegmentTables, SourceRecord, Unspooled};
use crate::payload::{self, check_lengths};
use crate::source::Source;

impl CaptureFile {
    /// Fills `buf`, which lies within one range of a segment of packed memory, with the bytes at `addr`.
    pub(super) fn read_packed(
        &self,
        chunk: u32,
        entry: &Entry,
        addr: u64,
        buf: &mut [u8],
    ) -> Result<(), ReadError> {
        let unpack = || {
            self.unpack(chunk, entry)
                .map_err(|damage| damage.to_string())
        };
        let damaged = |reason| ReadError::Damaged { addr, reason };
        let unmapped = ReadError::Unmapped {
            addr,
            len: buf.len() as u64,
        };
        let ranges = self.segments.get(&chunk).map_or(&[][..], Vec::as_slice);
        let mut before = 0;
        let at = ranges.iter().find_map(|range| {
            before += range.len;
            range
                .contains(addr)
                .then(|| before - range.len + (addr - range.start))
        });
        let Some(at) = at else {
            return Err(unmapped);
        };
        if let Some(spool) = &self.spool {
            match spool.read(chunk, at, buf, unpack) {
                Ok(()) => return Ok(()),
                Err(Unspooled::Damaged(reason)) => return Err(damaged(reason)),
                Err(Unspooled::NoRoom) => {}
            }
        }
        let memory = self.segment_cache.get(chunk, unpack).map_err(damaged)?;
        let bytes = usize::try_from(at)
            .ok()
            .and_then(|at| memory.get(at..)?.get(..buf.len()));
        buf.copy_from_slice(bytes.ok_or(unmapped)?);
        Ok(())
    }

    /// The memory of a segment, range after range.
    pub(crate) fn unpack(&self, chunk: u32, entry: &Entry) -> Result<Vec<u8>, Damage> {
        let payload = self.decoder.decode(&self.source, entry)?;
        let texts = |source: &SourceRecord| self.own_text(chunk, source);
        let unpacked = pack::decode(&payload, entry.kind_version, &texts);
        let unpacked = unpacked.map_err(|reason| payload::damage(entry, reason))?;
        if self.has_copies {
            let text = OwnText::new(unpacked.text);
            self.text_cache.put(chunk, Arc::new(text));
        }
        Ok(unpacked.memory)
    }

    /// The text that a segment before the chunk `user` has itself.
    fn own_text(&self, user: u32, source: &SourceRecord) -> Result<Arc<OwnText>, String> {
        let keys = &self.segment_keys;
        let after = keys.partition_point(|key| *key < (source.addr, user));
        let found = after.checked_sub(1).and_then(|index| keys.get(index));
        let found = found.filter(|(addr, _)| *addr == source.addr);
        let entry = found.and_then(|(_, chunk)| Some((*chunk, self.entries.get(*chunk as usize)?)));
        let (chunk, entry) = entry.ok_or_else(|| {
            format!(
                "it has copies of the text of a segment at {:#x}, which is not in front of it",
                source.addr
            )
        })?;
        if let Some(text) = self.text_cache.get(chunk) {
            pack::check_text(source, &text)?;
            return Ok(text);
        }
        let text = self.decoder.decode(&self.source, entry);
        let text = text.and_then(|payload| {
            pack::own_text(&payload, entry.kind_version, source.text_len)
                .map_err(|reason| payload::damage(entry, reason))
        });
        let text =
            text.map_err(|damage| format!("it has copies of text that is lost: {damage}"))?;
        let text = Arc::new(OwnText::new(text));
        pack::check_text(source, &text)?;
        self.text_cache.put(chunk, Arc::clone(&text));
        Ok(text)
    }
}

/// The ranges of each segment of packed memory, by number of the chunk. A segment whose head is damaged is lost, and reported.
pub(super) fn segments(
    source: &Source,
    entries: &[Entry],
    integrity: &mut Integrity,
) -> HashMap<u32, Vec<MemoryRange>> {
    let mut segments = HashMap::new();
    for (chunk, entry) in (0..).zip(entries) {
        if entry.kind != ChunkKind::PACKED {
            continue;
        }
        match read_tables(source, entry) {
            Ok(tables) => {
                segments.insert(chunk, tables.ranges);
            }
            Err(reason) => integrity.report(payload::damage(entry, reason)),
        }
    }
    segments
}

/// What a segment begins with.
fn read_tables(source: &Source, entry: &Entry) -> Result<SegmentTables, String> {
    check_lengths(entry)?;
    if entry.encoding != Encoding::Raw {
        return Err("its payload is compressed as a whole".to_owned());
    }
    let at = entry.payload_offset();
    let head = source.read_array(at).map_err(|error| error.to_string())?;
    let len = SegmentTables::len_of(&SegmentHead::from_bytes(&head), entry.kind_version)
        .filter(|len| *len <= entry.stored_len)
        .ok_or("it is shorter than its table of ranges")?;
    let bytes = source.read(at, len).map_err(|error| error.to_string())?;
    SegmentTables::from_bytes(&bytes, entry.kind_version)
}
