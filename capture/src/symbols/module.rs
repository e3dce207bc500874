//! A mapped ELF file as the process sees it.

use object::Endianness;
use object::elf::{FileHeader64, NT_GNU_BUILD_ID, PT_LOAD, PT_NOTE, ProgramHeader64};
use object::pod::slice_from_bytes;
use object::read::elf::{FileHeader, NoteIterator, ProgramHeader};
use v8mini_format::memory::{Memory, MemoryExt};
use v8mini_format::model::{Module, Region};

/// Headers are read from the first page of the file, where linkers put them.
const HEADER_BYTES: usize = 4096;
/// Most program headers looked at; Node has a dozen.
const MAX_SEGMENTS: usize = 256;
/// Longest note segment looked at, in bytes.
const MAX_NOTES: u64 = 64 << 10;

/// Modules that are listed: more than any program loads.
const MAX_MODULES: usize = 4096;

/// Suffix that the kernel adds to the name of a mapped file that is gone.
const DELETED: &str = " (deleted)";

/// The ELF files mapped into a process, in order of address.
pub fn modules(memory: &dyn Memory, regions: &[Region]) -> Vec<Module> {
    let mut modules: Vec<Module> = Vec::new();
    for region in regions.iter().filter(|region| region.is_file()) {
        let path = path_of(region);
        if region.file_offset != 0 || modules.iter().any(|module| module.path == path) {
            continue;
        }
        if modules.len() >= MAX_MODULES {
            break;
        }
        let Some(image) = ModuleImage::read(memory, region.start, regions) else {
            continue;
        };
        modules.push(Module {
            path: path.to_owned(),
            deleted: region.name.ends_with(DELETED),
            build_id: image.build_id,
            start: region.start,
            end: image.end.max(region.end),
            load_bias: image.load_bias,
        });
    }
    modules
}

/// The path of a mapped file, without the mark of one that is gone.
pub fn path_of(region: &Region) -> &str {
    region.name.strip_suffix(DELETED).unwrap_or(&region.name)
}

/// The modules in the order in which V8 is looked for in them: the executable, then libraries whose names suggest it, then
/// all others.
pub fn by_likelihood<'a>(modules: &'a [Module], executable: &str) -> Vec<&'a Module> {
    let mut order: Vec<&Module> = modules.iter().collect();
    order.sort_by_key(|module| {
        let name = module.path.rsplit('/').next().unwrap_or_default();
        (
            module.path != executable,
            !(name.contains("node") || name.contains("v8")),
        )
    });
    order
}

/// What the headers of a mapped ELF file say. Read from the process's memory, so a file deleted or replaced on disk does not matter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ModuleImage {
    /// `NT_GNU_BUILD_ID`; empty if there is none.
    pub build_id: Vec<u8>,
    /// Add to an address in the symbol table to get the virtual address.
    pub load_bias: u64,
    /// Address after the last byte that the file's segments occupy.
    pub end: u64,
}

impl ModuleImage {
    /// Reads the headers of the file whose first byte is mapped at `start`. `None` if there is no ELF file.
    ///
    /// `regions` tell where the program headers are if they are not in the first page: what makes a single-executable
    /// application of Node moves them behind the rest.
    pub fn read(memory: &dyn Memory, start: u64, regions: &[Region]) -> Option<Self> {
        let header = memory.read_vec(start, HEADER_BYTES).ok()?;
        let elf = FileHeader64::<Endianness>::parse(header.as_slice()).ok()?;
        let endian = elf.endian().ok()?;
        let elsewhere;
        let segments = match elf.program_headers(endian, header.as_slice()) {
            Ok(segments) => segments,
            Err(_) => {
                let count = usize::from(elf.e_phnum.get(endian)).min(MAX_SEGMENTS);
                let len = count * size_of::<ProgramHeader64<Endianness>>();
                let offset = elf.e_phoff.get(endian);
                elsewhere = read_file_bytes(memory, regions, start, offset, len)?;
                slice_from_bytes(&elsewhere, count).ok()?.0
            }
        };
        let first = segments
            .iter()
            .find(|s| s.p_type(endian) == PT_LOAD && s.p_offset(endian) == 0);
        let load_bias = first.map_or(0, |s| start.wrapping_sub(s.p_vaddr(endian)));
        let build_id = segments
            .iter()
            .filter(|s| s.p_type(endian) == PT_NOTE)
            .find_map(|s| build_id(memory, endian, s, load_bias))
            .unwrap_or_default();
        let end = segments
            .iter()
            .filter(|s| s.p_type(endian) == PT_LOAD)
            .map(|s| {
                s.p_vaddr(endian)
                    .wrapping_add(s.p_memsz(endian))
                    .wrapping_add(load_bias)
            })
            .max()
            .unwrap_or(start);
        Some(Self {
            build_id,
            load_bias,
            end,
        })
    }
}

/// `len` bytes at `offset` of the file that is mapped at `start`, from wherever that part of it is mapped.
fn read_file_bytes(
    memory: &dyn Memory,
    regions: &[Region],
    start: u64,
    offset: u64,
    len: usize,
) -> Option<Vec<u8>> {
    let path = path_of(regions.iter().find(|region| region.start == start)?);
    let end = offset.checked_add(len as u64)?;
    let region = regions.iter().find(|region| {
        let mapped = region.end.saturating_sub(region.start);
        path_of(region) == path
            && region.file_offset <= offset
            && end <= region.file_offset.saturating_add(mapped)
    })?;
    let address = region.start.checked_add(offset - region.file_offset)?;
    memory.read_vec(address, len).ok()
}

fn build_id(
    memory: &dyn Memory,
    endian: Endianness,
    segment: &ProgramHeader64<Endianness>,
    load_bias: u64,
) -> Option<Vec<u8>> {
    let address = segment.p_vaddr(endian).wrapping_add(load_bias);
    let len = usize::try_from(segment.p_memsz(endian).min(MAX_NOTES)).ok()?;
    let bytes = memory.read_vec(address, len).ok()?;
    let mut notes =
        NoteIterator::<FileHeader64<Endianness>>::new(endian, segment.p_align(endian), &bytes)
            .ok()?;
    while let Ok(Some(note)) = notes.next() {
        if note.name() == b"GNU" && note.n_type(endian) == NT_GNU_BUILD_ID {
            return Some(note.desc().to_vec());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use v8mini_format::memory::{MemoryRange, ReadError};

    /// A file of which two parts are mapped, as hand-laid bytes by address.
    struct Mapped(Vec<(u64, Vec<u8>)>);

    impl Memory for Mapped {
        fn read_at(&self, addr: u64, buf: &mut [u8]) -> Result<(), ReadError> {
            let len = buf.len() as u64;
            let found = self.0.iter().find_map(|(start, bytes)| {
                let from = usize::try_from(addr.checked_sub(*start)?).ok()?;
                bytes.get(from..from.checked_add(buf.len())?)
            });
            buf.copy_from_slice(found.ok_or(ReadError::Unmapped { addr, len })?);
            Ok(())
        }

        fn ranges(&self) -> Vec<MemoryRange> {
            Vec::new()
        }
    }

    /// Node 26's `--build-sea` puts the program headers behind everything else.
    #[test]
    fn program_headers_may_lie_behind_the_rest() {
        let mut head = vec![0; 0x1000];
        head[..6].copy_from_slice(b"\x7fELF\x02\x01");
        head[6] = 1;
        head[0x20..0x28].copy_from_slice(&0x9000_u64.to_le_bytes()); // e_phoff
        head[0x34..0x36].copy_from_slice(&64_u16.to_le_bytes()); // e_ehsize
        head[0x36..0x38].copy_from_slice(&56_u16.to_le_bytes()); // e_phentsize
        head[0x38..0x3a].copy_from_slice(&1_u16.to_le_bytes()); // e_phnum
        let mut tail = vec![0; 0x1000];
        tail[..4].copy_from_slice(&1_u32.to_le_bytes()); // PT_LOAD, offset 0
        tail[0x10..0x18].copy_from_slice(&0x40_0000_u64.to_le_bytes()); // p_vaddr
        tail[0x28..0x30].copy_from_slice(&0x5000_u64.to_le_bytes()); // p_memsz
        let region = |start: u64, file_offset: u64| Region {
            start,
            end: start + 0x1000,
            file_offset,
            name: "/srv/app".to_owned(),
            ..Region::default()
        };
        let regions = [region(0x50_0000, 0), region(0x70_0000, 0x9000)];
        let memory = Mapped(vec![(0x50_0000, head), (0x70_0000, tail)]);
        let found = modules(&memory, &regions);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].path, "/srv/app");
        assert_eq!(found[0].load_bias, 0x10_0000);
        assert_eq!(found[0].end, 0x50_5000);
        // Without the part that has them there is no module.
        assert!(modules(&memory, &regions[..1]).is_empty());
    }
}
