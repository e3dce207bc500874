//! Reading V8's symbols from an ELF file.

use object::Endianness;
use object::elf::{FileHeader64, PF_X, PT_LOAD, PT_TLS, ProgramHeader64, STT_TLS};
use object::read::ReadRef;
use object::read::elf::{ElfFile, ProgramHeader, Sym, SymbolTable};
use v8mini_format::model::V8Version;

use super::gc_state::Witness;
use super::{CurrentIsolate, SymbolError, V8Symbols, node_version};

const V8DBG: &[u8] = b"v8dbg_";
const ISOLATE_KEY: &[u8] = b"_ZN2v88internal7Isolate12isolate_key_E";
const CURRENT_ISOLATE: &[u8] = b"_ZN2v88internal18g_current_isolate_E";
const VERSION: [&[u8]; 4] = [
    b"_ZN2v88internal7Version6major_E",
    b"_ZN2v88internal7Version6minor_E",
    b"_ZN2v88internal7Version6build_E",
    b"_ZN2v88internal7Version6patch_E",
];

/// Code looked at for one function, in bytes.
const MAX_CODE_BYTES: u64 = 8 << 10;

/// A 64-bit little- or big-endian ELF file.
#[derive(Debug)]
pub struct Binary<'data, R: ReadRef<'data> = &'data [u8]> {
    file: ElfFile<'data, FileHeader64<Endianness>, R>,
    data: R,
}

impl<'data, R: ReadRef<'data>> Binary<'data, R> {
    /// Parses the headers.
    ///
    /// # Errors
    /// [`SymbolError::Elf`] if this is no 64-bit ELF file.
    pub fn parse(data: R) -> Result<Self, SymbolError> {
        Ok(Self {
            file: ElfFile::parse(data)?,
            data,
        })
    }

    /// Reads everything that concerns V8.
    ///
    /// `.dynsym` comes first: `v8dbg_*` are exported data and survive `strip`, `.symtab` does not.
    pub fn v8_symbols(&self) -> V8Symbols {
        let mut found = Found::default();
        self.collect(self.file.elf_dynamic_symbol_table(), &mut found);
        self.collect(self.file.elf_symbol_table(), &mut found);
        let mut symbols = V8Symbols {
            v8_version: found.version(),
            constants: found.constants,
            // The setter is the better witness: where there is one, others call it.
            gc_state_offset: found.gc_state_setter.or(found.gc_state_mark_compact),
            current_isolate: found.current_isolate,
            ..V8Symbols::default()
        };
        if symbols.has_v8() {
            symbols.node_version = self.node_version();
        }
        symbols
    }

    fn collect(&self, table: &SymbolTable<'data, FileHeader64<Endianness>, R>, found: &mut Found) {
        let endian = self.file.endian();
        for symbol in table.iter() {
            if symbol.st_name(endian) == 0 {
                continue;
            }
            let Ok(name) = symbol.name(endian, table.strings()) else {
                continue;
            };
            let address = symbol.st_value(endian);
            if let Some(short) = name.strip_prefix(V8DBG) {
                if let (Ok(short), Some(value)) = (std::str::from_utf8(short), self.int_at(address))
                {
                    found
                        .constants
                        .entry(short.to_owned())
                        .or_insert(i64::from(value));
                }
            } else if name.starts_with(b"_ZN2v88internal") {
                if let Some(part) = VERSION.iter().position(|&v| v == name) {
                    if let (Some(slot), Some(value)) =
                        (found.version.get_mut(part), self.int_at(address))
                    {
                        *slot = u32::try_from(value).ok();
                    }
                } else if name == ISOLATE_KEY {
                    found.current_isolate = Some(CurrentIsolate::PthreadKey { address });
                } else if name == CURRENT_ISOLATE && symbol.st_type() == STT_TLS {
                    found.current_isolate = self.thread_local(address);
                } else if let Some(witness) = Witness::named(name) {
                    let code = self.bytes_at(address, symbol.st_size(endian).min(MAX_CODE_BYTES));
                    let offset = code.and_then(|code| witness.offset(code));
                    match witness {
                        Witness::Setter => found.gc_state_setter = found.gc_state_setter.or(offset),
                        Witness::MarkCompact => {
                            found.gc_state_mark_compact = found.gc_state_mark_compact.or(offset);
                        }
                    }
                }
            }
        }
    }

    fn program_headers(&self) -> impl Iterator<Item = &'data ProgramHeader64<Endianness>> + '_ {
        self.file.elf_program_headers().iter()
    }

    /// The distance below the thread pointer of the thread-local at `offset` of this file's block.
    fn thread_local(&self, offset: u64) -> Option<CurrentIsolate> {
        let endian = self.file.endian();
        let tls = self
            .program_headers()
            .find(|p| p.p_type(endian) == PT_TLS)?;
        let align = tls.p_align(endian).max(1);
        let block = tls.p_memsz(endian).checked_next_multiple_of(align)?;
        Some(CurrentIsolate::ThreadLocal {
            below_thread_pointer: block.checked_sub(offset)?,
        })
    }

    /// A four-byte int at a symbol's address; 0 in the part of a segment that the file does not hold (`.bss`).
    ///
    /// V8's constants with the value 0 are placed in `.bss` by the compiler, so an address without file bytes is not an error.
    fn int_at(&self, address: u64) -> Option<i32> {
        let endian = self.file.endian();
        let segment = self.segment(address)?;
        let within = address.checked_sub(segment.p_vaddr(endian))?;
        if within >= segment.p_filesz(endian) {
            return Some(0);
        }
        let offset = segment.p_offset(endian).checked_add(within)?;
        let bytes: [u8; 4] = self.data.read_bytes_at(offset, 4).ok()?.try_into().ok()?;
        Some(match endian {
            Endianness::Little => i32::from_le_bytes(bytes),
            Endianness::Big => i32::from_be_bytes(bytes),
        })
    }

    fn bytes_at(&self, address: u64, len: u64) -> Option<&'data [u8]> {
        let endian = self.file.endian();
        let segment = self.segment(address)?;
        let within = address.checked_sub(segment.p_vaddr(endian))?;
        let len = len.min(segment.p_filesz(endian).checked_sub(within)?);
        self.data
            .read_bytes_at(segment.p_offset(endian).checked_add(within)?, len)
            .ok()
    }

    fn segment(&self, address: u64) -> Option<&'data ProgramHeader64<Endianness>> {
        let endian = self.file.endian();
        self.program_headers().find(|p| {
            p.p_type(endian) == PT_LOAD
                && address
                    .checked_sub(p.p_vaddr(endian))
                    .is_some_and(|within| within < p.p_memsz(endian))
        })
    }

    /// Looks for Node's version among the constants of the file: the loaded bytes that are not code.
    fn node_version(&self) -> Option<String> {
        let endian = self.file.endian();
        let constant = |p: &&ProgramHeader64<Endianness>| {
            p.p_type(endian) == PT_LOAD && p.p_flags(endian).0 & PF_X.0 == 0
        };
        let search = |p: &ProgramHeader64<Endianness>| {
            let bytes = self
                .data
                .read_bytes_at(p.p_offset(endian), p.p_filesz(endian))
                .ok()?;
            node_version::find(bytes)
        };
        // Linkers of Node 4 to 16 put constants into the same segment as the code.
        self.program_headers()
            .filter(constant)
            .find_map(search)
            .or_else(|| {
                self.program_headers()
                    .filter(|p| p.p_type(endian) == PT_LOAD)
                    .find_map(search)
            })
    }
}

#[derive(Default)]
struct Found {
    constants: std::collections::BTreeMap<String, i64>,
    version: [Option<u32>; 4],
    current_isolate: Option<CurrentIsolate>,
    gc_state_setter: Option<u64>,
    gc_state_mark_compact: Option<u64>,
}

impl Found {
    fn version(&self) -> Option<V8Version> {
        let [major, minor, build, patch] = self.version;
        Some(V8Version {
            major: major?,
            minor: minor?,
            build: build?,
            patch: patch?,
        })
    }
}
