//! Bringing what is no plain file into one: a pipe, a compressed core.
//!
//! A core is read by address, so all of it must be at hand at random: what comes through a pipe or a decompressor goes to a
//! temporary file without a name, in the directory that the system has for such (`TMPDIR`). Memory stays bounded by one
//! block. Blocks of zeros, most of many cores, are left out of the file: it takes no more disk than the core has data.
//! The parts of a core may come in any order, so a core of `gcore`, whose notes are at its end, can be piped, too.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, BufRead, Read, Seek, SeekFrom, Write};

use flate2::bufread::MultiGzDecoder;

/// Bytes moved at a time, and the granularity of what is left out.
const BLOCK_BYTES: usize = 64 << 10;
/// Data may become so many times as large when it is unpacked, zeros not counted. Heaps become 3 to 20 times as large; a file
/// made to fill the disk, a thousand times and more.
const MAX_GROWTH: u64 = 500;
/// So much is unpacked whatever the growth.
const FREE_BYTES: u64 = 256 << 20;
/// zstd's window decides the memory that unpacking takes. Small inputs get the one that every level but the highest does
/// with, larger ones that of `zstd --long`.
const WINDOW_LOG: u32 = 25;
const LONG_WINDOW_LOG: u32 = 27;
/// Size from which an input counts as large: it could fill the window.
const LONG_FROM_BYTES: u64 = 32 << 20;

/// How the bytes are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Packing {
    Plain,
    Zstd,
    Gzip,
}

impl Packing {
    /// Tells from the first bytes; a `.v8mini` file, which is a legal zstd stream, is to be told before.
    pub(super) fn of(head: &[u8]) -> Self {
        match head {
            // A zstd frame, or a skippable frame (0x184D2A5?), as parallel compressors put in front.
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Self::Zstd,
            [0x1f, 0x8b, ..] => Self::Gzip,
            _ => Self::Plain,
        }
    }
}

/// What was spooled.
#[derive(Debug)]
pub(super) struct Spooled {
    /// The temporary file; it vanishes when it is closed.
    pub(super) file: File,
    /// What went wrong on the way: the file holds what came before.
    pub(super) damage: Option<String>,
}

/// Moves all of `input` to a temporary file, unpacked. `len` is the input's length in bytes if that is known.
///
/// `progress` is told how many bytes have been written.
///
/// # Errors
/// If no temporary file can be written, or it becomes suspiciously large. An input that ends early or is damaged is none.
pub(super) fn spool(
    input: impl BufRead,
    packing: Packing,
    len: Option<u64>,
    progress: &mut dyn FnMut(u64),
) -> io::Result<Spooled> {
    let consumed = Cell::new(0);
    let input = Counted {
        inner: input,
        consumed: &consumed,
    };
    let mut file = tempfile::tempfile()?;
    let mut unpack = |reader: &mut dyn Read| copy(reader, &mut file, packing, &consumed, progress);
    let damage = match packing {
        Packing::Plain => unpack(&mut { input })?,
        Packing::Zstd => {
            let mut decoder = zstd::Decoder::with_buffer(input)?;
            let large = len.is_none_or(|len| len >= LONG_FROM_BYTES);
            decoder.window_log_max(if large { LONG_WINDOW_LOG } else { WINDOW_LOG })?;
            unpack(&mut decoder)?
        }
        Packing::Gzip => unpack(&mut MultiGzDecoder::new(input))?,
    };
    Ok(Spooled { file, damage })
}

/// Moves bytes until the reader ends or fails. Returns how it failed.
fn copy(
    reader: &mut dyn Read,
    file: &mut File,
    packing: Packing,
    consumed: &Cell<u64>,
    progress: &mut dyn FnMut(u64),
) -> io::Result<Option<String>> {
    let mut block = vec![0; BLOCK_BYTES];
    let mut written = 0_u64;
    let mut data = 0_u64;
    let damage = loop {
        let (len, failure) = fill(reader, &mut block);
        let bytes = block.get(..len).unwrap_or_default();
        if bytes.iter().all(|&byte| byte == 0) {
            file.seek(SeekFrom::Current(len as i64))?;
        } else {
            file.write_all(bytes)?;
            data += len as u64;
        }
        written += len as u64;
        progress(written);
        if packing != Packing::Plain
            && data
                > consumed
                    .get()
                    .saturating_mul(MAX_GROWTH)
                    .saturating_add(FREE_BYTES)
        {
            return Err(io::Error::other(format!(
                "{} bytes unpack to more than {data}: this looks like a file made to fill the disk; unpack it yourself if you trust it",
                consumed.get()
            )));
        }
        if let Some(error) = failure {
            let what = match packing {
                Packing::Plain => "reading it failed",
                Packing::Zstd => "unpacking it with zstd failed",
                Packing::Gzip => "unpacking it with gzip failed",
            };
            break Some(format!("{what} after {written} bytes: {error}"));
        }
        if len < BLOCK_BYTES {
            break None;
        }
    };
    // Zeros at the end were not written.
    file.set_len(written)?;
    Ok(damage)
}

/// Reads a block, or less if the reader ends or fails.
fn fill(reader: &mut dyn Read, block: &mut [u8]) -> (usize, Option<io::Error>) {
    let mut len = 0;
    while let Some(rest) = block.get_mut(len..).filter(|rest| !rest.is_empty()) {
        match reader.read(rest) {
            Ok(0) => break,
            Ok(more) => len += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return (len, Some(error)),
        }
    }
    (len, None)
}

/// Counts what is consumed of an input.
struct Counted<'a, R> {
    inner: R,
    consumed: &'a Cell<u64>,
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let len = self.inner.read(buf)?;
        self.consumed.set(self.consumed.get() + len as u64);
        Ok(len)
    }
}

impl<R: BufRead> BufRead for Counted<'_, R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.inner.fill_buf()
    }

    fn consume(&mut self, len: usize) {
        self.inner.consume(len);
        self.consumed.set(self.consumed.get() + len as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unspool(mut spooled: Spooled) -> (Vec<u8>, Option<String>) {
        let mut bytes = Vec::new();
        spooled.file.rewind().unwrap();
        spooled.file.read_to_end(&mut bytes).unwrap();
        (bytes, spooled.damage)
    }

    fn contents() -> Vec<u8> {
        let mut bytes: Vec<u8> = (0..200_000_u32).flat_map(u32::to_le_bytes).collect();
        bytes.extend([0; 3 * BLOCK_BYTES + 5]);
        bytes
    }

    fn run(packed: &[u8]) -> io::Result<(Vec<u8>, Option<String>)> {
        let packing = Packing::of(packed);
        spool(packed, packing, Some(packed.len() as u64), &mut |_| {}).map(unspool)
    }

    #[test]
    fn every_packing_gives_the_contents() {
        let contents = contents();
        let zstd = zstd::encode_all(&*contents, 1).unwrap();
        let gzip = {
            let mut encoder =
                flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(&contents).unwrap();
            encoder.finish().unwrap()
        };
        for packed in [&contents, &zstd, &gzip] {
            assert!(run(packed).unwrap() == (contents.clone(), None));
        }
    }

    #[test]
    fn cut_input_gives_what_came_before() {
        let contents = contents();
        let zstd = zstd::encode_all(&*contents, 1).unwrap();
        let (bytes, damage) = run(&zstd[..zstd.len() / 2]).unwrap();
        assert!(!bytes.is_empty() && contents.starts_with(&bytes));
        assert!(damage.unwrap().contains("zstd"));
    }

    #[test]
    fn skippable_frame_comes_first() {
        let mut packed = vec![0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, 1, 2, 3, 4];
        packed.extend(zstd::encode_all(&b"core"[..], 1).unwrap());
        assert_eq!(run(&packed).unwrap(), (b"core".to_vec(), None));
    }

    #[test]
    fn file_made_to_fill_the_disk_is_refused() {
        let bomb = zstd::encode_all(io::repeat(1).take(600 << 20), 1).unwrap();
        let error = run(&bomb).unwrap_err();
        assert!(error.to_string().contains("fill the disk"), "{error}");
    }
}
