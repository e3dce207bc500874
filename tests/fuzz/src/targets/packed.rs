use v8mini_format::pack::{Blocks, Class, PackOptions, SegmentBuilder, Tail};
use v8mini_format::{CaptureFile, MemoryRange};

use super::capture;
use crate::seal;

/// Where the checksum of a segment's head is.
const CRC_AT: usize = 36;
/// Length of the head, and of a range record.
const HEAD_LEN: usize = 40;
const RANGE_LEN: usize = 16;

/// The bytes as the payload of a segment of packed memory, as they are and with a right checksum of the head: an intact file
/// around it is opened and read.
pub fn packed(data: &[u8]) {
    capture::open(seal::file_with(*b"PACK", data));
    let mut sealed = data.to_vec();
    seal_head(&mut sealed);
    capture::open(seal::file_with(*b"PACK", &sealed));
}

fn seal_head(payload: &mut [u8]) {
    let count = payload.get(8..12).and_then(|bytes| bytes.first_chunk());
    let count = count.map_or(0, |count| u32::from_le_bytes(*count)) as usize;
    let ranges_end = count.saturating_mul(RANGE_LEN).saturating_add(HEAD_LEN);
    let mut crc = crc32fast::Hasher::new();
    crc.update(payload.get(..CRC_AT).unwrap_or_default());
    crc.update(payload.get(HEAD_LEN..ranges_end).unwrap_or_default());
    if let Some(place) = payload.get_mut(CRC_AT..HEAD_LEN) {
        place.copy_from_slice(&crc.finalize().to_le_bytes());
    }
}

/// Segments of objects of every kind.
pub(super) fn seeds() -> Vec<Vec<u8>> {
    let tails = [
        Tail::None,
        Tail::Values,
        Tail::Text8(1),
        Tail::Text16(1),
        Tail::Bytes,
        Tail::Numbers,
    ];
    [1, 40, 300]
        .into_iter()
        .filter_map(|count| segment(&tails, count))
        .collect()
}

/// The payload of a segment with so many objects.
fn segment(tails: &[Tail], count: u64) -> Option<Vec<u8>> {
    const BASE: u64 = 0x10_0000;
    let mut words: Vec<u64> = Vec::new();
    for i in 0..count {
        let kind = i % 7;
        let head = BASE + kind * 48 + 1;
        words.extend([head, (8 << 32) | ((i * 77) & 0xff)]);
        words.extend([head + 480, i << 32, 3.5_f64.to_bits(), i * i]);
    }
    let memory: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    let mut builder = SegmentBuilder::new();
    if !builder.range(BASE, &memory) {
        return None;
    }
    for (i, tail) in (0..count).zip(tails.iter().cycle()) {
        let class = builder.class(Class {
            head: BASE + (i % 7) * 48 + 1,
            lead: 2,
            tail: *tail,
            is_gap: false,
        });
        builder.object(BASE + i * 48, 48, class);
    }
    let blocks = Blocks::new(&[MemoryRange {
        start: BASE,
        len: 1 << 20,
    }]);
    let segment = builder.finish(&blocks, PackOptions::default()).ok()?;
    Some(segment.payload().to_vec())
}

/// Whether the seeds are what they are taken for: for the test that runs them.
pub fn is_sound(payload: &[u8]) -> bool {
    let file = CaptureFile::from_bytes(seal::file_with(*b"PACK", payload));
    file.is_ok_and(|file| file.is_packed() && file.verify().damage.is_empty())
}
