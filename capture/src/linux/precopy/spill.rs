//! A temporary file for what exceeds the memory that the capture may take.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use nix::libc;

use crate::linux::output::free_bytes;

/// What is free, divided by this, is what a file may take that memory could take as well.
const PART_OF_FREE: u64 = 2;

/// A file without a name, readable by its owner only, that vanishes with this program however that ends.
#[derive(Debug)]
pub(super) struct Spill {
    file: File,
    len: u64,
    /// Bytes that it may have without harm to others who write to that disk, the program that is captured among them.
    harmless: u64,
}

impl Spill {
    /// Creates one in a directory.
    ///
    /// # Errors
    /// If the directory is not writable, or its file system has no unnamed files (NFS).
    pub(super) fn create(directory: &Path) -> io::Result<Self> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .mode(0o600)
            .custom_flags(libc::O_TMPFILE)
            .open(directory)?;
        let harmless = free_bytes(directory)? / PART_OF_FREE;
        Ok(Self {
            file,
            len: 0,
            harmless,
        })
    }

    /// Creates two: one for what is compressed, one for pages.
    ///
    /// # Errors
    /// As [`Spill::create`].
    pub(super) fn pair(directory: &Path) -> io::Result<[Self; 2]> {
        Ok([Self::create(directory)?, Self::create(directory)?])
    }

    /// Adds bytes at the end; returns where they are.
    pub(super) fn append(&mut self, bytes: &[u8]) -> io::Result<u64> {
        let offset = self.len;
        self.write(offset, bytes)?;
        self.len += bytes.len() as u64;
        Ok(offset)
    }

    /// Writes bytes at a place of the caller's choice.
    pub(super) fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all_at(bytes, offset)
    }

    /// The same, if the file does not become so large that the disk may be filled; whether all was written.
    pub(super) fn write_if_harmless(&self, offset: u64, bytes: &[u8]) -> bool {
        let end = offset.saturating_add(bytes.len() as u64);
        end <= self.harmless && self.write(offset, bytes).is_ok()
    }

    /// Reads bytes that were written.
    pub(super) fn read(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(bytes, offset)
    }

    /// The same file, which may not grow any more.
    #[cfg(test)]
    pub(super) fn full(self) -> Self {
        Self {
            harmless: 0,
            ..self
        }
    }
}
