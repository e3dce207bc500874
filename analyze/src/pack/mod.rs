//! Packing: the pages of V8, and what lies in files, as segments of packed memory, in which like words of like objects are next to each other.
//!
//! The format knows no layout; what it asks for are the extents of objects and what their words are. Both come from the walk
//! over the heap. Whatever the walk does not recognise is stored as bytes, so that all memory comes back as it was.

mod classes;
mod cut;
mod encode_time;
mod free;
mod numbers;
mod plan;
mod segment;

use std::io::Write;

use rayon::prelude::*;
use v8mini_capture::content::Edits;
use v8mini_format::model::Problem;
use v8mini_format::pack::{PackOptions, TextWindow};
use v8mini_format::{Memory, MemoryRange, ReadError, WriteError, Writer};

use crate::v8::Objects;
pub use cut::cut_strings;
pub use encode_time::encode_time;
pub use numbers::zero_numbers;
use plan::Plan;
use segment::Packing;

/// Memory that is not packed is handed to the compressor in pieces of so many bytes.
const STEP_BYTES: u64 = 4 << 20;

/// What of free memory need not be packed: to be given to [`write_packed`]. No object lies there, and none that is alive refers to it; what
/// tells what dead objects are is left.
pub fn free_memory(objects: &Objects) -> Edits {
    free::unneeded(objects)
}

/// Writes all memory of an image, with `edits` made: the pages of V8 and what lies in files packed, the rest as it is. `progress` is told how many
/// bytes have been written. Returns what could not be read.
///
/// Segments are made on all cores, a few at a time: memory does not grow with the heap.
///
/// # Errors
/// If the output refuses bytes.
pub fn write_packed<W: Write>(
    objects: &Objects,
    edits: &Edits,
    writer: &mut Writer<W>,
    options: PackOptions,
    progress: &mut dyn FnMut(u64),
) -> Result<Vec<Problem>, WriteError> {
    let packing = Packing::new(objects, edits);
    let plan = Plan::new(objects, packing.walker.stored());
    let mut lost = Vec::new();
    let mut done = 0;
    for range in &plan.rest {
        done += copy(objects.memory(), edits, *range, writer, &mut lost)?;
        progress(done);
    }
    let workers = rayon::current_num_threads().max(1);
    let mut window = TextWindow::new();
    for parts in plan.parts.chunks(workers) {
        let mut drafts: Vec<_> = parts.par_iter().map(|part| packing.draft(part)).collect();
        // Each may have copies of the texts of all before it.
        for draft in drafts.iter_mut().flatten() {
            window.refer(draft);
        }
        let segments: Vec<_> = drafts
            .into_par_iter()
            .map(|draft| draft.map(|draft| draft.finish(options)).transpose())
            .collect();
        for (part, packed) in parts.iter().zip(segments) {
            match packed.map_err(|source| WriteError::Compress {
                what: "packed memory",
                source,
            })? {
                Some(segment) => writer.segment(&segment)?,
                // Some of it cannot be read, or it is not as the format wants it: what can be read is stored as it is.
                None => {
                    for range in &part.ranges {
                        copy(objects.memory(), edits, *range, writer, &mut lost)?;
                    }
                }
            }
            done += part.ranges.iter().map(|range| range.len).sum::<u64>();
            progress(done);
        }
    }
    Ok(lost)
}

/// Writes all memory of an image as it is. Returns what could not be read.
///
/// # Errors
/// If the output refuses bytes.
pub fn write_plain<W: Write>(
    memory: &dyn Memory,
    writer: &mut Writer<W>,
    progress: &mut dyn FnMut(u64),
) -> Result<Vec<Problem>, WriteError> {
    let none = Edits::default();
    let mut lost = Vec::new();
    let mut done = 0;
    for range in memory.ranges() {
        for at in (range.start..range.end()).step_by(STEP_BYTES as usize) {
            let len = (range.end() - at).min(STEP_BYTES);
            let range = MemoryRange { start: at, len };
            done += copy(memory, &none, range, writer, &mut lost)?;
            progress(done);
        }
    }
    Ok(lost)
}

/// Stores a range as it is, as far as it can be read. Returns its length.
fn copy<W: Write>(
    memory: &dyn Memory,
    edits: &Edits,
    range: MemoryRange,
    writer: &mut Writer<W>,
    lost: &mut Vec<Problem>,
) -> Result<u64, WriteError> {
    let mut bytes = Vec::new();
    for at in (range.start..range.end()).step_by(STEP_BYTES as usize) {
        let len = (range.end() - at).min(STEP_BYTES);
        bytes.resize(len as usize, 0);
        match memory.read_at(at, &mut bytes) {
            Ok(()) => writer.memory(at, &edits.applied(at, &bytes))?,
            Err(error) => {
                let range = MemoryRange { start: at, len };
                lose(memory, edits, range, &error, writer, lost)?;
            }
        }
    }
    Ok(range.len)
}

/// Stores what can be read of a range that cannot be read as a whole, page by page, and notes the rest.
fn lose<W: Write>(
    memory: &dyn Memory,
    edits: &Edits,
    range: MemoryRange,
    error: &ReadError,
    writer: &mut Writer<W>,
    lost: &mut Vec<Problem>,
) -> Result<(), WriteError> {
    const PIECE: u64 = 4096;
    let MemoryRange { start, len } = range;
    let mut missing = 0;
    let mut first = None;
    let mut bytes = vec![0; PIECE as usize];
    let mut at = start;
    while at < start + len {
        let end = (at / PIECE + 1).saturating_mul(PIECE).min(start + len);
        let piece = bytes.get_mut(..(end - at) as usize).unwrap_or_default();
        if memory.read_at(at, piece).is_ok() {
            writer.memory(at, &edits.applied(at, piece))?;
        } else {
            missing += end - at;
            first.get_or_insert(at);
        }
        at = end;
    }
    lost.push(Problem {
        stage: "read-page".to_owned(),
        message: error.to_string(),
        address: first.unwrap_or(start),
        bytes: missing,
    });
    Ok(())
}
