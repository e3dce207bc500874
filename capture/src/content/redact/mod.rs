//! Takes the contents of strings out of an image, and leaves its shape: every object keeps its place, its size and its pointers.
//!
//! What is replaced is decided by what is *not* sure to be a name or the source of a function: characters of every string, alive or
//! dead, wherever they are; contents of buffers and of typed arrays; and in memory outside of the heap (stacks, V8's own structures)
//! every word that is neither an address nor a small number. Hashes of strings go with them: short texts could be found by trying,
//! as the seed is in the heap.
//!
//! The image must be of one moment: in memory that was copied while the process ran, the head of a string may be from before
//! its characters were.
//!
//! No layout table is needed but the binary's `v8dbg_*` constants, and no walk: an object is told by its map, which is told by the
//! meta-map. A word that merely equals a map is told from the head of a string by its hash, which has no pointer's low bits.

mod bytes;
mod kinds;
mod names;
mod page;
mod raw;
mod semispace;
mod shape;
mod strings;
mod surroundings;
mod text;

use std::collections::BTreeMap;

use thiserror::Error;
use v8mini_format::memory::{Memory, MemoryRange};
use v8mini_format::model::{GcState, Isolate, Metadata, Page, Redaction, Region, V8Version};

use self::kinds::Kinds;
use self::names::Kept;
use self::shape::Shape;
use super::buffers::{BufferShape, Buffers};
use super::dead::DeadMemory;
use super::edits::{Edit, Edits, Fill};
use super::scan::outside;
use crate::locate::{clipped, find_handles, isolate_block};
use crate::symbols::known_constants;

/// Why an image cannot be redacted.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RedactError {
    /// Strings are recognised by constants that neither the binary nor the lists of official releases have.
    #[error(
        "strings cannot be told from other objects, so they cannot be redacted: the constant v8dbg_{constant} is not known for V8 {}",
        .version.map_or_else(|| "of unknown version".to_owned(), |version| version.to_string())
    )]
    NoConstant {
        /// The first that is missing, without its prefix.
        constant: &'static str,
        /// The version of V8, if it is known.
        version: Option<V8Version>,
    },
    /// No map was found, so nothing can be told apart.
    #[error("the heap cannot be redacted: no map was found in its {pages} pages")]
    NoMaps {
        /// How many pages there are.
        pages: usize,
    },
}

/// What is written over characters.
const REPLACEMENT: u8 = b'x';

/// Finds what must be replaced in `memory` before it may be stored with redaction `level`, and redacts the metadata.
///
/// `stored` is what will be stored, sorted and disjoint.
///
/// # Errors
/// [`RedactError`]: nothing of this image may be stored then.
pub fn redact(
    memory: &dyn Memory,
    stored: &[MemoryRange],
    metadata: &mut Metadata,
    level: Redaction,
) -> Result<Edits, RedactError> {
    if level == Redaction::None {
        return Ok(Edits::default());
    }
    let known;
    let constants: &BTreeMap<String, i64> = if metadata.constants.is_empty() {
        known = metadata
            .v8_version
            .and_then(known_constants)
            .unwrap_or_default();
        &known
    } else {
        &metadata.constants
    };
    let shape = Shape::new(constants).map_err(|constant| RedactError::NoConstant {
        constant,
        version: metadata.v8_version,
    })?;
    let pages = &metadata.pages;
    let heap: Vec<MemoryRange> = pages
        .iter()
        .flat_map(|page| clipped(stored, page.area_start, page.area_end))
        .collect();
    let kinds = Kinds::find(memory, &heap, pages, &shape)
        .ok_or(RedactError::NoMaps { pages: pages.len() })?;
    let dead = DeadMemory::claimed(memory, stored, pages, &metadata.isolates);
    let mut whole_pages: Vec<MemoryRange> = pages.iter().map(whole_page).collect();
    whole_pages.sort_unstable();
    let image = Image {
        memory,
        stored,
        pages,
        whole_pages: &whole_pages,
        regions: &metadata.regions,
        isolates: &metadata.isolates,
        shape: &shape,
        kinds: &kinds,
        is_collecting: metadata
            .isolates
            .iter()
            .any(|isolate| isolate.gc_state != GcState::Idle),
    };
    let kept = match level {
        Redaction::Strings => Kept::find(&image, &heap),
        // Whatever else a later version means by its level: more than strings.
        _ => Kept::default(),
    };
    let fill = Fill::ZERO;
    let mut edits: Vec<Edit> = dead.iter().map(|&range| Edit { range, fill }).collect();
    edits.extend(page::edits(&image, &dead, &kept));
    let characters = strings::external_characters(&image, &heap);
    for range in outside(&characters, &kept.outside) {
        edits.push(Edit {
            range,
            fill: Fill::byte(REPLACEMENT),
        });
    }
    // Contents of buffers, which need not look like text to be secret.
    let buffers = BufferShape::new(constants)
        .map(|shape| Buffers::find(memory, &metadata.regions, pages, &shape).ranges)
        .unwrap_or_default();
    let buffers = outside(&buffers, &characters);
    for range in &buffers {
        edits.push(Edit {
            range: *range,
            fill: Fill::byte(REPLACEMENT),
        });
    }
    let elsewhere = outside(
        &outside(&outside(stored, &whole_pages), &characters),
        &buffers,
    );
    let elsewhere = outside(&elsewhere, &tags_of_handles(memory, &metadata.isolates));
    edits.extend(raw::edits(memory, &elsewhere, &metadata.regions));
    surroundings::redact(metadata, level);
    metadata.redaction = level;
    Ok(Edits::new(edits))
}

/// What tells blocks of global handles from other memory, and looks like text: 256 nodes are numbered in 256 words, which no text
/// does.
fn tags_of_handles(memory: &dyn Memory, isolates: &[Isolate]) -> Vec<MemoryRange> {
    let mut tags: Vec<MemoryRange> = isolates
        .iter()
        .flat_map(|isolate| {
            let block = isolate_block(memory, isolate.address, isolate.heap);
            find_handles(memory, isolate.address, block).tags
        })
        .collect();
    tags.sort_unstable();
    tags.dedup();
    tags
}

/// A page, its header and all.
fn whole_page(page: &Page) -> MemoryRange {
    MemoryRange {
        start: page.address,
        len: page.area_end.saturating_sub(page.address),
    }
}

/// An image, and what is known of it.
struct Image<'a> {
    memory: &'a dyn Memory,
    stored: &'a [MemoryRange],
    pages: &'a [Page],
    /// Where the pages are, headers and all, sorted.
    whole_pages: &'a [MemoryRange],
    regions: &'a [Region],
    isolates: &'a [Isolate],
    shape: &'a Shape,
    kinds: &'a Kinds,
    /// Whether a garbage collection was under way, and objects are in both semispaces.
    is_collecting: bool,
}
