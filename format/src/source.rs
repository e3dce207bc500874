//! Where the bytes of a file come from.
//!
//! A file is read with positioned reads, not mapped. Reading 40 KB costs a hundredth of
//! decompressing them, while a mapping of a file that another process truncates kills the reader
//! with SIGBUS; here it is an ordinary error.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Read};

/// A file, or its bytes.
#[derive(Debug)]
pub(crate) enum Source {
    Bytes(Vec<u8>),
    File(Positioned),
}

impl Source {
    /// Opens a file. What has no length and no positions, such as a pipe, is read into memory.
    pub(crate) fn from_file(mut file: File) -> io::Result<Self> {
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            return Ok(Self::Bytes(bytes));
        }
        let len = metadata.len();
        Ok(Self::File(Positioned {
            file: positioned::wrap(file),
            len,
        }))
    }

    /// Length in bytes; of a file, when it was opened.
    pub(crate) const fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File(file) => file.len,
        }
    }

    /// `len` bytes at `offset`. Callers bound `len`; nothing is allocated for a range that is not
    /// in the file.
    pub(crate) fn read(&self, offset: u64, len: u64) -> io::Result<Cow<'_, [u8]>> {
        if offset.checked_add(len).is_none_or(|end| end > self.len()) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        match self {
            Self::Bytes(bytes) => {
                let range = offset as usize..(offset + len) as usize;
                bytes
                    .get(range)
                    .map(Cow::Borrowed)
                    .ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
            }
            Self::File(file) => {
                let mut bytes = vec![0; len as usize];
                positioned::read_exact(&file.file, &mut bytes, offset)?;
                Ok(Cow::Owned(bytes))
            }
        }
    }

    /// As [`Self::read`], into an array.
    pub(crate) fn read_array<const N: usize>(&self, offset: u64) -> io::Result<[u8; N]> {
        let bytes = self.read(offset, N as u64)?;
        bytes
            .first_chunk()
            .copied()
            .ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }
}

/// A file that is read at positions.
#[derive(Debug)]
pub(crate) struct Positioned {
    file: positioned::Handle,
    len: u64,
}

/// A file to write to and to read from, by several threads.
#[derive(Debug)]
pub(crate) struct Scratch {
    file: positioned::Handle,
}

impl Scratch {
    pub(crate) fn new(file: File) -> Self {
        Self {
            file: positioned::wrap(file),
        }
    }

    pub(crate) fn read(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        positioned::read_exact(&self.file, buf, offset)
    }

    pub(crate) fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        positioned::write_all(&self.file, bytes, offset)
    }
}

#[cfg(unix)]
mod positioned {
    use std::fs::File;
    use std::io;
    use std::os::unix::fs::FileExt;

    pub(super) type Handle = File;

    pub(super) fn wrap(file: File) -> Handle {
        file
    }

    pub(super) fn read_exact(file: &Handle, buf: &mut [u8], offset: u64) -> io::Result<()> {
        file.read_exact_at(buf, offset)
    }

    pub(super) fn write_all(file: &Handle, bytes: &[u8], offset: u64) -> io::Result<()> {
        file.write_all_at(bytes, offset)
    }
}

#[cfg(not(unix))]
mod positioned {
    use std::fs::File;
    use std::io::{self, Read, Seek, SeekFrom, Write};
    use std::sync::{Mutex, PoisonError};

    pub(super) type Handle = Mutex<File>;

    pub(super) fn wrap(file: File) -> Handle {
        Mutex::new(file)
    }

    pub(super) fn read_exact(file: &Handle, buf: &mut [u8], offset: u64) -> io::Result<()> {
        let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
        file.seek(SeekFrom::Start(offset))?;
        file.read_exact(buf)
    }

    pub(super) fn write_all(file: &Handle, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
        file.seek(SeekFrom::Start(offset))?;
        file.write_all(bytes)
    }
}
