//! Where a snapshot goes, and what comes later in it than it is known.

use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::Path;

/// Where a snapshot is written to.
pub enum Out<'a> {
    /// An empty file, which lies in this directory: temporary files lie beside it, and the system copies them without a detour.
    File(&'a File, &'a Path),
    /// Anything else: temporary files are where the system has them.
    Stream(&'a mut (dyn Write + Send)),
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

    /// The file with all that was written.
    ///
    /// # Errors
    /// As writing.
    pub(super) fn into_file(self) -> io::Result<File> {
        self.0.into_inner().map_err(io::IntoInnerError::into_error)
    }

    /// Copies all that was written to `out`, and says how many bytes that were.
    ///
    /// # Errors
    /// As reading and writing.
    pub(super) fn copy_to(self, out: &mut Out<'_>) -> io::Result<u64> {
        let mut file = self.into_file()?;
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

/// What comes first in a snapshot, behind a head that says how much there is of it.
///
/// The head has so and so many digits: where the snapshot goes to a file and their number was guessed right, nothing is written twice.
pub(super) enum Front<'a> {
    /// Written to where it stays, behind as many bytes as the head will probably have.
    InPlace { file: &'a File, head: u64, len: u64 },
    /// Copied later.
    Apart(Spool),
}

impl<'a> Front<'a> {
    /// One behind a head that is probably as long as this one.
    ///
    /// # Errors
    /// As writing, or if no temporary file can be made.
    pub(super) fn new(out: &Out<'a>, head: &[u8]) -> io::Result<Self> {
        match *out {
            Out::File(mut file, _) => {
                file.write_all(head)?;
                let (head, len) = (head.len() as u64, 0);
                Ok(Self::InPlace { file, head, len })
            }
            Out::Stream(_) => Ok(Self::Apart(Spool::new(None)?)),
        }
    }

    /// Appends text.
    ///
    /// # Errors
    /// As writing.
    pub(super) fn write_all(&mut self, text: &[u8]) -> io::Result<()> {
        match self {
            Self::InPlace { file, len, .. } => {
                *len += text.len() as u64;
                file.write_all(text)
            }
            Self::Apart(spool) => spool.write_all(text),
        }
    }

    /// Has all of it in `out` behind its head, and says how many bytes that are.
    ///
    /// # Errors
    /// As reading and writing.
    pub(super) fn finish(self, head: &[u8], out: &mut Out<'_>) -> io::Result<u64> {
        let head_len = head.len() as u64;
        match self {
            Self::InPlace {
                mut file,
                head: guessed,
                len,
            } => {
                if guessed != head_len {
                    shift(file, guessed, head_len, len)?;
                }
                file.seek(SeekFrom::Start(0))?;
                file.write_all(head)?;
                file.seek(SeekFrom::Start(head_len + len))?;
                Ok(head_len + len)
            }
            Self::Apart(spool) => {
                out.write_all(head)?;
                Ok(head_len + spool.copy_to(out)?)
            }
        }
    }
}

/// Moves the last `len` bytes of a file, which begin at `from`, so that they begin at `to`.
fn shift(mut file: &File, from: u64, to: u64, len: u64) -> io::Result<()> {
    const PIECE: u64 = 1 << 20;
    let mut buffer = vec![0; PIECE.min(len) as usize];
    let pieces = len.div_ceil(PIECE);
    for number in 0..pieces {
        // No piece is written over one that was not moved yet.
        let piece = if to > from {
            pieces - 1 - number
        } else {
            number
        };
        let start = piece * PIECE;
        let room = buffer.get_mut(..PIECE.min(len - start) as usize);
        let room = room.unwrap_or_default();
        file.seek(SeekFrom::Start(from + start))?;
        file.read_exact(room)?;
        file.seek(SeekFrom::Start(to + start))?;
        file.write_all(room)?;
    }
    file.set_len(to + len)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_head_may_be_longer_or_shorter_than_was_guessed() {
        let directory = tempfile::tempdir().unwrap();
        for len in [0, 10, (1 << 20) + 7, 3 << 20] {
            let text: Vec<u8> = (0..len).map(|n: u32| (n % 251) as u8).collect();
            for head in ["head", "hea", "heads", "a head of many more digits"] {
                let mut file = tempfile::tempfile().unwrap();
                let mut out = Out::File(&file, directory.path());
                let mut front = Front::new(&out, b"1234").unwrap();
                for piece in text.chunks(100_000) {
                    front.write_all(piece).unwrap();
                }
                let written = front.finish(head.as_bytes(), &mut out).unwrap();
                out.write_all(b"tail").unwrap();
                let expected = [head.as_bytes(), &text, b"tail"].concat();
                assert_eq!(written as usize + 4, expected.len());
                file.seek(SeekFrom::Start(0)).unwrap();
                let mut found = Vec::new();
                file.read_to_end(&mut found).unwrap();
                assert!(found == expected, "{head}, {len} bytes");
            }
        }
    }
}
