//! `HashTable`: a `FixedArray` of [elements, deleted, capacity, prefix…, entries…].

use super::fixed_array::FixedArray;
use super::{Address, ObjectError, Objects};

/// `kPrefixStartIndex`: words before the prefix, the same since V8 4.5.
const COUNTERS: u64 = 3;
/// Index of the capacity, in entries.
const CAPACITY: u64 = 2;

/// Calls `visit` with the number and the words of each entry, used or not, until it returns `false`.
///
/// # Errors
/// [`ObjectError::Implausible`] if the capacity does not fit the array, [`ObjectError::Memory`] if a part is not in the
/// image: the entries before it have been visited.
pub(super) fn for_each_entry(
    objects: &Objects,
    table: Address,
    prefix_words: u64,
    entry_words: u64,
    mut visit: impl FnMut(u64, &[u64]) -> bool,
) -> Result<(), ObjectError> {
    let array = FixedArray::read(objects, table)?;
    let start = COUNTERS.saturating_add(prefix_words);
    let capacity = array.get(objects, CAPACITY)?;
    let capacity = capacity
        .smi()
        .and_then(|capacity| u64::try_from(capacity).ok())
        .filter(|capacity| {
            capacity
                .checked_mul(entry_words)
                .and_then(|words| words.checked_add(start))
                .is_some_and(|words| words <= array.length)
        })
        .ok_or(ObjectError::Implausible {
            address: table,
            what: "capacity",
            value: capacity.0,
            why: "the table is smaller",
        })?;
    array.for_each_group(objects, start, entry_words, |entry, words| {
        entry < capacity && visit(entry, words)
    })
}
