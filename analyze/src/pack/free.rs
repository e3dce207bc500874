//! What of free memory nobody misses: the insides of free-list entries that only garbage may still point into.
//!
//! V8 leaves the old contents in free-list entries. A capture drops them where nothing at all points (`v8mini_capture::content`);
//! objects that died and are not swept yet often still point there, and on a heap with churn that keeps a fifth of a packed file.
//! Here the walk tells more: what objects are understood by (maps, and what maps and functions refer to) is kept, whatever points to
//! it; what else a dead object referred to before that was freed is not.

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
    let (parts, _) = walk(objects, PageSelection::default(), Entries::default);
    let entries: Vec<MemoryRange> = parts.into_iter().flat_map(|part| part.0).collect();
    let make = || Needs {
        objects,
        entries: &entries,
        needed: FxHashSet::default(),
        explains: Vec::new(),
        descriptors: objects.layout().types.number("DESCRIPTOR_ARRAY_TYPE"),
    };
    let (parts, _) = walk(objects, PageSelection::default(), make);
    let mut needed: FxHashSet<usize> = FxHashSet::default();
    for part in parts {
        needed.extend(part.needed);
    }
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

/// The insides of free-list entries, in the order of their addresses.
#[derive(Debug, Default)]
struct Entries(Vec<MemoryRange>);

impl Visitor for Entries {
    fn visit(&mut self, _object: &HeapObject<'_>) {}

    fn free(&mut self, entry: &HeapObject<'_>) {
        if let Some(len) = entry.size.checked_sub(HEADER_BYTES).filter(|len| *len > 0) {
            self.0.push(MemoryRange {
                start: entry.address.0 + HEADER_BYTES,
                len,
            });
        }
    }
}

/// The entries that objects are understood by.
struct Needs<'a> {
    objects: &'a Objects,
    entries: &'a [MemoryRange],
    needed: FxHashSet<usize>,
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
        self.needed
            .extend(entry_of(self.entries, map.address.tagged().0));
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
                self.needed
                    .extend(entry_of(self.entries, u64::from_le_bytes(*word)));
            }
        }
    }
}
