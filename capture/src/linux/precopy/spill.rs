//! A temporary file for what exceeds the memory that the capture may take.

use std::fs::{File, OpenOptions};
use std::io;
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
        self.write(offset, bytes)?;
        self.len += bytes.len() as u64;
        Ok(offset)
    }

    /// Writes bytes at a place of the caller's choice.
    pub(super) fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all_at(bytes, offset)
    }

    /// Reads bytes that were written.
    pub(super) fn read(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(bytes, offset)
    }

    /// The same file, of which nothing can be written.
    #[cfg(test)]
    pub(super) fn read_only(self) -> io::Result<Self> {
        use std::os::fd::AsRawFd;
        let path = format!("/proc/self/fd/{}", self.file.as_raw_fd());
        let file = File::open(path)?;
        Ok(Self { file, ..self })
    }
}
