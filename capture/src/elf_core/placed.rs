//! Where the executable is mapped in a core that does not say what was mapped, as QEMU's are: by the auxiliary vector.

use object::Endianness;
use object::elf::{FileHeader64, PT_LOAD};
use object::read::elf::{ElfFile, FileHeader, ProgramHeader};

use super::headers::USUAL_PAGE_BYTES;
use super::image::CoreOptions;
use super::mapped::map;
use super::notes::{FileMapping, Notes};

/// `AT_PHDR`: where the program headers of the executable are mapped.
const AT_PHDR: u64 = 3;
/// `AT_PHNUM`: how many there are.
const AT_PHNUM: u64 = 5;
/// `AT_ENTRY`: its first instruction.
const AT_ENTRY: u64 = 9;

/// The mappings of the executable, if the file that was named can be it: the process had as many program headers, and began at the
/// same instruction.
pub(super) fn mappings(notes: &Notes, options: &CoreOptions) -> Option<Vec<FileMapping>> {
    let path = options.exe.as_ref()?.canonicalize().ok()?;
    let file = map(&path).ok()?;
    let elf = ElfFile::<FileHeader64<Endianness>>::parse(&**file).ok()?;
    let endian = elf.endian();
    let header = elf.elf_header();
    let loaded = || {
        let all = elf.elf_program_headers().iter();
        all.filter(|p| p.p_type(endian) == PT_LOAD)
    };
    let table = header.e_phoff(endian);
    let at = loaded().find_map(|p| {
        let within = table.checked_sub(p.p_offset(endian))?;
        (within < p.p_filesz(endian)).then(|| p.p_vaddr(endian).checked_add(within))?
    })?;
    let bias = notes.auxiliary(AT_PHDR)?.wrapping_sub(at);
    let is_it = notes.auxiliary(AT_PHNUM)? == elf.elf_program_headers().len() as u64
        && notes.auxiliary(AT_ENTRY)? == header.e_entry(endian).wrapping_add(bias);
    let page = u64::from(USUAL_PAGE_BYTES);
    let mappings = loaded().filter_map(|p| {
        let start = p.p_vaddr(endian).wrapping_add(bias);
        let before = start % page;
        Some(FileMapping {
            start: start - before,
            end: start
                .checked_add(p.p_filesz(endian))?
                .checked_next_multiple_of(page)?,
            offset: p.p_offset(endian).checked_sub(before)?,
            path: path.to_string_lossy().into_owned(),
        })
    });
    is_it.then(|| mappings.collect())
}
