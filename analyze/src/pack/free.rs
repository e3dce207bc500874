//! What of free memory nobody misses: the insides of free-list entries that only garbage may still point into.
//!
//! V8 leaves the old contents in free-list entries. A capture drops them where nothing at all points (`v8mini_capture::content`);
//! objects that died and are not swept yet often still point there, and on a heap with churn that keeps a fifth of a packed file.
//! Here the walk tells more: what objects are understood by (maps, and what maps and functions refer to) is kept, whatever points to
//! it; what else a dead object referred to before that was freed is not.

use std::sync::atomic::{AtomicU64, Ordering};

use rustc_hash::FxHashSet;
use v8mini_capture::content::{Edit, Edits, Fill};
use v8mini_format::{MemoryExt, MemoryRange};

use crate::heap::{HeapObject, PageSelection, Visitor, walk};
use crate::v8::{Kind, MapInfo, Objects};

/// What stays of an entry: its map, its size, and the link to the next.
const HEADER_BYTES: u64 = 24;

/// The largest entry that is looked into for what it refers to in turn.
const ENTRY_MAX: u64 = 1 << 20;

/// What is written over free memory: zeros.
pub(super) fn unneeded(objects: &Objects) -> Edits {
    let marks = Marks::new(objects);
    let make = || Needs {
        objects,
        marks: &marks,
        entries: Vec::new(),
        explains: Vec::new(),
        descriptors: objects.layout().types.number("DESCRIPTOR_ARRAY_TYPE"),
    };
    let (parts, _) = walk(objects, PageSelection::default(), make);
    let entries: Vec<MemoryRange> = parts.into_iter().flat_map(|part| part.entries).collect();
    let mut needed: FxHashSet<usize> = (0..entries.len())
        .filter(|index| entries.get(*index).is_some_and(|entry| marks.any(entry)))
        .collect();
    follow(objects, &entries, &mut needed);
    let dropped = entries
        .iter()
        .enumerate()
        .filter(|(index, _)| !needed.contains(index));
    dropped
        .map(|(_, range)| Edit {
            range: *range,
            fill: Fill::ZERO,
        })
        .collect()
}

/// What needed entries refer to is needed, too: a map's constructor, a function's name.
fn follow(objects: &Objects, entries: &[MemoryRange], needed: &mut FxHashSet<usize>) {
    let mut todo: Vec<usize> = needed.iter().copied().collect();
    while let Some(index) = todo.pop() {
        let Some(entry) = entries.get(index).filter(|entry| entry.len <= ENTRY_MAX) else {
            continue;
        };
        let Ok(bytes) = objects.memory().read_vec(entry.start, entry.len as usize) else {
            continue;
        };
        for word in bytes.as_chunks::<8>().0 {
            if let Some(other) = entry_of(entries, u64::from_le_bytes(*word))
                && needed.insert(other)
            {
                todo.push(other);
            }
        }
    }
}

/// The entry that a reference leads into.
fn entry_of(entries: &[MemoryRange], word: u64) -> Option<usize> {
    if word & 1 == 0 {
        return None;
    }
    let address = word & !3;
    let after = entries.partition_point(|entry| entry.start <= address);
    let index = after.checked_sub(1)?;
    entries.get(index)?.contains(address).then_some(index)
}

/// The words of ordinary pages that something refers to: a bit each, so that one walk will do.
struct Marks {
    /// Start of each page, its size, and the number of its first bit.
    pages: Vec<(u64, u64, u64)>,
    bits: Vec<AtomicU64>,
}

impl Marks {
    /// No marks. There are no free-list entries on the pages of large objects.
    fn new(objects: &Objects) -> Self {
        let index = objects.pages();
        let pages = index.pages().iter().filter(|page| !index.is_large(page));
        Self::over(pages.map(|page| (page.address, page.size)))
    }

    /// No marks, on pages in order that do not overlap.
    fn over(of_heap: impl Iterator<Item = (u64, u64)>) -> Self {
        let mut pages = Vec::new();
        let mut bits = 0;
        for (start, size) in of_heap {
            pages.push((start, size, bits));
            bits += size / 8;
        }
        let words = usize::try_from(bits.div_ceil(64)).unwrap_or(0);
        Self {
            pages,
            bits: (0..words).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    /// The number of an address' bit.
    fn bit(&self, address: u64) -> Option<u64> {
        let after = self.pages.partition_point(|page| page.0 <= address);
        let (start, size, first) = *self.pages.get(after.checked_sub(1)?)?;
        (address - start < size).then_some(first + (address - start) / 8)
    }

    /// Marks what a word refers to, if it is a reference.
    fn mark(&self, word: u64) {
        if word & 1 == 0 {
            return;
        }
        let Some(bit) = self.bit(word & !3) else {
            return;
        };
        let mask = 1 << (bit % 64);
        if let Some(bits) = self.bits.get((bit / 64) as usize)
            && bits.load(Ordering::Relaxed) & mask == 0
        {
            bits.fetch_or(mask, Ordering::Relaxed);
        }
    }

    /// Whether anything in a range, which lies within a page, is marked.
    fn any(&self, range: &MemoryRange) -> bool {
        let Some(first) = self.bit(range.start) else {
            return false;
        };
        let end = first + range.len / 8;
        let mut at = first;
        while at < end {
            let upto = (at / 64 + 1).saturating_mul(64).min(end);
            let mask = (u64::MAX >> (64 - (upto - at))) << (at % 64);
            let bits = self.bits.get((at / 64) as usize);
            if bits.is_some_and(|bits| bits.load(Ordering::Relaxed) & mask != 0) {
                return true;
            }
            at = upto;
        }
        false
    }
}

/// Free-list entries, and what objects are understood by.
struct Needs<'a> {
    objects: &'a Objects,
    marks: &'a Marks,
    /// The insides of free-list entries, in the order of their addresses.
    entries: Vec<MemoryRange>,
    /// By the number of the map: whether its objects explain others. `None` until one was met.
    explains: Vec<Option<bool>>,
    descriptors: Option<u16>,
}

impl Needs<'_> {
    /// Whether other objects are understood by the objects of a map.
    fn explains(&mut self, map: &MapInfo, index: usize) -> bool {
        if index >= self.explains.len() {
            self.explains.resize(index + 1, None);
        }
        let place = self.explains.get_mut(index);
        if let Some(known) = place.as_deref().copied().flatten() {
            return known;
        }
        // What refers to its map from elsewhere in this run of pages says nothing new.
        self.marks.mark(map.address.tagged().0);
        let explains = match self.objects.kind(map.instance_type) {
            Kind::Function => true,
            Kind::Internal => map.instance_size != 0 || Some(map.instance_type) == self.descriptors,
            _ => false,
        };
        if let Some(place) = self.explains.get_mut(index) {
            *place = Some(explains);
        }
        explains
    }
}

impl Visitor for Needs<'_> {
    fn visit(&mut self, object: &HeapObject<'_>) {
        if self.explains(object.map, object.map_index) {
            for word in object.bytes.as_chunks::<8>().0.iter().skip(1) {
                self.marks.mark(u64::from_le_bytes(*word));
            }
        }
    }

    fn free(&mut self, entry: &HeapObject<'_>) {
        if let Some(len) = entry.size.checked_sub(HEADER_BYTES).filter(|len| *len > 0) {
            self.entries.push(MemoryRange {
                start: entry.address.0 + HEADER_BYTES,
                len,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pages may be of any size, with gaps between them.
    #[test]
    fn every_word_of_a_page_has_a_bit_of_its_own() {
        let pages = [(0x3_f000, 0x2000), (0x4_1000, 0x8), (0x4_2000, 0x10_0000)];
        let marks = Marks::over(pages.into_iter());
        let bits = |(start, size): (u64, u64)| {
            let words = (start..start + size).step_by(8);
            words.map(|word| marks.bit(word)).collect::<Vec<_>>()
        };
        let found: Vec<Option<u64>> = pages.into_iter().flat_map(bits).collect();
        let expected: Vec<Option<u64>> = (0..found.len() as u64).map(Some).collect();
        assert_eq!(found, expected);
        for outside in [0, 0x3_eff8, 0x4_1008, 0x4_1ff8, 0x14_2000, u64::MAX] {
            assert_eq!(marks.bit(outside), None, "{outside:#x}");
        }
    }
}
