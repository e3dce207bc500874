use std::sync::LazyLock;

use v8mini_format::pack::{Blocks, Class, PackOptions, SegmentBuilder, Tail, TextWindow};
use v8mini_format::{CaptureFile, MemoryRange, Segment};

use super::capture;
use crate::seal::{self, LooseChunk};

/// Where the checksum of a segment's head is.
const CRC_AT: usize = 36;
/// Length of the head, and of a range or source record.
const HEAD_LEN: usize = 40;
const RANGE_LEN: usize = 16;
/// Length of a frame record.
const RECORD_LEN: usize = 12;

/// Where the segment lies of whose text others have copies.
const SOURCE: u64 = 0x4000_0000;

/// The bytes as the payload of a segment of packed memory, of each version, as they are and with a right checksum of the head: an intact file
/// around it is opened and read.
pub fn packed(data: &[u8]) {
    for version in 1..=2 {
        capture::open(file(version, data));
        let mut sealed = data.to_vec();
        seal_head(&mut sealed, version);
        capture::open(file(version, &sealed));
        if let Some(framed) = framed(data, version) {
            capture::open(file(version, &framed));
        }
    }
}

/// A file with a segment; if it may have copies of texts, behind another one.
fn file(version: u16, payload: &[u8]) -> Vec<u8> {
    static TEXT: LazyLock<Option<Segment>> = LazyLock::new(|| {
        let [source, _] = texts()?;
        Some(source)
    });
    let chunk = |version, key, payload| LooseChunk {
        kind: *b"PACK",
        version,
        key,
        payload,
    };
    let source = TEXT.as_ref().filter(|_| version > 1);
    let source = source.map(|source| chunk(1, SOURCE, source.payload()));
    let chunks: Vec<LooseChunk<'_>> = source
        .into_iter()
        .chain([chunk(version, 0, payload)])
        .collect();
    seal::file_of(&chunks)
}

/// The payload of a segment of which `data` has the streams as they are: each becomes a frame, so that what is changed in a stream is
/// read as it was changed, and not refused by zstd.
fn framed(data: &[u8], version: u16) -> Option<Vec<u8>> {
    let (tables_end, frames) = frame_records(data, version)?;
    let mut rest = data.get(tables_end + frames.len() * RECORD_LEN..)?;
    let mut payload = data.get(..tables_end)?.to_vec();
    let mut stored = Vec::new();
    for [stream, raw_len, _] in frames {
        let (raw, after) = rest.split_at(rest.len().min(raw_len as usize));
        rest = after;
        let frame = zstd::bulk::compress(raw, 1).ok()?;
        for number in [stream, raw.len() as u32, frame.len() as u32] {
            payload.extend(number.to_le_bytes());
        }
        stored.extend(frame);
    }
    payload.extend(stored);
    seal_head(&mut payload, version);
    Some(payload)
}

/// A payload with its streams as they are, for [`framed`].
fn unframed(payload: &[u8], version: u16) -> Option<Vec<u8>> {
    let (tables_end, frames) = frame_records(payload, version)?;
    let records_end = tables_end + frames.len() * RECORD_LEN;
    let mut rest = payload.get(records_end..)?;
    let mut out = payload.get(..records_end)?.to_vec();
    for [_, raw_len, stored_len] in frames {
        let (stored, after) = rest.split_at_checked(stored_len as usize)?;
        rest = after;
        out.extend(zstd::bulk::decompress(stored, raw_len as usize).ok()?);
    }
    Some(out)
}

/// Where the ranges and sources end, and the records of frames behind them: stream, length, stored length. No more than can be there.
fn frame_records(payload: &[u8], version: u16) -> Option<(usize, Vec<[u32; 3]>)> {
    let count = |at: usize| -> Option<usize> {
        let bytes = payload.get(at..)?.first_chunk()?;
        Some(u32::from_le_bytes(*bytes) as usize)
    };
    let sources = if version > 1 { count(32)? } else { 0 };
    let tables = count(8)?.checked_add(sources)?;
    let tables_end = HEAD_LEN.checked_add(tables.checked_mul(RANGE_LEN)?)?;
    let len = count(12)?.checked_mul(RECORD_LEN)?;
    let records = payload.get(tables_end..tables_end.checked_add(len)?)?;
    let records = records.as_chunks::<RECORD_LEN>().0.iter().map(|record| {
        let (numbers, _) = record.as_chunks::<4>();
        let number = |index: usize| numbers.get(index).map_or(0, |it| u32::from_le_bytes(*it));
        [number(0), number(1), number(2)]
    });
    Some((tables_end, records.collect()))
}

fn seal_head(payload: &mut [u8], version: u16) {
    let count = |at: usize| {
        let count = payload.get(at..).and_then(|bytes| bytes.first_chunk());
        count.map_or(0, |count| u32::from_le_bytes(*count)) as usize
    };
    let sources = if version > 1 { count(32) } else { 0 };
    let tables = count(8).saturating_add(sources);
    let tables_end = tables.saturating_mul(RANGE_LEN).saturating_add(HEAD_LEN);
    let mut crc = crc32fast::Hasher::new();
    crc.update(payload.get(..CRC_AT).unwrap_or_default());
    crc.update(payload.get(HEAD_LEN..tables_end).unwrap_or_default());
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
    let segments: Vec<Vec<u8>> = [1, 40, 300]
        .into_iter()
        .filter_map(|count| segment(&tails, count))
        .collect();
    let copies = texts().map(|[_, copies]| copies.payload().to_vec());
    let plain = segments.iter().map(|segment| (segment, 1));
    let all = plain.chain(copies.iter().map(|segment| (segment, 2)));
    let streams: Vec<Vec<u8>> = all
        .filter_map(|(segment, version)| unframed(segment, version))
        .collect();
    let copies = copies.into_iter().collect();
    [segments, copies, streams].concat()
}

/// A segment with texts, and one that has copies of them.
fn texts() -> Option<[Segment; 2]> {
    let mut window = TextWindow::new();
    let mut segment = |at: u64| {
        let numbers = (0_u64..200).map(|i| i.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ at);
        // What differs is at the end.
        let shared = (0_u64..400).map(|i| (i + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let memory: Vec<u8> = shared
            .chain(numbers.take(20))
            .flat_map(u64::to_le_bytes)
            .collect();
        let mut builder = SegmentBuilder::new();
        if !builder.range(at, &memory) {
            return None;
        }
        let class = builder.class(Class {
            tail: Tail::Text8(0),
            ..Class::default()
        });
        builder.object(at, memory.len() as u64, class);
        let mut draft = builder.draft(&Blocks::new(&[]));
        window.refer(&mut draft);
        draft.finish(PackOptions::default()).ok()
    };
    Some([segment(SOURCE)?, segment(2 * SOURCE)?])
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
    let is_whole = |version, payload: &[u8]| {
        let file = CaptureFile::from_bytes(file(version, payload));
        file.is_ok_and(|file| file.is_packed() && file.verify().damage.is_empty())
    };
    (1..=2).any(|version| {
        is_whole(version, payload)
            || framed(payload, version).is_some_and(|payload| is_whole(version, &payload))
    })
}
