//! Finding chunks in a file whose end is missing or whose index is damaged.
//!
//! Every chunk announces its length, so a walk from header to header finds all of them. Where a
//! header is damaged, the next one is searched for by its marker; an index further on may still
//! tell what the damaged one said.

use crate::chunk::{CHUNK_HEADER_LEN, ChunkHeader, ChunkKind, Entry, MARKER};
use crate::directory::{Context, Directory, agrees};
use crate::error::OpenError;
use crate::header::FILE_HEADER_LEN;
use crate::integrity::{Damage, Integrity};
use crate::limits::CHUNKS_MAX;
use crate::payload::damage;

/// Bytes that the search for a marker reads at a time.
const SEARCH_WINDOW: u64 = 1024 * 1024;

/// Where the marker is in a chunk header.
const MARKER_OFFSET: usize = 8;

/// A stretch of file without an intact chunk header at its start.
#[derive(Debug, Clone, Copy)]
struct Gap {
    start: u64,
    end: u64,
}

/// Walks over the chunks of a file from its header on.
pub(crate) fn walk(context: &Context<'_>) -> Result<Directory, OpenError> {
    let Walk {
        mut entries,
        gaps,
        truncated_at,
        cut,
    } = Walk::run(context)?;
    let mut integrity = Integrity {
        truncated_at,
        ..Integrity::default()
    };
    let mut filled = Vec::new();
    let mut indexes = Indexes::new(context, &entries);
    for gap in gaps {
        fill(gap, &mut indexes, &mut filled, &mut integrity);
    }
    if let Some(entry) = cut {
        integrity.report(damage(&entry, "the file ends inside it"));
    }
    if !filled.is_empty() {
        entries.extend(filled);
        entries.sort_by_key(|entry| entry.offset);
    }
    report_sequence(&entries, &mut integrity);
    let end = entries.last().and_then(|entry| context.end_record(entry));
    integrity.complete = end.is_some_and(|end| agrees(&entries, &end));
    if let Some(last) = entries.last()
        && last.kind == ChunkKind::END
        && end.is_none()
    {
        integrity.report(damage(last, "its payload is not a valid end record"));
    }
    Ok(Directory { entries, integrity })
}

/// What a walk finds.
#[derive(Default)]
struct Walk {
    entries: Vec<Entry>,
    gaps: Vec<Gap>,
    truncated_at: Option<u64>,
    /// The chunk in which the file ends.
    cut: Option<Entry>,
}

impl Walk {
    fn run(context: &Context<'_>) -> Result<Self, OpenError> {
        let len = context.source.len();
        let mut walk = Self::default();
        let mut offset = FILE_HEADER_LEN;
        while offset < len {
            let header = context.source.read_array(offset).ok();
            let entry =
                header.and_then(|bytes| Entry::from_header(offset, &bytes, context.capture_tag));
            match entry {
                Some(entry) if entry.end() <= len => {
                    if walk.entries.len() as u64 >= CHUNKS_MAX {
                        return Err(OpenError::LimitExceeded {
                            what: "the number of chunks",
                            limit: CHUNKS_MAX,
                        });
                    }
                    walk.entries.push(entry);
                    if entry.kind == ChunkKind::END {
                        return Ok(walk);
                    }
                    offset = entry.end();
                }
                Some(entry) => {
                    walk.cut = Some(entry);
                    break;
                }
                None => {
                    let next = find_header(context, offset + 1)?;
                    walk.gaps.push(Gap {
                        start: offset,
                        end: next.unwrap_or(len),
                    });
                    offset = next.unwrap_or(len);
                }
            }
        }
        walk.truncated_at = Some(len);
        Ok(walk)
    }
}

/// Offset of the first intact chunk header at `from` or behind.
fn find_header(context: &Context<'_>, from: u64) -> Result<Option<u64>, OpenError> {
    let len = context.source.len();
    let mut at = from;
    while at.saturating_add(CHUNK_HEADER_LEN) <= len {
        let size = SEARCH_WINDOW.min(len - at);
        let window = context.source.read(at, size);
        let window = window.map_err(|source| OpenError::Io { offset: at, source })?;
        let intact = |(offset, bytes): &(u64, &[u8; ChunkHeader::LEN])| {
            bytes[MARKER_OFFSET..].starts_with(&MARKER)
                && Entry::from_header(*offset, bytes, context.capture_tag).is_some()
        };
        let places = window
            .windows(ChunkHeader::LEN)
            .filter_map(|bytes| bytes.first_chunk());
        if let Some((offset, _)) = (at..).zip(places).find(intact) {
            return Ok(Some(offset));
        }
        // Windows overlap, so that no header is cut in two.
        at += size - CHUNK_HEADER_LEN + 1;
    }
    Ok(None)
}

/// The chunks that index chunks behind a gap list: decoded once each, for gaps in the order of the
/// file.
struct Indexes<'a> {
    context: &'a Context<'a>,
    chunks: Vec<Entry>,
    /// The last one that was decoded: offset and entries.
    decoded: Option<(u64, Vec<Entry>)>,
}

impl<'a> Indexes<'a> {
    fn new(context: &'a Context<'a>, walked: &[Entry]) -> Self {
        let is_index = |entry: &&Entry| entry.kind == ChunkKind::INDEX;
        Self {
            context,
            chunks: walked.iter().filter(is_index).copied().collect(),
            decoded: None,
        }
    }

    /// What the first index behind `offset` lists from `offset` on. Empty if it is damaged.
    fn from(&mut self, offset: u64) -> &[Entry] {
        let next = self.chunks.partition_point(|chunk| chunk.offset < offset);
        let Some(chunk) = self.chunks.get(next) else {
            return &[];
        };
        if self
            .decoded
            .as_ref()
            .is_none_or(|(at, _)| *at != chunk.offset)
        {
            let entries = self.context.index(chunk).map(|index| index.entries);
            self.decoded = Some((chunk.offset, entries.unwrap_or_default()));
        }
        let entries = self
            .decoded
            .as_ref()
            .map_or(&[][..], |(_, entries)| entries);
        entries
            .get(entries.partition_point(|entry| entry.offset < offset)..)
            .unwrap_or_default()
    }
}

/// Looks up which chunks were in a gap, and reports what is lost.
fn fill(gap: Gap, indexes: &mut Indexes<'_>, filled: &mut Vec<Entry>, integrity: &mut Integrity) {
    let mut at = gap.start;
    for entry in indexes.from(gap.start) {
        // Only what continues the walk exactly is believed.
        if entry.offset != at || entry.end() > gap.end || entry.kind == ChunkKind::END {
            break;
        }
        integrity.report(Damage {
            len: CHUNK_HEADER_LEN,
            ..damage(
                entry,
                "its header is not valid; the index still tells what it said",
            )
        });
        filled.push(*entry);
        at = entry.end();
    }
    if at < gap.end {
        integrity.report(Damage {
            offset: at,
            len: gap.end - at,
            kind: None,
            addresses: None,
            reason: "there is no valid chunk header; what was here is unknown".to_owned(),
        });
    }
}

/// Reports chunks that are missing although the bytes around them are intact: cut out, repeated or
/// exchanged.
fn report_sequence(entries: &[Entry], integrity: &mut Integrity) {
    let mut expected = 0;
    let mut end = FILE_HEADER_LEN;
    for entry in entries {
        // Behind a gap the missing numbers are explained.
        if entry.sequence != expected && entry.offset == end {
            let found = entry.sequence;
            integrity.report(damage(
                entry,
                format!("its sequence number is {found} where {expected} is expected"),
            ));
        }
        expected = entry.sequence.wrapping_add(1);
        end = entry.end();
    }
}
