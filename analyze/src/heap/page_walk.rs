//! The walk over one page: object after object, each as long as its map and its own words say.

use std::collections::hash_map::Entry as MapEntry;
use std::ops::Range;
use std::sync::Arc;

use rustc_hash::FxHashMap;
use v8mini_format::model::{Page, Space, V8Version};

use super::{SpaceCoverage, Visitor};
use crate::layout::{Expr, Subject};
use crate::v8::{Address, MapInfo, Objects};

/// After a gap, so many objects must follow each other before the walk believes that it is back in step…
const RESYNC_OBJECTS: usize = 3;
/// …out of the next so many, unless the range ends before.
const RESYNC_LOOKAHEAD: usize = 6;

/// Of a page's flags, from V8 12 on: its objects are to be moved elsewhere (`MemoryChunk::EVACUATION_CANDIDATE`; seen on 12.4,
/// 12.9 and 13.6).
const EVACUATION_CANDIDATE: u64 = 1 << 8;
/// So many maps are at hand; a power of two.
const RECENT: usize = 256;
/// So many words that lead to no map are remembered.
const NO_MAPS: usize = 4096;

/// An object met in the walk.
#[derive(Debug, Clone, Copy)]
pub struct HeapObject<'a> {
    /// Where it lies.
    pub address: Address,
    /// Its map.
    pub map: &'a MapInfo,
    /// A small number that stands for the map within this visitor: the same for the same map.
    pub map_index: usize,
    /// Its size in bytes, alignment included.
    pub size: u64,
    /// Its bytes. Of a large object, and of one whose rest is not in the image, a beginning.
    pub bytes: &'a [u8],
}

/// How long the objects of a map are.
#[derive(Clone, Copy)]
enum Size<'a> {
    Fixed(u64),
    Computed(&'a Expr),
    Unknown,
}

struct Entry<'a> {
    map: Arc<MapInfo>,
    size: Size<'a>,
    index: usize,
    is_free_space: bool,
    /// Whether objects of the map lie in code space: code, and what is free there.
    is_of_code_space: bool,
}

/// A run of bytes of the heap.
#[derive(Clone, Copy)]
pub(super) struct Span<'a> {
    /// Address of the first byte.
    pub(super) start: u64,
    pub(super) bytes: &'a [u8],
    /// Address that no object reaches beyond: the end of the page's object area. It lies after the last byte where the rest
    /// of the page is not in the image: V8 gives the memory under large free-list entries back to the system, and from
    /// 13.x on lets a hole reach into memory that cannot be read.
    pub(super) limit: u64,
    /// Whether it is of code space. Code is full of constants that are maps, and free memory there keeps it (V8 12.4: the
    /// allocation area of code space): whatever is no code is not taken for an object.
    pub(super) is_code: bool,
}

impl<'a> Span<'a> {
    fn end(self) -> u64 {
        self.start.saturating_add(self.bytes.len() as u64)
    }

    /// The bytes from the address `at` on.
    fn tail(self, at: u64) -> Option<&'a [u8]> {
        self.bytes
            .get(usize::try_from(at.checked_sub(self.start)?).ok()?..)
    }

    /// The word at the address `at`; 0 if there is none.
    fn word(self, at: u64) -> u64 {
        let tail = self.tail(at).and_then(|tail| tail.first_chunk().copied());
        tail.map_or(0, u64::from_le_bytes)
    }

    /// Whether there is nothing but zeros from `from` to `to`.
    fn is_zero(self, from: u64, to: u64) -> bool {
        let len = usize::try_from(to.saturating_sub(from)).unwrap_or(usize::MAX);
        let bytes = self.tail(from).and_then(|tail| tail.get(..len));
        bytes.is_some_and(|bytes| bytes.iter().all(|byte| *byte == 0))
    }

    /// The part before the address `end`.
    fn until(self, end: u64) -> Self {
        let len = usize::try_from(end.saturating_sub(self.start)).unwrap_or(usize::MAX);
        Self {
            start: self.start,
            bytes: self.bytes.get(..len).unwrap_or(self.bytes),
            limit: self.limit.min(end),
            ..self
        }
    }
}

/// Walks pages one after the other, keeping what it learns about maps.
pub(super) struct PageWalk<'a> {
    objects: &'a Objects,
    entries: Vec<Entry<'a>>,
    /// Numbers of entries by map word.
    maps: FxHashMap<u64, usize>,
    /// What was looked up last, each in the one place that its bits give it: a map word and the number of its entry.
    recent: Box<[(u64, usize); RECENT]>,
    /// Words that lead to no map, each in the one place that its bits give it: what the walk meets again and again while it is
    /// out of step is remembered, and a page full of rubbish costs no memory.
    no_maps: Box<[u64; NO_MAPS]>,
    free_types: [Option<u16>; 2],
    /// `Code`, which was split into `InstructionStream` and `Code` in V8 11.
    code_types: [Option<u16>; 2],
}

impl<'a> PageWalk<'a> {
    pub(super) fn new(objects: &'a Objects) -> Self {
        let types = &objects.layout().types;
        Self {
            objects,
            entries: Vec::new(),
            maps: FxHashMap::default(),
            recent: Box::new([(0, 0); RECENT]),
            no_maps: Box::new([0; NO_MAPS]),
            free_types: [types.number("FREE_SPACE_TYPE"), types.number("FILLER_TYPE")],
            code_types: [
                types.number("CODE_TYPE"),
                types.number("INSTRUCTION_STREAM_TYPE"),
            ],
        }
    }

    /// Begins with a new visitor: maps are numbered anew, so that what a visitor keeps for each grows with its own pages and not
    /// with all that were walked before.
    pub(super) fn begin(&mut self) {
        self.entries.clear();
        self.maps.clear();
        // No map word is 0.
        self.recent.fill((0, 0));
    }

    /// Walks a span of a page and returns where the walk ended: after the span's last byte, or, where the last object
    /// reaches over memory that is not there, after that. `starts_with_object` is false where the span begins somewhere in the middle. `unallocated`
    /// are the ranges that hold no objects yet, sorted by where they begin.
    pub(super) fn span<V: Visitor>(
        &mut self,
        page: &Page,
        span: Span<'_>,
        starts_with_object: bool,
        unallocated: &[Range<u64>],
        visitor: &mut V,
        coverage: &mut SpaceCoverage,
    ) -> u64 {
        let mut at = span.start;
        let mut in_step = starts_with_object;
        let mut areas = unallocated;
        while at < span.end() {
            // The top of an allocation area is where the next object will start. One that lies inside an object is none: what
            // was taken for an area was something else.
            while let Some((area, later)) = areas.split_first()
                && area.start < at
            {
                areas = later;
            }
            let area = areas.first();
            if let Some(area) = area.filter(|area| area.start == at) {
                // V8 has not touched the rest of an area in code space, so the rest may not be in the image.
                let next = area.end.min(span.limit);
                coverage.unallocated += next - at;
                at = next;
                in_step = true;
                continue;
            }
            let next_area = area.map_or(u64::MAX, |area| area.start);
            let piece = span.until(next_area);
            if (in_step || self.is_in_step(piece, at))
                && let Some(size) = self.step(span, at, visitor, coverage)
            {
                at += size;
                in_step = true;
                continue;
            }
            let from = at;
            at += 8;
            while at < piece.end() && !self.is_in_step(piece, at) {
                at += 8;
            }
            at = at.min(piece.end());
            in_step = true;
            // Not every space tells its allocation area (the trusted space's, V8 12, lies in a heap of its own): where all
            // words are 0 there is no map, so there is no object.
            if piece.is_zero(from, at) {
                coverage.unallocated += at - from;
                continue;
            }
            coverage.unknown += at - from;
            coverage.gaps += 1;
            visitor.gap(page, from..at, piece.word(from));
        }
        at
    }

    /// Whether a page, `span` from its first object on, holds only what the last collection left there: objects that died,
    /// and forwarding addresses in the place of the maps of those that moved away.
    ///
    /// V8 fills the pages of a semispace one after the other; up to V8 10 those that are still unused are left as they were.
    /// A page of another space that was evacuated waits to be given back (seen on V8 12.4 to 14.1). It is told from a page in use
    /// by what V8 wrote on it: the free end of a page, where a compiler places its objects, may hold forwarding addresses too,
    /// of the semispace that the memory was before (V8 11.8).
    pub(super) fn is_left_over(
        &mut self,
        page: &Page,
        span: Span<'_>,
        unallocated: &[Range<u64>],
    ) -> bool {
        // Code is made of words that could be taken for anything.
        if page.space == Space::Code {
            return false;
        }
        let objects = self.objects;
        let is_forwarding = |word: u64| word & 3 == 0 && objects.pages().room_at(word).is_some();
        let is_new = page.space == Space::New;
        let may_be_empty = is_new || may_be_evacuated(page, objects.image().metadata.v8_version);
        if !may_be_empty {
            return false;
        }
        let mut at = span.start;
        while at < span.end() && !unallocated.iter().any(|area| area.start == at) {
            let size = span.tail(at).and_then(|tail| {
                let entry = self.entry(tail)?;
                entry.size_of(objects, tail, span.limit.saturating_sub(at))
            });
            match size {
                Some(size) => at += size,
                None => return (is_new && at == span.start) || is_forwarding(span.word(at)),
            }
        }
        false
    }

    /// Visits the one object of a large page, of whose `room` bytes only the first are at hand, and returns its size.
    pub(super) fn large_object<V: Visitor>(
        &mut self,
        start: u64,
        bytes: &[u8],
        room: u64,
        visitor: &mut V,
    ) -> Option<u64> {
        let objects = self.objects;
        let entry = self.entry(bytes)?;
        let size = entry.size_of(objects, bytes, room)?;
        visitor.visit(&HeapObject {
            address: Address(start),
            map: &entry.map,
            map_index: entry.index,
            size,
            bytes,
        });
        Some(size)
    }

    /// Visits the object at `at`, if there is one, and returns its size.
    fn step<V: Visitor>(
        &mut self,
        span: Span<'_>,
        at: u64,
        visitor: &mut V,
        coverage: &mut SpaceCoverage,
    ) -> Option<u64> {
        let objects = self.objects;
        let tail = span.tail(at)?;
        let entry = self.entry(tail).filter(|entry| entry.fits(span))?;
        let size = entry.size_of(objects, tail, span.limit.saturating_sub(at))?;
        let object = HeapObject {
            address: Address(at),
            map: &entry.map,
            map_index: entry.index,
            size,
            bytes: usize::try_from(size)
                .ok()
                .and_then(|size| tail.get(..size))
                .unwrap_or(tail),
        };
        if entry.is_free_space {
            coverage.free += size;
            visitor.free(&object);
        } else {
            coverage.objects += size;
            visitor.visit(&object);
        }
        Some(size)
    }

    /// Whether a chain of objects begins at `at`.
    fn is_in_step(&mut self, span: Span<'_>, mut at: u64) -> bool {
        let objects = self.objects;
        for found in 0..RESYNC_LOOKAHEAD {
            if at >= span.end() {
                return found > 0;
            }
            let size = span.tail(at).and_then(|tail| {
                let entry = self.entry(tail).filter(|entry| entry.fits(span))?;
                entry.size_of(objects, tail, tail.len() as u64)
            });
            match size {
                Some(size) => at += size,
                None => return found >= RESYNC_OBJECTS,
            }
        }
        true
    }

    fn entry(&mut self, object: &[u8]) -> Option<&Entry<'a>> {
        let word = u64::from_le_bytes(object.first_chunk().copied()?);
        // A map word is a strong tagged pointer; most words that are none are told by this alone.
        if word & 3 != 1 {
            return None;
        }
        let recent = self
            .recent
            .get_mut((word >> 4 ^ word >> 12) as usize % RECENT)?;
        if recent.0 == word {
            return self.entries.get(recent.1);
        }
        let vacant = match self.maps.entry(word) {
            MapEntry::Occupied(known) => {
                *recent = (word, *known.get());
                return self.entries.get(*known.get());
            }
            MapEntry::Vacant(vacant) => vacant,
        };
        let no_map = self.no_maps.get_mut((word >> 3) as usize % NO_MAPS)?;
        if *no_map == word {
            return None;
        }
        let Some(map) = self.objects.map(Address(word & !3)) else {
            *no_map = word;
            return None;
        };
        let types = &self.objects.layout().types;
        let size = match map.instance_size {
            0 => types
                .size_of(map.instance_type)
                .map_or(Size::Unknown, Size::Computed),
            fixed => Size::Fixed(fixed),
        };
        let is_any = |of: &[Option<u16>]| of.contains(&Some(map.instance_type));
        let is_free_space = is_any(&self.free_types);
        let is_of_code_space = is_free_space || is_any(&self.code_types);
        let index = self.entries.len();
        self.entries.push(Entry {
            map,
            size,
            index,
            is_free_space,
            is_of_code_space,
        });
        vacant.insert(index);
        *recent = (word, index);
        self.entries.last()
    }
}

/// Whether V8 may have moved everything away from a page of a space that is not a semispace.
///
/// It chooses sparse pages, and marks them. V8 14.1 has removed the mark when it gives the page back.
fn may_be_evacuated(page: &Page, version: Option<V8Version>) -> bool {
    let marks = version.is_some_and(|version| version.major >= 12);
    // Before V8 8.6 the figure is not known, and 0.
    let is_sparse = page.allocated_bytes < page.area_end.saturating_sub(page.area_start) / 2;
    (marks && page.flags & EVACUATION_CANDIDATE != 0) || (page.allocated_bytes != 0 && is_sparse)
}

impl Entry<'_> {
    /// Whether an object of the map can lie in a span's space.
    fn fits(&self, span: Span<'_>) -> bool {
        self.is_of_code_space || !span.is_code
    }

    /// The object's size, if it is one that an object can have and that fits into `room` bytes.
    fn size_of(&self, objects: &Objects, object: &[u8], room: u64) -> Option<u64> {
        let size = match self.size {
            Size::Fixed(size) => size,
            Size::Computed(expr) => expr.eval(Subject {
                bytes: object,
                memory: objects.memory(),
            })?,
            Size::Unknown => return None,
        };
        (size >= 8 && size % 8 == 0 && size <= room).then_some(size)
    }
}
