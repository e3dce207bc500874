//! One segment: its memory, and the objects in it.

use v8mini_capture::content::Edits;
use v8mini_format::model::Page;
use v8mini_format::pack::{Blocks, Class, SegmentBuilder, SegmentDraft, Tail};
use v8mini_format::{Memory, MemoryRange, ReadError};

use super::classes::Classes;
use super::plan::Part;
use crate::heap::{HeapObject, PageWalker, Visitor};
use crate::v8::{Address, Objects};

/// What packing any part needs.
pub(super) struct Packing<'a> {
    pub(super) walker: PageWalker<'a>,
    objects: &'a Objects,
    classes: Classes<'a>,
    /// Where references may lead to.
    pub(super) blocks: Blocks,
    edits: &'a Edits,
}

impl<'a> Packing<'a> {
    /// What packing the parts of an image needs, with `edits` made.
    pub(super) fn new(objects: &'a Objects, edits: &'a Edits) -> Self {
        let pages = objects.pages().pages().iter();
        let pages: Vec<MemoryRange> = pages
            .map(|page| MemoryRange {
                start: page.address,
                len: page.size,
            })
            .collect();
        Self {
            walker: PageWalker::new(objects),
            objects,
            classes: Classes::new(objects),
            blocks: Blocks::new(&pages),
            edits,
        }
    }

    /// Packs a part, up to its text; `None` if not all of it can be read.
    pub(super) fn draft(&self, part: &Part<'_>) -> Option<SegmentDraft> {
        Some(self.builder(part)?.draft(&self.blocks))
    }

    /// Reads a part and finds its objects; `None` if not all of it can be read.
    pub(super) fn builder(&self, part: &Part<'_>) -> Option<SegmentBuilder> {
        let mut builder = SegmentBuilder::new();
        builder.reserve(part.len());
        for range in &part.ranges {
            let read = |room: &mut [u8]| {
                let read = self.objects.memory().read_at(range.start, room);
                self.edits.apply(range.start, room);
                read.is_ok()
            };
            if !builder.range_read(range.start, range.len, read) {
                return None;
            }
        }
        let mut found = Found::default();
        let memory = PartMemory {
            builder: &builder,
            ranges: &part.ranges,
        };
        self.walker.walk(&memory, &part.pages, &mut found);
        // Numbers of the classes that were asked for.
        let mut numbers: Vec<Option<u32>> = vec![None; found.maps.len()];
        let mut all = found.objects.iter().peekable();
        let mut tail = part.continued.and_then(|page| rest_of(self, page));
        for range in &part.ranges {
            if let Some((end, class)) = tail.take() {
                let class = builder.class(class);
                let len = end.min(range.end()).saturating_sub(range.start);
                builder.object(range.start, len, class);
            }
            while let Some(object) = all.next_if(|object| object.address < range.end()) {
                let (Some(number), Some(map)) = (
                    numbers.get_mut(object.map as usize),
                    found.maps.get(object.map as usize),
                ) else {
                    continue;
                };
                let room = range.end() - object.address;
                let class = if object.size > room {
                    let class = self.classes.of(*map);
                    let tail = without_count(class.tail);
                    builder.class(Class { tail, ..class })
                } else {
                    *number.get_or_insert_with(|| builder.class(self.classes.of(*map)))
                };
                builder.object(object.address, object.size.min(room), class);
            }
        }
        Some(builder)
    }
}

/// What the later pieces of a page with one large object consist of, and where the object ends.
fn rest_of(packing: &Packing<'_>, page: &Page) -> Option<(u64, Class)> {
    let Packing {
        walker,
        objects,
        classes,
        ..
    } = packing;
    if !objects.pages().is_large(page) {
        return None;
    }
    let mut found = Found::default();
    walker.walk(objects.memory(), &[page], &mut found);
    let object = found.objects.first()?;
    let map = *found.maps.get(object.map as usize)?;
    let tail = without_count(classes.of(map).tail);
    let class = Class {
        tail,
        is_gap: true,
        ..Class::default()
    };
    Some((object.address.saturating_add(object.size), class))
}

/// What follows in a piece of an object. The count of its characters is that of all pieces, and in the first of them only; what is no text by its count would be
/// stored as bytes, which are not looked for in other texts: webpack's heap took 1.4 % more.
const fn without_count(tail: Tail) -> Tail {
    match tail {
        Tail::Text8(_) => Tail::Text8(0),
        Tail::Text16(_) => Tail::Text16(0),
        other => other,
    }
}

/// The memory of a part, in the builder of its segment.
struct PartMemory<'a> {
    builder: &'a SegmentBuilder,
    ranges: &'a [MemoryRange],
}

impl Memory for PartMemory<'_> {
    fn read_at(&self, addr: u64, buf: &mut [u8]) -> Result<(), ReadError> {
        let bytes = self.builder.bytes(addr, buf.len());
        let bytes = bytes.ok_or(ReadError::Unmapped {
            addr,
            len: buf.len() as u64,
        })?;
        buf.copy_from_slice(bytes);
        Ok(())
    }

    fn ranges(&self) -> Vec<MemoryRange> {
        self.ranges.to_vec()
    }
}

/// An object that the walk met.
#[derive(Debug, Clone, Copy)]
struct Extent {
    address: u64,
    size: u64,
    /// Its map, by its number in the walk.
    map: u32,
}

/// All objects that the walk met, free-list entries among them.
#[derive(Debug, Default)]
struct Found {
    objects: Vec<Extent>,
    /// Maps by their numbers.
    maps: Vec<Address>,
}

impl Visitor for Found {
    fn visit(&mut self, object: &HeapObject<'_>) {
        if self.maps.len() <= object.map_index {
            self.maps.resize(object.map_index + 1, Address(0));
        }
        if let Some(map) = self.maps.get_mut(object.map_index) {
            *map = object.map.address;
        }
        self.objects.push(Extent {
            address: object.address.0,
            size: object.size,
            map: object.map_index as u32,
        });
    }

    fn free(&mut self, entry: &HeapObject<'_>) {
        self.visit(entry);
    }
}
