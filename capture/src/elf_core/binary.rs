//! Finding the binary that holds V8, and making sure that it is the one that the process ran.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use memmap2::Mmap;
use object::Endianness;
use object::elf::{FileHeader64, PT_LOAD};
use object::read::Object;
use object::read::elf::{ElfFile, FileHeader, ProgramHeader};
use v8mini_format::memory::{Memory, MemoryExt};
use v8mini_format::model::Module;

use super::error::CoreError;
use super::headers::Machine;
use super::image::CoreOptions;
use super::mapped::map;
use super::memory::Backed;
use crate::symbols::{self, V8Symbols};

/// Modules whose files are looked for: the executable is the first, and more libraries than this no Node.js loads.
const MAX_MODULES: usize = 64;
/// Bytes that are compared where there is no build id: what the kernel stores of each mapped ELF file.
const HEAD_BYTES: usize = 4096;
/// Where distributions keep binaries by build id.
const BUILD_ID_DIRECTORIES: [&str; 2] = ["/usr/lib/debug/.build-id", "/usr/lib/.build-id"];

/// The file that holds V8.
#[derive(Debug)]
pub(super) struct V8Binary {
    pub(super) file: Arc<Mmap>,
    pub(super) symbols: V8Symbols,
    /// The module that the file is of. `None` if the core does not say what was mapped.
    pub(super) module: Option<Module>,
}

impl V8Binary {
    fn new(file: Arc<Mmap>, symbols: V8Symbols, module: Option<&Module>) -> Self {
        let mut binary = Self {
            file,
            symbols,
            module: None,
        };
        // The file knows better than a core without its first page.
        let first = binary.segments(0).find(|segment| segment.offset == 0);
        binary.module = module.map(|module| Module {
            load_bias: first.map_or(module.load_bias, |first| {
                module.start.wrapping_sub(first.start)
            }),
            ..module.clone()
        });
        binary
    }

    /// The parts of the file that are mapped, for a core that does not say where.
    pub(super) fn segments(&self, load_bias: u64) -> impl Iterator<Item = Backed> {
        let elf = ElfFile::<FileHeader64<Endianness>>::parse(&**self.file);
        elf.into_iter().flat_map(move |elf| {
            let endian = elf.endian();
            let loaded = elf.elf_program_headers().iter();
            loaded
                .filter(move |p| p.p_type(endian) == PT_LOAD)
                .map(move |p| Backed {
                    start: p.p_vaddr(endian).wrapping_add(load_bias),
                    len: p.p_filesz(endian),
                    offset: p.p_offset(endian),
                })
                .collect::<Vec<_>>()
        })
    }
}

/// Where to look, and for what.
pub(super) struct Search<'a> {
    pub(super) memory: &'a dyn Memory,
    pub(super) modules: &'a [Module],
    /// Path of the executable; empty if unknown.
    pub(super) executable: &'a str,
    pub(super) options: &'a CoreOptions,
    /// The processor of the core.
    pub(super) machine: Machine,
}

/// Whether a file is what was mapped.
#[derive(Debug, PartialEq, Eq)]
enum Identity {
    Same,
    Different(String),
    /// The core holds nothing to compare.
    Unknown,
}

/// The binary if one was found, and what a reader should know.
type Found = (Option<V8Binary>, Vec<String>);

impl Search<'_> {
    /// Finds the binary.
    ///
    /// A binary that was named must be the right one: anything else is an error. One that is only looked for may be missing;
    /// then what is missing without it is said.
    pub(super) fn find(&self) -> Result<Found, CoreError> {
        if let Some(path) = &self.options.exe {
            return self.named(path);
        }
        let mut remarks = Vec::new();
        for module in symbols::by_likelihood(self.modules, self.executable)
            .into_iter()
            .take(MAX_MODULES)
        {
            let Some(file) = self.file_of(module, &mut remarks) else {
                continue;
            };
            if let Ok(symbols) = v8_symbols(&file) {
                let binary = V8Binary::new(file, symbols, Some(module));
                return Ok((Some(binary), remarks));
            }
        }
        Ok((None, remarks))
    }

    fn named(&self, path: &Path) -> Result<Found, CoreError> {
        let file = map(path).map_err(|source| CoreError::Binary {
            path: path.to_owned(),
            source,
        })?;
        let symbols = v8_symbols(&file).map_err(|reason| CoreError::NoV8InBinary {
            path: path.to_owned(),
            reason,
        })?;
        let own = build_id(&file);
        let by_build_id = self
            .modules
            .iter()
            .find(|m| !own.is_empty() && m.build_id == own);
        let same_name = |m: &&&Module| Path::new(&m.path).file_name() == path.file_name();
        let likely = symbols::by_likelihood(self.modules, self.executable);
        let module = by_build_id
            .or_else(|| likely.iter().find(same_name).copied())
            .or_else(|| likely.first().copied());
        let mut remarks = Vec::new();
        let identity = match module {
            Some(module) => self.identity(module, &file),
            None => self.other_machine(&file).unwrap_or(Identity::Unknown),
        };
        match identity {
            Identity::Same => {}
            Identity::Different(difference) if self.options.force => remarks.push(format!(
                "{} was taken as the binary by force, but it is another one ({difference}): names, constants and stacks may be wrong",
                path.display()
            )),
            Identity::Different(difference) => {
                return Err(CoreError::BinaryMismatch {
                    path: path.to_owned(),
                    difference,
                });
            }
            Identity::Unknown => remarks.push(format!(
                "the core does not hold the first page of the binary, so it could not be checked that {} is the right one",
                path.display()
            )),
        }
        Ok((Some(V8Binary::new(file, symbols, module)), remarks))
    }

    /// The file of a module that does not hold V8, if it is surely the one that was mapped.
    pub(super) fn library(&self, module: &Module) -> Option<Arc<Mmap>> {
        self.file_of(module, &mut Vec::new())
    }

    /// The file of a module from the usual places.
    fn file_of(&self, module: &Module, remarks: &mut Vec<String>) -> Option<Arc<Mmap>> {
        for place in self.places(module) {
            let Ok(file) = map(&place) else { continue };
            let at_its_path = place == Path::new(&module.path);
            match self.identity(module, &file) {
                Identity::Same => return Some(file),
                Identity::Different(difference) if at_its_path => {
                    if self.options.force {
                        remarks.push(format!(
                            "{} was taken by force, but it has been replaced since ({difference}): names, constants and stacks may be wrong",
                            module.path
                        ));
                        return Some(file);
                    }
                    remarks.push(format!(
                        "{} is not the file any more that the process ran ({difference}) and was not used; name the right one with --exe, or use --force to take it nevertheless",
                        module.path
                    ));
                }
                Identity::Unknown if at_its_path && !module.deleted => {
                    remarks.push(format!(
                        "the core does not hold the first page of {}, so it could not be checked that the file of this name is still the same",
                        module.path
                    ));
                    return Some(file);
                }
                _ => {}
            }
        }
        None
    }

    /// Where the file of a module may be: at its path, under its build id, beside the core.
    fn places(&self, module: &Module) -> Vec<PathBuf> {
        let mut places = Vec::new();
        if !module.path.is_empty() {
            places.push(PathBuf::from(&module.path));
        }
        let hex = hex(&module.build_id);
        if let Some((first, rest)) = hex.split_at_checked(2).filter(|(_, rest)| !rest.is_empty()) {
            places.extend(BUILD_ID_DIRECTORIES.map(|dir| Path::new(dir).join(first).join(rest)));
            places.extend(debuginfod_cache().map(|dir| dir.join(&hex).join("executable")));
        }
        if let Some(directory) = &self.options.directory {
            let relative = module.path.trim_start_matches('/');
            let name = relative.rsplit('/').next().unwrap_or_default();
            if !name.is_empty() {
                places.push(directory.join(name));
                places.push(directory.join(relative));
            }
        }
        places
    }

    /// What a file for another processor is.
    fn other_machine(&self, file: &[u8]) -> Option<Identity> {
        let found = machine_of(file).filter(|found| *found != self.machine.number())?;
        Some(Identity::Different(format!(
            "ELF machine {found} instead of {}, {}",
            self.machine.number(),
            self.machine.name()
        )))
    }

    fn identity(&self, module: &Module, file: &[u8]) -> Identity {
        if let Some(different) = self.other_machine(file) {
            return different;
        }
        let own = build_id(file);
        if !own.is_empty() && !module.build_id.is_empty() {
            if own == module.build_id {
                return Identity::Same;
            }
            return Identity::Different(format!(
                "build id {} instead of {}",
                hex(&own),
                hex(&module.build_id)
            ));
        }
        let Some(head) = file.get(..HEAD_BYTES) else {
            return Identity::Different(format!("a file of {} bytes", file.len()));
        };
        match self.memory.read_vec(module.start, HEAD_BYTES) {
            Ok(mapped) if mapped == head => Identity::Same,
            Ok(_) => Identity::Different("its first page is not the one in the core".to_owned()),
            Err(_) => Identity::Unknown,
        }
    }
}

/// `e_machine` of an ELF file.
fn machine_of(file: &[u8]) -> Option<u16> {
    let elf = ElfFile::<FileHeader64<Endianness>>::parse(file).ok()?;
    Some(elf.elf_header().e_machine(elf.endian()).0)
}

/// What the file says about V8, or why it says nothing.
fn v8_symbols(file: &[u8]) -> Result<V8Symbols, String> {
    let symbols = symbols::Binary::parse(file)
        .map_err(|error| error.to_string())?
        .v8_symbols();
    if symbols.has_v8() {
        Ok(symbols)
    } else {
        Err("it has no v8dbg constants and no version of V8 among its symbols".to_owned())
    }
}

fn build_id(file: &[u8]) -> Vec<u8> {
    ElfFile::<FileHeader64<Endianness>>::parse(file)
        .ok()
        .and_then(|elf| Some(elf.build_id().ok()??.to_vec()))
        .unwrap_or_default()
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Where `debuginfod-find executable` keeps what it has fetched.
fn debuginfod_cache() -> Option<PathBuf> {
    std::env::var_os("DEBUGINFOD_CACHE_PATH")
        .map(PathBuf::from)
        .or_else(|| {
            let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
            let cache =
                cache.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")));
            Some(cache?.join("debuginfod_client"))
        })
}
