//! A temporary file for what exceeds the memory that the capture may take.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use nix::libc;

/// A file without a name, readable by its owner only, that vanishes with this program however that ends.
#[derive(Debug)]
pub(super) struct Spill {
    file: File,
    len: u64,
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
        Ok(Self { file, len: 0 })
    }

    /// Adds bytes at the end; returns where they are.
    pub(super) fn append(&mut self, bytes: &[u8]) -> io::Result<u64> {
        let offset = self.len;
        self.file.write_all(bytes)?;
        self.len += bytes.len() as u64;
        Ok(offset)
    }

    /// Reads bytes that were added.
    pub(super) fn read(&self, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; len];
        self.file.read_exact_at(&mut bytes, offset)?;
        Ok(bytes)
    }
}
