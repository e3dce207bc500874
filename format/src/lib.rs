//! The image of a captured V8 process, and the `.v8mini` file that stores it.
//!
//! An *image* is a captured process as the programs see it: an address space ([`Memory`]) plus [`Metadata`].
//! This crate knows V8 only by name: it stores pages, isolates and constants, and interprets none of them. It makes
//! no operating-system call beyond reading and writing the file that it is given.
//!
//! The file is specified, byte by byte, in `spec/file-format.md`.
#![forbid(unsafe_code)]

pub mod memory;
pub mod model;

pub use memory::{Memory, MemoryExt, MemoryRange, ReadError};
pub use model::Metadata;
