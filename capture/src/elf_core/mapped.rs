//! Files that are mapped to be read.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::sync::Arc;

use memmap2::Mmap;

/// How a mapping will be read.
#[derive(Clone, Copy)]
pub(super) enum Access {
    Scattered,
    Sequential,
}

/// Tells the system how a mapping will be read. Where it does not want to know, reading is slower, that is all.
pub(super) fn expect(map: &Mmap, access: Access) {
    #[cfg(unix)]
    let _ = map.advise(match access {
        Access::Scattered => memmap2::Advice::Random,
        Access::Sequential => memmap2::Advice::Normal,
    });
    #[cfg(not(unix))]
    let _ = (map, access);
}

/// A mapped file as bytes.
pub(super) struct FileBytes(pub(super) Arc<Mmap>);

impl std::ops::Deref for FileBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

/// Maps a regular file.
pub(super) fn map(path: &Path) -> io::Result<Arc<Mmap>> {
    // The path may come from the core: opening a pipe would wait for its other end.
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a file"));
    }
    let file = File::open(path)?;
    // SAFETY: the mapping is private and only read. If someone cuts the file meanwhile, this program ends with SIGBUS.
    unsafe { Mmap::map(&file) }.map(Arc::new)
}
