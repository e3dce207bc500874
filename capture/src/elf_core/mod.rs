//! ELF core files as images: from `gcore`, from the kernel, whole or cut.
//!
//! A core is one more place to take an image from, next to the live process, so it lives beside the locator that both share and below
//! everything that interprets objects. [`open`] finds in a core what a capture of the live process would have found, and gives
//! access to exactly the memory that a capture would hold ([`crate::locate::ReadPlan`]): what `v8mini` says about a core and
//! about the capture converted from it is then the same by construction.
//!
//! The file is mapped, never copied: opening touches the headers, the notes and the head of each V8 page, whatever the
//! size. What the system left out of the core because it is in a file (code and constants of `node`) is laid under it from
//! that file, once its build id has been compared. Nothing here calls the operating system beyond opening and mapping files.
//!
//! A mapped file that another program cuts while it is read ends this program with SIGBUS. That is the price of opening
//! gigabytes in milliseconds; cores are not written to after they are complete.

mod binary;
mod embedded;
mod error;
mod headers;
mod image;
mod mapped;
mod memory;
mod notes;
mod placed;
mod planned;
mod regions;
mod stack_bottom;
mod versions;
mod write;

#[cfg(test)]
mod tests;

pub use embedded::{NOTE_NAME, NOTE_TYPE, note};
pub use error::CoreError;
pub use image::{CoreImage, CoreOptions, is_elf, open, open_bytes};
pub use planned::PlannedMemory;
