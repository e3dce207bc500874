//! Opening the files that a process has mapped, wherever they are.

use std::fs::File;
use std::path::PathBuf;

use memmap2::Mmap;
use nix::libc::pid_t;
use v8mini_format::memory::Memory;
use v8mini_format::model::{Module, Region};

use super::procfs;
use crate::symbols::{Binary, ModuleImage, V8Symbols};

/// Suffix that the kernel adds to the name of a mapped file that is gone.
const DELETED: &str = " (deleted)";

/// The ELF files mapped into a process, in order of address.
pub(super) fn modules(memory: &dyn Memory, regions: &[Region]) -> Vec<Module> {
    let mut modules: Vec<Module> = Vec::new();
    for region in regions.iter().filter(|region| region.name.starts_with('/')) {
        let path = region.name.strip_suffix(DELETED).unwrap_or(&region.name);
        if region.file_offset != 0 || modules.iter().any(|module| module.path == path) {
            continue;
        }
        let Some(image) = ModuleImage::read(memory, region.start) else {
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

/// Finds the module that holds V8 and reads its symbols: the executable first, then libraries whose names suggest it,
/// then all others.
pub(super) fn find_v8(
    pid: pid_t,
    modules: &[Module],
    regions: &[Region],
) -> Option<(Module, V8Symbols)> {
    let executable = procfs::executable(pid);
    let mut order: Vec<&Module> = modules.iter().collect();
    order.sort_by_key(|module| {
        let name = module.path.rsplit('/').next().unwrap_or_default();
        (
            module.path != executable,
            !(name.contains("node") || name.contains("v8")),
        )
    });
    let mut with_symbols = order.into_iter().filter_map(|module| {
        let file = open(pid, module, &executable, regions)?;
        // SAFETY: the mapping is private and only read. If someone truncates the file meanwhile, this program ends
        // with SIGBUS; the captured process is not stopped at this point.
        let bytes = unsafe { Mmap::map(&file) }.ok()?;
        let symbols = Binary::parse(&*bytes).ok()?.v8_symbols();
        symbols.has_v8().then(|| (module.clone(), symbols))
    });
    with_symbols.next()
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
