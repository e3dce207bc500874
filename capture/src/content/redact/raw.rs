//! What is replaced outside of the heap: in stacks, in V8's own structures, in what lies beside them.
//!
//! A word stays if it is the address of something, or made of small numbers. Text is neither: eight characters are more than an address,
//! and the last few of a text are not small.

use v8mini_format::memory::{Memory, MemoryRange};
use v8mini_format::model::Region;

use crate::content::edits::{Edit, Fill};
use crate::content::scan::scan;

/// A half of a word below this, or that much below zero, is a small number: of a text, two characters at most.
const SMALL: u32 = 1 << 21;

/// The edits in `ranges`.
pub(super) fn edits(memory: &dyn Memory, ranges: &[MemoryRange], regions: &[Region]) -> Vec<Edit> {
    let mut removed = scan(memory, ranges, |address, word, found| {
        if !stays(word, regions) {
            found.push(address);
        }
    });
    removed.sort_unstable();
    let mut edits: Vec<Edit> = Vec::new();
    let mut push = |start: u64, len: u64| match edits.last_mut() {
        Some(last) if last.range.end() == start => last.range.len += len,
        _ => edits.push(Edit {
            range: MemoryRange { start, len },
            fill: Fill::ZERO,
        }),
    };
    for address in removed {
        push(address, 8);
    }
    // Ranges do not begin and end at words as a rule: what is no whole word goes.
    for range in ranges {
        let first = range.start.next_multiple_of(8).min(range.end());
        let last = (range.end() & !7).max(first);
        for (start, end) in [(range.start, first), (last, range.end())] {
            if start < end {
                edits.push(Edit {
                    range: MemoryRange {
                        start,
                        len: end - start,
                    },
                    fill: Fill::ZERO,
                });
            }
        }
    }
    edits
}

/// Whether a word says nothing but where something is, or how much.
pub(super) fn stays(word: u64, regions: &[Region]) -> bool {
    is_harmless(word) || Region::at(regions, word).is_some()
}

/// Whether both halves of a word are small numbers.
const fn is_harmless(word: u64) -> bool {
    is_small(word as u32) && is_small((word >> 32) as u32)
}

const fn is_small(half: u32) -> bool {
    half < SMALL || half > u32::MAX - (SMALL >> 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_does_not_pass() {
        let region = Region {
            start: 0x7f00_0000_0000,
            end: 0x7f00_0010_0000,
            ..Region::default()
        };
        let regions = [region];
        for text in [
            *b"password",
            *b"secret\0\0",
            *b"abc\0\0\0\0\0",
            *b"\0\0\0\0\0abc",
            *b"a\0b\0c\0d\0",
            *b"a\0b\0\0\0\0\0",
            *b"\0\0\0\0\xe4\xb8\xad\xe5",
            *b"caf\xc3\xa9\0\0\0",
        ] {
            assert!(!stays(u64::from_le_bytes(text), &regions), "{text:?}");
        }
        for word in [
            0,
            0x7f00_0000_0000,
            0x7f00_000f_ffff,
            u64::MAX,
            120_000 << 32,
            (7 << 32) | 4096,
            (-3_i64).cast_unsigned(),
        ] {
            assert!(stays(word, &regions), "{word:#x}");
        }
        // Behind the region, and not made of small numbers.
        assert!(!stays(0x7f00_4010_0000, &regions));
    }
}
