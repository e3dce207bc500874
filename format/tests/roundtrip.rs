//! What is written is read back, whatever it is.

mod common;

use common::{NoSeek, sample_metadata};
use proptest::prelude::*;
use v8mini_format::model::{
    Module, Page, Permissions, Problem, Process, Region, Register, Space, Statistics, Symbol,
    Thread, V8Version,
};
use v8mini_format::{
    CaptureFile, ChunkInfo, ChunkKind, Memory, MemoryExt, MemoryRange, Metadata, ReadError,
    WriteError, WriteOptions, Writer, limits,
};

fn statistics() -> Statistics {
    Statistics {
        pause_ns: 4_000_000,
        total_ns: 90_000_000,
        wanted_bytes: 10,
        captured_bytes: 9,
    }
}

#[test]
fn metadata_and_memory_come_back() {
    let mut metadata = sample_metadata();
    let mut writer = Writer::create(NoSeek::default(), WriteOptions::default(), &metadata).unwrap();
    let page: Vec<u8> = (0..600_000_u32).map(|i| (i / 7) as u8).collect();
    writer.memory(0x1_0000_1000, &page).unwrap();
    writer.memory(0x5000, b"hello").unwrap();
    let problem = Problem {
        stage: "thread".into(),
        message: "gone".into(),
        address: 1,
        bytes: 2,
    };
    let (out, written) = writer
        .finish(std::slice::from_ref(&problem), &statistics())
        .unwrap();

    let file = CaptureFile::from_bytes(out.bytes).unwrap();
    metadata.problems.push(problem);
    metadata.statistics = Some(statistics());
    assert_eq!(file.metadata(), &metadata);
    assert!(file.integrity().is_intact(), "{}", file.integrity());
    assert_eq!(
        file.ranges(),
        [
            MemoryRange {
                start: 0x5000,
                len: 5
            },
            MemoryRange {
                start: 0x1_0000_1000,
                len: 600_000
            }
        ]
    );
    assert_eq!(file.read_vec(0x1_0000_1000, page.len()).unwrap(), page);
    assert_eq!(
        file.read_vec(0x1_0000_1001, 300_000).unwrap(),
        page[1..300_001]
    );
    assert_eq!(file.read_vec(0x5000, 5).unwrap(), b"hello");
    assert_eq!(
        file.read_u8(0x4fff),
        Err(ReadError::Unmapped {
            addr: 0x4fff,
            len: 1
        })
    );
    assert_eq!(
        file.read_vec(0x5000, 6),
        Err(ReadError::Unmapped {
            addr: 0x5000,
            len: 6
        })
    );
    assert_eq!(written.raw_bytes, 600_005);
    assert_eq!(written.stored_bytes, file.file_len());
    assert_eq!(written.chunks, file.chunks().len() as u64);
    assert!(file.verify().is_intact(), "{}", file.verify());
}

#[test]
fn an_empty_capture_is_a_capture() {
    let writer = Writer::create(Vec::new(), WriteOptions::default(), &Metadata::default()).unwrap();
    let (bytes, _) = writer.finish(&[], &statistics()).unwrap();
    let file = CaptureFile::from_bytes(bytes).unwrap();
    assert!(file.integrity().is_intact());
    assert_eq!(file.ranges(), []);
}

#[test]
fn long_lists_are_split_over_several_chunks() {
    let sample = sample_metadata();
    let metadata = Metadata {
        regions: (0..65_535_u64)
            .map(|i| Region {
                start: i << 12,
                end: (i + 1) << 12,
                name: format!("/usr/lib/x86_64-linux-gnu/library-{i}.so"),
                ..sample.regions[0].clone()
            })
            .collect(),
        pages: (0..100_000)
            .map(|i| Page {
                address: i << 18,
                ..sample.pages[0]
            })
            .collect(),
        symbols: (0..100_000)
            .map(|i| Symbol {
                address: i,
                size: 1,
                name: format!("_ZN2v88internal{i}E"),
            })
            .collect(),
        statistics: Some(statistics()),
        ..sample
    };
    let writer = Writer::create(Vec::new(), WriteOptions::default(), &metadata).unwrap();
    let (bytes, _) = writer.finish(&[], &statistics()).unwrap();
    let file = CaptureFile::from_bytes(bytes).unwrap();
    assert!(file.metadata() == &metadata);
    assert!(file.integrity().is_intact(), "{}", file.integrity());
    for kind in [ChunkKind::REGIONS, ChunkKind::PAGES, ChunkKind::SYMBOLS] {
        let chunks: Vec<ChunkInfo> = file.chunks().filter(|chunk| chunk.kind == kind).collect();
        assert!(chunks.len() > 2, "{kind}");
        assert!(
            chunks
                .iter()
                .all(|chunk| chunk.raw_len <= limits::RECORD_SPLIT),
            "{kind}"
        );
        assert!(chunks.is_sorted_by_key(|chunk| chunk.key), "{kind}");
    }
}

#[test]
fn more_metadata_than_a_reader_takes_is_refused_when_writing() {
    let pages = vec![Page::default(); 700_000];
    let metadata = Metadata {
        pages,
        ..Metadata::default()
    };
    let result = Writer::create(Vec::new(), WriteOptions::default(), &metadata);
    assert!(matches!(
        result.err(),
        Some(WriteError::TooMuchMetadata { .. })
    ));
    let build_id = vec![0; limits::RECORD_MAX as usize];
    let modules = vec![Module {
        build_id,
        ..Module::default()
    }];
    let metadata = Metadata {
        modules,
        ..Metadata::default()
    };
    let result = Writer::create(Vec::new(), WriteOptions::default(), &metadata);
    let error = result.err().unwrap().to_string();
    assert!(error.contains("list of modules"), "{error}");
}

#[test]
fn endless_problems_are_counted_not_stored() {
    let problem = Problem {
        stage: "read".into(),
        message: "x".repeat(1000),
        address: 1,
        bytes: 10,
    };
    let writer = Writer::create(Vec::new(), WriteOptions::default(), &Metadata::default()).unwrap();
    let (bytes, _) = writer
        .finish(&vec![problem.clone(); 100_000], &statistics())
        .unwrap();
    let file = CaptureFile::from_bytes(bytes).unwrap();
    let problems = &file.metadata().problems;
    let (last, listed) = problems.split_last().unwrap();
    assert!(listed.len() > 1000 && listed.iter().all(|p| *p == problem));
    assert_eq!(
        last.message,
        format!("{} more problems are not listed", 100_000 - listed.len())
    );
    assert_eq!(last.bytes, (100_000 - listed.len() as u64) * 10);
}

#[test]
fn neighbours_within_a_block_become_one_chunk() {
    let mut writer =
        Writer::create(Vec::new(), WriteOptions::default(), &Metadata::default()).unwrap();
    for i in 0..128 {
        writer
            .memory(0x4_0000 + i * 4096, &[i as u8; 4096])
            .unwrap();
    }
    let (bytes, written) = writer.finish(&[], &statistics()).unwrap();
    assert_eq!(written.memory_chunks, 2);
    let file = CaptureFile::from_bytes(bytes).unwrap();
    let memory: Vec<(u64, u64)> = file
        .chunks()
        .filter(|chunk| chunk.kind == ChunkKind::MEMORY)
        .map(|chunk| (chunk.key, chunk.raw_len))
        .collect();
    assert_eq!(memory, [(0x4_0000, 0x4_0000), (0x8_0000, 0x4_0000)]);
}

#[test]
fn memory_behind_the_last_address_is_refused() {
    let mut writer =
        Writer::create(Vec::new(), WriteOptions::default(), &Metadata::default()).unwrap();
    writer.memory(u64::MAX - 4, &[1; 4]).unwrap();
    assert!(matches!(
        writer.memory(u64::MAX - 4, &[1; 6]),
        Err(WriteError::AddressOverflow { len: 6, .. })
    ));
}

#[test]
fn a_full_disk_is_told_with_its_place() {
    struct Full(usize);
    impl std::io::Write for Full {
        fn write(&mut self, buf: &[u8]) -> std::io::Result<usize> {
            if self.0 < buf.len() {
                return Err(std::io::ErrorKind::StorageFull.into());
            }
            self.0 -= buf.len();
            Ok(buf.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut writer =
        Writer::create(Full(1000), WriteOptions::default(), &Metadata::default()).unwrap();
    let noise: Vec<u8> = (0..400_000_u32)
        .map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    let result = writer
        .memory(0, &noise)
        .and_then(|()| writer.finish(&[], &statistics()).map(drop));
    match result.unwrap_err() {
        WriteError::Io { offset, source } => {
            assert!(offset > 0);
            assert_eq!(source.kind(), std::io::ErrorKind::StorageFull);
        }
        error => panic!("{error}"),
    }
}

#[test]
fn many_threads_read_at_once() {
    let mut writer =
        Writer::create(Vec::new(), WriteOptions::default(), &Metadata::default()).unwrap();
    let word = |addr: u64| addr.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let words: Vec<u8> = (0..1 << 20)
        .flat_map(|i| word(i * 8).to_le_bytes())
        .collect();
    writer.memory(0, &words).unwrap();
    let (bytes, _) = writer.finish(&[], &statistics()).unwrap();
    let path = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(path.path(), bytes).unwrap();
    // Small enough that chunks come and go while they are read.
    let file = CaptureFile::open(path.path())
        .unwrap()
        .with_cache_bytes(16 << 18);
    std::thread::scope(|scope| {
        for thread in 0..4_u64 {
            let file = &file;
            scope.spawn(move || {
                for i in 0..2_000_u64 {
                    let addr = (i * 40_503 + thread * 7919) % (1 << 20) * 8;
                    assert_eq!(file.read_u64(addr), Ok(word(addr)));
                }
            });
        }
    });
}

#[cfg(unix)]
#[test]
fn a_pipe_can_be_written_and_read() {
    let (reader, writer) = std::io::pipe().unwrap();
    let writing = std::thread::spawn(move || {
        let mut writer =
            Writer::create(writer, WriteOptions::default(), &sample_metadata()).unwrap();
        writer.memory(0x1000, &[7; 300_000]).unwrap();
        writer.finish(&[], &statistics()).unwrap();
    });
    let fd = std::os::fd::AsRawFd::as_raw_fd(&reader);
    let file = CaptureFile::open(format!("/dev/fd/{fd}")).unwrap();
    writing.join().unwrap();
    assert!(file.verify().is_intact(), "{}", file.verify());
    assert_eq!(file.read_vec(0x1000, 300_000).unwrap(), [7; 300_000]);
}

/// Addresses around borders of 256 KiB, where writers cut.
fn address() -> impl Strategy<Value = u64> {
    (0_u64..3, 0_u64..600)
        .prop_map(|(block, offset)| (block + 1) * limits::MEMORY_CHUNK_ALIGN - 300 + offset)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 64,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn the_last_bytes_written_to_an_address_are_read(
        writes in list((address(), prop::collection::vec(any::<u8>(), 0..400))),
        threads in 1_usize..4,
        checkpoint_bytes in 200_u64..5000,
    ) {
        let options = WriteOptions { threads, checkpoint_bytes, ..WriteOptions::default() };
        let mut writer = Writer::create(NoSeek::default(), options, &Metadata::default()).unwrap();
        let mut model = std::collections::BTreeMap::new();
        for (addr, bytes) in &writes {
            writer.memory(*addr, bytes).unwrap();
            model.extend((*addr..).zip(bytes.iter().copied()));
        }
        let (out, _) = writer.finish(&[], &statistics()).unwrap();
        let file = CaptureFile::from_bytes(out.bytes.clone()).unwrap();
        prop_assert!(file.verify().is_intact(), "{}", file.verify());
        let stored: u64 = file.ranges().iter().map(|range| range.len).sum();
        prop_assert_eq!(stored, model.len() as u64);
        for range in file.ranges() {
            let bytes = file.read_vec(range.start, range.len as usize).unwrap();
            let right = |(addr, byte): (u64, u8)| model.get(&addr) == Some(&byte);
            prop_assert!((range.start..).zip(bytes).all(right));
        }
        // A walk from header to header finds the same as the index.
        let end = file.chunks().last().unwrap();
        let walked = CaptureFile::from_bytes(out.bytes[..end.offset as usize].to_vec()).unwrap();
        prop_assert_eq!(walked.ranges(), file.ranges());
        prop_assert!(walked.chunks().zip(file.chunks()).all(|(a, b)| a == b));
    }

    #[test]
    fn any_metadata_comes_back(metadata in metadata()) {
        let options = WriteOptions { threads: 1, ..WriteOptions::default() };
        let writer = Writer::create(Vec::new(), options, &metadata).unwrap();
        let (bytes, _) = writer.finish(&[], &statistics()).unwrap();
        let file = CaptureFile::from_bytes(bytes).unwrap();
        prop_assert!(file.integrity().is_intact(), "{}", file.integrity());
        let expected = Metadata { statistics: Some(statistics()), ..metadata };
        prop_assert_eq!(file.metadata(), &expected);
    }
}

fn list<T: Strategy>(item: T) -> impl Strategy<Value = Vec<T::Value>> {
    prop::collection::vec(item, 0..12)
}

fn thread() -> impl Strategy<Value = Thread> {
    let register =
        (any::<String>(), any::<u64>()).prop_map(|(name, value)| Register { name, value });
    let fields = (
        any::<u32>(),
        any::<String>(),
        list(register),
        any::<[u64; 3]>(),
        any::<char>(),
    );
    fields.prop_map(
        |(tid, name, registers, [stack_start, stack_end, isolate], state)| Thread {
            tid,
            name,
            registers,
            stack_start,
            stack_end,
            isolate,
            state,
        },
    )
}

fn region() -> impl Strategy<Value = Region> {
    let fields = (any::<[u64; 3]>(), any::<[bool; 4]>(), any::<String>());
    fields.prop_map(
        |([start, end, file_offset], [read, write, execute, shared], name)| Region {
            start,
            end,
            permissions: Permissions {
                read,
                write,
                execute,
                shared,
            },
            file_offset,
            name,
        },
    )
}

fn problem() -> impl Strategy<Value = Problem> {
    let fields = (any::<String>(), any::<String>(), any::<u64>(), any::<u64>());
    fields.prop_map(|(stage, message, address, bytes)| Problem {
        stage,
        message,
        address,
        bytes,
    })
}

fn module() -> impl Strategy<Value = Module> {
    let fields = (
        any::<String>(),
        any::<bool>(),
        list(any::<u8>()),
        any::<[u64; 3]>(),
    );
    fields.prop_map(
        |(path, deleted, build_id, [start, end, load_bias])| Module {
            path,
            deleted,
            build_id,
            start,
            end,
            load_bias,
        },
    )
}

fn page() -> impl Strategy<Value = Page> {
    let space = prop::sample::select(vec![
        Space::Unknown,
        Space::Trusted,
        Space::SharedLargeObject,
    ]);
    (any::<[u64; 10]>(), space).prop_map(|(words, space)| Page {
        address: words[0],
        size: words[1],
        flags: words[2],
        area_start: words[3],
        area_end: words[4],
        heap: words[5],
        owner: words[6],
        allocated_bytes: words[7],
        high_water_mark: words[8],
        metadata_address: words[9],
        space,
    })
}

fn metadata() -> impl Strategy<Value = Metadata> {
    let process = (any::<String>(), list(any::<String>()), any::<i64>()).prop_map(
        |(name, arguments, captured_at_ns)| Process {
            name,
            arguments,
            captured_at_ns,
            ..Process::default()
        },
    );
    let version = any::<Option<[u32; 4]>>().prop_map(|version| {
        version.map(|[major, minor, build, patch]| V8Version {
            major,
            minor,
            build,
            patch,
        })
    });
    let constants = prop::collection::btree_map(any::<String>(), any::<i64>(), 0..12);
    let head = (process, version, constants);
    (
        head,
        list(thread()),
        list(region()),
        list(problem()),
        list(module()),
        list(page()),
    )
        .prop_map(
            |((process, v8_version, constants), threads, regions, problems, modules, pages)| {
                Metadata {
                    process,
                    v8_version,
                    constants,
                    threads,
                    regions,
                    problems,
                    modules,
                    pages,
                    ..Metadata::default()
                }
            },
        )
}
