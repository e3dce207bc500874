//! One segment: its memory, and the objects in it.

use rustc_hash::FxHashMap;
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
    pub(super) walker: &'a PageWalker<'a>,
    pub(super) objects: &'a Objects,
    pub(super) classes: &'a Classes<'a>,
    pub(super) blocks: &'a Blocks,
    pub(super) edits: &'a Edits,
}

impl Packing<'_> {
    /// Packs a part, up to its text; `None` if not all of it can be read.
    pub(super) fn draft(&self, part: &Part<'_>) -> Option<SegmentDraft> {
        let memory = PartMemory::read(self.objects.memory(), self.edits, &part.ranges)?;
        let mut found = Found::default();
        self.walker.walk(&memory, &part.pages, &mut found);
        let mut builder = SegmentBuilder::new();
        let mut numbers: FxHashMap<Address, u32> = FxHashMap::default();
        let mut all = found.objects.iter().peekable();
        let mut tail = part.continued.and_then(|page| rest_of(self, page));
        for (range, bytes) in memory.ranges.iter().zip(&memory.bytes) {
            if !builder.range(range.start, bytes) {
                return None;
            }
            if let Some((end, class)) = tail.take() {
                let class = builder.class(class);
                let len = end.min(range.end()).saturating_sub(range.start);
                builder.object(range.start, len, class);
            }
            while let Some(object) = all.next_if(|object| object.address < range.end()) {
                let class = *numbers
                    .entry(object.map)
                    .or_insert_with(|| builder.class(self.classes.of(object.map)));
                builder.object(
                    object.address,
                    object.size.min(range.end() - object.address),
                    class,
                );
            }
        }
        Some(builder.draft(self.blocks))
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
    let tail = match classes.of(object.map).tail {
        Tail::Text8(_) => Tail::Text8(0),
        Tail::Text16(_) => Tail::Text16(0),
        other => other,
    };
    let class = Class {
        tail,
        is_gap: true,
        ..Class::default()
    };
    Some((object.address.saturating_add(object.size), class))
}

/// The memory of a part.
struct PartMemory {
    ranges: Vec<MemoryRange>,
    bytes: Vec<Vec<u8>>,
}

impl PartMemory {
    fn read(memory: &dyn Memory, edits: &Edits, ranges: &[MemoryRange]) -> Option<Self> {
        let mut bytes = Vec::with_capacity(ranges.len());
        for range in ranges {
            let mut room = vec![0; usize::try_from(range.len).ok()?];
            memory.read_at(range.start, &mut room).ok()?;
            edits.apply(range.start, &mut room);
            bytes.push(room);
        }
        Some(Self {
            ranges: ranges.to_vec(),
            bytes,
        })
    }
}

impl Memory for PartMemory {
    fn read_at(&self, addr: u64, buf: &mut [u8]) -> Result<(), ReadError> {
        let after = self.ranges.partition_point(|range| range.start <= addr);
        let found = after.checked_sub(1).and_then(|index| {
            let distance = usize::try_from(addr - self.ranges.get(index)?.start).ok()?;
            self.bytes.get(index)?.get(distance..)?.get(..buf.len())
        });
        let bytes = found.ok_or(ReadError::Unmapped {
            addr,
            len: buf.len() as u64,
        })?;
        buf.copy_from_slice(bytes);
        Ok(())
    }

    fn ranges(&self) -> Vec<MemoryRange> {
        self.ranges.clone()
    }
}

/// An object that the walk met.
#[derive(Debug, Clone, Copy)]
struct Extent {
    address: u64,
    size: u64,
    map: Address,
}

/// All objects that the walk met, free-list entries among them.
#[derive(Debug, Default)]
struct Found {
    objects: Vec<Extent>,
}

impl Visitor for Found {
    fn visit(&mut self, object: &HeapObject<'_>) {
        self.objects.push(Extent {
            address: object.address.0,
            size: object.size,
            map: object.map.address,
        });
    }

    fn free(&mut self, entry: &HeapObject<'_>) {
        self.visit(entry);
    }
}
