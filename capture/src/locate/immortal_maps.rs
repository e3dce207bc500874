//! The maps that V8 makes with the isolate: those of strings, arrays, free space and the like.
//!
//! They lie in the read-only space, or in the map space before there was one (V8 6.6). No offset is needed to find them: a map's first
//! word points to the meta-map, which is its own map.

use v8mini_format::memory::{Memory, MemoryExt};
use v8mini_format::model::{Page, Space};

use super::words::for_each_word;

/// `Map::instance_size_in_words`: at this offset in every V8 from 4.5 to 14.6.
const INSTANCE_SIZE: u64 = 8;

/// The meta-maps among the immortal maps, tagged, sorted.
fn meta_maps(memory: &dyn Memory, pages: &[Page]) -> Vec<u64> {
    let mut found = Vec::new();
    for_each_word(memory, &places(pages), |address, word| {
        if word == address + 1 {
            found.push(word);
        }
    });
    // In a page made to hurt, every word may be one: they are looked up, not gone through.
    found.sort_unstable();
    found
}

/// The immortal maps, tagged, sorted.
pub(crate) fn immortal_maps(memory: &dyn Memory, pages: &[Page]) -> Vec<u64> {
    let meta_maps = meta_maps(memory, pages);
    let mut maps = Vec::new();
    for_each_word(memory, &places(pages), |address, word| {
        if meta_maps.binary_search(&word).is_ok() {
            maps.push(address + 1);
        }
    });
    maps.sort_unstable();
    maps
}

/// Whether the objects of a map differ in size.
pub(crate) fn is_variable_size(memory: &dyn Memory, map: u64) -> bool {
    let size = (map - 1).checked_add(INSTANCE_SIZE);
    size.is_some_and(|at| memory.read_u8(at) == Ok(0))
}

fn places(pages: &[Page]) -> Vec<&Page> {
    let of = |space: Space| pages.iter().filter(move |page| page.space == space);
    of(Space::ReadOnly).chain(of(Space::Map)).collect()
}
