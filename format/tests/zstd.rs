//! A file is a legal zstd stream and a legal zstd seekable file.

mod common;

use std::io::Read;

use common::sample_metadata;
use v8mini_format::model::Statistics;
use v8mini_format::{Metadata, WriteOptions, Writer};

fn sample() -> (Vec<u8>, Vec<u8>) {
    let mut writer =
        Writer::create(Vec::new(), WriteOptions::default(), &sample_metadata()).unwrap();
    let mut memory = Vec::new();
    for i in 0..20_u32 {
        let bytes: Vec<u8> = (0..100_000_u32).map(|j| ((i * j) >> 6) as u8).collect();
        writer
            .memory(u64::from(20 - i) * 0x10_0000 + 0x3_0000, &bytes)
            .unwrap();
        memory.extend(bytes);
    }
    (
        writer.finish(&[], &Statistics::default()).unwrap().0,
        memory,
    )
}

#[test]
fn zstd_decodes_the_memory_in_the_order_of_the_file() {
    let (bytes, memory) = sample();
    let mut decoded = Vec::new();
    zstd::stream::read::Decoder::new(&bytes[..])
        .unwrap()
        .read_to_end(&mut decoded)
        .unwrap();
    assert!(
        decoded == memory,
        "{} bytes decoded, {} written",
        decoded.len(),
        memory.len()
    );
}

#[test]
fn a_file_without_memory_decodes_to_nothing() {
    let writer = Writer::create(Vec::new(), WriteOptions::default(), &Metadata::default()).unwrap();
    let (bytes, _) = writer.finish(&[], &Statistics::default()).unwrap();
    let mut decoded = Vec::new();
    zstd::stream::read::Decoder::new(&bytes[..])
        .unwrap()
        .read_to_end(&mut decoded)
        .unwrap();
    assert_eq!(decoded, []);
}

#[test]
fn frames_carry_their_size_and_checksum() {
    let (bytes, _) = sample();
    let file = v8mini_format::CaptureFile::from_bytes(bytes.clone()).unwrap();
    for chunk in file
        .chunks()
        .filter(|chunk| chunk.kind == v8mini_format::ChunkKind::MEMORY)
    {
        let frame = &bytes[(chunk.offset + 64) as usize..][..chunk.stored_len as usize];
        let size = zstd::zstd_safe::get_frame_content_size(frame).unwrap();
        assert_eq!(size, Some(chunk.raw_len));
        // Frame_Header_Descriptor, bit 2: Content_Checksum_flag.
        assert_eq!(frame[4] & 0b100, 0b100);
    }
}

/// Reads the seek table as `zstd_seekable_compression_format.md` 0.1.0 says, and decodes each frame
/// on its own.
#[test]
fn the_seek_table_leads_to_every_frame() {
    let (bytes, memory) = sample();
    let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
    let end = bytes.len();
    assert_eq!(word(end - 4), 0x8F92_EAB1);
    assert_eq!(bytes[end - 5], 0);
    let count = word(end - 9) as usize;
    let table = end - 9 - count * 8;
    assert_eq!(word(table - 8), 0x184D_2A5E);
    assert_eq!(word(table - 4) as usize, count * 8 + 9);
    let (mut at, mut decoded) = (0, Vec::new());
    for i in 0..count {
        let (stored, raw) = (
            word(table + i * 8) as usize,
            word(table + i * 8 + 4) as usize,
        );
        let frame = &bytes[at..at + stored];
        assert_eq!(
            zstd::zstd_safe::find_frame_compressed_size(frame),
            Ok(stored),
            "frame {i}"
        );
        if raw > 0 {
            decoded.extend(zstd::bulk::decompress(frame, raw).unwrap());
        }
        at += stored;
    }
    assert_eq!(at, table - 8);
    assert!(decoded == memory);
}
