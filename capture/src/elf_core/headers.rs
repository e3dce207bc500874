//! The ELF header and the program headers of a core.

use object::LittleEndian;
use object::elf::{
    EM_AARCH64, EM_X86_64, ET_CORE, FileHeader64, PF_R, PF_W, PF_X, PN_XNUM, PT_LOAD, PT_NOTE,
    ProgramHeader64,
};
use object::read::ReadRef;
use object::read::elf::{FileHeader, ProgramHeader};
use v8mini_format::memory::MemoryRange;
use v8mini_format::model::{Permissions, Problem};

use super::error::CoreError;
use super::memory::Backed;

/// The byte order of every machine that Node.js runs on and this program knows.
pub(super) const ENDIAN: LittleEndian = LittleEndian;

/// Size of a page where the core does not say it.
pub(super) const USUAL_PAGE_BYTES: u32 = 4096;

/// Segments that are looked at. Linux allows a process 65,530 mappings unless told otherwise (`vm.max_map_count`).
const MAX_SEGMENTS: u64 = 1 << 18;

/// Segments of notes that are looked at. The kernel writes one, `gcore` another one.
const MAX_NOTE_SEGMENTS: usize = 64;

const PROGRAM_HEADER_BYTES: u64 = size_of::<ProgramHeader64<LittleEndian>>() as u64;

/// Machines whose registers are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Machine {
    X86_64,
    Aarch64,
}

impl Machine {
    /// GNU name of the architecture.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::Aarch64 => "aarch64",
        }
    }

    /// `e_machine` of its ELF files.
    pub(super) const fn number(self) -> u16 {
        match self {
            Self::X86_64 => EM_X86_64.0,
            Self::Aarch64 => EM_AARCH64.0,
        }
    }
}

/// A mapping of the process, and what the core holds of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Segment {
    /// First virtual address.
    pub(super) start: u64,
    /// Bytes mapped in the process.
    pub(super) memory_len: u64,
    /// Offset in the core.
    pub(super) offset: u64,
    /// Bytes that the dumper meant to store; 0 if it left the mapping out.
    pub(super) stored_len: u64,
    /// Bytes that the file really holds: fewer if it was cut.
    pub(super) present_len: u64,
    /// Access rights.
    pub(super) permissions: Permissions,
}

impl Segment {
    /// What the core was to hold of the mapping.
    pub(super) const fn stored(&self) -> MemoryRange {
        MemoryRange {
            start: self.start,
            len: self.stored_len,
        }
    }

    /// What the core holds of the mapping.
    pub(super) const fn present(&self) -> Backed {
        Backed {
            start: self.start,
            len: self.present_len,
            offset: self.offset,
        }
    }
}

/// What the headers say.
#[derive(Debug)]
pub(super) struct Headers<'data> {
    pub(super) machine: Machine,
    /// `PT_LOAD`, in the order of the file.
    pub(super) segments: Vec<Segment>,
    /// Contents of the `PT_NOTE` segments, as far as the file holds them.
    pub(super) notes: Vec<(u64, &'data [u8])>,
    /// What is damaged or missing, in words for a person: (stage, message, bytes).
    pub(super) problems: Vec<(&'static str, String, u64)>,
}

impl<'data> Headers<'data> {
    /// Reads the headers. A core cut anywhere behind its first program header is read as far as it goes.
    pub(super) fn parse(data: &'data [u8]) -> Result<Self, CoreError> {
        let header = FileHeader64::<LittleEndian>::parse(data).map_err(CoreError::NotElf)?;
        header.endian().map_err(CoreError::NotElf)?;
        if header.e_type(ENDIAN) != ET_CORE {
            return Err(CoreError::NotCore {
                found: header.e_type(ENDIAN).0,
            });
        }
        let machine = match header.e_machine(ENDIAN) {
            EM_X86_64 => Machine::X86_64,
            EM_AARCH64 => Machine::Aarch64,
            other => return Err(CoreError::Machine { found: other.0 }),
        };
        let mut problems = Vec::new();
        let table = table(header, data, &mut problems)?;
        let mut headers = Self {
            machine,
            segments: Vec::new(),
            notes: Vec::new(),
            problems,
        };
        // Bytes of the file that segments have claimed. Every byte was in memory once, so they never come to more than the file:
        // a core in which they do would make a small file a large memory.
        let mut claimed = 0_u64;
        for entry in table {
            match entry.p_type(ENDIAN) {
                PT_LOAD => headers.push_segment(entry, data.len() as u64, &mut claimed),
                PT_NOTE => headers.push_notes(entry, data),
                _ => {}
            }
        }
        headers.report_cut(data.len() as u64);
        Ok(headers)
    }

    /// What the core was to hold: sorted, disjoint, neighbours merged.
    pub(super) fn stored_ranges(&self) -> Vec<MemoryRange> {
        let mut stored: Vec<MemoryRange> = self.segments.iter().map(Segment::stored).collect();
        stored.retain(|range| range.len > 0);
        stored.sort_unstable();
        let mut ranges: Vec<MemoryRange> = Vec::new();
        for range in stored {
            match ranges.last_mut() {
                Some(last) if last.end() >= range.start => {
                    last.len = last.len.max(range.end() - last.start);
                }
                _ => ranges.push(range),
            }
        }
        ranges
    }

    fn push_segment(
        &mut self,
        entry: &ProgramHeader64<LittleEndian>,
        file_len: u64,
        claimed: &mut u64,
    ) {
        let start = entry.p_vaddr(ENDIAN);
        let offset = entry.p_offset(ENDIAN);
        let room = u64::MAX - start;
        let stored_len = entry.p_filesz(ENDIAN);
        let memory_len = entry.p_memsz(ENDIAN).max(stored_len);
        if memory_len > room || offset.checked_add(stored_len).is_none() {
            self.report_once(
                "headers",
                format!(
                    "the segment of {memory_len:#x} bytes at {start:#x} reaches beyond the address space: it and all like it were left out"
                ),
            );
            return;
        }
        let present_len = stored_len.min(file_len.saturating_sub(offset));
        *claimed = claimed.saturating_add(present_len);
        if *claimed > file_len {
            self.report_once(
                "headers",
                "segments of the core share bytes of the file: all that go beyond its length were left out".to_owned(),
            );
            return;
        }
        let flags = entry.p_flags(ENDIAN).0;
        self.segments.push(Segment {
            start,
            memory_len,
            offset,
            stored_len,
            present_len,
            permissions: Permissions {
                read: flags & PF_R.0 != 0,
                write: flags & PF_W.0 != 0,
                execute: flags & PF_X.0 != 0,
                shared: false,
            },
        });
    }

    /// Reports what may be wrong a hundred thousand times, for the first time.
    fn report_once(&mut self, stage: &'static str, message: String) {
        if !self.problems.iter().any(|(other, ..)| *other == stage) {
            self.problems.push((stage, message, 0));
        }
    }

    fn push_notes(&mut self, entry: &ProgramHeader64<LittleEndian>, data: &'data [u8]) {
        if self.notes.len() >= MAX_NOTE_SEGMENTS {
            return self.report_once("headers", "there are too many segments of notes".to_owned());
        }
        let offset = entry.p_offset(ENDIAN);
        let wanted = entry.p_filesz(ENDIAN);
        let rest = usize::try_from(offset)
            .ok()
            .and_then(|offset| data.get(offset..))
            .unwrap_or_default();
        let present = rest
            .get(..usize::try_from(wanted).unwrap_or(usize::MAX))
            .unwrap_or(rest);
        if (present.len() as u64) < wanted {
            self.problems.push((
                Problem::TRUNCATED,
                format!(
                    "the file ends before or within the core's notes ({} of {wanted} bytes at offset {offset:#x}): threads, file names or the command line are missing",
                    present.len()
                ),
                0,
            ));
        }
        self.notes.push((entry.p_align(ENDIAN), present));
    }

    fn report_cut(&mut self, file_len: u64) {
        let cut = || {
            self.segments
                .iter()
                .filter(|s| s.present_len < s.stored_len)
        };
        let missing = cut().fold(0_u64, |sum, s| {
            sum.saturating_add(s.stored_len - s.present_len)
        });
        if missing == 0 {
            return;
        }
        let count = cut().count();
        let end = cut().map(|s| s.offset.saturating_add(s.stored_len)).max();
        self.problems.push((
            Problem::TRUNCATED,
            format!(
                "the core is cut: the file has {file_len} of {} bytes; {missing} bytes of memory in {count} segment{} are missing",
                end.unwrap_or(file_len),
                if count == 1 { "" } else { "s" },
            ),
            missing,
        ));
    }
}

/// The program headers, as many as the file holds.
fn table<'data>(
    header: &FileHeader64<LittleEndian>,
    data: &'data [u8],
    problems: &mut Vec<(&'static str, String, u64)>,
) -> Result<&'data [ProgramHeader64<LittleEndian>], CoreError> {
    let damaged = |reason: String| CoreError::Headers { reason };
    let offset = header.e_phoff(ENDIAN);
    if u64::from(header.e_phentsize(ENDIAN)) != PROGRAM_HEADER_BYTES {
        return Err(damaged(format!(
            "program headers of {} bytes instead of {PROGRAM_HEADER_BYTES}",
            header.e_phentsize(ENDIAN)
        )));
    }
    let present = (data.len() as u64).saturating_sub(offset) / PROGRAM_HEADER_BYTES;
    if offset == 0 || present == 0 {
        return Err(damaged(format!(
            "the program headers are to be at offset {offset:#x}, but the file has {} bytes",
            data.len()
        )));
    }
    let read = |count: u64| {
        usize::try_from(count)
            .ok()
            .and_then(|count| data.read_slice_at(offset, count).ok())
            .unwrap_or_default()
    };
    let promised = match (header.e_phnum(ENDIAN), header.phnum(ENDIAN, data)) {
        (_, Ok(count)) => u64::from(count),
        // The section that holds a count of 65,535 or more is the last thing that the kernel writes, so a cut core lacks it.
        (PN_XNUM, Err(_)) => {
            let count = count_from_contents(read(present.min(2)), offset).ok_or_else(|| {
                damaged(
                    "the number of segments is in a section header that the file does not hold"
                        .to_owned(),
                )
            })?;
            let message = format!(
                "the core is cut before the section that counts its segments; {count} were taken from the place of the notes"
            );
            problems.push((Problem::TRUNCATED, message, 0));
            count
        }
        (count, Err(_)) => u64::from(count),
    };
    let count = promised.min(present).min(MAX_SEGMENTS);
    if count < promised {
        problems.push((
            Problem::TRUNCATED,
            format!("only {count} of {promised} program headers could be read: the memory of the others is missing"),
            0,
        ));
    }
    Ok(read(count))
}

/// The number of program headers from what follows them: the kernel puts the notes right behind, and they come first in
/// the table.
fn count_from_contents(first: &[ProgramHeader64<LittleEndian>], offset: u64) -> Option<u64> {
    let end = first.iter().map(|entry| entry.p_offset(ENDIAN)).min()?;
    let len = end.checked_sub(offset)?;
    (len.is_multiple_of(PROGRAM_HEADER_BYTES) && len > 0).then_some(len / PROGRAM_HEADER_BYTES)
}
