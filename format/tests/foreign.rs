//! Files that another writer makes from the specification are read.

mod common;

use common::foreign::{Fields, Foreign, crc32, tiny, zstd_frame};
use v8mini_format::model::{AllocationArea, GcState, Space, UnwindBase, UnwindRule, V8Version};
use v8mini_format::{CaptureFile, ChunkKind, Encoding, Memory, MemoryExt, MemoryRange};

#[test]
fn a_tiny_file_says_what_was_laid_into_it() {
    let file = CaptureFile::from_bytes(tiny()).unwrap();
    assert!(file.verify().is_intact(), "{}", file.verify());
    let header = file.header();
    assert_eq!(header.version.to_string(), "1.0");
    assert_eq!(
        header.capture_uuid(),
        "30313233-3435-3637-3839-616263646566"
    );
    assert_eq!(header.captured_at_ns, 1_700_000_000_000_000_000);
    assert_eq!(header.monotonic_ns, 5_000_000_000);
    assert_eq!(
        (header.machine, header.pointer_size, header.redaction),
        (62, 8, 0)
    );
    assert_eq!(
        (header.os_page_size, header.writer.as_str()),
        (4096, "foreign 1.0")
    );

    let metadata = file.metadata();
    assert_eq!(metadata.process.pid, 77);
    assert_eq!(metadata.process.arguments, ["node", "x.js"]);
    assert_eq!(metadata.process.node_version, "v22.1.0");
    assert_eq!(metadata.process.monotonic_ns, 5_000_000_000);
    assert_eq!(
        metadata.v8_version,
        Some(V8Version {
            major: 12,
            minor: 4,
            build: 254,
            patch: 21
        })
    );
    let statistics = metadata.statistics.unwrap();
    assert_eq!(
        (statistics.pause_ns, statistics.captured_bytes),
        (1_000_000, 16)
    );
    assert_eq!(file.read_vec(0x1000, 16).unwrap(), b"sixteen bytes ..");

    let memory = file
        .chunks()
        .find(|chunk| chunk.kind == ChunkKind::MEMORY)
        .unwrap();
    assert_eq!(
        (memory.sequence, memory.key, memory.raw_len),
        (1, 0x1000, 16)
    );
    assert_eq!(memory.encoding, Encoding::ZstdFrame);
}

#[test]
fn every_record_is_read_as_the_specification_says() {
    let page: Vec<u8> = [1_u64, 2, 3, 4, 5, 6, 7, 8, 9, 10]
        .into_iter()
        .flat_map(|word| (word << 20).to_le_bytes())
        .chain([4, 0, 0, 0, 0, 0, 0, 0])
        .collect();
    let area = |fields: Fields| fields.u64(1).u64(0x100).u64(0x180).u64(0x200);
    let bytes = Foreign::new()
        .process()
        .record(
            *b"mODS",
            Fields::default()
                .text("/m")
                .u8(1)
                .u64(2)
                .u8(7)
                .u8(8)
                .u64(9)
                .u64(10)
                .u64(11),
        )
        .record(*b"cNST", Fields::default().text("SmiTag").u64(u64::MAX))
        .record(*b"sYMS", Fields::default().u64(0x40).u64(8).text("_start"))
        .record(
            *b"tHRD",
            Fields::default()
                .u32(5)
                .text("main")
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
            area(Fields::default().u64(0x10).u64(0x20).u32(5)).u8(2),
        )
        .record(
            *b"uNWD",
            Fields::default()
                .u64(0x40)
                .u64(0x48)
                .u8(1)
                .u8(3)
                .u32(7)
                .u64(160)
                .u8(1)
                .u32(0)
                .u64(0)
                .u8(9)
                .u32(u32::MAX)
                .u64(0),
        )
        .raw(*b"PAGE", 0, &page)
        .record(
            *b"rEGN",
            Fields::default()
                .u64(1)
                .u64(2)
                .u8(0b1101)
                .u64(3)
                .text("[heap]"),
        )
        .record(*b"aCCT", Fields::default().text("stack").u64(4).u64(5))
        .record(
            *b"pROB",
            Fields::default().text("thread").text("gone").u64(6).u64(7),
        )
        .finish();
    let file = CaptureFile::from_bytes(bytes).unwrap();
    assert!(file.verify().is_intact(), "{}", file.verify());
    let metadata = file.metadata();

    let module = &metadata.modules[0];
    assert_eq!(
        (module.path.as_str(), module.deleted, &module.build_id[..]),
        ("/m", true, &[7, 8][..])
    );
    assert_eq!((module.start, module.end, module.load_bias), (9, 10, 11));
    assert_eq!(metadata.constants["SmiTag"], -1);
    let symbol = &metadata.symbols[0];
    assert_eq!(
        (symbol.address, symbol.size, symbol.name.as_str()),
        (0x40, 8, "_start")
    );
    let row = &metadata.unwind_rows[0];
    assert_eq!(
        (row.start, row.end, row.is_signal_frame),
        (0x40, 0x48, true)
    );
    assert_eq!(
        (row.cfa, row.frame_pointer),
        (
            UnwindRule::Memory(UnwindBase::Register(7), 160),
            UnwindRule::Unchanged
        )
    );
    // A kind of rule that is not specified.
    assert_eq!(row.return_address, UnwindRule::Undefined);
    let thread = &metadata.threads[0];
    assert_eq!(
        (thread.tid, thread.name.as_str(), thread.register("rip")),
        (5, "main", Some(6))
    );
    assert_eq!(
        (
            thread.stack_start,
            thread.stack_end,
            thread.isolate,
            thread.state
        ),
        (7, 8, 9, 'S')
    );
    let isolate = &metadata.isolates[0];
    assert_eq!(
        (isolate.address, isolate.heap, isolate.tid),
        (0x10, 0x20, 5)
    );
    assert_eq!(
        isolate.allocation_areas,
        [AllocationArea {
            start: 0x100,
            top: 0x180,
            limit: 0x200
        }]
    );
    assert_eq!(isolate.gc_state, GcState::Collecting);
    let page = metadata.pages[0];
    assert_eq!(
        (page.address, page.size, page.flags),
        (1 << 20, 2 << 20, 3 << 20)
    );
    assert_eq!(
        (page.area_start, page.area_end, page.heap),
        (4 << 20, 5 << 20, 6 << 20)
    );
    assert_eq!(
        (page.owner, page.allocated_bytes, page.high_water_mark),
        (7 << 20, 8 << 20, 9 << 20)
    );
    assert_eq!((page.metadata_address, page.space), (10 << 20, Space::Old));
    let region = &metadata.regions[0];
    assert_eq!(
        (
            region.start,
            region.end,
            region.file_offset,
            region.name.as_str()
        ),
        (1, 2, 3, "[heap]")
    );
    let permissions = region.permissions;
    assert_eq!(
        (
            permissions.read,
            permissions.write,
            permissions.execute,
            permissions.shared
        ),
        (true, false, true, true)
    );
    let memory = &metadata.accounting[0];
    assert_eq!(
        (
            memory.kind.as_str(),
            memory.resident_bytes,
            memory.mapped_bytes
        ),
        ("stack", 4, 5)
    );
    let problem = &metadata.problems[0];
    assert_eq!(
        (problem.stage.as_str(), problem.message.as_str()),
        ("thread", "gone")
    );
    assert_eq!((problem.address, problem.bytes), (6, 7));
}

#[test]
fn unknown_numbers_read_as_unknown() {
    let mut page = vec![0; 88];
    page[80..82].copy_from_slice(&999_u16.to_le_bytes());
    let bytes = Foreign::new()
        .record(
            *b"ISOL",
            Fields::default().u64(0).u64(0).u32(0).u64(0).u8(200),
        )
        .record(
            *b"tHRD",
            Fields::default()
                .u32(1)
                .text("")
                .u64(0)
                .u64(0)
                .u64(0)
                .u64(0)
                .u32(0xD800),
        )
        .raw(*b"PAGE", 0, &page)
        .finish();
    let file = CaptureFile::from_bytes(bytes).unwrap();
    assert_eq!(file.metadata().isolates[0].gc_state, GcState::Unknown);
    assert_eq!(file.metadata().threads[0].state, '?');
    assert_eq!(file.metadata().pages[0].space, Space::Unknown);
}

#[test]
fn a_chain_of_indexes_is_followed() {
    let mut file = Foreign::new();
    file.process();
    for i in 0..10_u64 {
        file.memory(0x1000 + i * 8, &i.to_le_bytes());
        if i % 3 == 2 {
            file.index();
        }
    }
    let file = CaptureFile::from_bytes(file.finish()).unwrap();
    assert!(file.verify().is_intact(), "{}", file.verify());
    assert_eq!(
        file.chunks()
            .filter(|chunk| chunk.kind == ChunkKind::INDEX)
            .count(),
        4
    );
    for i in 0..10 {
        assert_eq!(file.read_u64(0x1000 + i * 8), Ok(i));
    }
}

#[test]
fn later_chunks_replace_earlier_ones_where_they_overlap() {
    let bytes = Foreign::new()
        .memory(0x100, &[1; 100])
        .memory(0x110, &[2; 8])
        .memory(0x90, &[3; 0x74])
        .finish();
    let file = CaptureFile::from_bytes(bytes).unwrap();
    assert_eq!(
        file.ranges(),
        [MemoryRange {
            start: 0x90,
            len: 0x70 + 100
        }]
    );
    let mut expected = vec![3; 0x74];
    expected.extend([1; 0x0C]);
    expected.extend([2; 8]);
    expected.extend([1; 100 - 0x18]);
    assert_eq!(file.read_vec(0x90, 0x70 + 100).unwrap(), expected);
}

#[test]
fn memory_may_be_stored_in_any_encoding() {
    let zstd = zstd::bulk::compress(&[7; 64], 3).unwrap();
    let bytes = Foreign::new()
        .chunk(*b"MEMY", 1, 0, 0x1000, 64, &[5; 64])
        .chunk(*b"MEMY", 1, 1, 0x1040, 64, &zstd)
        .chunk(*b"MEMY", 1, 2, 0x1080, 64, &zstd)
        .finish();
    let file = CaptureFile::from_bytes(bytes).unwrap();
    assert!(file.verify().is_intact(), "{}", file.verify());
    let mut expected = vec![5; 64];
    expected.extend([7; 128]);
    assert_eq!(file.read_vec(0x1000, 192).unwrap(), expected);
}

/// The payload of a segment, as the specification has it: two objects that refer to each other and to one elsewhere, and 16 bytes.
fn segment() -> Vec<u8> {
    let structure = [
        // Objects of three words: the first refers to target 0.
        1, 3, 2, 0x80, //
        // Bytes.
        0, 0, 0, 4, //
        // The constant: target 2.
        2, //
        // Second words: tags; references counted from the own number; integers of one byte each.
        1, 2, 0, 0x10, //
        // Third words: all have tag 4.
        2, 4,
    ];
    let streams: [(u32, &[u8]); 8] = [
        (0, &structure),
        (1, &[0, 0, 1]),
        (2, &[2]),
        // 0x8000, in words.
        (3, &[0x80, 0x20]),
        (4, &[0, 2]),
        // -1.
        (5, &[1]),
        (6, &[7]),
        (9, b"sixteen bytes .."),
    ];
    let mut ranges = 0x1_0000_u64.to_le_bytes().to_vec();
    ranges.extend(64_u64.to_le_bytes());
    payload(64, [2, 3, 1, 1, 0], &ranges, &streams)
}

/// The payload of a segment with one range: so many groups, items, far targets, constants and sources; its tables, and its streams by
/// their numbers, each in a frame.
fn payload(memory_len: u64, counts: [u32; 5], tables: &[u8], streams: &[(u32, &[u8])]) -> Vec<u8> {
    let mut head = memory_len.to_le_bytes().to_vec();
    for count in [1, streams.len() as u32].into_iter().chain(counts) {
        head.extend(count.to_le_bytes());
    }
    let crc = crc32(&[head.as_slice(), tables].concat());
    head.extend(crc.to_le_bytes());
    let mut payload = [head.as_slice(), tables].concat();
    let frames: Vec<Vec<u8>> = streams.iter().map(|(_, raw)| zstd_frame(raw)).collect();
    for ((stream, raw), frame) in streams.iter().zip(&frames) {
        for number in [*stream, raw.len() as u32, frame.len() as u32] {
            payload.extend(number.to_le_bytes());
        }
    }
    payload.extend(frames.concat());
    payload
}

#[test]
fn packed_memory_is_read() {
    let payload = segment();
    let bytes = Foreign::new()
        .chunk(*b"PACK", 1, 0, 0x1_0000, payload.len() as u64, &payload)
        // What comes later holds.
        .memory(0x1_0030, b"SIXTEEN")
        .finish();
    let file = CaptureFile::from_bytes(bytes).unwrap();
    assert!(file.is_packed() && file.verify().is_intact());
    let words = [0x8001, 7 << 32, 0x1_0019, 0x8001, 0x1_0001, 0x1_0019];
    for (at, word) in (0x1_0000_u64..).step_by(8).zip(words) {
        assert_eq!(file.read_u64(at).unwrap(), word, "{at:#x}");
    }
    assert_eq!(file.read_vec(0x1_0030, 16).unwrap(), b"SIXTEEN bytes ..");
    assert!(file.read_u8(0x1_0040).is_err());
}

/// Addresses and own texts of segments.
type Sources<'a> = &'a [(u64, &'a [u8])];

/// The payload of a segment that is one text, at an address: what it has itself, and, as the specification has them, copies of the own texts of
/// others.
fn text_segment(addr: u64, len: u64, own: &[u8], copies: Option<(Sources<'_>, &[u8])>) -> Vec<u8> {
    let (sources, copies) =
        copies.map_or((&[][..], None), |(sources, copies)| (sources, Some(copies)));
    // Characters that fill the items, which are no targets; no padding is stored.
    let structure = [0, 0, 0, 2, 0, 0];
    let size = [(len / 8) as u8];
    let mut streams = vec![(0_u32, &structure[..]), (1, &[0]), (2, &size), (8, own)];
    streams.extend(copies.map(|copies| (10, copies)));
    let mut tables = addr.to_le_bytes().to_vec();
    tables.extend(len.to_le_bytes());
    for (addr, text) in sources {
        tables.extend(addr.to_le_bytes());
        tables.extend((text.len() as u32).to_le_bytes());
        tables.extend(crc32(text).to_le_bytes());
    }
    let counts = [1, 1, 0, 0, sources.len() as u32];
    payload(len, counts, &tables, &streams)
}

#[test]
fn texts_of_other_segments_are_read() {
    let first = *b"The quick brown fox jumps over the lazy dog, and runs. ";
    let first = [&first[..], b"-"].concat();
    let own = b"[][]....";
    // Two copies: behind 1 and behind 2 bytes of own text, of 35 and 32 bytes, from 4 on, and from 2 bytes in front of the first one's end on minus 30.
    let copies = [2, 1, 2, 3, 0, 0, 0, 8, 0x2F];
    let text = [
        &own[..1],
        &first[4..39],
        &own[1..3],
        &first[15..47],
        &own[3..],
    ]
    .concat();
    assert_eq!(text.len(), 75);
    let own = [&own[..], b"....."].concat();
    let text = [text.as_slice(), b"....."].concat();
    let plain = text_segment(0x1_0000, 56, &first, None);
    let file = |sources: &[(u64, &[u8])]| {
        let payload = text_segment(0x2_0000, 80, &own, Some((sources, &copies)));
        let bytes = Foreign::new()
            .chunk(*b"PACK", 1, 0, 0x1_0000, plain.len() as u64, &plain)
            .chunk(*b"PACK", 2, 0, 0x2_0000, payload.len() as u64, &payload)
            .finish();
        CaptureFile::from_bytes(bytes).unwrap()
    };
    let right = file(&[(0x1_0000, &first)]);
    assert!(right.verify().is_intact(), "{}", right.verify());
    assert_eq!(right.read_vec(0x1_0000, 56).unwrap(), first);
    assert_eq!(right.read_vec(0x2_0000, 80).unwrap(), text);
    // Of a text that is not there, or is another one, nothing is made up; the other segment is whole.
    for (addr, said) in [
        (0x1_0008, &first[..]),
        (0x2_0000, &first),
        (0x1_0000, &text),
    ] {
        let wrong = file(&[(addr, said)]);
        assert!(wrong.read_u8(0x2_0000).is_err());
        assert_eq!(wrong.read_vec(0x1_0000, 56).unwrap(), first);
        assert_eq!(wrong.verify().damage.len(), 1);
    }
}
