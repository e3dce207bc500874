//! Byte arrays that belong to code: source positions, handlers, what deoptimization needs. All others may hold anybody's bytes.

use std::collections::HashSet;

use v8mini_format::memory::{MemoryExt, MemoryRange};

use super::Image;
use super::kinds::{pointer, smi};
use super::shape::Type;
use crate::content::scan::scan;

/// Words of code objects, and of arrays that they refer to, that are looked at: theirs come before the instructions.
const HEAD_WORDS: u64 = 16;
/// As for arrays: deoptimization data begins with a dozen fields.
const ARRAY_WORDS: u64 = 16;

/// The addresses of the byte arrays that code refers to.
pub(super) fn of_code(image: &Image<'_>, heap: &[MemoryRange]) -> HashSet<u64> {
    let words = |start: u64, count: u64| {
        (1..count).filter_map(move |n| image.memory.read_u64(start.checked_add(8 * n)?).ok())
    };
    let kind = |word: u64| image.kinds.of_object(image.memory, word);
    let bytes = |word: u64| match kind(word) {
        Some((address, facts)) if facts.kind == Some(Type::Bytes) => Some(address),
        _ => None,
    };
    scan(image.memory, heap, |address, word, found| {
        let Some(facts) = image.kinds.of_map(word) else {
            return;
        };
        if facts.kind != Some(Type::Code) {
            return;
        }
        for word in words(address, HEAD_WORDS).filter(|word| pointer(*word).is_some()) {
            if let Some(address) = bytes(word) {
                found.push(address);
                continue;
            }
            let Some((array, facts)) = kind(word) else {
                continue;
            };
            // An array of tagged words: immortal map, varying size, and a length.
            let length = image.memory.read_u64(array + 8).ok().and_then(smi);
            if facts.is_immortal && facts.size == 0 && facts.kind.is_none() && length.is_some() {
                found.extend(words(array, ARRAY_WORDS).filter_map(bytes));
            }
        }
    })
    .into_iter()
    .collect()
}
