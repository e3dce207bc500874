//! Opening the files that a process has mapped, wherever they are.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use memmap2::Mmap;
use nix::libc::pid_t;
use v8mini_format::model::{Module, Region};

use super::procfs;
use crate::symbols::{Binary, V8Symbols, by_likelihood};

/// Symbols of the files seen so far, by device and inode: many processes run the same binary.
pub(super) type SymbolCache = BTreeMap<(u64, u64), V8Symbols>;

/// Finds the module that holds V8 and reads its symbols: the executable first, then libraries whose names suggest it,
/// then all others.
pub(super) fn find_v8(
    pid: pid_t,
    modules: &[Module],
    regions: &[Region],
    cache: &mut SymbolCache,
) -> Option<(Module, V8Symbols)> {
    let executable = procfs::executable(pid);
    by_likelihood(modules, &executable)
        .into_iter()
        .find_map(|module| {
            let file = open(pid, module, &executable, regions)?;
            let key = file.metadata().map(|file| (file.dev(), file.ino())).ok()?;
            let symbols = match cache.get(&key) {
                Some(symbols) => symbols.clone(),
                None => read_symbols(&file).unwrap_or_default(),
            };
            let found = symbols.has_v8().then(|| (module.clone(), symbols.clone()));
            cache.insert(key, symbols);
            found
        })
}

/// Maps the file of a module.
pub(super) fn map(
    pid: pid_t,
    module: &Module,
    executable: &str,
    regions: &[Region],
) -> Option<Mmap> {
    let file = open(pid, module, executable, regions)?;
    // SAFETY: as for `read_symbols`.
    unsafe { Mmap::map(&file) }.ok()
}

fn read_symbols(file: &File) -> Option<V8Symbols> {
    // SAFETY: the mapping is private and only read. If someone truncates the file meanwhile, this program ends with
    // SIGBUS; the captured process is not stopped at this point.
    let bytes = unsafe { Mmap::map(file) }.ok()?;
    Some(Binary::parse(&*bytes).ok()?.v8_symbols())
}

/// Opens a mapped file by what the kernel still holds, before any path: the path may name another file by now, or
/// none, or one in another mount namespace.
fn open(pid: pid_t, module: &Module, executable: &str, regions: &[Region]) -> Option<File> {
    let mut places: Vec<PathBuf> = Vec::new();
    if module.path == executable {
        places.push(procfs::path(pid, "exe"));
    }
    if let Some(region) = regions.iter().find(|region| region.start == module.start) {
        places.push(procfs::path(
            pid,
            &format!("map_files/{:x}-{:x}", region.start, region.end),
        ));
    }
    if !module.deleted {
        places.push(procfs::path(pid, &format!("root{}", module.path)));
    }
    places.into_iter().find_map(|place| File::open(place).ok())
}
