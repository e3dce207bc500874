//! The heads of strings.

use v8mini_format::memory::{MemoryExt, MemoryRange};
use v8mini_format::model::{Page, Space};

use super::Image;
use super::kinds::smi;
use super::shape::{Representation, StringType, Type};
use crate::content::scan::{merge, scan};
use crate::locate::{CharactersOutside, page_of};

/// Longest string that V8 makes, in code units (`String::kMaxLength` of 64-bit builds).
const MAX_LENGTH: u64 = (1 << 29) - 24;
/// `Name::raw_hash_field` of a name whose hash is not computed yet, in every version.
pub(super) const NO_HASH: u32 = 3;
/// Where that is: behind the map.
pub(super) const HASH: u64 = 8;

/// A string as far as its head tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) address: u64,
    pub(super) kind: StringType,
    /// In code units.
    pub(super) length: u64,
    pub(super) hash: u32,
}

impl Head {
    /// The string at `address`, whose map says that it is of `kind`; `None` if the word there only equals a map.
    pub(super) fn read(image: &Image<'_>, address: u64, kind: StringType) -> Option<Self> {
        let word = image.memory.read_u64(address.checked_add(HASH)?).ok()?;
        let hash = (word & 0xffff_ffff) as u32;
        // The low bits say what the hash is: none yet (3), an array index (0), or computed (2). A pointer has 1, and 3 only if weak.
        if hash == 0 || (hash & 1 == 1 && hash != NO_HASH) {
            return None;
        }
        let at = address.checked_add(image.shape.length)?;
        let length = if image.shape.length_is_smi {
            smi(image.memory.read_u64(at).ok()?)?
        } else {
            u64::from(image.memory.read_u32(at).ok()?)
        };
        (length <= MAX_LENGTH).then_some(Self {
            address,
            kind,
            length,
            hash,
        })
    }

    /// Where the characters of a sequential string are.
    pub(super) fn characters(&self, image: &Image<'_>) -> Option<MemoryRange> {
        let range = MemoryRange {
            start: self.address.checked_add(image.shape.characters)?,
            len: self.length.checked_mul(self.kind.unit_bytes)?,
        };
        let page = page_of(image.pages, self.address)?;
        (range.end() <= page.area_end).then_some(range)
    }

    /// The string that it is a part of or consists of: the first half, the parent, what it stands for.
    pub(super) fn indirect(&self, image: &Image<'_>) -> Option<u64> {
        let at = self.address.checked_add(image.shape.indirect)?;
        image.memory.read_u64(at).ok()
    }

    /// The word behind: the second half, or the offset of a slice.
    pub(super) fn second(&self, image: &Image<'_>) -> Option<u64> {
        let at = self.address.checked_add(image.shape.indirect + 8)?;
        image.memory.read_u64(at).ok()
    }
}

/// The string that a tagged word points to.
pub(super) fn string_at(image: &Image<'_>, word: u64) -> Option<Head> {
    let (address, facts) = image.kinds.of_object(image.memory, word)?;
    match facts.kind {
        Some(Type::String(kind)) => Head::read(image, address, kind),
        _ => None,
    }
}

/// The characters of an external string.
pub(super) fn outside_of(image: &Image<'_>, string: &Head) -> Option<MemoryRange> {
    let place = CharactersOutside {
        memory: image.memory,
        outside: image.memory,
        regions: image.regions,
        resource: image.shape.resource,
    };
    let unit = string.kind.unit_bytes;
    Some(place.find(string.address, string.length, unit)?.characters)
}

/// The characters of all external strings: sorted, disjoint.
pub(super) fn external_characters(image: &Image<'_>, heap: &[MemoryRange]) -> Vec<MemoryRange> {
    let mut found = scan(image.memory, heap, |address, word, found| {
        if let Some(Type::String(kind)) = image.kinds.of_map(word).and_then(|facts| facts.kind)
            && kind.representation == Representation::External
            && let Some(string) = Head::read(image, address, kind)
        {
            found.extend(outside_of(image, &string));
        }
    });
    merge(&mut found);
    found
}

/// Whether a page holds machine code, whose words could be taken for anything.
pub(super) fn is_code(page: &Page) -> bool {
    matches!(page.space, Space::Code | Space::CodeLargeObject)
}
