//! What comes later in the file than it is known.

use std::fs::File;
use std::io::{self, BufWriter, Seek, SeekFrom, Write};

/// A temporary file that nobody else sees, and that is gone when this is.
pub(super) struct Spool(BufWriter<File>);

impl Spool {
    /// An empty one.
    ///
    /// # Errors
    /// If no temporary file can be made.
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self(BufWriter::with_capacity(
            1 << 20,
            tempfile::tempfile()?,
        )))
    }

    /// Copies all that was written to `out`.
    ///
    /// # Errors
    /// As reading and writing.
    pub(super) fn copy_to(self, out: &mut dyn Write) -> io::Result<u64> {
        let mut file = self
            .0
            .into_inner()
            .map_err(io::IntoInnerError::into_error)?;
        file.seek(SeekFrom::Start(0))?;
        let mut buffer = io::BufReader::with_capacity(1 << 20, file);
        io::copy(&mut buffer, out)
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
