//! The specification describes what is written: its tables alone are enough to read a file, and its
//! example and test vectors are real bytes.
//!
//! `V8MINI_BLESS=1 cargo test -p v8mini-format --test spec` writes the test vectors, the worked
//! example and the table of vectors anew; look at the difference before you commit it.

mod common;

use std::path::{Path, PathBuf};

use common::foreign::{Fields, Foreign, tiny};
use common::walk::Walk;
use common::{sample_metadata, spec};
use sha2::{Digest, Sha256};
use v8mini_format::model::Statistics;
use v8mini_format::{CaptureFile, MemoryExt, OpenError, WriteOptions, Writer};

/// A committed file, and what a reader must make of it.
struct Vector {
    name: &'static str,
    bytes: Vec<u8>,
    expectation: &'static str,
    check: fn(Result<CaptureFile, OpenError>),
}

fn vectors() -> Vec<Vector> {
    let vector = |name, bytes, expectation, check| Vector {
        name,
        bytes,
        expectation,
        check,
    };
    let header = |at: usize, value: u8| {
        Foreign::with_header(move |header| header[at] = value)
            .process()
            .memory(0x1000, b"sixteen bytes ..")
            .finish()
    };
    let extended = |kind: [u8; 4]| {
        Foreign::new()
            .process()
            .raw(kind, 0, b"later")
            .memory(0x1000, b"sixteen bytes ..")
            .finish()
    };
    let mut flipped = tiny();
    // The last byte of the memory in the worked example.
    let memory = flipped
        .windows(4)
        .position(|bytes| bytes == b"s ..")
        .unwrap()
        + 3;
    flipped[memory] ^= 1;
    let mut cut = tiny();
    cut.truncate(memory - 8);
    let mut no_header = tiny();
    let marker = no_header
        .windows(8)
        .position(|bytes| bytes == b"\x8BV8\x9EMEMY")
        .unwrap();
    no_header[marker + 8] ^= 1;
    let mut page = Fields::default()
        .u64(0x4_0000)
        .u64(0x4_0000)
        .u64(0)
        .u64(0x4_0100)
        .u64(0x8_0000)
        .0;
    page.resize(88, 0);
    page[80] = 4;
    vec![
        vector(
            "valid.v8mini",
            tiny(),
            "complete: 16 bytes at 0x1000; the worked example",
            |file| {
                let file = file.unwrap();
                assert!(file.verify().is_intact());
                assert_eq!(file.read_vec(0x1000, 16).unwrap(), b"sixteen bytes ..");
            },
        ),
        vector(
            "all-kinds.v8mini",
            Foreign::new()
                .process()
                .record(
                    *b"mODS",
                    Fields::default()
                        .text("/bin/node")
                        .u8(0)
                        .u64(1)
                        .u8(0xAB)
                        .u64(1)
                        .u64(2)
                        .u64(0),
                )
                .record(*b"cNST", Fields::default().text("SmiTag").u64(0))
                .record(*b"sYMS", Fields::default().u64(0x40).u64(8).text("_start"))
                .record(
                    *b"uNWD",
                    Fields::default()
                        .u64(0x40)
                        .u64(0x48)
                        .u8(0)
                        .u8(2)
                        .u32(7)
                        .u64(16)
                        .u8(3)
                        .u32(u32::MAX)
                        .u64(0_u64.wrapping_sub(16))
                        .u8(3)
                        .u32(u32::MAX)
                        .u64(0_u64.wrapping_sub(8)),
                )
                .record(
                    *b"tHRD",
                    Fields::default()
                        .u32(77)
                        .text("node")
                        .u64(1)
                        .text("rip")
                        .u64(6)
                        .u64(7)
                        .u64(8)
                        .u64(9)
                        .u32(83),
                )
                .record(
                    *b"ISOL",
                    Fields::default()
                        .u64(0x10)
                        .u64(0x20)
                        .u32(77)
                        .u64(1)
                        .u64(1)
                        .u64(2)
                        .u64(3)
                        .u8(1),
                )
                .raw(*b"PAGE", 0, &page)
                .record(
                    *b"rEGN",
                    Fields::default().u64(1).u64(2).u8(3).u64(0).text("[stack]"),
                )
                .record(
                    *b"aCCT",
                    Fields::default().text("v8:old_space").u64(4096).u64(8192),
                )
                .record(*b"sIGN", Fields::default().u32(11).u64(1).u64(0x10).u32(77))
                .memory(0x4_0000, b"old")
                .index()
                .memory(0x4_0003, b"space")
                .record(
                    *b"pROB",
                    Fields::default()
                        .text("thread")
                        .text("exited")
                        .u64(0)
                        .u64(0),
                )
                .finish(),
            "complete: one item of every kind, two indexes, \"oldspace\" at 0x40000",
            |file| {
                let file = file.unwrap();
                assert!(file.verify().is_intact());
                assert_eq!(file.read_vec(0x4_0000, 8).unwrap(), b"oldspace");
                assert_eq!(file.metadata().pages.len(), 1);
                assert_eq!(file.metadata().problems.len(), 1);
            },
        ),
        vector(
            "superseding.v8mini",
            Foreign::new()
                .memory(0x1000, b"first words")
                .memory(0x1000, b"later")
                .finish(),
            "complete: \"later words\" at 0x1000",
            |file| assert_eq!(file.unwrap().read_vec(0x1000, 11).unwrap(), b"later words"),
        ),
        vector(
            "truncated.v8mini",
            cut,
            "truncated in the payload of MEMY; the process record is readable, 0x1000 is not",
            |file| {
                let file = file.unwrap();
                assert!(!file.integrity().complete);
                assert_eq!(file.metadata().process.pid, 77);
                assert!(file.read_u8(0x1000).is_err());
            },
        ),
        vector(
            "damaged-payload.v8mini",
            flipped,
            "one bit of the payload of MEMY flipped: reading 0x1000 fails, all else is readable",
            |file| {
                let file = file.unwrap();
                assert!(file.read_u8(0x1000).is_err());
                assert!(file.metadata().statistics.is_some());
                assert_eq!(file.verify().damage.len(), 1);
            },
        ),
        vector(
            "damaged-header.v8mini",
            no_header,
            "one bit of the chunk header of MEMY flipped: by the index, everything is readable",
            |file| {
                let file = file.unwrap();
                assert_eq!(file.read_vec(0x1000, 16).unwrap(), b"sixteen bytes ..");
                assert!(!file.verify().is_intact());
            },
        ),
        vector(
            "future-minor.v8mini",
            header(18, 9),
            "version 1.9: read like `valid.v8mini`",
            |file| {
                let file = file.unwrap();
                assert!(file.verify().is_intact());
                assert_eq!(file.read_vec(0x1000, 16).unwrap(), b"sixteen bytes ..");
            },
        ),
        vector(
            "future-major.v8mini",
            header(16, 2),
            "version 2.0: refused, naming the version",
            |file| {
                assert!(file.unwrap_err().to_string().contains("2.0"));
            },
        ),
        vector(
            "incompatible-feature.v8mini",
            header(24, 4),
            "feature bit 2: refused, naming the bit",
            |file| assert!(file.unwrap_err().to_string().contains("0x4")),
        ),
        vector(
            "unknown-critical.v8mini",
            extended(*b"NEWS"),
            "critical kind NEWS: refused, naming the kind",
            |file| assert!(file.unwrap_err().to_string().contains("NEWS")),
        ),
        vector(
            "unknown-ancillary.v8mini",
            extended(*b"nEWS"),
            "ancillary kind nEWS: skipped, then read like `valid.v8mini`",
            |file| {
                let file = file.unwrap();
                assert!(file.verify().is_intact());
                assert_eq!(file.integrity().skipped.len(), 1);
                assert_eq!(file.read_vec(0x1000, 16).unwrap(), b"sixteen bytes ..");
            },
        ),
    ]
}

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors")
}

fn bless() -> bool {
    std::env::var_os("V8MINI_BLESS").is_some_and(|value| value == "1")
}

fn example() -> String {
    let text = spec::text();
    let bytes = tiny();
    let mut walk = Walk::new(&text, &bytes);
    walk.file();
    format!("```\n{}```", walk.listing)
}

fn vector_table() -> String {
    let mut table =
        "| File | Bytes | SHA-256 | A reader must find |\n| --- | --: | --- | --- |\n".to_owned();
    for vector in vectors() {
        let hash: String = Sha256::digest(&vector.bytes)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let Vector {
            name,
            bytes,
            expectation,
            ..
        } = vector;
        table += &format!(
            "| `{name}` | {} | `{hash}` | {expectation} |\n",
            bytes.len()
        );
    }
    table
}

/// Where the text stands that two comments in the specification mark as generated.
fn generated(text: &str, name: &str) -> std::ops::Range<usize> {
    let start = format!("<!-- generated: {name} -->\n");
    let from = text
        .find(&start)
        .unwrap_or_else(|| panic!("no generated text {name}"))
        + start.len();
    let len = text[from..].find("\n<!-- end -->").unwrap();
    from..from + len
}

#[test]
fn the_worked_example_and_the_vectors_are_real() {
    let mut text = spec::text();
    for (name, expected) in [("example", example()), ("vectors", vector_table())] {
        let found = generated(&text, name);
        if bless() {
            text.replace_range(found, expected.trim_end());
        } else {
            assert_eq!(
                &text[found],
                expected.trim_end(),
                "{name}: see the head of this file"
            );
        }
    }
    if bless() {
        std::fs::write(spec::path(), text).unwrap();
        std::fs::create_dir_all(directory()).unwrap();
        for vector in vectors() {
            std::fs::write(directory().join(vector.name), vector.bytes).unwrap();
        }
    }
    let mut names: Vec<&str> = vectors().iter().map(|vector| vector.name).collect();
    for vector in vectors() {
        let path = directory().join(vector.name);
        assert!(
            std::fs::read(&path).unwrap() == vector.bytes,
            "{}",
            vector.name
        );
        (vector.check)(CaptureFile::open(&path));
    }
    let found = std::fs::read_dir(directory()).unwrap();
    let mut found: Vec<String> = found
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    found.sort();
    names.sort_unstable();
    assert_eq!(found, names);
}

/// Values that follow the chunk header of a kind, by name, without lengths and counts.
fn payload_values(values: &[(String, String)], kind: &str) -> Vec<String> {
    let quoted = format!("\"{kind}\"");
    let start = values
        .iter()
        .position(|(name, value)| name == "kind" && *value == quoted)
        .unwrap();
    let payload = values[start..]
        .iter()
        .skip_while(|(name, _)| name != "header_crc")
        .skip(1);
    payload
        .take_while(|(name, _)| name != "frame_magic")
        .filter(|(name, _)| !name.contains(':') && name != "zstd frame")
        .map(|(name, value)| format!("{name} = {value}"))
        .collect()
}

#[test]
fn the_tables_alone_are_enough_to_read_what_the_writer_writes() {
    let text = spec::text();
    let options = WriteOptions {
        capture_id: Some([0x42; 16]),
        ..WriteOptions::default()
    };
    let mut writer = Writer::create(Vec::new(), options, &sample_metadata()).unwrap();
    writer.memory(0x1000, b"some memory").unwrap();
    let statistics = Statistics {
        pause_ns: 1,
        total_ns: 2,
        wanted_bytes: 3,
        captured_bytes: 4,
    };
    let (bytes, _) = writer.finish(&[], &statistics).unwrap();
    let mut walk = Walk::new(&text, &bytes);
    walk.file();

    let payload = |kind| payload_values(&walk.values, kind);
    assert_eq!(
        payload("PROC"),
        [
            "pid = 4242",
            "name = \"node\"",
            "executable = \"/usr/bin/node\"",
            "arguments = \"node\"",
            "arguments = \"--expose-gc\"",
            "arguments = \"größe.js\"",
            "node_version = \"v22.23.3\"",
            "architecture = \"x86_64\"",
            "kernel = \"6.12.0\"",
            "os_page_size = 4096",
            "uptime_ns = 0x2dfdc1c35",
            "captured_at_ns = 0x186cc6acdc0bcd15",
            "monotonic_ns = 0x16fee0e525",
            "mode = \"stop\"",
            "writer = \"v8mini-capture 0.1.0\"",
            "major = 12",
            "minor = 4",
            "build = 254",
            "patch = 21",
        ]
    );
    assert_eq!(
        payload("mODS"),
        [
            "path = \"/usr/bin/node\"",
            "deleted = 1",
            "build_id = \"\\xde\\xad\\xbe\\xef\"",
            "start = 0x400000",
            "end = 0x800000",
            "load_bias = 0",
        ]
    );
    // Constants are sorted by name.
    assert_eq!(
        payload("cNST"),
        [
            "name = \"SmiTag\"",
            "value = 0xffffffffffffffff",
            "name = \"class_JSObject__elements\"",
            "value = 16",
        ]
    );
    assert_eq!(
        payload("sYMS"),
        [
            "address = 0x401200",
            "size = 128",
            "name = \"_ZN4node5StartEiPPc\""
        ]
    );
    assert_eq!(
        payload("tHRD"),
        [
            "tid = 4242",
            "name = \"MainThread\"",
            "name = \"rip\"",
            "value = 0x401234",
            "name = \"rsp\"",
            "value = 0x7fff00001000",
            "stack_start = 0x7fff00000000",
            "stack_end = 0x7fff00800000",
            "isolate = 0x55550000",
            "state = 83",
        ]
    );
    assert_eq!(
        payload("ISOL"),
        [
            "address = 0x55550000",
            "heap = 0x5555d000",
            "tid = 4242",
            "start = 4096",
            "top = 4352",
            "limit = 8192",
            "gc_state = 1",
        ]
    );
    assert_eq!(
        payload("PAGE"),
        [
            "address = 0x100000000",
            "size = 0x40000",
            "flags = 0x123456789abcdef0",
            "area_start = 0x100000100",
            "area_end = 0x100040000",
            "heap = 0x5555d000",
            "owner = 0x55560000",
            "allocated_bytes = 0x3ff00",
            "high_water_mark = 0x40000",
            "metadata_address = 0x55570000",
            "space = 4",
            "unused = ",
        ]
    );
    assert_eq!(
        payload("rEGN"),
        [
            "start = 0x400000",
            "end = 0x800000",
            "permissions = 5",
            "file_offset = 4096",
            "name = \"/usr/bin/node\"",
        ]
    );
    assert_eq!(
        payload("aCCT"),
        [
            "kind = \"v8:old_space\"",
            "resident_bytes = 0x40000",
            "mapped_bytes = 0x50000"
        ]
    );
    assert_eq!(
        payload("sIGN"),
        ["number = 11", "code = 1", "address = 57005", "tid = 4242"]
    );
    assert_eq!(
        payload("pROB"),
        [
            "stage = \"read-page\"",
            "message = \"4096 bytes at 0x7000 could not be read: EFAULT\"",
            "address = 28672",
            "bytes = 4096",
        ]
    );
    assert_eq!(
        payload("sTAT"),
        [
            "pause_ns = 1",
            "total_ns = 2",
            "wanted_bytes = 3",
            "captured_bytes = 4"
        ]
    );
    assert_eq!(payload("MEMY").len(), 1);
}

#[test]
fn both_writers_write_the_same_bytes() {
    let foreign = CaptureFile::from_bytes(tiny()).unwrap();
    let options = WriteOptions {
        capture_id: Some(common::foreign::CAPTURE_ID),
        ..WriteOptions::default()
    };
    let writer = Writer::create(Vec::new(), options, foreign.metadata()).unwrap();
    let (bytes, _) = writer
        .finish(&[], &foreign.metadata().statistics.unwrap())
        .unwrap();
    // The example and the vectors are of version 1.0, which nothing in them is too new for.
    let mut this_version = Foreign::with_header(|header| header[18] = 1);
    assert_eq!(bytes, this_version.process().finish());
}
