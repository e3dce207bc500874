//! Why a core could not be opened.

use std::path::PathBuf;

use thiserror::Error;

/// Why a core could not be opened.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CoreError {
    /// The file could not be mapped.
    #[error("the file cannot be mapped into memory: {0}")]
    Map(#[source] std::io::Error),
    /// No ELF file that a core of Node.js can be.
    #[error("not a 64-bit little-endian ELF file: {0}")]
    NotElf(object::read::Error),
    /// An ELF file, but no core.
    #[error(
        "this is an ELF file of type {found}, not a core (type 4); to name the binary of a core, use --exe"
    )]
    NotCore {
        /// `e_type`.
        found: u16,
    },
    /// A core of a machine whose registers and layouts are not known.
    #[error(
        "the core is of machine type {found} (ELF e_machine); only x86-64 (62) and arm64 (183) are known"
    )]
    Machine {
        /// `e_machine`.
        found: u16,
    },
    /// The headers make no sense.
    #[error("the core's headers are damaged: {reason}")]
    Headers {
        /// What is wrong, where.
        reason: String,
    },
    /// The binary that was named could not be read.
    #[error("cannot read {}: {source}", path.display())]
    Binary {
        /// The path given.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The binary that was named holds no V8.
    #[error(
        "{} holds no V8 that can be read ({reason}); name the node executable, or the libnode.so that the process ran",
        path.display()
    )]
    NoV8InBinary {
        /// The path given.
        path: PathBuf,
        /// What it is.
        reason: String,
    },
    /// The binary that was named is not the one that the process ran.
    #[error(
        "{} is not the binary that the process ran: {difference}. Name the right one with --exe, leave --exe out to do without, or use --force to take this one nevertheless",
        path.display()
    )]
    BinaryMismatch {
        /// The path given.
        path: PathBuf,
        /// Both identities.
        difference: String,
    },
    /// No V8 heap in the core.
    #[error("no V8 heap was found in {memory_bytes} bytes of memory in {segments} segments{hint}")]
    NoHeap {
        /// Bytes that the core holds.
        memory_bytes: u64,
        /// Mappings that it lists.
        segments: usize,
        /// What may be the reason.
        hint: String,
    },
}
