//! Passes over the words of pages and other memory.

use v8mini_format::memory::{Memory, MemoryExt, MemoryRange};
use v8mini_format::model::Page;

/// Pages are read in pieces of this many bytes.
const PIECE_BYTES: usize = 256 << 10;

/// The parts of `ranges` (sorted, disjoint) that lie in `start..end`, in order.
pub(crate) fn clipped(
    ranges: &[MemoryRange],
    start: u64,
    end: u64,
) -> impl Iterator<Item = MemoryRange> + '_ {
    let first = ranges.partition_point(|range| range.end() <= start);
    ranges
        .iter()
        .skip(first)
        .take_while(move |range| range.start < end)
        .filter_map(move |range| {
            let start = range.start.max(start);
            let len = range.end().min(end).checked_sub(start)?;
            Some(MemoryRange { start, len })
        })
}

/// Calls `visit` with every word of the pages' areas and its address.
pub(crate) fn for_each_word(memory: &dyn Memory, pages: &[&Page], mut visit: impl FnMut(u64, u64)) {
    let ranges = memory.ranges();
    let mut piece = vec![0; PIECE_BYTES];
    for page in pages {
        for range in clipped(&ranges, page.area_start, page.area_end) {
            words_of(memory, range, &mut piece, &mut visit);
        }
    }
}

/// Calls `visit` with every word of a range and its address; `piece` is room to read into.
pub(crate) fn words_of(
    memory: &dyn Memory,
    range: MemoryRange,
    piece: &mut [u8],
    mut visit: impl FnMut(u64, u64),
) {
    let end = range.end();
    let mut at = range.start.next_multiple_of(8);
    while at < end {
        let len = usize::try_from(end - at)
            .unwrap_or(piece.len())
            .min(piece.len());
        let Some(bytes) = piece.get_mut(..len).filter(|bytes| !bytes.is_empty()) else {
            break;
        };
        if memory.read_at(at, bytes).is_ok() {
            for (address, word) in (at..).step_by(8).zip(bytes.as_chunks::<8>().0) {
                visit(address, u64::from_le_bytes(*word));
            }
        }
        at += len as u64;
    }
}

/// The words of the readable parts of a range.
pub(super) fn readable_words(memory: &dyn Memory, place: MemoryRange) -> Vec<Vec<u64>> {
    let ranges = memory.ranges();
    let first = ranges.partition_point(|range| range.end() <= place.start);
    let overlapping = ranges
        .iter()
        .skip(first)
        .take_while(|range| range.start < place.end());
    overlapping
        .filter_map(|range| {
            let start = range.start.max(place.start).checked_next_multiple_of(8)?;
            let len = range.end().min(place.end()).checked_sub(start)?;
            let bytes = memory.read_vec(start, usize::try_from(len).ok()?).ok()?;
            Some(
                bytes
                    .as_chunks::<8>()
                    .0
                    .iter()
                    .map(|word| u64::from_le_bytes(*word))
                    .collect(),
            )
        })
        .collect()
}
