//! Damage of every kind: what is lost is said, what is not lost is read, and nothing wrong is ever
//! read as right.

mod common;

use common::foreign::{Foreign, tiny};
use common::sample_metadata;
use v8mini_format::model::{Problem, Statistics};
use v8mini_format::{CaptureFile, ChunkKind, Memory, MemoryExt, Metadata, WriteOptions, Writer};

/// A file of three kilobytes with every kind of chunk, checkpoints and superseded memory, and what
/// it says.
fn rich() -> (Vec<u8>, CaptureFile) {
    let options = WriteOptions {
        checkpoint_bytes: 1024,
        threads: 1,
        ..WriteOptions::default()
    };
    let mut writer = Writer::create(Vec::new(), options, &sample_metadata()).unwrap();
    for i in 0..8_u64 {
        let bytes: Vec<u8> = (0..64).map(|j| (i * 31 + j * 7) as u8).collect();
        writer.memory(0x1_0000_0000 + i * 0x1000, &bytes).unwrap();
    }
    writer.memory(0x1_0000_2010, &[0xAA; 16]).unwrap();
    let problem = Problem {
        stage: "thread".into(),
        message: "exited".into(),
        address: 0,
        bytes: 0,
    };
    let statistics = Statistics {
        pause_ns: 1,
        total_ns: 2,
        wanted_bytes: 3,
        captured_bytes: 4,
    };
    let (bytes, _) = writer.finish(&[problem], &statistics).unwrap();
    let file = CaptureFile::from_bytes(bytes.clone()).unwrap();
    assert!(file.verify().is_intact(), "{}", file.verify());
    (bytes, file)
}

/// Every stored byte, range by range; `None` where it cannot be read.
fn memory_of(file: &CaptureFile, like: &CaptureFile) -> Vec<Option<u8>> {
    let addresses = like
        .ranges()
        .into_iter()
        .flat_map(|range| range.start..range.end());
    addresses.map(|addr| file.read_u8(addr).ok()).collect()
}

/// Whether `part` says nothing that `whole` does not say.
fn is_part_of(part: &Metadata, whole: &Metadata) -> bool {
    fn subset<T: PartialEq>(part: &[T], whole: &[T]) -> bool {
        part.iter().all(|item| whole.contains(item))
    }
    (part.process == whole.process || part.process == Metadata::default().process)
        && (part.v8_version == whole.v8_version || part.v8_version.is_none())
        && (part.statistics == whole.statistics || part.statistics.is_none())
        && part
            .constants
            .iter()
            .all(|(name, value)| whole.constants.get(name) == Some(value))
        && subset(&part.modules, &whole.modules)
        && subset(&part.threads, &whole.threads)
        && subset(&part.isolates, &whole.isolates)
        && subset(&part.pages, &whole.pages)
        && subset(&part.regions, &whole.regions)
        && subset(&part.accounting, &whole.accounting)
        && subset(&part.symbols, &whole.symbols)
        && subset(&part.unwind_rows, &whole.unwind_rows)
        && subset(&part.problems, &whole.problems)
}

#[test]
fn a_file_cut_anywhere_says_so_and_keeps_what_came_before() {
    let (bytes, whole) = rich();
    let end = whole
        .chunks()
        .find(|chunk| chunk.kind == ChunkKind::END)
        .unwrap();
    let data_end = end.offset + 64 + end.stored_len;
    for cut in 0..bytes.len() {
        let opened = CaptureFile::from_bytes(bytes[..cut].to_vec());
        if cut < 128 {
            assert!(opened.is_err(), "cut at {cut}");
            continue;
        }
        let file = opened.unwrap();
        assert!(
            is_part_of(file.metadata(), whole.metadata()),
            "cut at {cut}"
        );
        if cut as u64 >= data_end {
            // Only the seek table, which no v8mini program needs, is cut.
            assert!(
                file.integrity().is_intact(),
                "cut at {cut}: {}",
                file.integrity()
            );
            assert_eq!(file.metadata(), whole.metadata());
            assert!(!file.verify().is_intact(), "cut at {cut}");
            continue;
        }
        assert!(!file.integrity().complete, "cut at {cut}");
        assert_eq!(file.integrity().truncated_at, Some(cut as u64));
        let text = file.integrity().to_string();
        assert!(text.contains(&format!("offset {cut}")), "{text}");
        // Chunks that are whole are all found.
        let before = whole
            .chunks()
            .filter(|chunk| chunk.offset + 64 + chunk.stored_len <= cut as u64);
        assert_eq!(file.chunks().len(), before.count(), "cut at {cut}");
        assert!(file.chunks().zip(whole.chunks()).all(|(a, b)| a == b));
        // A page table that was read tells what is missing.
        if !file.metadata().pages.is_empty() {
            let missing: u64 = file.integrity().missing.iter().map(|range| range.len).sum();
            let stored: u64 = file.ranges().iter().map(|range| range.len).sum();
            assert_eq!(missing + stored, 0x4_0000, "cut at {cut}");
        }
    }
}

/// Flips every bit of a file, and holds what is read against what was written.
fn flip_every_bit(bytes: &[u8], whole: &CaptureFile) {
    let right = memory_of(whole, whole);
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.to_vec();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let Ok(file) = CaptureFile::from_bytes(flipped) else {
            continue;
        };
        let at = format!("bit {} of byte {}", bit % 8, bit / 8);
        assert_eq!(file.header(), whole.header(), "{at}");
        assert!(is_part_of(file.metadata(), whole.metadata()), "{at}");
        let opened_intact = file.integrity().is_intact();
        if opened_intact {
            assert_eq!(file.metadata(), whole.metadata(), "{at}");
            assert_eq!(file.ranges(), whole.ranges(), "{at}");
        }
        for (found, right) in memory_of(&file, whole).iter().zip(&right) {
            // Bytes that a lost chunk replaced may show only where the loss is reported.
            assert!(found.is_none() || found == right || !opened_intact, "{at}");
        }
        assert!(!file.verify().is_intact(), "{at}: nothing noticed");
    }
}

#[test]
fn a_flipped_bit_is_noticed_wherever_it_is() {
    let tiny = tiny();
    flip_every_bit(&tiny, &CaptureFile::from_bytes(tiny.clone()).unwrap());
}

#[test]
fn a_flipped_bit_is_noticed_in_every_kind_of_chunk() {
    let (bytes, whole) = rich();
    flip_every_bit(&bytes, &whole);
}

#[test]
fn a_damaged_memory_chunk_costs_itself_alone() {
    let (mut bytes, whole) = rich();
    let chunk = whole
        .chunks()
        .find(|chunk| chunk.key == 0x1_0000_4000)
        .unwrap();
    bytes[chunk.offset as usize + 64 + 10] ^= 0xFF;
    let file = CaptureFile::from_bytes(bytes).unwrap();
    assert!(
        file.integrity().is_intact(),
        "memory is not read when a file is opened"
    );
    let error = file.read_u8(0x1_0000_4000).unwrap_err().to_string();
    assert!(
        error.contains(&format!("offset {}", chunk.offset)) && error.contains("CRC-32"),
        "{error}"
    );
    for i in [0_u64, 1, 2, 3, 5, 6, 7] {
        assert_eq!(
            file.read_vec(0x1_0000_0000 + i * 0x1000, 64),
            whole.read_vec(0x1_0000_0000 + i * 0x1000, 64)
        );
    }
    let verified = file.verify();
    assert_eq!(verified.damage.len(), 1);
    assert_eq!(verified.damage[0].kind, Some(ChunkKind::MEMORY));
    assert_eq!(verified.damage[0].addresses.unwrap().start, 0x1_0000_4000);
}

#[test]
fn a_damaged_list_costs_itself_alone() {
    let (mut bytes, whole) = rich();
    let chunk = whole
        .chunks()
        .find(|chunk| chunk.kind == ChunkKind::MODULES)
        .unwrap();
    bytes[chunk.offset as usize + 70] ^= 1;
    let file = CaptureFile::from_bytes(bytes).unwrap();
    assert_eq!(file.metadata().modules, []);
    assert_eq!(file.metadata().threads, whole.metadata().threads);
    assert!(file.integrity().complete);
    let text = file.integrity().to_string();
    assert!(text.contains("the list of modules at offset"), "{text}");
}

#[test]
fn a_checkpoint_stands_in_for_a_damaged_header_when_the_end_is_lost() {
    let (mut bytes, whole) = rich();
    let end = whole
        .chunks()
        .find(|chunk| chunk.kind == ChunkKind::END)
        .unwrap();
    let victim = whole
        .chunks()
        .find(|chunk| chunk.key == 0x1_0000_0000)
        .unwrap();
    bytes.truncate(end.offset as usize);
    bytes[victim.offset as usize + 30] ^= 0x10;
    let file = CaptureFile::from_bytes(bytes).unwrap();
    assert_eq!(
        file.read_vec(0x1_0000_0000, 64),
        whole.read_vec(0x1_0000_0000, 64)
    );
    let text = file.integrity().to_string();
    assert!(text.contains("the index still tells"), "{text}");
    assert_eq!(file.chunks().len(), whole.chunks().len() - 1);
}

#[test]
fn without_index_a_damaged_header_costs_its_chunk_and_the_next_is_found() {
    let mut file = Foreign::new();
    file.process()
        .memory(0x1000, &[1; 50])
        .memory(0x2000, &[2; 50])
        .memory(0x3000, &[3; 50]);
    let offset = file.listed[2].offset as usize;
    let mut bytes = std::mem::take(&mut file.bytes);
    bytes[offset + 20] ^= 1;
    let file = CaptureFile::from_bytes(bytes).unwrap();
    assert_eq!(file.read_vec(0x1000, 50).unwrap(), [1; 50]);
    assert!(file.read_u8(0x2000).is_err());
    assert_eq!(file.read_vec(0x3000, 50).unwrap(), [3; 50]);
    let damage = &file.integrity().damage;
    assert_eq!(damage.len(), 1);
    assert_eq!((damage[0].offset, damage[0].len), (offset as u64, 64 + 59));
}

#[test]
fn chunks_cut_out_repeated_or_exchanged_are_noticed() {
    let bytes = tiny();
    let whole = CaptureFile::from_bytes(bytes.clone()).unwrap();
    let ranges: Vec<std::ops::Range<usize>> = whole
        .chunks()
        .map(|chunk| chunk.offset as usize..(chunk.offset + 64 + chunk.stored_len) as usize)
        .collect();
    for (i, range) in ranges.iter().enumerate() {
        let mut cut = bytes.clone();
        cut.drain(range.clone());
        let file = CaptureFile::from_bytes(cut).unwrap();
        assert!(!file.integrity().is_intact(), "chunk {i} cut out");

        let mut repeated = bytes[..range.end].to_vec();
        repeated.extend(&bytes[range.start..]);
        let file = CaptureFile::from_bytes(repeated).unwrap();
        // Behind the end record nothing is looked at, as it may be another capture.
        let is_end = i + 1 == ranges.len();
        assert_eq!(file.integrity().is_intact(), is_end, "chunk {i} repeated");
    }
    let mut exchanged = bytes[..ranges[0].start].to_vec();
    exchanged.extend(&bytes[ranges[1].clone()]);
    exchanged.extend(&bytes[ranges[0].clone()]);
    exchanged.extend(&bytes[ranges[1].end..]);
    let file = CaptureFile::from_bytes(exchanged).unwrap();
    assert!(!file.integrity().is_intact());
    assert!(is_part_of(file.metadata(), whole.metadata()));
}

#[test]
fn a_chunk_of_another_capture_is_not_taken_for_one_of_this() {
    let mut file = Foreign::new();
    file.process().memory(0x1000, &[1; 50]);
    let other = {
        let options = WriteOptions {
            capture_id: Some([9; 16]),
            threads: 1,
            ..WriteOptions::default()
        };
        let mut writer = Writer::create(Vec::new(), options, &Metadata::default()).unwrap();
        writer.memory(0x1000, &[2; 50]).unwrap();
        writer.finish(&[], &Statistics::default()).unwrap().0
    };
    let mut bytes = std::mem::take(&mut file.bytes);
    bytes.extend(&other[128..]);
    let file = CaptureFile::from_bytes(bytes).unwrap();
    assert_eq!(file.read_vec(0x1000, 50).unwrap(), [1; 50]);
    assert!(!file.integrity().complete);
}

#[test]
fn zeros_at_the_end_of_a_cut_file_are_no_chunks() {
    let (bytes, whole) = rich();
    let mut bytes = bytes[..bytes.len() / 2].to_vec();
    bytes.resize(whole.file_len() as usize, 0);
    let file = CaptureFile::from_bytes(bytes).unwrap();
    assert!(!file.integrity().complete);
    assert!(is_part_of(file.metadata(), whole.metadata()));
}

#[test]
fn a_file_that_is_cut_while_it_is_open_gives_errors() {
    let (bytes, _) = rich();
    let path = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(path.path(), &bytes).unwrap();
    let file = CaptureFile::open(path.path()).unwrap();
    assert!(file.integrity().is_intact());
    std::fs::OpenOptions::new()
        .write(true)
        .open(path.path())
        .unwrap()
        .set_len(200)
        .unwrap();
    let error = file.read_u8(0x1_0000_0000).unwrap_err().to_string();
    assert!(error.contains("cannot be read"), "{error}");
    assert!(!file.verify().is_intact());
}

#[test]
fn other_files_are_refused_with_a_hint() {
    let refused = |bytes: &[u8]| {
        CaptureFile::from_bytes(bytes.to_vec())
            .unwrap_err()
            .to_string()
    };
    assert!(refused(b"\x7FELF").contains("ELF"));
    assert!(
        refused(&[b"{\"snapshot\"".as_slice(), &[b' '; 200]].concat()).contains("heapsnapshot")
    );
    assert!(refused(b"").contains("0 bytes long"));
    let missing = CaptureFile::open("no/such.v8mini").unwrap_err();
    assert_eq!(missing.to_string(), "no/such.v8mini cannot be opened");
    let tiny = tiny();
    assert!(refused(&tiny[..100]).contains("100 bytes long"));
    let text: Vec<u8> = tiny.iter().copied().filter(|byte| *byte != b'\r').collect();
    assert!(refused(&text).contains("text mode"));
}
