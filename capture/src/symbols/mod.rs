//! What the binary that holds V8 says about itself.
//!
//! V8 exports the constants a debugger needs as `v8dbg_*` integers, and a handful of other symbols say where a thread keeps its
//! current isolate and how the heap marks a garbage collection. Everything is read from the bytes of the ELF file; nothing
//! here touches the operating system.

mod elf;
mod gc_state;
mod known_constants;
mod module;
mod node_version;

use std::collections::BTreeMap;

use thiserror::Error;
use v8mini_format::model::V8Version;

pub use elf::Binary;
pub use known_constants::known_constants;
pub use module::{ModuleImage, by_likelihood, modules, path_of};
pub(crate) use node_version::find as find_node_version;

/// Why a binary could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SymbolError {
    /// Not an ELF file that can be read.
    #[error("not a readable 64-bit ELF file: {0}")]
    Elf(#[from] object::read::Error),
}

/// What a binary with V8 in it says about V8. Addresses are those of the file's symbol table: add the load bias.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct V8Symbols {
    /// `v8dbg_*` values by name without the prefix.
    pub constants: BTreeMap<String, i64>,
    /// `v8::internal::Version::{major_,minor_,build_,patch_}`.
    pub v8_version: Option<V8Version>,
    /// `process.version`, such as `v22.23.3`.
    pub node_version: Option<String>,
    /// Where a thread finds its isolate.
    pub current_isolate: Option<CurrentIsolate>,
    /// Offset of `Heap::gc_state_` in `v8::internal::Heap`, read from the code that stores to it.
    pub gc_state_offset: Option<u64>,
}

impl V8Symbols {
    /// Whether the binary holds V8 at all.
    pub fn has_v8(&self) -> bool {
        self.constants.len() > 16 || self.v8_version.is_some()
    }
}

/// How a thread's current isolate is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CurrentIsolate {
    /// V8 up to 10: `Isolate::isolate_key_` at this address holds a `pthread_key_t`.
    PthreadKey {
        /// Address of the key.
        address: u64,
    },
    /// V8 11 and later: the thread-local `g_current_isolate_`, this many bytes below the thread pointer.
    ///
    /// Right for the executable itself, whose thread-local block ends at the thread pointer (x86-64 ABI, variant II). A
    /// shared library's block lies where the dynamic linker put it.
    ThreadLocal {
        /// Distance below the thread pointer, in bytes.
        below_thread_pointer: u64,
    },
}
