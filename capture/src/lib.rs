//! Locates V8 in any address space (portable), and captures it from a live process (Linux).
//!
//! - [`locate`] finds pages, spaces and isolates in a memory image; [`symbols`] reads what the binary says about V8. Neither calls the
//!   operating system, and both serve live processes and ELF cores alike.
//! - [`content`] decides what of the memory is worth storing.
//! - [`elf_core`] opens an ELF core as the image that a capture of the live process would have been.
//! - [`unwind`] keeps what unwinding the native part of stacks needs.
//! - `linux` stops a process, copies what matters and lets it go (feature `live`).
//! - `cli` is the program `v8mini-capture` (feature `cli`).

pub mod content;
pub mod elf_core;
pub mod locate;
pub mod symbols;
pub mod unwind;

#[cfg(all(feature = "live", target_os = "linux"))]
pub mod linux;

#[cfg(all(feature = "cli", target_os = "linux"))]
pub mod cli;
