//! What is written is read back, whatever it is.

mod common;

use common::{NoSeek, sample_metadata};
use v8mini_format::model::{Problem, Statistics};
use v8mini_format::{
    CaptureFile, Memory, MemoryExt, MemoryRange, Metadata, ReadError, WriteOptions, Writer,
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
