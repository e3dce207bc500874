//! What a later version of the format may add, and what this version does with it.

mod common;

use common::foreign::{CAPTURE_ID, Foreign};
use v8mini_format::{CaptureFile, ChunkKind, MemoryExt, OpenError};

fn with_header_bytes(at: usize, bytes: &[u8]) -> Result<CaptureFile, OpenError> {
    let set = |header: &mut Vec<u8>| header[at..at + bytes.len()].copy_from_slice(bytes);
    CaptureFile::from_bytes(
        Foreign::with_header(set)
            .process()
            .memory(0x1000, b"data")
            .finish(),
    )
}

#[test]
fn a_later_minor_version_is_read() {
    let file = with_header_bytes(18, &7_u16.to_le_bytes()).unwrap();
    assert_eq!(file.header().version.to_string(), "1.7");
    assert_eq!(file.read_vec(0x1000, 4).unwrap(), b"data");
    assert!(file.integrity().is_intact());
}

#[test]
fn another_major_version_is_refused_by_number() {
    for major in [0_u16, 2, u16::MAX] {
        let error = with_header_bytes(16, &major.to_le_bytes()).unwrap_err();
        assert!(matches!(&error, OpenError::UnsupportedVersion { found } if found.major == major));
        assert!(error.to_string().contains(&format!("{major}.0")), "{error}");
    }
}

#[test]
fn feature_words_decide_who_may_read() {
    let error = with_header_bytes(24, &0x8000_0001_u64.to_le_bytes()).unwrap_err();
    assert!(matches!(
        error,
        OpenError::UnsupportedFeatures { bits: 0x8000_0001 }
    ));
    assert!(error.to_string().contains("0x80000001"), "{error}");
    for at in [32, 40] {
        let file = with_header_bytes(at, &u64::MAX.to_le_bytes()).unwrap();
        assert_eq!(file.read_vec(0x1000, 4).unwrap(), b"data");
    }
}

#[test]
fn unused_header_fields_may_hold_anything() {
    for at in [84, 120] {
        assert!(
            with_header_bytes(at, &[0xFF; 4])
                .unwrap()
                .integrity()
                .is_intact()
        );
    }
    assert_eq!(with_header_bytes(83, &[2]).unwrap().header().redaction, 2);
}

#[test]
fn an_unknown_ancillary_chunk_is_skipped_and_listed() {
    let bytes = Foreign::new()
        .process()
        .raw(*b"fOOO", 0, b"of a later version")
        .chunk(*b"aCCT", 2, 0, 0, 3, b"new")
        .chunk(*b"rEGN", 1, 9, 0, 3, b"odd")
        .memory(0x1000, b"data")
        .finish();
    let file = CaptureFile::from_bytes(bytes).unwrap();
    assert!(file.verify().is_intact(), "{}", file.verify());
    assert_eq!(file.read_vec(0x1000, 4).unwrap(), b"data");
    let skipped: Vec<_> = file
        .integrity()
        .skipped
        .iter()
        .map(|(kind, version, _)| (kind.to_string(), *version))
        .collect();
    assert_eq!(
        skipped,
        [("fOOO".into(), 1), ("aCCT".into(), 2), ("rEGN".into(), 1)]
    );
}

#[test]
fn an_unknown_critical_chunk_is_refused_by_name() {
    let refused = |file: &mut Foreign| match CaptureFile::from_bytes(file.finish()).unwrap_err() {
        OpenError::UnknownCritical {
            kind,
            kind_version,
            offset,
        } => (kind.to_string(), kind_version, offset),
        error => panic!("{error}"),
    };
    assert_eq!(
        refused(Foreign::new().raw(*b"NEWS", 0, b"?")),
        ("NEWS".into(), 1, 128)
    );
    assert_eq!(
        refused(Foreign::new().chunk(*b"MEMY", 2, 2, 0, 3, b"?")),
        ("MEMY".into(), 2, 128)
    );
    assert_eq!(
        refused(Foreign::new().chunk(*b"MEMY", 0, 2, 0, 3, b"?")),
        ("MEMY".into(), 0, 128)
    );
    assert_eq!(
        refused(Foreign::new().chunk(*b"PAGE", 1, 7, 0, 3, b"?")),
        ("PAGE".into(), 1, 128)
    );
    // Also in a file that has to be walked, as its end is missing.
    let error = CaptureFile::from_bytes(Foreign::new().raw(*b"NEWS", 0, b"?").bytes.clone());
    assert!(error.unwrap_err().to_string().contains("NEWS"));
}

#[test]
fn unused_bytes_of_a_chunk_header_may_hold_anything() {
    let mut file = Foreign::new();
    file.process().memory(0x1000, b"data");
    let at = file.listed[1].offset as usize;
    file.bytes[at + 19] = 0xFF;
    let crc = common::foreign::crc32(&file.bytes[at..at + 60]);
    file.bytes[at + 60..at + 64].copy_from_slice(&crc.to_le_bytes());
    let file = CaptureFile::from_bytes(file.finish()).unwrap();
    assert!(file.verify().is_intact(), "{}", file.verify());
}

#[test]
fn longer_index_entries_are_read_as_far_as_they_are_known() {
    let mut file = Foreign::new();
    file.process().memory(0x1000, b"data");
    let old = file.index_payload();
    let mut new = old[..12].to_vec();
    new.extend(64_u32.to_le_bytes());
    for entry in old[16..].chunks(48) {
        new.extend(entry);
        new.extend([0xEE; 16]);
    }
    file.index_of(&new).end().seek_table();
    let file = CaptureFile::from_bytes(std::mem::take(&mut file.bytes)).unwrap();
    assert!(file.verify().is_intact(), "{}", file.verify());
    assert_eq!(file.read_vec(0x1000, 4).unwrap(), b"data");
    assert_eq!(file.chunks().len(), 4);
}

#[test]
fn a_file_without_seek_table_is_complete() {
    let mut file = Foreign::new();
    file.process().memory(0x1000, b"data").index().end();
    let file = CaptureFile::from_bytes(std::mem::take(&mut file.bytes)).unwrap();
    assert!(file.integrity().is_intact());
    assert_eq!(file.chunks().last().unwrap().kind, ChunkKind::END);
    assert_eq!(file.header().capture_id, CAPTURE_ID);
}
