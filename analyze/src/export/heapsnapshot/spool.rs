//! Where a snapshot goes, and what comes later in it than it is known.

use std::fs::File;
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::Path;

/// Where a snapshot is written to.
pub enum Out<'a> {
    /// A file, which lies in this directory: temporary files lie beside it, and the system copies them without a detour.
    File(&'a File, &'a Path),
    /// Anything else: temporary files are where the system has them.
    Stream(&'a mut dyn Write),
}

impl Out<'_> {
    /// Where temporary files belong.
    pub(super) fn directory(&self) -> Option<&Path> {
        match self {
            Self::File(_, directory) => Some(directory),
            Self::Stream(_) => None,
        }
    }
}

impl Write for Out<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::File(file, _) => file.write(bytes),
            Self::Stream(out) => out.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::File(file, _) => file.flush(),
            Self::Stream(out) => out.flush(),
        }
    }
}

/// A temporary file that nobody else sees, and that is gone when this is.
pub(super) struct Spool(BufWriter<File>);

impl Spool {
    /// An empty one.
    ///
    /// # Errors
    /// If no temporary file can be made.
    pub(super) fn new(directory: Option<&Path>) -> io::Result<Self> {
        let file = match directory {
            Some(directory) => tempfile::tempfile_in(directory)?,
            None => tempfile::tempfile()?,
        };
        Ok(Self(BufWriter::with_capacity(1 << 20, file)))
    }

    /// Copies all that was written to `out`, and says how many bytes that were.
    ///
    /// # Errors
    /// As reading and writing.
    pub(super) fn copy_to(self, out: &mut Out<'_>) -> io::Result<u64> {
        let mut file = self
            .0
            .into_inner()
            .map_err(io::IntoInnerError::into_error)?;
        file.seek(SeekFrom::Start(0))?;
        match out {
            Out::File(to, _) => io::copy(&mut file, to),
            Out::Stream(to) => io::copy(&mut io::BufReader::with_capacity(1 << 20, file), to),
        }
    }
}

impl Write for Spool {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}
