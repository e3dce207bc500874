//! Text that a segment has in common with earlier ones: copied from there.
//!
//! What of its text a segment stores itself is its *own text*, and copies are of own texts only: whatever a text is made of is one step
//! away, so that any segment is unpacked with nothing but the own texts that it names.

use std::sync::Arc;

use super::cache::OwnText;
use super::cursor::{Cursor, Fault, put_number};
use super::head::SourceRecord;
use crate::limits::{SEGMENT_MAX, SEGMENT_TEXT_MAX};

/// Shorter copies would take as much room as the text.
pub(crate) const COPY_MIN: usize = 32;

/// Whoever has the own texts of other segments: the text of a source, or what is wrong with it.
pub(crate) type Texts<'a> = dyn Fn(&SourceRecord) -> Result<Arc<OwnText>, Fault> + 'a;

/// A copy of text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TextCopy {
    /// Bytes of own text in front of it, behind the copy before.
    pub(crate) own: u32,
    pub(crate) len: u32,
    /// Number of the source.
    pub(crate) source: u32,
    /// Where it is in the own text of that.
    pub(crate) at: u32,
}

/// Appends copies, of so many sources: all first numbers in front of all second ones.
pub(crate) fn put_copies(out: &mut Vec<u8>, copies: &[TextCopy], sources: usize) {
    put_number(out, copies.len() as u64);
    for copy in copies {
        put_number(out, u64::from(copy.own));
    }
    for copy in copies {
        put_number(out, u64::from(copy.len) - COPY_MIN as u64);
    }
    for copy in copies {
        put_number(out, u64::from(copy.source));
    }
    let mut ends = vec![0_u32; sources];
    for copy in copies {
        if let Some(end) = ends.get_mut(copy.source as usize) {
            let distance = copy.at.wrapping_sub(*end);
            put_number(out, u64::from(super::cursor::zigzag(distance)));
            *end = copy.at + copy.len;
        }
    }
}

/// Reads copies that make a text of `own` bytes longer by no more than a segment holds.
pub(crate) fn get_copies(
    mut from: Cursor<'_>,
    sources: &[SourceRecord],
    own: usize,
) -> Result<Vec<TextCopy>, Fault> {
    let count = from.number()?;
    if count > SEGMENT_MAX / COPY_MIN as u64 {
        return Err(format!("it claims {count} copies of text"));
    }
    let mut copies = Vec::with_capacity(count as usize);
    let mut left = own as u64;
    for _ in 0..count {
        let own = from.small()?;
        left = left
            .checked_sub(u64::from(own))
            .ok_or("copies are of more text than it has")?;
        copies.push(TextCopy {
            own,
            len: 0,
            source: 0,
            at: 0,
        });
    }
    let mut sum = 0;
    for copy in &mut copies {
        let len = u64::from(from.small()?) + COPY_MIN as u64;
        sum += len;
        if sum > SEGMENT_MAX {
            return Err("its copies of text are longer than a segment".to_owned());
        }
        copy.len = len as u32;
    }
    for copy in &mut copies {
        copy.source = from.small()?;
    }
    let mut ends = vec![0_u32; sources.len()];
    for copy in &mut copies {
        let number = copy.source as usize;
        let (Some(source), Some(end)) = (sources.get(number), ends.get_mut(number)) else {
            return Err(format!(
                "text is copied from source {number}, of {}",
                sources.len()
            ));
        };
        copy.at = end.wrapping_add(super::cursor::unzigzag(from.small()?));
        *end = copy
            .at
            .checked_add(copy.len)
            .filter(|end| *end <= source.text_len)
            .ok_or_else(|| format!("text is copied from behind the end of source {number}"))?;
    }
    if from.is_empty() {
        Ok(copies)
    } else {
        Err("it has more copies of text than it claims".to_owned())
    }
}

/// The whole text of a segment. One source is asked for at a time.
pub(crate) fn assemble(
    own: &[u8],
    copies: &[TextCopy],
    sources: &[SourceRecord],
    texts: &Texts<'_>,
) -> Result<Vec<u8>, Fault> {
    let copied: usize = copies.iter().map(|copy| copy.len as usize).sum();
    let mut text = Vec::with_capacity(own.len() + copied);
    let mut rest = own;
    let mut places: Vec<(u32, usize, TextCopy)> = Vec::with_capacity(copies.len());
    for copy in copies {
        let (before, after) = rest
            .split_at_checked(copy.own as usize)
            .ok_or("copies are of more text than it has")?;
        text.extend_from_slice(before);
        rest = after;
        places.push((copy.source, text.len(), *copy));
        text.resize(text.len() + copy.len as usize, 0);
    }
    text.extend_from_slice(rest);
    places.sort_unstable_by_key(|(source, to, _)| (*source, *to));
    for places in places.chunk_by(|one, other| one.0 == other.0) {
        let Some((number, ..)) = places.first() else {
            continue;
        };
        let record = sources
            .get(*number as usize)
            .ok_or_else(|| format!("there is no source {number}"))?;
        let from = texts(record)?;
        let from = &from.bytes;
        for (_, to, copy) in places {
            let (at, len) = (copy.at as usize, copy.len as usize);
            let (Some(from), Some(room)) = (from.get(at..at + len), text.get_mut(*to..*to + len))
            else {
                return Err(format!(
                    "text is copied from behind the end of source {number}"
                ));
            };
            room.copy_from_slice(from);
        }
    }
    Ok(text)
}

/// Whether the sources that a segment claims may be.
pub(crate) fn check_sources(sources: &[SourceRecord]) -> Result<(), Fault> {
    let sum: u64 = sources
        .iter()
        .map(|source| u64::from(source.text_len))
        .sum();
    if sum > SEGMENT_TEXT_MAX {
        return Err(format!(
            "its sources have {sum} bytes of text, at most {SEGMENT_TEXT_MAX} are allowed"
        ));
    }
    Ok(())
}

/// Whether a text is that of a source.
pub(crate) fn check_text(source: &SourceRecord, text: &OwnText) -> Result<(), Fault> {
    let (text, found) = (&text.bytes, text.crc);
    if text.len() as u64 == u64::from(source.text_len) && found == source.text_crc {
        return Ok(());
    }
    Err(format!(
        "the text of the segment at {:#x}, of which it has copies, is {} bytes with the CRC-32 {found:#010x}, not {} with {:#010x}",
        source.addr,
        text.len(),
        source.text_len,
        source.text_crc
    ))
}
