//! The image of a captured V8 process, and the `.v8mini` file that stores it.
//!
//! An *image* is a captured process as the programs see it: an address space ([`Memory`]) plus
//! [`Metadata`]. This crate knows V8 only by name: it stores pages, isolates and constants, and
//! interprets none of them. It makes no operating-system call beyond reading and writing the file
//! that it is given, and drawing a random UUID.
//!
//! [`Writer`] makes a file, [`CaptureFile`] opens one. The file is specified, byte by byte, in
//! `spec/file-format.md`.
#![forbid(unsafe_code)]

mod cache;
mod chunk;
mod codes;
mod compress;
mod directory;
mod error;
mod frame;
mod header;
mod index;
mod integrity;
mod layout;
pub mod limits;
pub mod memory;
mod memory_map;
pub mod model;
mod output;
pub mod pack;
mod payload;
mod reader;
mod records;
mod recover;
mod regions;
mod seek_table;
mod source;
#[cfg(test)]
mod spec_test;
mod verify;
mod wire;
mod writer;

pub use chunk::{ChunkKind, Encoding};
pub use error::{OpenError, WriteError};
pub use frame::{Frame, FrameQueue};
pub use header::{FORMAT_VERSION, Features, FileHeader, FormatVersion};
pub use integrity::{Damage, Integrity};
pub use memory::{Memory, MemoryExt, MemoryRange, ReadError};
pub use model::Metadata;
pub use pack::Segment;
pub use reader::{CaptureFile, ChunkInfo};
pub use writer::{WriteOptions, Writer, Written};
