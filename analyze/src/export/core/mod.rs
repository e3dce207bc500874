//! An ELF core of the captured process, for debuggers: gdb and lldb open it as they open one from the kernel.
//!
//! A core holds what the capture holds: V8's heap, the stacks and registers. Mappings that the capture left out are there without their
//! bytes, so that a debugger looks into the files that were mapped.

mod notes;
mod segments;

use std::io::{self, Write};

use thiserror::Error;
use v8mini_format::memory::Memory;
use v8mini_format::model::Metadata;
use v8mini_format::{MemoryRange, WriteError};

use segments::{Segment, segments};

/// Bytes that are read at a time.
const STEP_BYTES: usize = 1 << 20;
/// Sizes of `Elf64_Ehdr`, `Elf64_Phdr` and `Elf64_Shdr`.
const HEADER: u64 = 64;
const PROGRAM_HEADER: u64 = 56;
const SECTION_HEADER: u64 = 64;
/// `PN_XNUM`: the number of program headers does not fit, and is in the first section header.
const MANY: u64 = 0xffff;
const PT_LOAD: u32 = 1;
const PT_NOTE: u32 = 4;
const PF_R: u32 = 4;

/// Why no core could be written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CoreWriteError {
    /// The output refused bytes.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The notes could not be made.
    #[error("the notes of the core: {0}")]
    Notes(#[from] WriteError),
    /// The registers of the machine have no known order.
    #[error(
        "a core of {0} cannot be written: the order of its registers is known of x86_64 and aarch64 only"
    )]
    Architecture(String),
    /// A part is longer than ELF can say.
    #[error("the {0} are longer than a core can hold")]
    TooLong(&'static str),
}

/// What was written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Written {
    /// Segments, notes not counted.
    pub segments: u64,
    /// Bytes of memory that are in the core.
    pub memory_bytes: u64,
    /// Bytes that could not be read, and are zero.
    pub lost_bytes: u64,
    /// Threads.
    pub threads: u64,
    /// Bytes of the file.
    pub bytes: u64,
}

/// Writes a core. `progress` is told from time to time how many bytes of memory are done.
///
/// # Errors
/// As writing to `out`, and if a core cannot say what the capture says.
pub fn write(
    metadata: &Metadata,
    memory: &dyn Memory,
    out: &mut dyn Write,
    progress: &mut dyn FnMut(u64),
) -> Result<Written, CoreWriteError> {
    let machine = notes::Machine::of(&metadata.process.architecture)
        .ok_or_else(|| CoreWriteError::Architecture(metadata.process.architecture.clone()))?;
    let notes = notes::notes(machine, metadata)?;
    let segments = segments(&metadata.regions, &memory.ranges());
    // The notes' header comes before those of the segments.
    let count = segments.len() as u64 + 1;
    let section = if count >= MANY { SECTION_HEADER } else { 0 };
    let notes_at = HEADER + section + count * PROGRAM_HEADER;
    let memory_at = notes_at + notes.len() as u64;

    let mut head = Vec::new();
    header(&mut head, machine.number(), count, section);
    program_header(&mut head, PT_NOTE, PF_R, notes_at, 0, notes.len() as u64, 0);
    let mut at = memory_at;
    for segment in &segments {
        let Segment { start, len, .. } = *segment;
        let stored = if segment.is_stored { len } else { 0 };
        program_header(&mut head, PT_LOAD, segment.flags, at, start, stored, len);
        at += stored;
    }
    out.write_all(&head)?;
    out.write_all(&notes)?;
    let mut written = Written {
        segments: segments.len() as u64,
        threads: metadata.threads.len() as u64,
        bytes: at,
        ..Written::default()
    };
    let mut bytes = vec![0; STEP_BYTES];
    for segment in segments.iter().filter(|segment| segment.is_stored) {
        copy(
            memory,
            segment.range(),
            &mut bytes,
            out,
            &mut written,
            progress,
        )?;
    }
    out.flush()?;
    Ok(written)
}

/// Copies a range of memory; what cannot be read becomes zeros.
fn copy(
    memory: &dyn Memory,
    range: MemoryRange,
    bytes: &mut [u8],
    out: &mut dyn Write,
    written: &mut Written,
    progress: &mut dyn FnMut(u64),
) -> io::Result<()> {
    let mut at = range.start;
    while at < range.end() {
        let len = (range.end() - at).min(bytes.len() as u64);
        let Some(part) = bytes.get_mut(..len as usize) else {
            break;
        };
        if memory.read_at(at, part).is_err() {
            part.fill(0);
            written.lost_bytes += len;
        }
        out.write_all(part)?;
        written.memory_bytes += len;
        at += len;
        progress(written.memory_bytes);
    }
    Ok(())
}

/// `Elf64_Ehdr` of a core, and the section header in which many program headers are counted.
fn header(out: &mut Vec<u8>, machine: u16, count: u64, section: u64) {
    // Class 64, little endian, version 1, System V.
    out.extend_from_slice(b"\x7fELF\x02\x01\x01");
    out.resize(16, 0);
    let has_section = section > 0;
    // ET_CORE.
    out.extend_from_slice(&4_u16.to_le_bytes());
    out.extend_from_slice(&machine.to_le_bytes());
    out.extend_from_slice(&1_u32.to_le_bytes());
    let section_at = if has_section { HEADER } else { 0 };
    for word in [0, HEADER + section, section_at] {
        out.extend_from_slice(&word.to_le_bytes());
    }
    out.extend_from_slice(&0_u32.to_le_bytes());
    let halves = [
        HEADER,
        PROGRAM_HEADER,
        count.min(MANY),
        SECTION_HEADER,
        u64::from(has_section),
        0,
    ];
    for half in halves {
        out.extend_from_slice(&(half as u16).to_le_bytes());
    }
    if has_section {
        let start = out.len();
        out.resize(start + SECTION_HEADER as usize, 0);
        // sh_info.
        if let Some(field) = out.get_mut(start + 44..start + 48) {
            field.copy_from_slice(&(count as u32).to_le_bytes());
        }
    }
}

/// `Elf64_Phdr`.
fn program_header(
    out: &mut Vec<u8>,
    kind: u32,
    flags: u32,
    offset: u64,
    address: u64,
    file_len: u64,
    memory_len: u64,
) {
    out.extend_from_slice(&kind.to_le_bytes());
    out.extend_from_slice(&flags.to_le_bytes());
    for word in [offset, address, 0, file_len, memory_len, 1] {
        out.extend_from_slice(&word.to_le_bytes());
    }
}
