//! Files made to hurt: valid checksums, lying contents. Each must be refused or read within bounds,
//! at once.

mod common;

use std::time::{Duration, Instant};

use common::foreign::{Fields, Foreign, header, zstd_frame};
use proptest::prelude::*;
use v8mini_format::limits::{MEMORY_CHUNK_MAX, METADATA_MAX, RECORD_MAX};
use v8mini_format::{CaptureFile, Memory, MemoryExt, Metadata, OpenError, ReadError};

/// Opens and checks a file; both must be quick.
fn open(bytes: Vec<u8>) -> Result<CaptureFile, OpenError> {
    let start = Instant::now();
    let file = CaptureFile::from_bytes(bytes)?;
    file.verify();
    assert!(
        start.elapsed() < Duration::from_secs(20),
        "took {:?}",
        start.elapsed()
    );
    Ok(file)
}

fn is_damaged(file: &CaptureFile, addr: u64) -> bool {
    matches!(file.read_u8(addr), Err(ReadError::Damaged { .. }))
}

#[test]
fn raw_lengths_beyond_the_limit_are_reported_and_not_allocated() {
    for raw_len in [MEMORY_CHUNK_MAX + 1, 1 << 40, u64::MAX] {
        let bytes = Foreign::new()
            .chunk(*b"MEMY", 1, 2, 0x1000, raw_len, &zstd_frame(b"abc"))
            .memory(0x9000, b"intact")
            .finish();
        let file = open(bytes).unwrap();
        assert!(!file.integrity().is_intact());
        assert!(file.read_u8(0x1000).is_err());
        assert_eq!(file.read_vec(0x9000, 6).unwrap(), b"intact");
    }
    let bytes = Foreign::new()
        .chunk(*b"mODS", 1, 0, 0, RECORD_MAX + 1, &[0; 8])
        .finish();
    assert!(!open(bytes).unwrap().integrity().is_intact());
}

#[test]
fn a_stored_length_that_leaves_the_file_is_a_cut() {
    for stored_len in [1 << 20, 1 << 31] {
        let mut file = Foreign::new();
        file.process()
            .memory(0x1000, &[1; 40])
            .memory(0x2000, &[2; 40]);
        let mut lie = file.listed[2].clone();
        lie.stored_len = stored_len;
        let offset = lie.offset as usize;
        file.bytes.splice(offset..offset + 64, header(&lie));
        let file = open(std::mem::take(&mut file.bytes)).unwrap();
        assert!(!file.integrity().complete);
        assert_eq!(file.read_vec(0x1000, 40).unwrap(), [1; 40]);
        assert!(file.read_u8(0x2000).is_err());
    }
}

#[test]
fn memory_behind_the_last_address_is_reported() {
    let bytes = Foreign::new()
        .memory(u64::MAX - 3, &[1; 16])
        .memory(u64::MAX - 16, &[2; 16])
        .finish();
    let file = open(bytes).unwrap();
    assert!(file.integrity().to_string().contains("last address"));
    assert_eq!(file.read_vec(u64::MAX - 16, 16).unwrap(), [2; 16]);
    assert!(file.read_vec(u64::MAX - 16, 17).is_err());
    assert!(file.read_vec(u64::MAX, 1).is_err());
}

#[test]
fn frames_that_do_not_hold_what_is_claimed_are_damage() {
    let bomb = zstd::bulk::compress(&vec![0; 64 << 20], 1).unwrap();
    let two = [zstd_frame(b"one"), zstd_frame(b"two")].concat();
    let hidden = [
        &zstd_frame(b"abcdef")[..],
        &[0x50, 0x2A, 0x4D, 0x18, 1, 0, 0, 0, 7],
    ]
    .concat();
    for (raw_len, stored) in [
        (16, &bomb),
        (MEMORY_CHUNK_MAX, &bomb),
        (6, &two),
        (6, &hidden),
        (4, &zstd_frame(b"abc")),
        (2, &zstd_frame(b"abc")),
        (3, &zstd_frame(b"abc")[..8].to_vec()),
        (3, &vec![0; 12]),
        (3, &Vec::new()),
    ] {
        let bytes = Foreign::new()
            .chunk(*b"MEMY", 1, 2, 0x1000, raw_len, stored)
            .finish();
        let file = open(bytes).unwrap();
        assert!(
            is_damaged(&file, 0x1000),
            "{raw_len} bytes from {} stored",
            stored.len()
        );
        // Straight into the caller's buffer, too.
        assert!(file.read_vec(0x1000, raw_len as usize).is_err());
    }
}

#[test]
fn lying_records_are_damage() {
    let list = |items: Fields| items.0;
    let huge = u64::MAX;
    let payloads: Vec<([u8; 4], Vec<u8>)> = vec![
        (*b"mODS", list(Fields::default().u64(huge))),
        (*b"mODS", list(Fields::default().u64(1).u64(huge))),
        (*b"mODS", list(Fields::default().u64(1 << 40))),
        (*b"cNST", list(Fields::default().u64(1).u64(1 << 40))),
        (
            *b"tHRD",
            list(Fields::default().u64(1).u32(1).text("t").u64(1 << 60)),
        ),
        (
            *b"ISOL",
            list(Fields::default().u64(1).u64(0).u64(0).u32(0).u64(1 << 30)),
        ),
        (
            *b"sYMS",
            list(
                Fields::default()
                    .u64(1)
                    .u64(0)
                    .u64(0)
                    .u64(2)
                    .u8(0xFF)
                    .u8(0xFF),
            ),
        ),
        (*b"aCCT", list(Fields::default().u64(0).u8(1))),
        (*b"aCCT", list(Fields::default())),
        (*b"PROC", list(Fields::default().u64(0))),
        (*b"PROC", list(Fields::default().u64(2))),
        (*b"PAGE", vec![0; 87]),
        (*b"sTAT", list(Fields::default().u64(1).u64(0))),
        (*b"sIGN", list(Fields::default().u32(11).u64(0))),
    ];
    for (kind, payload) in payloads {
        let bytes = Foreign::new()
            .raw(kind, 0, &payload)
            .memory(0x1000, b"ok")
            .finish();
        let file = open(bytes).unwrap();
        let name = kind.escape_ascii();
        assert_eq!(file.integrity().damage.len(), 1, "{name} {payload:?}");
        let metadata = Metadata {
            statistics: file.metadata().statistics,
            ..Metadata::default()
        };
        assert_eq!(file.metadata(), &metadata, "{name} {payload:?}");
        assert_eq!(file.read_vec(0x1000, 2).unwrap(), b"ok");
    }
}

#[test]
fn metadata_that_unpacks_to_more_than_the_limit_is_refused() {
    let zeros = zstd::bulk::compress(&vec![0; RECORD_MAX as usize / 88 * 88], 19).unwrap();
    let mut file = Foreign::new();
    for _ in 0..1000 {
        file.chunk(*b"PAGE", 1, 1, 0, RECORD_MAX / 88 * 88, &zeros);
    }
    let error = open(file.finish()).unwrap_err();
    assert!(
        matches!(
            error,
            OpenError::LimitExceeded {
                limit: METADATA_MAX,
                ..
            }
        ),
        "{error}"
    );
    // The same with records that are damaged, hence cost time alone.
    let mut file = Foreign::new();
    for _ in 0..1000 {
        file.chunk(*b"mODS", 1, 1, 0, RECORD_MAX / 88 * 88, &zeros);
    }
    let error = open(file.finish()).unwrap_err();
    assert!(
        matches!(
            error,
            OpenError::LimitExceeded {
                limit: METADATA_MAX,
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn a_second_process_does_not_replace_the_first() {
    let file = open(Foreign::new().process().process().finish()).unwrap();
    assert!(file.integrity().to_string().contains("second of its kind"));
    assert_eq!(file.metadata().process.pid, 77);
}

#[test]
fn lying_indexes_are_not_believed() {
    let mut lies: Vec<Vec<u8>> = vec![
        vec![],
        vec![0; 15],
        vec![0; 16],
        vec![0xFF; 16],
        vec![0xFF; 64],
    ];
    let mut honest = Foreign::new();
    let honest = honest.process().memory(0x1000, b"honest").index_payload();
    // Entry counts and sizes, then every field of the second entry.
    for (at, len) in [
        (8, 4),
        (12, 4),
        (64, 8),
        (72, 8),
        (80, 8),
        (88, 8),
        (96, 4),
        (100, 4),
        (104, 4),
    ] {
        for value in [0x00, 0x01, 0x7F, 0xFF] {
            let mut lie = honest.clone();
            lie[at..at + len].fill(value);
            lies.push(lie);
        }
    }
    for lie in lies {
        let mut file = Foreign::new();
        file.process()
            .memory(0x1000, b"honest")
            .index_of(&lie)
            .end()
            .seek_table();
        match open(std::mem::take(&mut file.bytes)) {
            // The index may have renamed a chunk to a critical kind that nobody knows.
            Err(error) => assert!(
                matches!(error, OpenError::UnknownCritical { .. }),
                "{error}"
            ),
            Ok(file) => {
                let bytes = file.read_vec(0x1000, 6);
                assert!(bytes.is_err() || bytes.unwrap() == b"honest", "{lie:?}");
            }
        }
    }
}

#[test]
fn index_chains_that_never_end_are_left() {
    // Each points at itself, forward, into nothing, or into the header.
    for previous in [0_u64, 1, 64, 128, 300, 400, 1 << 40, u64::MAX] {
        let mut file = Foreign::new();
        file.process().memory(0x1000, b"honest");
        let mut payload = file.index_payload();
        payload[..8].copy_from_slice(&previous.to_le_bytes());
        file.index_of(&payload).end().seek_table();
        let file = open(std::mem::take(&mut file.bytes)).unwrap();
        assert_eq!(file.read_vec(0x1000, 6).unwrap(), b"honest", "{previous}");
        assert!(file.integrity().complete);
    }
}

#[test]
fn lying_seek_tables_are_not_followed() {
    for count in [0_u32, 1, 5, 1000, u32::MAX] {
        let mut bytes = Foreign::new().process().memory(0x1000, b"honest").finish();
        let at = bytes.len() - 9;
        bytes[at..at + 4].copy_from_slice(&count.to_le_bytes());
        let file = open(bytes).unwrap();
        assert!(file.integrity().complete);
        assert_eq!(file.read_vec(0x1000, 6).unwrap(), b"honest");
    }
}

#[test]
fn a_hundred_thousand_overlapping_chunks_are_laid_out_at_once() {
    let mut file = Foreign::new();
    let frame = zstd::bulk::compress(&vec![1; MEMORY_CHUNK_MAX as usize], 1).unwrap();
    for _ in 0..50_000 {
        file.chunk(*b"MEMY", 1, 2, 0, MEMORY_CHUNK_MAX, &frame);
    }
    for i in 0..50_000 {
        file.memory(i * 16, b"x");
    }
    let bytes = file.finish();
    let start = Instant::now();
    let file = CaptureFile::from_bytes(bytes).unwrap();
    assert_eq!(file.ranges().len(), 1);
    assert_eq!(
        file.read_vec(0, 17).unwrap(),
        b"x\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01x"
    );
    assert!(
        start.elapsed() < Duration::from_secs(10),
        "took {:?}",
        start.elapsed()
    );
}

#[test]
fn a_file_full_of_markers_is_searched_once() {
    let mut bytes = Foreign::new().bytes;
    for _ in 0..1_000_000 {
        bytes.extend(b"\x58\x2A\x4D\x18\x38\x00\x00\x00\x8BV8\x9E");
    }
    let file = open(bytes).unwrap();
    assert_eq!(file.integrity().damage.len(), 1);
    assert_eq!(file.chunks().len(), 0);
}

#[test]
fn a_file_full_of_damage_is_described_in_bounded_space() {
    let mut file = Foreign::new();
    for i in 0..5_000_u64 {
        file.memory(i << 20, b"x");
    }
    let offsets: Vec<u64> = file.listed.iter().map(|chunk| chunk.offset).collect();
    let mut bytes = std::mem::take(&mut file.bytes);
    for offset in offsets.iter().step_by(2) {
        bytes[*offset as usize + 21] ^= 1;
    }
    let file = open(bytes).unwrap();
    assert_eq!(file.integrity().damage.len(), 1024);
    assert_eq!(file.integrity().damage_omitted, 2500 - 1024);
    assert_eq!(file.ranges().len(), 2500);
}

/// Any payload with a valid checksum, in any encoding, as any kind.
fn chunk() -> impl Strategy<Value = ([u8; 4], u8, u64, Option<u64>, Vec<u8>)> {
    let kinds = [
        *b"PROC", *b"mODS", *b"cNST", *b"sYMS", *b"tHRD", *b"ISOL", *b"PAGE", *b"rEGN", *b"aCCT",
        *b"sIGN", *b"MEMY", *b"pROB", *b"sTAT", *b"INDX", *b"DONE", *b"zZZZ",
    ];
    // Small numbers make counts and lengths that are nearly right.
    let byte = prop_oneof![4 => Just(0_u8), 3 => 0..8_u8, 1 => any::<u8>()];
    let key = prop_oneof![0..0x2000_u64, any::<u64>()];
    (
        prop::sample::select(kinds.to_vec()),
        0..3_u8,
        key,
        prop::option::weighted(0.2, any::<u64>()),
        prop::collection::vec(byte, 0..200),
    )
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 2000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn nothing_that_a_chunk_may_hold_makes_a_reader_panic(
        chunks in prop::collection::vec(chunk(), 1..6),
        end in any::<bool>(),
    ) {
        let mut file = Foreign::new();
        file.process();
        for (kind, encoding, key, raw_len, payload) in chunks {
            let len = raw_len.unwrap_or(payload.len() as u64);
            let stored = if encoding == 0 { payload } else { zstd_frame(&payload) };
            file.chunk(kind, 1, encoding, key, len, &stored);
        }
        let bytes = if end { file.finish() } else { std::mem::take(&mut file.bytes) };
        if let Ok(file) = CaptureFile::from_bytes(bytes) {
            let _ = file.verify().to_string();
            for range in file.ranges() {
                let _ = file.read_u64(range.start);
                let _ = file.read_vec(range.end().saturating_sub(3), 6);
            }
        }
    }

    #[test]
    fn no_bytes_behind_a_header_make_a_reader_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..2000),
        tail in any::<bool>(),
    ) {
        let mut file = Foreign::new();
        file.process();
        file.bytes.extend(bytes);
        if tail {
            file.seek_table();
        }
        let file = CaptureFile::from_bytes(std::mem::take(&mut file.bytes)).unwrap();
        prop_assert!(!file.integrity().complete);
        prop_assert_eq!(file.metadata().process.pid, 77);
        let _ = file.verify().to_string();
    }
}
