//! Finds the table through which functions are called: from V8 13.6 on it has the code of each, and functions have the number of
//! their entry (`JSDispatchTable`).
//!
//! It lies in memory of its own that all isolates of a process point to, reserved as a whole and used in segments. What is there
//! tells itself: each entry of a segment is free and has the number of the next that is, or it has two addresses, where the
//! code begins and, above sixteen bits, its `Code`. It has been so from V8 13.6 to 14.6.

use v8mini_format::memory::MemoryRange;

use super::microtasks::Words;
use super::words::clipped;

/// Memory is taken into use, and given back, in pieces of this many bytes (`ExternalEntityTable::kSegmentSize`).
const SEGMENT_BYTES: u64 = 64 << 10;
/// What is reserved for all of them (`kJSDispatchTableReservationSize`).
const TABLE_BYTES: u64 = 256 << 20;
/// A reservation begins with a page of the operating system. With V8 13.6 it begins with a segment; with 14.6, as often as not it does
/// not (seen at 0x7f170b7fc000).
const TABLE_ALIGNMENT: u64 = 4 << 10;
/// The upper half of the first word of an entry that is free; the lower half is the number of the next.
const FREE: u64 = 0xffff_0000;
/// An entry's second word has the address of its `Code` above the number of parameters.
const CODE_SHIFT: u32 = 16;
/// Bits of that address that are never set: the lowest, which all references to objects have set, is used to mark what is alive.
const CODE_ALIGNMENT_BITS: u64 = 0b110;
/// What is no address.
const MIN_ADDRESS: u64 = 0x1_0000;
const MAX_ADDRESS: u64 = 1 << 47;

/// The table of functions' code.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DispatchTable {
    /// Where its first entry is.
    pub base: u64,
    /// The parts of it that are in use, in order.
    pub memory: Vec<MemoryRange>,
}

impl DispatchTable {
    /// How many bytes an entry has.
    pub const ENTRY_BYTES: u64 = 16;

    /// Where the `Code` of an entry is, told by its second word; `None` if it has none.
    pub const fn code(word: u64) -> Option<u64> {
        let address = word >> CODE_SHIFT & !1;
        if is_address(address) && address & CODE_ALIGNMENT_BITS == 0 {
            Some(address)
        } else {
            None
        }
    }
}

/// The table that begins at an address, if there is one. `readable` has the memory that may be part of it, in order.
///
/// Whether all of it fits is looked at only unless the table `is_known`: while a process stands still there is no time.
pub(super) fn table_at(
    words: &mut impl Words,
    base: u64,
    readable: impl FnOnce() -> Vec<MemoryRange>,
    is_known: bool,
) -> Option<DispatchTable> {
    if !base.is_multiple_of(TABLE_ALIGNMENT) {
        return None;
    }
    // The first segment is for what is the same in all processes, which Node.js has nothing of.
    let first = base.checked_add(SEGMENT_BYTES)?;
    if !begins_with_entry(words, first) {
        return None;
    }
    let mut memory: Vec<MemoryRange> = Vec::new();
    for range in clipped(&readable(), first, base.checked_add(TABLE_BYTES)?) {
        let mut at = base + (range.start - base).next_multiple_of(SEGMENT_BYTES);
        while range.end() - at.min(range.end()) >= SEGMENT_BYTES {
            if begins_with_entry(words, at) && (is_known || is_segment(words, at)) {
                match memory.last_mut() {
                    Some(last) if last.end() == at => last.len += SEGMENT_BYTES,
                    _ => memory.push(MemoryRange {
                        start: at,
                        len: SEGMENT_BYTES,
                    }),
                }
            }
            at += SEGMENT_BYTES;
        }
    }
    let begins = memory.first().is_some_and(|range| range.start == first);
    begins.then_some(DispatchTable { base, memory })
}

fn begins_with_entry(words: &mut impl Words, at: u64) -> bool {
    let entry = words.peek(at).zip(words.peek(at + 8));
    entry.is_some_and(|(first, second)| is_entry(first, second))
}

fn is_segment(words: &impl Words, at: u64) -> bool {
    let words = words.words(at, SEGMENT_BYTES).unwrap_or_default();
    let (entries, _) = words.as_chunks();
    !entries.is_empty()
        && entries
            .iter()
            .all(|[first, second]| is_entry(*first, *second))
}

/// Whether two words may be an entry, which V8 may be about to take or to free: it writes one word after the other.
const fn is_entry(first: u64, second: u64) -> bool {
    (first >> 32 == FREE || is_address(first))
        && (second == 0 || DispatchTable::code(second).is_some())
}

const fn is_address(word: u64) -> bool {
    word >= MIN_ADDRESS && word < MAX_ADDRESS
}
