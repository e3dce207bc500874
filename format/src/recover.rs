//! Finding chunks in a file whose end is missing or whose index is damaged.
//!
//! Every chunk announces its length, so a walk from header to header finds all of them. Where a header is damaged, the
//! next one is searched for by its marker; an index further on may still tell what the damaged one said.

use crate::chunk::{CHUNK_HEADER_LEN, ChunkKind, Entry, MARKER};
use crate::directory::{Context, Directory, agrees};
use crate::error::OpenError;
use crate::header::FILE_HEADER_LEN;
use crate::integrity::{Damage, Integrity};
use crate::limits::CHUNKS_MAX;
use crate::payload::damage;

/// Bytes that the search for a marker reads at a time.
const SEARCH_WINDOW: u64 = 1024 * 1024;

/// Where the marker is in a chunk header.
const MARKER_OFFSET: u64 = 8;

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
    for gap in gaps {
        fill(context, gap, &entries, &mut filled, &mut integrity);
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
    // Windows overlap by three bytes, so that no marker is cut in two.
    let overlap = MARKER.len() as u64 - 1;
    let mut at = from.saturating_add(MARKER_OFFSET);
    while at.saturating_add(overlap) < len {
        let size = SEARCH_WINDOW.min(len - at);
        let window = context
            .source
            .read(at, size)
            .map_err(|source| OpenError::Io { offset: at, source })?;
        for (i, bytes) in window.windows(MARKER.len()).enumerate() {
            let header = at + i as u64 - MARKER_OFFSET;
            if bytes == MARKER && intact_at(context, header) {
                return Ok(Some(header));
            }
        }
        at += size - overlap;
    }
    Ok(None)
}

fn intact_at(context: &Context<'_>, offset: u64) -> bool {
    let bytes = context.source.read_array(offset);
    bytes.is_ok_and(|bytes| Entry::from_header(offset, &bytes, context.capture_tag).is_some())
}

/// Looks up in the indexes that were found which chunks were in a gap, and reports what is lost.
fn fill(
    context: &Context<'_>,
    gap: Gap,
    walked: &[Entry],
    filled: &mut Vec<Entry>,
    integrity: &mut Integrity,
) {
    let indexes = walked
        .iter()
        .filter(|entry| entry.kind == ChunkKind::INDEX && entry.offset >= gap.end);
    let known = indexes
        .take(1)
        .filter_map(|entry| context.index(entry))
        .flat_map(|index| index.entries);
    let mut at = gap.start;
    for entry in known.filter(|entry| entry.offset >= gap.start) {
        // Only what continues the walk exactly is believed.
        if entry.offset != at || entry.end() > gap.end || entry.end() < at + CHUNK_HEADER_LEN {
            break;
        }
        integrity.report(Damage {
            len: CHUNK_HEADER_LEN,
            ..damage(
                &entry,
                "its header is not valid; the index still tells what it said",
            )
        });
        filled.push(entry);
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

/// Reports chunks that are missing although the bytes around them are intact: cut out, repeated or exchanged.
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
