//! The contents of `ArrayBuffer`s and `SharedArrayBuffer`s, and so of Node's `Buffer`s: bytes that lie outside the V8 heap.
//!
//! A capture leaves them out unless it is asked for them. Typed arrays that nobody has asked for their buffer keep small contents in
//! the heap, which is stored in any case.
//!
//! As with external strings, no walk is needed: a buffer begins with the address of a map whose instance type says so, and maps
//! are told by the meta-map. A buffer that died, and is not swept yet, is found, too; its bytes may belong to something else by then.

use std::collections::BTreeMap;

use v8mini_format::memory::{Memory, MemoryExt, MemoryRange};
use v8mini_format::model::{Page, Region};

use super::scan::{merge, scan};
use crate::locate::{clipped, page_of};

/// `JSArrayBuffer::kMaxByteLength` is 2^53 - 1 at most.
const MAX_BYTE_LENGTH: u64 = (1 << 53) - 1;

/// How buffers look in this version of V8, from its `v8dbg_*` constants. Offsets are in bytes from the start of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BufferShape {
    /// `JS_ARRAY_BUFFER_TYPE`.
    buffer_type: u16,
    /// Offset of the instance type in a map, and whether it takes one byte (up to V8 6.5) or two.
    instance_type: u64,
    instance_type_is_byte: bool,
    /// Offset of the length, and whether it is a Smi or a heap number (up to V8 7.3) or a raw word.
    byte_length: u64,
    byte_length_is_tagged: bool,
    /// Offset of the address of the bytes.
    backing_store: u64,
}

impl BufferShape {
    /// The shape, if the constants tell it.
    pub fn new(constants: &BTreeMap<String, i64>) -> Option<Self> {
        // The type at the end of a field's name is spelled differently by every other version.
        let field = |prefix: &str| {
            let (name, value) = constants.range(prefix.to_owned()..).next()?;
            let suffix = name.strip_prefix(prefix)?;
            Some((u64::try_from(*value).ok()?, suffix))
        };
        let (byte_length, length_type) = field("class_JSArrayBuffer__byte_length__")?;
        let (instance_type, instance_type_is_byte) = match field("class_Map__instance_type__") {
            Some((offset, _)) => (offset, false),
            None => (field("class_Map__instance_attributes__")?.0, true),
        };
        let buffer_type = constants.get("type_JSArrayBuffer__JS_ARRAY_BUFFER_TYPE")?;
        Some(Self {
            buffer_type: u16::try_from(*buffer_type).ok()?,
            instance_type,
            instance_type_is_byte,
            byte_length,
            byte_length_is_tagged: length_type != "size_t",
            // V8 4.5 has no constant for it: it follows the length.
            backing_store: field("class_JSArrayBuffer__backing_store__")
                .map_or(byte_length + 8, |(offset, _)| offset),
        })
    }

    fn is_buffer_map(&self, memory: &dyn Memory, map: u64) -> bool {
        let Some(at) = map.checked_add(self.instance_type) else {
            return false;
        };
        let instance_type = if self.instance_type_is_byte {
            memory.read_u8(at).map(u16::from)
        } else {
            memory.read_u16(at)
        };
        instance_type == Ok(self.buffer_type)
    }

    /// The contents of the buffer at `address` (untagged); `None` if it has none.
    fn contents(&self, memory: &dyn Memory, address: u64) -> Option<MemoryRange> {
        let read = |offset: u64| memory.read_u64(address.checked_add(offset)?).ok();
        let length = read(self.byte_length)?;
        let len = match self.byte_length_is_tagged {
            true if length & 1 == 0 => length >> 32,
            true => {
                let number = memory
                    .read_u64(length.checked_sub(1)?.checked_add(8)?)
                    .ok()?;
                let number = f64::from_bits(number);
                // Exact: lengths are whole, and less than 2^53.
                (0.0..=MAX_BYTE_LENGTH as f64)
                    .contains(&number)
                    .then_some(number as u64)?
            }
            false => length,
        };
        let start = read(self.backing_store)?;
        (start != 0 && (1..=MAX_BYTE_LENGTH).contains(&len) && start.checked_add(len).is_some())
            .then_some(MemoryRange { start, len })
    }
}

/// Contents of buffers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Buffers {
    /// Sorted by address, disjoint, neighbours merged.
    pub ranges: Vec<MemoryRange>,
    /// How many buffers have them. Several may share the same bytes.
    pub count: usize,
}

impl Buffers {
    /// Finds the contents of all buffers whose objects are in `memory`, as far as they lie in readable `regions` outside of `pages`.
    pub fn find(
        memory: &dyn Memory,
        regions: &[Region],
        pages: &[Page],
        shape: &BufferShape,
    ) -> Self {
        Self::of(all(memory, regions, pages, shape))
    }

    /// As [`Buffers::find`], but of no more than `limit` bytes: the smallest first, and of the first that is too large its beginning.
    /// So few large ones do not push out the many.
    pub fn find_within(
        memory: &dyn Memory,
        regions: &[Region],
        pages: &[Page],
        shape: &BufferShape,
        limit: u64,
    ) -> Self {
        let mut found = all(memory, regions, pages, shape);
        found.sort_unstable_by_key(|range| (range.len, range.start));
        let mut left = limit;
        found.retain_mut(|range| {
            range.len = range.len.min(left);
            left -= range.len;
            range.len > 0
        });
        Self::of(found)
    }

    fn of(mut ranges: Vec<MemoryRange>) -> Self {
        let count = ranges.len();
        merge(&mut ranges);
        Self { ranges, count }
    }

    /// Bytes of contents.
    pub fn len_bytes(&self) -> u64 {
        self.ranges.iter().map(|range| range.len).sum()
    }
}

/// The contents of each buffer; of those that share them, once.
fn all(
    memory: &dyn Memory,
    regions: &[Region],
    pages: &[Page],
    shape: &BufferShape,
) -> Vec<MemoryRange> {
    let stored = memory.ranges();
    let heap: Vec<MemoryRange> = pages
        .iter()
        .flat_map(|page| clipped(&stored, page.area_start, page.area_end))
        .collect();
    // From V8 12 on, each native context has a meta-map of its own.
    let mut meta_maps = scan(memory, &heap, |address, word, found| {
        if word == address + 1 {
            found.push(word);
        }
    });
    meta_maps.sort_unstable();
    let mut maps = words_among(memory, &heap, &meta_maps);
    maps.retain(|map| shape.is_buffer_map(memory, *map));
    maps.iter_mut().for_each(|map| *map += 1);
    maps.sort_unstable();
    let contents = |address| {
        let whole = shape.contents(memory, address)?;
        // A word in the middle of something else may equal a map.
        if page_of(pages, whole.start).is_some() {
            return None;
        }
        within(regions, whole)
    };
    let mut found: Vec<MemoryRange> = words_among(memory, &heap, &maps)
        .into_iter()
        .filter_map(contents)
        .collect();
    // Of a `SharedArrayBuffer`, each thread has an object.
    found.sort_unstable();
    found.dedup();
    found
}

/// Where a word of `heap` is one of `wanted`, which is sorted.
fn words_among(memory: &dyn Memory, heap: &[MemoryRange], wanted: &[u64]) -> Vec<u64> {
    let (Some(&lowest), Some(&highest)) = (wanted.first(), wanted.last()) else {
        return Vec::new();
    };
    scan(memory, heap, |address, word, found| {
        if (lowest..=highest).contains(&word) && wanted.binary_search(&word).is_ok() {
            found.push(address);
        }
    })
}

/// The part of a range up to the end of the readable memory that it begins in.
fn within(regions: &[Region], range: MemoryRange) -> Option<MemoryRange> {
    let first = regions.partition_point(|region| region.end <= range.start);
    let mut end = range.start;
    for region in regions.iter().skip(first) {
        if region.start > end || !region.permissions.read || end >= range.end() {
            break;
        }
        end = region.end;
    }
    let len = end.min(range.end()).checked_sub(range.start)?;
    (len > 0).then_some(MemoryRange { len, ..range })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::symbols::known_constants;
    use v8mini_format::model::{Permissions, V8Version};

    #[test]
    fn every_version_has_what_is_needed() {
        for (major, minor, byte_length, tagged, backing_store) in [
            (4, 5, 24, true, 32),
            (5, 1, 24, true, 32),
            (6, 2, 24, true, 32),
            (7, 4, 24, false, 32),
            (10, 2, 24, false, 40),
            (12, 4, 32, false, 48),
            (14, 6, 40, false, 56),
        ] {
            let version = V8Version {
                major,
                minor,
                ..V8Version::default()
            };
            let shape = BufferShape::new(&known_constants(version).unwrap());
            let shape = shape.unwrap_or_else(|| panic!("V8 {major}.{minor}"));
            assert_eq!(
                (
                    shape.byte_length,
                    shape.byte_length_is_tagged,
                    shape.backing_store
                ),
                (byte_length, tagged, backing_store),
                "V8 {major}.{minor}"
            );
        }
    }

    #[test]
    fn what_is_not_readable_is_cut_off() {
        let region = |start, end, read| Region {
            start,
            end,
            permissions: Permissions {
                read,
                ..Permissions::default()
            },
            ..Region::default()
        };
        let regions = [
            region(0x1000, 0x2000, true),
            region(0x2000, 0x3000, true),
            region(0x3000, 0x9000, false),
        ];
        let range = |start, len| MemoryRange { start, len };
        assert_eq!(
            within(&regions, range(0x1800, 0x100)),
            Some(range(0x1800, 0x100))
        );
        assert_eq!(
            within(&regions, range(0x1800, 0x8000)),
            Some(range(0x1800, 0x1800))
        );
        assert_eq!(within(&regions, range(0x3000, 0x10)), None);
        assert_eq!(within(&regions, range(0x800, 0x1000)), None);
    }
}
