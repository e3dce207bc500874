//! Holds the tables of the specification against the code.

#[path = "../tests/common/spec.rs"]
#[allow(dead_code, reason = "the tests of files use more of it")]
mod spec;

use crate::chunk::{ChunkHeader, ChunkKind, Encoding, FRAME_MAGIC, MARKER};
use crate::codes::{gc_state_from_code, space_from_code};
use crate::header::{FORMAT_VERSION, RawFileHeader, SIGNATURE};
use crate::index::{END_CHUNK_LEN, EndRecord, IndexEntry, IndexHead};
use crate::layout::Field;
use crate::model::GcState;
use crate::pack::{FrameRecord, GROUPS_MAX, RangeRecord, SegmentHead, SourceRecord, Stream};
use crate::wire::PageV1;
use crate::{limits, seek_table};

#[test]
fn fixed_layouts_are_those_of_the_specification() {
    let text = spec::text();
    let layouts: [(&str, &[Field], usize); 10] = [
        ("File header", RawFileHeader::FIELDS, RawFileHeader::LEN),
        ("Chunk header", ChunkHeader::FIELDS, ChunkHeader::LEN),
        ("Page record", PageV1::FIELDS, PageV1::LEN),
        ("Segment head", SegmentHead::FIELDS, SegmentHead::LEN),
        ("Range record", RangeRecord::FIELDS, RangeRecord::LEN),
        ("Source record", SourceRecord::FIELDS, SourceRecord::LEN),
        ("Frame record", FrameRecord::FIELDS, FrameRecord::LEN),
        ("Index head", IndexHead::FIELDS, IndexHead::LEN),
        ("Index entry", IndexEntry::FIELDS, IndexEntry::LEN),
        ("DONE: end record", EndRecord::FIELDS, EndRecord::LEN),
    ];
    for (heading, fields, len) in layouts {
        let code: Vec<spec::FixedField> = fields
            .iter()
            .map(|field| spec::FixedField {
                offset: field.offset,
                size: field.size,
                ty: field.ty.to_owned(),
                name: field.name.to_owned(),
            })
            .collect();
        assert_eq!(spec::fixed_layout(&text, heading), code, "{heading}");
        assert_eq!(
            code.last().map(|field| field.offset + field.size),
            Some(len),
            "{heading}"
        );
    }
}

#[test]
fn limits_are_those_of_the_specification() {
    let code = [
        ("MEMORY_CHUNK_MAX", limits::MEMORY_CHUNK_MAX),
        ("MEMORY_CHUNK_ALIGN", limits::MEMORY_CHUNK_ALIGN),
        ("SEGMENT_MAX", limits::SEGMENT_MAX),
        ("SEGMENT_RANGES_MAX", limits::SEGMENT_RANGES_MAX),
        ("SEGMENT_STORED_MAX", limits::SEGMENT_STORED_MAX),
        ("SEGMENT_SOURCES_MAX", limits::SEGMENT_SOURCES_MAX),
        ("SEGMENT_TEXT_MAX", limits::SEGMENT_TEXT_MAX),
        ("RECORD_MAX", limits::RECORD_MAX),
        ("RECORD_SPLIT", limits::RECORD_SPLIT),
        ("STORED_SLACK", limits::STORED_SLACK),
        ("STRING_MAX", limits::STRING_MAX),
        ("METADATA_MAX", limits::METADATA_MAX),
        ("PROBLEMS_MAX", limits::PROBLEMS_MAX),
        ("CHUNKS_MAX", limits::CHUNKS_MAX),
        ("INDEX_ENTRIES_MAX", limits::INDEX_ENTRIES_MAX),
        ("CHECKPOINT_BYTES", limits::CHECKPOINT_BYTES),
        ("DAMAGE_REPORTS_MAX", limits::DAMAGE_REPORTS_MAX as u64),
        ("CACHE_BYTES", limits::CACHE_BYTES),
        ("SEGMENT_CACHE_BYTES", limits::SEGMENT_CACHE_BYTES),
    ];
    let rows = spec::table(&spec::text(), "Limits");
    let text: Vec<(&str, u64)> = rows
        .iter()
        .map(|row| (row[0].as_str(), row[1].replace(' ', "").parse().unwrap()))
        .collect();
    assert_eq!(text, code);
}

#[test]
fn kinds_are_those_of_the_specification() {
    let code: Vec<Vec<String>> = ChunkKind::KNOWN
        .iter()
        .map(|(kind, version, name)| {
            let critical = if kind.is_critical() { "yes" } else { "no" };
            vec![
                kind.to_string(),
                version.to_string(),
                critical.into(),
                (*name).into(),
            ]
        })
        .collect();
    let mut text = spec::table(&spec::text(), "Kinds");
    text.iter_mut().for_each(|row| row.truncate(4));
    assert_eq!(text, code);
}

#[test]
fn numbers_are_those_of_the_specification() {
    let text = spec::text();
    for row in spec::table(&text, "Spaces") {
        let name = row[1].split([':', '`']).next().unwrap();
        assert_eq!(space_from_code(row[0].parse().unwrap()).name(), name);
    }
    let states = [GcState::Unknown, GcState::Idle, GcState::Collecting];
    assert_eq!(spec::table(&text, "GC states").len(), states.len());
    for (code, state) in (0..).zip(states) {
        assert_eq!(gc_state_from_code(code), state);
    }
    for row in spec::table(&text, "Encodings") {
        let encoding = Encoding::from_code(row[0].parse().unwrap());
        let name = match encoding {
            Encoding::Raw => "raw",
            Encoding::Zstd => "zstd",
            Encoding::ZstdFrame => "zstd frame",
            Encoding::Unknown(_) => "unknown",
        };
        assert_eq!(row[1], name);
    }
}

#[test]
fn streams_are_those_of_the_specification() {
    let rows = spec::table(&spec::text(), "Streams");
    assert_eq!(rows.len(), Stream::ALL.len());
    for (row, stream) in rows.iter().zip(Stream::ALL) {
        assert_eq!(row[0], (stream as u32).to_string());
        assert_eq!(row[1], stream.name());
    }
    let head = spec::section(&spec::text(), "Segment head").to_owned();
    assert!(head.contains("at most 12 496") && GROUPS_MAX == 12_496);
}

#[test]
fn magic_numbers_are_those_of_the_specification() {
    let text = spec::text();
    let hex = |bytes: &[u8]| {
        let bytes: Vec<String> = bytes.iter().map(|byte| format!("{byte:02X}")).collect();
        bytes.join(" ")
    };
    let meaning = |heading, name| {
        let row = spec::table(&text, heading)
            .into_iter()
            .find(|row| row[3] == name);
        row.unwrap()[4].clone()
    };
    assert_eq!(meaning("File header", "signature"), hex(&SIGNATURE));
    assert_eq!(meaning("Chunk header", "marker"), hex(&MARKER));
    let magic = format!("0x{FRAME_MAGIC:08X}");
    assert!(meaning("File header", "frame_magic").starts_with(&magic));
    assert_eq!(meaning("Chunk header", "frame_magic"), magic);
    assert_eq!(
        meaning("File header", "version_major"),
        FORMAT_VERSION.major.to_string()
    );
    assert_eq!(
        meaning("File header", "version_minor"),
        FORMAT_VERSION.minor.to_string()
    );
    assert!(text.contains(&format!("\nVersion {FORMAT_VERSION}, ")));
    let table = spec::section(&text, "Seek table");
    assert!(table.contains(&format!("0x{:08X}", seek_table::FRAME_MAGIC)));
    assert!(table.contains(&format!("0x{:08X}", seek_table::FOOTER_MAGIC)));
    let opening = spec::section(&text, "Opening a file");
    let formula = format!(
        "{END_CHUNK_LEN} + {} + {} *n*",
        seek_table::OVERHEAD,
        seek_table::ENTRY_LEN
    );
    assert!(opening.contains(&formula), "{formula}");
}
