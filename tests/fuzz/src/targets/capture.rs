use std::io::Write;

use v8mini_format::{CaptureFile, Memory, MemoryExt};

use crate::allocation::bounded;
use crate::{seal, seeds};

/// Most ranges whose memory is read.
const MAX_RANGES: usize = 256;

/// The bytes as a capture: as they are, with right checksums, and with a right index, too.
///
/// It is opened, its metadata printed, and its memory read from both ends of each range, in bulk and checked.
pub fn capture(data: &[u8]) {
    open(data.to_vec());
    let mut sealed = data.to_vec();
    seal::seal(&mut sealed);
    open(sealed.clone());
    seal::seal_index(&mut sealed);
    open(sealed);
}

/// Opens a capture and does everything with it that the reader can do.
pub(super) fn open(bytes: Vec<u8>) -> Option<CaptureFile> {
    bounded(bytes.len(), || {
        let file = CaptureFile::from_bytes(bytes).ok()?;
        let mut sink = std::io::sink();
        // A sink never fails.
        let _ = write!(
            sink,
            "{:?}{:?}{}{:?}",
            file.header(),
            file.metadata(),
            file.integrity(),
            file.chunks().last()
        );
        for range in file.ranges().iter().take(MAX_RANGES) {
            for addr in [range.start, range.end() - 1, range.end()] {
                let _ = file.read_u8(addr);
                let _ = file.read_u64(addr.wrapping_sub(4));
            }
            let _ = file.read_vec(range.start, range.len.min(1 << 20) as usize);
        }
        let _ = write!(sink, "{}", file.verify());
        Some(file)
    })
}

/// The seed, the seed cut, and a file with next to nothing in it.
pub(super) fn seeds() -> Vec<Vec<u8>> {
    let seed = seeds::CAPTURE;
    vec![
        seed.to_vec(),
        seed.get(..seed.len() / 2).unwrap_or_default().to_vec(),
        seal::file_with(*b"mODS", &0_u64.to_le_bytes()),
    ]
}
