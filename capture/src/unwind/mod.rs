//! What unwinding the native part of stacks needs, so that it can be done later without the binaries: of each address that a
//! stack may return to, the symbol and the row of the call-frame table.
//!
//! Which words of a stack are return addresses is not known before it is unwound, so every word that points into code counts.

mod candidates;
mod frame_table;
mod native_symbols;

use std::ops::Deref;

use v8mini_format::memory::{Memory, MemoryExt};
use v8mini_format::model::{Module, Problem, Region, Symbol, Thread, UnwindRow};

pub use candidates::canonical_address;
pub use native_symbols::MAX_UNSIZED_BYTES;

use candidates::Candidates;

/// Name of the mapping of the code that the kernel gives every process.
const VDSO: &str = "[vdso]";
/// Largest vDSO that is read, in bytes; it has two or three pages.
const MAX_VDSO_BYTES: u64 = 1 << 20;

/// A stopped process.
#[derive(Clone, Copy)]
pub struct StoppedProcess<'a> {
    /// Its stacks, and the vDSO.
    pub memory: &'a dyn Memory,
    /// Its memory map.
    pub regions: &'a [Region],
    /// The files mapped into it.
    pub modules: &'a [Module],
    /// Its threads.
    pub threads: &'a [Thread],
}

/// What [`unwinding`] found.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Unwinding {
    /// The symbols that candidates lie in, sorted by address.
    pub symbols: Vec<Symbol>,
    /// The rows that hold for candidates, sorted by address.
    pub rows: Vec<UnwindRow>,
    /// Modules that stacks point into and whose files could not be read: their paths.
    pub missing: Vec<String>,
}

/// Collects symbols and unwind rows for every address that the stacks of a process may return to.
///
/// `file` gives the bytes of a module's file, or `None` where it cannot be had.
pub fn unwinding<B: Deref<Target = [u8]>>(
    process: StoppedProcess<'_>,
    mut file: impl FnMut(&Module) -> Option<B>,
) -> Unwinding {
    let candidates = Candidates::of(process);
    let mut found = Unwinding::default();
    for module in process.modules {
        let addresses = candidates.within(module.start, module.end);
        if addresses.is_empty() {
            continue;
        }
        match file(module) {
            Some(bytes) => found.add(&bytes, module.load_bias, addresses),
            None => found.missing.push(module.path.clone()),
        }
    }
    found.sort();
    found
}

impl Unwinding {
    /// Adds what the vDSO says of itself, which has no file. `memory` is any memory of the process that still has it: the code
    /// never changes.
    pub fn add_vdso(&mut self, process: StoppedProcess<'_>, memory: &dyn Memory) {
        let candidates = Candidates::of(process);
        for region in process.regions.iter().filter(|r| r.name == VDSO) {
            let addresses = candidates.within(region.start, region.end);
            let len = region.end.saturating_sub(region.start).min(MAX_VDSO_BYTES);
            if addresses.is_empty() {
                continue;
            }
            if let Ok(bytes) = memory.read_vec(region.start, len as usize) {
                // It is linked at 0.
                self.add(&bytes, region.start, addresses);
            }
        }
        self.sort();
    }

    /// What a reader must know of stacks that cannot be unwound as a whole.
    pub fn problems(&self) -> Vec<Problem> {
        let missing = self.missing.iter().map(|path| Problem {
            stage: "unwind".to_owned(),
            message: format!(
                "the file of {path} could not be read: native frames in it have no names, and stacks may be cut there"
            ),
            address: 0,
            bytes: 0,
        });
        missing.collect()
    }

    fn sort(&mut self) {
        self.symbols.sort_by_key(|symbol| symbol.address);
        self.rows.sort_by_key(|row| row.start);
        self.rows.dedup();
    }

    fn add(&mut self, file: &[u8], load_bias: u64, addresses: &[u64]) {
        self.symbols
            .extend(native_symbols::find(file, load_bias, addresses));
        self.rows
            .extend(frame_table::rows(file, load_bias, addresses));
    }
}
