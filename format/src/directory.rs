//! Finding the chunks of a file: by the index at its end, or else by walking from header to header.

use crate::chunk::{CHUNK_HEADER_LEN, ChunkKind, Encoding, Entry};
use crate::error::OpenError;
use crate::header::{FILE_HEADER_LEN, FileHeader};
use crate::index::{END_CHUNK_LEN, EndRecord, Index};
use crate::integrity::Integrity;
use crate::limits::CHUNKS_MAX;
use crate::payload::Decoder;
use crate::recover;
use crate::seek_table;
use crate::source::Source;

/// All chunks that were found, in the order of the file.
#[derive(Debug, Default)]
pub(crate) struct Directory {
    pub(crate) entries: Vec<Entry>,
    pub(crate) integrity: Integrity,
}

/// What finding chunks needs.
pub(crate) struct Context<'a> {
    pub(crate) source: &'a Source,
    pub(crate) decoder: &'a Decoder,
    pub(crate) capture_tag: [u8; 8],
}

impl Context<'_> {
    /// The chunk whose header is at `offset`; `None` if there is no intact header, or the chunk is
    /// not all there.
    pub(crate) fn chunk_at(&self, offset: u64) -> Option<Entry> {
        let bytes = self.source.read_array(offset).ok()?;
        let entry = Entry::from_header(offset, &bytes, self.capture_tag)?;
        (entry.end() <= self.source.len()).then_some(entry)
    }

    /// The index in a chunk; `None` if it is no intact index.
    pub(crate) fn index(&self, entry: &Entry) -> Option<Index> {
        if entry.kind != ChunkKind::INDEX
            || entry.kind_version != 1
            || entry.encoding != Encoding::Raw
        {
            return None;
        }
        Index::from_bytes(&self.decoder.decode(self.source, entry).ok()?)
    }

    /// The end record in a chunk; `None` if it is none or it is not intact.
    pub(crate) fn end_record(&self, entry: &Entry) -> Option<EndRecord> {
        if entry.kind != ChunkKind::END
            || entry.kind_version != 1
            || entry.encoding != Encoding::Raw
        {
            return None;
        }
        let payload = self.decoder.decode(self.source, entry).ok()?;
        let record = EndRecord::from_bytes(payload.first_chunk()?);
        (record.complete == 1 && record.end_offset == entry.offset).then_some(record)
    }
}

/// Finds the chunks of a file whose header was read.
pub(crate) fn read(
    source: &Source,
    decoder: &Decoder,
    header: &FileHeader,
) -> Result<Directory, OpenError> {
    let context = Context {
        source,
        decoder,
        capture_tag: header.capture_tag(),
    };
    let mut directory = match from_tail(&context) {
        Some(entries) => Directory {
            entries,
            integrity: Integrity {
                complete: true,
                ..Integrity::default()
            },
        },
        None => recover::walk(&context)?,
    };
    refuse_unknown(&mut directory)?;
    Ok(directory)
}

/// Follows the chain of indexes back from the end record. Anything odd, and the walk decides what
/// is wrong.
fn from_tail(context: &Context<'_>) -> Option<Vec<Entry>> {
    let end_chunk = find_end(context)?;
    let end = context.end_record(&end_chunk)?;
    let mut links = Vec::new();
    let mut count = 1;
    let mut at = end.last_index;
    // Offsets fall from link to link, so that the chain ends.
    let mut limit = end_chunk.offset;
    while at != 0 {
        if at >= limit {
            return None;
        }
        limit = at;
        let chunk = context.chunk_at(at)?;
        let index = context.index(&chunk)?;
        count += index.entries.len() as u64;
        // An index may be the work of an enemy; so many chunks do not fit into the file.
        if count > CHUNKS_MAX || count > context.source.len() / CHUNK_HEADER_LEN {
            return None;
        }
        at = index.previous;
        links.push((chunk, index));
    }
    let mut entries = Vec::new();
    let last_link = links.first()?.0;
    for (_, index) in links.into_iter().rev() {
        entries.extend(index.entries);
    }
    entries.push(last_link);
    entries.push(end_chunk);
    is_consistent(&entries, &end).then_some(entries)
}

/// The end record: in front of the seek table, or, in a file that lacks that, at the end.
fn find_end(context: &Context<'_>) -> Option<Entry> {
    let len = context.source.len();
    let footer = context
        .source
        .read_array(len.checked_sub(seek_table::FOOTER_LEN)?)
        .ok()?;
    let table_len = seek_table::len_from_footer(&footer).unwrap_or(0);
    let offset = len.checked_sub(table_len)?.checked_sub(END_CHUNK_LEN)?;
    context
        .chunk_at(offset)
        .filter(|entry| entry.kind == ChunkKind::END)
}

/// Whether chunks fill the file without gap or overlap from the header to the end record, and agree
/// with it.
fn is_consistent(entries: &[Entry], end: &EndRecord) -> bool {
    let mut offset = FILE_HEADER_LEN;
    for (sequence, entry) in entries.iter().enumerate() {
        if entry.offset != offset || u64::from(entry.sequence) != sequence as u64 {
            return false;
        }
        offset = entry.end();
    }
    agrees(entries, end)
}

/// Whether the end record's counts and checksum are those of the chunks.
pub(crate) fn agrees(entries: &[Entry], end: &EndRecord) -> bool {
    let mut crcs = crc32fast::Hasher::new();
    for entry in entries.iter().filter(|entry| entry.kind != ChunkKind::END) {
        crcs.update(&entry.payload_crc.to_le_bytes());
    }
    let memory = || {
        entries
            .iter()
            .filter(|entry| entry.kind == ChunkKind::MEMORY)
    };
    let sum =
        |len: fn(&Entry) -> u64| memory().fold(0_u64, |sum, entry| sum.wrapping_add(len(entry)));
    end.chunk_count == entries.len() as u64
        && end.payload_crcs == crcs.finalize()
        && end.memory_chunk_count == memory().count() as u64
        && end.memory_raw_bytes == sum(|entry| entry.raw_len)
        && end.memory_stored_bytes == sum(|entry| entry.stored_len)
}

/// Notes ancillary chunks that this version does not know, and refuses critical ones.
fn refuse_unknown(directory: &mut Directory) -> Result<(), OpenError> {
    let skipped = &mut directory.integrity.skipped;
    for entry in &directory.entries {
        let Entry {
            kind,
            kind_version,
            offset,
            ..
        } = *entry;
        if is_known(entry) {
            continue;
        }
        if kind.is_critical() {
            return Err(OpenError::UnknownCritical {
                kind,
                kind_version,
                offset,
            });
        }
        if skipped.len() < crate::limits::DAMAGE_REPORTS_MAX {
            skipped.push((kind, kind_version, offset));
        }
    }
    Ok(())
}

/// Whether this version can interpret the payload of a chunk.
pub(crate) fn is_known(entry: &Entry) -> bool {
    let highest = entry.kind.known_version().unwrap_or(0);
    (1..=highest).contains(&entry.kind_version) && !matches!(entry.encoding, Encoding::Unknown(_))
}
