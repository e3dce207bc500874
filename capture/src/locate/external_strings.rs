//! Finds the contents of external strings: characters that lie outside the V8 heap.
//!
//! Node keeps the source of its built-in JavaScript so (about 1.5 MB in the binary's read-only data), and large source files
//! and strings of embedders lie in `malloc`ed memory. The contents are immutable while the string lives.
//!
//! No heap walk is needed: the maps of external strings are few, and every such string begins with the address of one. A word that only
//! happens to equal one is told apart by what follows: a resource whose first word is a C++ vtable, and a pointer to
//! characters that the resource holds, too.

use std::collections::BTreeMap;
use std::num::NonZero;

use v8mini_format::memory::{Memory, MemoryExt, MemoryRange};
use v8mini_format::model::{Page, Region, Space};

use super::header::is_pointer;
use super::immortal_maps::immortal_maps;
use super::scan::Pages;
use super::words::for_each_word;

/// Longest string that V8 makes, in code units (`String::kMaxLength` of 64-bit builds).
const MAX_LENGTH: u64 = (1 << 29) - 24;
/// Words of a resource that are looked at: vtable, then whatever the embedder keeps. Node's has the characters in the second
/// or third.
const RESOURCE_WORDS: usize = 6;
/// Characters in a file that are so many bytes apart are joined: compilers align arrays to 32 bytes at most, and a piece of memory takes
/// more than a hundred bytes besides what is in it.
const CONSTANTS_APART: u64 = 64;

/// How external strings look in this version of V8, from its `v8dbg_*` constants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExternalStringShape {
    /// Instance types below are strings.
    first_nonstring_type: u16,
    representation_mask: u16,
    external_tag: u16,
    encoding_mask: u16,
    one_byte_tag: u16,
    /// Offset of the instance type in a map, and whether it takes one byte (up to V8 6.5) or two.
    instance_type: u64,
    instance_type_is_byte: bool,
    /// Offset of the length, and whether it is a Smi (up to V8 7.0) or an int.
    length: u64,
    length_is_smi: bool,
    /// Offset of the address of the resource; the address of the characters follows.
    resource: u64,
}

impl ExternalStringShape {
    /// The shape, if the constants tell it.
    pub fn new(constants: &BTreeMap<String, i64>) -> Option<Self> {
        let value = |name: &str| {
            constants
                .get(name)
                .and_then(|&value| u16::try_from(value).ok())
        };
        // The type at the end of a field's name is spelled differently by every other version.
        let field = |prefix: &str| {
            let (name, value) = constants.range(prefix.to_owned()..).next()?;
            let suffix = name.strip_prefix(prefix)?;
            Some((u64::try_from(*value).ok()?, suffix))
        };
        let (length, length_type) = field("class_String__length__")?;
        let (instance_type, instance_type_is_byte) = match field("class_Map__instance_type__") {
            Some((offset, _)) => (offset, false),
            None => (field("class_Map__instance_attributes__")?.0, true),
        };
        Some(Self {
            first_nonstring_type: value("FirstNonstringType")?,
            representation_mask: value("StringRepresentationMask")?,
            external_tag: value("ExternalStringTag")?,
            encoding_mask: value("StringEncodingMask")?,
            one_byte_tag: value("OneByteStringTag")?,
            instance_type,
            instance_type_is_byte,
            length,
            length_is_smi: length_type == "SMI",
            resource: field("class_ExternalString__resource__")?.0,
        })
    }

    /// Bytes per code unit if the map at `map` is that of an external string.
    fn unit_bytes(&self, memory: &dyn Memory, map: u64) -> Option<u64> {
        let at = map.checked_add(self.instance_type)?;
        let instance_type = if self.instance_type_is_byte {
            u16::from(memory.read_u8(at).ok()?)
        } else {
            memory.read_u16(at).ok()?
        };
        let external = instance_type < self.first_nonstring_type
            && instance_type & self.representation_mask == self.external_tag;
        let one_byte = instance_type & self.encoding_mask == self.one_byte_tag;
        external.then_some(if one_byte { 1 } else { 2 })
    }
}

/// Finds the characters of all external strings, and the resource objects that hold them; of characters in files, whole words, and what
/// little is between them.
///
/// `memory` is the image that holds the pages; `outside` is where the contents are, and may be a process that runs on.
/// The ranges are sorted and disjoint.
pub fn find_external_strings(
    memory: &dyn Memory,
    outside: &dyn Memory,
    regions: &[Region],
    pages: &Pages,
    shape: &ExternalStringShape,
) -> Vec<MemoryRange> {
    let maps = external_maps(memory, pages, shape);
    if maps.is_empty() {
        return Vec::new();
    }
    let search = Search {
        memory,
        place: CharactersOutside {
            memory,
            outside,
            regions,
            resource: shape.resource,
        },
        shape,
        maps,
    };
    let holds_strings = |page: &&Page| {
        !matches!(
            page.space,
            Space::NewFrom | Space::Code | Space::CodeLargeObject
        )
    };
    let pages: Vec<&Page> = pages.pages.iter().filter(holds_strings).collect();
    let workers = std::thread::available_parallelism().map_or(1, NonZero::get);
    let share = pages.len().div_ceil(workers).max(1);
    let mut found: Vec<MemoryRange> = std::thread::scope(|scope| {
        let search = &search;
        let parts: Vec<_> = pages
            .chunks(share)
            .map(|part| scope.spawn(move || search.pages(part)))
            .collect();
        parts
            .into_iter()
            .flat_map(|part| part.join().unwrap_or_default())
            .collect()
    });
    found.sort_unstable();
    join_constants(merge(found), regions)
}

/// The maps of external strings, tagged, with the bytes per code unit. Maps of strings are made once, with the isolate.
fn external_maps(
    memory: &dyn Memory,
    pages: &Pages,
    shape: &ExternalStringShape,
) -> Vec<(u64, u64)> {
    let unit = |map: u64| Some((map, shape.unit_bytes(memory, map - 1)?));
    immortal_maps(memory, &pages.pages)
        .into_iter()
        .filter_map(unit)
        .collect()
}

struct Search<'a> {
    memory: &'a dyn Memory,
    place: CharactersOutside<'a>,
    shape: &'a ExternalStringShape,
    /// Tagged maps and bytes per code unit, sorted.
    maps: Vec<(u64, u64)>,
}

impl Search<'_> {
    fn pages(&self, pages: &[&Page]) -> Vec<MemoryRange> {
        let lowest = self
            .maps
            .iter()
            .map(|(map, _)| *map)
            .min()
            .unwrap_or(u64::MAX);
        let highest = self.maps.iter().map(|(map, _)| *map).max().unwrap_or(0);
        let mut found = Vec::new();
        for_each_word(self.memory, pages, |address, word| {
            if (lowest..=highest).contains(&word)
                && let Ok(known) = self.maps.binary_search_by_key(&word, |(map, _)| *map)
                && let Some((_, unit)) = self.maps.get(known)
                && let Some(string) = self.string(address, *unit)
            {
                found.extend([string.characters, string.resource]);
            }
        });
        found
    }

    /// The characters and the resource of the string at `address` (untagged), if it is one.
    fn string(&self, address: u64, unit_bytes: u64) -> Option<ExternalString> {
        let at = address.checked_add(self.shape.length)?;
        let length = if self.shape.length_is_smi {
            self.memory.read_u64(at).ok()? >> 32
        } else {
            u64::from(self.memory.read_u32(at).ok()?)
        };
        self.place.find(address, length, unit_bytes)
    }
}

/// Where an external string keeps what is not in the heap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ExternalString {
    pub(crate) characters: MemoryRange,
    /// The embedder's object that holds them.
    pub(crate) resource: MemoryRange,
}

/// Finds the characters of an external string.
#[derive(Clone, Copy)]
pub(crate) struct CharactersOutside<'a> {
    /// Holds the heap.
    pub(crate) memory: &'a dyn Memory,
    /// Holds the resources.
    pub(crate) outside: &'a dyn Memory,
    pub(crate) regions: &'a [Region],
    /// Offset of the address of the resource in a string; the address of the characters follows.
    pub(crate) resource: u64,
}

impl CharactersOutside<'_> {
    /// The characters and the resource of the string at `address` (untagged), if it is one.
    pub(crate) fn find(
        &self,
        address: u64,
        length: u64,
        unit_bytes: u64,
    ) -> Option<ExternalString> {
        let read = |offset: u64| self.memory.read_u64(address.checked_add(offset)?).ok();
        let resource = read(self.resource)?;
        if length == 0 || length > MAX_LENGTH || !is_pointer(resource) {
            return None;
        }
        let words: [u8; RESOURCE_WORDS * 8] = self.outside.read_array(resource).ok()?;
        let words = words
            .as_chunks::<8>()
            .0
            .iter()
            .map(|word| u64::from_le_bytes(*word));
        let words: Vec<u64> = words.collect();
        let (vtable, fields) = words.split_first()?;
        if !self.is_in_a_file(*vtable) {
            return None;
        }
        let cached = read(self.resource + 8)?;
        // An uncached string (`UncachedExternalString`) has no room for the address: then the resource has it, before the length.
        let data = if fields.contains(&cached) {
            cached
        } else {
            fields.windows(2).find_map(|pair| match *pair {
                [data, len] if len == length && data >= 0x1000 => Some(data),
                _ => None,
            })?
        };
        Some(ExternalString {
            characters: MemoryRange {
                start: data,
                len: length.checked_mul(unit_bytes)?,
            },
            resource: MemoryRange {
                start: resource,
                len: (RESOURCE_WORDS * 8) as u64,
            },
        })
    }

    /// Whether an address lies in a mapped file, as vtables do.
    fn is_in_a_file(&self, address: u64) -> bool {
        Region::at(self.regions, address).is_some_and(Region::is_file)
    }
}

fn merge(sorted: Vec<MemoryRange>) -> Vec<MemoryRange> {
    let mut merged: Vec<MemoryRange> = Vec::new();
    for range in sorted {
        match merged.last_mut() {
            Some(last) if range.start <= last.end() => {
                last.len = range.end().max(last.end()) - last.start;
            }
            _ => merged.push(range),
        }
    }
    merged
}

/// Of what lies in a file and cannot be written to, such as the sources of Node's own modules, makes whole words, and joins what is hardly
/// apart: what is between is in the file, too, and a hundred pieces take more than it.
fn join_constants(sorted: Vec<MemoryRange>, regions: &[Region]) -> Vec<MemoryRange> {
    let mut joined: Vec<MemoryRange> = Vec::new();
    for range in sorted {
        let is_constant = |region: &&Region| {
            !region.permissions.write && region.is_file() && range.end() <= region.end
        };
        let Some(region) = Region::at(regions, range.start).filter(is_constant) else {
            joined.push(range);
            continue;
        };
        let start = (range.start & !7).max(region.start);
        let end = range.end().checked_next_multiple_of(8);
        let end = end.map_or(region.end, |end| end.min(region.end));
        let is_near = |last: &MemoryRange| {
            last.start >= region.start && start <= last.end().saturating_add(CONSTANTS_APART)
        };
        match joined.last_mut() {
            Some(last) if is_near(last) => {
                last.len = end.max(last.end()) - last.start;
            }
            _ => joined.push(MemoryRange {
                start,
                len: end - start,
            }),
        }
    }
    joined
}
