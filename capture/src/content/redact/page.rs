//! What is replaced in the pages of the heap.

use std::collections::{BTreeSet, HashSet};

use v8mini_format::memory::{MemoryExt, MemoryRange};
use v8mini_format::model::{Page, Space};

use super::kinds::{MapFacts, smi};
use super::names::Kept;
use super::raw::stays;
use super::semispace::pages_in_use;
use super::shape::{Representation, StringType, Type};
use super::strings::{HASH, Head, NO_HASH, is_code};
use super::text::Text;
use super::{Image, REPLACEMENT, bytes, whole_page};
use crate::content::edits::{Edit, Fill};
use crate::content::scan::{on_all_cores, outside};
use crate::locate::{clipped, words_of};

/// Where the bytes of a byte array begin, behind its map and length.
const BYTES: u64 = 16;
/// Where the elements of a typed array begin, behind two pointers more.
const ELEMENTS: u64 = 32;
/// Pages are read in pieces of this many bytes.
const PIECE_BYTES: usize = 256 << 10;
/// So many forwarding addresses make a page one that is not in use.
const MIN_MOVED: u32 = 8;

/// The edits in all pages.
pub(super) fn edits(image: &Image<'_>, dead: &[MemoryRange], kept: &Kept) -> Vec<Edit> {
    // The read-only space comes with V8's snapshot, and is the same in every process.
    let pages: Vec<&Page> = image
        .pages
        .iter()
        .filter(|page| page.space != Space::ReadOnly)
        .collect();
    let heap: Vec<MemoryRange> = pages
        .iter()
        .flat_map(|page| clipped(image.stored, page.area_start, page.area_end))
        .collect();
    let read_only = image
        .pages
        .iter()
        .filter(|page| page.space == Space::ReadOnly);
    let rules = Rules {
        image,
        kept,
        kept_bytes: bytes::of_code(image, &heap),
        dead,
        read_only: read_only.map(whole_page).collect(),
        in_use: pages_in_use(image.memory, image.pages, image.isolates),
    };
    let room = || vec![0; PIECE_BYTES];
    on_all_cores(&pages, room, |page, room, found| {
        rules.page(page, room, found);
    })
}

struct Rules<'a> {
    image: &'a Image<'a>,
    kept: &'a Kept,
    kept_bytes: HashSet<u64>,
    dead: &'a [MemoryRange],
    read_only: Vec<MemoryRange>,
    /// Pages of new space that certainly are in use.
    in_use: BTreeSet<u64>,
}

impl Rules<'_> {
    fn page(&self, page: &Page, room: &mut [u8], found: &mut Vec<Edit>) {
        if is_code(page) {
            return;
        }
        let stored: Vec<MemoryRange> =
            clipped(self.image.stored, page.area_start, page.area_end).collect();
        let is_unused = match page.space {
            // The unused semispace, of which at most the beginning is stored, unless a collection is under way.
            Space::NewFrom => !self.image.is_collecting,
            Space::New => self.is_left_over(page, &stored, room),
            _ => false,
        };
        if is_unused {
            for range in stored {
                push(found, range.start, range.end(), Fill::ZERO);
            }
            return;
        }
        let mut text = Text::new(self.image.whole_pages);
        for range in outside(&stored, self.dead) {
            let mut at = range.start.next_multiple_of(8);
            while at < range.end() {
                let len = usize::try_from(range.end() - at)
                    .unwrap_or(room.len())
                    .min(room.len());
                let Some(bytes) = room.get_mut(..len).filter(|bytes| bytes.len() >= 8) else {
                    break;
                };
                if self.image.memory.read_at(at, bytes).is_err() {
                    at += len as u64;
                    continue;
                }
                let end = at + len as u64;
                for (address, word) in (at..).step_by(8).zip(bytes.as_chunks::<8>().0) {
                    // Inside of a string that was dealt with.
                    if address < at {
                        continue;
                    }
                    let word = u64::from_le_bytes(*word);
                    if let Some(next) = self.object(page, address, word, found) {
                        text.end(found);
                        at = next;
                    } else {
                        text.word(address, word, found);
                    }
                }
                at = at.max(end);
            }
            text.end(found);
        }
    }

    /// The object that moved away from `address`, if `word` is the forwarding address that the collection left in the place of its map.
    ///
    /// Nothing moves into the read-only space: a raw pointer there is something else, such as that of every empty typed array to the one
    /// empty store (V8 10).
    fn moved_to(&self, word: u64) -> Option<(u64, &MapFacts)> {
        let may_be = word & 3 == 0 && word & 0xffff_ffff != 0 && word >> 48 == 0;
        if !may_be || self.read_only.iter().any(|page| page.contains(word)) {
            return None;
        }
        self.image.kinds.of_object(self.image.memory, word + 1)
    }

    /// Whether a page of new space is not in use: up to V8 10, what moved away from it leaves its forwarding addresses and the rest.
    ///
    /// So does, in pages that are in use, free memory between objects.
    fn is_left_over(&self, page: &Page, stored: &[MemoryRange], room: &mut [u8]) -> bool {
        if self.in_use.contains(&page.address) {
            return false;
        }
        let mut moved = 0;
        // Behind the last object of a page that is in use lies what was there before.
        for range in outside(stored, self.dead) {
            words_of(self.image.memory, range, room, |_, word| {
                let inside = |to: u64| (page.address..page.area_end).contains(&to);
                if self.moved_to(word).is_some_and(|(to, _)| !inside(to)) {
                    moved += 1;
                }
            });
        }
        moved >= MIN_MOVED
    }

    /// Redacts the object at `address` if `word` is the map of one that may hold characters; where the next may begin.
    fn object(&self, page: &Page, address: u64, word: u64, found: &mut Vec<Edit>) -> Option<u64> {
        let Some(facts) = self.image.kinds.of_map(word) else {
            // What is left of a string that moved away.
            return match self.moved_to(word)?.1.kind {
                Some(Type::String(kind)) => self.string(page, address, kind, found),
                _ => None,
            };
        };
        match facts.kind {
            Some(Type::String(kind)) => self.string(page, address, kind, found),
            Some(Type::Bytes) => {
                let length = self.length(address)?;
                let end = aligned(address, BYTES, length)?;
                if end > page.area_end {
                    return None;
                }
                if !self.kept_bytes.contains(&address) {
                    push(found, address + BYTES, end, Fill::ZERO);
                }
                Some(end)
            }
            Some(Type::Elements(width)) => {
                let length = self.length(address)?.checked_mul(u64::from(width))?;
                // Elements outside of the heap leave only the head here.
                let base = self
                    .image
                    .memory
                    .read_u64(address.checked_add(BYTES)?)
                    .ok()?;
                if base != address + 1 {
                    return None;
                }
                let end = aligned(address, ELEMENTS, length).filter(|end| *end <= page.area_end)?;
                push(found, address + ELEMENTS, end, Fill::ZERO);
                Some(end)
            }
            // The rest of what was cut short is covered by an object of two words, of which only the first is written.
            None if facts.is_immortal && facts.size == 16 => {
                let word = self.image.memory.read_u64(address.checked_add(8)?).ok()?;
                if stays(word, self.image.regions) {
                    return None;
                }
                push(found, address + 8, address + 16, Fill::ZERO);
                Some(address + 16)
            }
            _ => None,
        }
    }

    fn length(&self, address: u64) -> Option<u64> {
        smi(self.image.memory.read_u64(address.checked_add(8)?).ok()?)
    }

    fn string(
        &self,
        page: &Page,
        address: u64,
        kind: StringType,
        found: &mut Vec<Edit>,
    ) -> Option<u64> {
        let string = Head::read(self.image, address, kind)?;
        let characters = match kind.representation {
            Representation::Sequential => Some(string.characters(self.image)?),
            _ => None,
        };
        let keep = self.kept.contains(address);
        if !keep && string.hash != NO_HASH {
            let at = address + HASH;
            push(found, at, at + 4, Fill::integer(NO_HASH));
        }
        let Some(characters) = characters else {
            return Some(address + self.image.shape.indirect);
        };
        let end = characters
            .end()
            .checked_next_multiple_of(8)?
            .min(page.area_end);
        let end = if page.size > LARGE || is_large(page) {
            // What follows in the page of a large object is the rest of what it was cut from.
            page.area_end
        } else {
            end
        };
        if !keep {
            let fill = match kind.unit_bytes {
                1 => Fill::byte(REPLACEMENT),
                _ => Fill::unit(u16::from(REPLACEMENT)),
            };
            let first = self
                .kept
                .parts
                .partition_point(|part| part.end() <= characters.start);
            let parts = self.kept.parts.get(first..).unwrap_or_default();
            for range in outside(&[characters], parts) {
                push(found, range.start, range.end(), fill);
            }
        }
        if self.is_dirty(characters.end(), end) {
            push(found, characters.end(), end, Fill::ZERO);
        }
        Some(end)
    }

    /// Whether there is anything in the few bytes behind a string. Long ranges are not looked at.
    fn is_dirty(&self, start: u64, end: u64) -> bool {
        let mut bytes = [0; 8];
        let len = end.saturating_sub(start);
        match usize::try_from(len)
            .ok()
            .and_then(|len| bytes.get_mut(..len))
        {
            Some(part) => {
                self.image.memory.read_at(start, part).is_ok() && part.iter().any(|b| *b != 0)
            }
            None => len > 0,
        }
    }
}

/// No V8 had larger pages for more than one object.
const LARGE: u64 = 1 << 20;

fn is_large(page: &Page) -> bool {
    matches!(
        page.space,
        Space::LargeObject
            | Space::NewLargeObject
            | Space::TrustedLargeObject
            | Space::SharedLargeObject
    )
}

fn aligned(address: u64, head: u64, length: u64) -> Option<u64> {
    address
        .checked_add(head)?
        .checked_add(length)?
        .checked_next_multiple_of(8)
}

pub(super) fn push(found: &mut Vec<Edit>, start: u64, end: u64, fill: Fill) {
    if let Some(len) = end.checked_sub(start).filter(|len| *len > 0) {
        let range = MemoryRange { start, len };
        found.push(Edit { range, fill });
    }
}
