//! What is packed comes back, whatever it is.

use proptest::prelude::*;

use super::encode::TextWindow;
use super::encode::{Blocks, PackOptions, SegmentBuilder};
use super::head::FrameRecord;
use super::{
    Class, OwnText, Segment, SegmentTables, SourceRecord, Stream, Tail, check_text, own_text,
};
use crate::memory::MemoryRange;

/// A heap of two ranges in which objects of several kinds refer to each other.
struct Heap {
    ranges: Vec<(u64, Vec<u8>)>,
    objects: Vec<(u64, u64, Class)>,
}

/// The memory of a segment that has no copies of others.
fn decode(payload: &[u8]) -> Result<Vec<u8>, String> {
    let none = |_: &SourceRecord| Err("there are no others".to_owned());
    let unpacked = super::decode(payload, 1, &none)?;
    Ok(unpacked.memory)
}

const BASE: u64 = 0x7f00_0004_0000;

fn words(words: &[u64]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// So many points, arrays of them, names, numbers and gaps; `seed` varies what is in them.
fn heap(count: u64, seed: u64) -> Heap {
    let map = |kind: u64| BASE + kind * 64 + 1;
    let smi = |value: u64| value << 32;
    let (mut memory, mut objects) = (words(&[0; 64]), Vec::new());
    let mut random = seed | 1;
    let mut next = || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random
    };
    let mut last = BASE + 0x200;
    for i in 0..count {
        let at = BASE + memory.len() as u64;
        let (class, object) = match next() % 7 {
            0 | 1 => (
                Class {
                    head: map(0),
                    lead: 1,
                    tail: Tail::None,
                    is_gap: false,
                },
                vec![
                    map(0),
                    smi(i),
                    smi(i * 3 + next() % 2),
                    last + 1,
                    BASE + 0x201,
                ],
            ),
            2 => {
                let len = next() % 9;
                let mut array = vec![map(1), smi(len)];
                array.extend((0..len).map(|k| match (k + next()) % 5 {
                    0 => last + 1,
                    1 => last + 3,
                    2 => next(),
                    _ => smi(k),
                }));
                (
                    Class {
                        head: map(1),
                        lead: 2,
                        tail: Tail::Values,
                        is_gap: false,
                    },
                    array,
                )
            }
            3 => {
                let text = format!("name {i} {}", next() % 10);
                let mut bytes = words(&[map(2), (text.len() as u64) << 32 | next() & 0xffff_ffff]);
                bytes.extend(text.bytes());
                bytes.resize(bytes.len().next_multiple_of(8), u8::from(next() % 50 == 0));
                let object = bytes
                    .as_chunks::<8>()
                    .0
                    .iter()
                    .map(|w| u64::from_le_bytes(*w))
                    .collect();
                (
                    Class {
                        head: map(2),
                        lead: 2,
                        tail: Tail::Text8(1),
                        is_gap: false,
                    },
                    object,
                )
            }
            4 => (
                Class {
                    head: map(3),
                    lead: 1,
                    tail: Tail::Numbers,
                    is_gap: false,
                },
                vec![map(3), (i as f64 / 7.0).to_bits()],
            ),
            5 => (
                Class {
                    head: map(4),
                    lead: 3,
                    tail: Tail::Bytes,
                    is_gap: false,
                },
                vec![map(4), smi(16), 0x5555_1234_5678, next(), next()],
            ),
            _ => (
                Class {
                    is_gap: true,
                    tail: Tail::Values,
                    ..Class::default()
                },
                vec![next(), 0, last + 1],
            ),
        };
        if next() % 11 != 0 {
            objects.push((at, object.len() as u64 * 8, class));
        }
        last = at;
        memory.extend(words(&object));
    }
    let far = BASE + 0x400_0000;
    let second = words(&[map(0), smi(1), smi(2), last + 1, far + 1, 0, 1, 2]);
    objects.push((
        far,
        40,
        Class {
            head: map(0),
            lead: 1,
            tail: Tail::None,
            is_gap: false,
        },
    ));
    Heap {
        ranges: vec![(BASE, memory), (far, second)],
        objects,
    }
}

fn pack(heap: &Heap) -> Segment {
    let mut builder = SegmentBuilder::new();
    for (start, bytes) in &heap.ranges {
        assert!(builder.range(*start, bytes));
        for (address, size, class) in &heap.objects {
            let number = builder.class(*class);
            builder.object(*address, *size, number);
        }
    }
    let blocks = Blocks::new(&[MemoryRange {
        start: BASE,
        len: 0x1000_0000,
    }]);
    builder.finish(&blocks, PackOptions::default()).unwrap()
}

fn memory_of(heap: &Heap) -> Vec<u8> {
    heap.ranges
        .iter()
        .flat_map(|(_, bytes)| bytes.clone())
        .collect()
}

#[test]
fn heaps_come_back() {
    for (count, seed) in [
        (0, 1),
        (1, 2),
        (10, 3),
        (500, 4),
        (20_000, 5),
        (20_000, 0x1234_5678_9abc),
    ] {
        let heap = heap(count, seed);
        let segment = pack(&heap);
        let found = decode(&segment.payload).unwrap();
        assert!(found == memory_of(&heap), "{count} objects");
        if count > 1000 {
            assert!(
                segment.payload.len() * 2 < found.len(),
                "{} of {}",
                segment.payload.len(),
                found.len()
            );
        }
    }
}

#[test]
fn damage_is_told() {
    let segment = pack(&heap(300, 7));
    let memory = decode(&segment.payload).unwrap();
    for len in 0..segment.payload.len() {
        assert!(decode(&segment.payload[..len]).is_err(), "cut at {len}");
    }
    // A flipped bit is told, or does no more than change the memory.
    for bit in 0..segment.payload.len() * 8 {
        let mut payload = segment.payload.clone();
        payload[bit / 8] ^= 1 << (bit % 8);
        if let Ok(found) = decode(&payload) {
            assert_eq!(found.len(), memory.len());
        }
    }
}

#[test]
fn lying_counts_allocate_nothing() {
    let segment = pack(&heap(300, 7));
    let tables = SegmentTables::from_bytes(&segment.payload, 1).unwrap();
    let tables_len = SegmentTables::len_of(&tables.head, 1).unwrap() as usize;
    let rest = &segment.payload[tables_len..];
    for index in 0..7 {
        for value in [0, 1, 1 << 16, 1 << 30, u32::MAX] {
            let mut lie = tables.clone();
            let head = &mut lie.head;
            let field = match index {
                0 => &mut head.frame_count,
                1 => &mut head.group_count,
                2 => &mut head.item_count,
                3 => &mut head.far_count,
                4 => &mut head.constant_count,
                5 => &mut head.range_count,
                _ => {
                    head.memory_len = u64::from(value);
                    &mut head.source_count
                }
            };
            if index != 6 && *field == value {
                continue;
            }
            *field = value;
            let mut payload = lie.to_bytes();
            payload.extend_from_slice(rest);
            assert!(
                index == 6 && value == 0 || decode(&payload).is_err(),
                "field {index} = {value}"
            );
        }
    }
}

#[test]
fn what_cannot_be_is_left_out() {
    let mut builder = SegmentBuilder::new();
    assert!(
        !builder.range(0x1004, &[0; 8])
            && !builder.range(0x1000, &[0; 7])
            && !builder.range(0x1000, &[])
    );
    assert!(builder.range(0x1000, &[1; 64]));
    assert!(!builder.range(0x1020, &[1; 64]));
    let class = builder.class(Class {
        lead: 60,
        tail: Tail::Text16(59),
        ..Class::default()
    });
    for (address, size) in [
        (0x0ff8, 16),
        (0x1038, 16),
        (0x1001, 16),
        (u64::MAX - 7, 16),
        (0x1008, u64::MAX),
        (0x1000, 0),
        (0x1000, 64),
    ] {
        builder.object(address, size, class);
    }
    builder.object(0x1000, 16, 99);
    let segment = builder
        .finish(&Blocks::new(&[]), PackOptions::default())
        .unwrap();
    assert_eq!(decode(&segment.payload).unwrap(), [1; 64]);
}

/// Bytes of a stream before they are compressed.
fn raw_len(segment: &Segment, stream: Stream) -> usize {
    let tables = SegmentTables::from_bytes(&segment.payload, segment.version).unwrap();
    let at = SegmentTables::len_of(&tables.head, segment.version).unwrap() as usize;
    let records = segment.payload[at..].as_chunks::<{ FrameRecord::LEN }>().0;
    let frames = records.iter().take(tables.head.frame_count as usize);
    let frames = frames.map(FrameRecord::from_bytes);
    let of_stream = frames.filter(|frame| frame.stream() == Some(stream));
    of_stream.map(|frame| frame.raw_len as usize).sum()
}

#[test]
fn zeros_are_no_bytes() {
    let free = Class {
        head: BASE + 1,
        lead: 2,
        tail: Tail::Bytes,
        is_gap: false,
    };
    // Free-list entries with zeros, one with something left in it, and what no object covers: zeros, short ones, and the rest.
    let mut memory = words(&[7; 8]);
    let mut objects = Vec::new();
    for size in [3_u64, 100, 60_000, 90] {
        objects.push((BASE + memory.len() as u64, size * 8));
        memory.extend(words(&[BASE + 1, size << 32]));
        memory.resize(memory.len() + (size as usize - 2) * 8, 0);
    }
    let last = memory.len();
    memory[last - 4] = 1;
    memory.resize(last + 31 * 8, 0);
    memory.extend([9; 8]);
    memory.resize(memory.len() + 50_000 * 8, 0);
    let second = vec![0; 1 << 16];
    let mut builder = SegmentBuilder::new();
    assert!(builder.range(BASE, &memory) && builder.range(BASE << 1, &second));
    let class = builder.class(free);
    for (address, size) in &objects {
        builder.object(*address, *size, class);
    }
    let blocks = Blocks::new(&[]);
    let segment = builder.finish(&blocks, PackOptions::default()).unwrap();
    assert_eq!(decode(&segment.payload).unwrap(), [memory, second].concat());
    // The gap in front, the entry with something in it, and the gap up to the nines.
    assert_eq!(raw_len(&segment, Stream::Bytes), 64 + 88 * 8 + 32 * 8);
    assert_eq!(raw_len(&segment, Stream::Words), 0);
}

#[test]
fn ranges_may_be_there_before_their_objects() {
    let heap = heap(400, 11);
    let by_range = pack(&heap);
    let mut builder = SegmentBuilder::new();
    builder.reserve(1 << 20);
    for (start, bytes) in &heap.ranges {
        let read = |room: &mut [u8]| {
            room.copy_from_slice(bytes);
            true
        };
        assert!(builder.range_read(*start, bytes.len() as u64, read));
        assert_eq!(builder.bytes(*start, bytes.len()), Some(&bytes[..]));
        assert_eq!(builder.bytes(*start + 8, 16), bytes.get(8..24));
        assert_eq!(builder.bytes(*start, bytes.len() + 1), None);
    }
    for (address, size, class) in &heap.objects {
        let number = builder.class(*class);
        builder.object(*address, *size, number);
    }
    let blocks = Blocks::new(&[MemoryRange {
        start: BASE,
        len: 0x1000_0000,
    }]);
    let at_once = builder.finish(&blocks, PackOptions::default()).unwrap();
    assert_eq!(decode(&at_once.payload).unwrap(), memory_of(&heap));
    assert_eq!(at_once.payload.len(), by_range.payload.len());
    assert!(!SegmentBuilder::new().range_read(BASE, 64, |_| false));
}

/// A text of its own for each number.
fn story(number: u64, len: usize) -> Vec<u8> {
    let words = (0..).map(|i: u64| (i + 1).wrapping_mul(number.wrapping_mul(2) + 0x9E37_79B9));
    let letters = words.flat_map(|word| format!("{word:x} ").into_bytes());
    letters.take(len).collect()
}

/// A segment of texts, each in an object, and what it is in memory.
fn texts(at: u64, stories: &[Vec<u8>], window: &mut TextWindow) -> (Segment, Vec<u8>) {
    let mut memory = Vec::new();
    let mut objects = Vec::new();
    for story in stories {
        let address = at + memory.len() as u64;
        memory.extend(words(&[BASE + 1, (story.len() as u64) << 32]));
        memory.extend(story);
        memory.resize(memory.len().next_multiple_of(8), 0);
        objects.push((address, at + memory.len() as u64 - address));
    }
    let mut builder = SegmentBuilder::new();
    assert!(builder.range(at, &memory));
    let class = builder.class(Class {
        head: BASE + 1,
        lead: 2,
        tail: Tail::Text8(1),
        is_gap: false,
    });
    for (address, size) in objects {
        builder.object(address, size, class);
    }
    let mut draft = builder.draft(&Blocks::new(&[]));
    window.refer(&mut draft);
    (draft.finish(PackOptions::default()).unwrap(), memory)
}

/// Unpacks with the own texts of others.
fn decode_with(segment: &Segment, others: &[Segment]) -> Result<Vec<u8>, String> {
    let texts = |source: &SourceRecord| {
        let other = others.iter().find(|other| other.addr == source.addr);
        let other = other.ok_or("there is no such segment")?;
        let text = own_text(&other.payload, other.version, source.text_len)?;
        let text = OwnText::new(text);
        check_text(source, &text)?;
        Ok(text.into())
    };
    super::decode(&segment.payload, segment.version, &texts).map(|unpacked| unpacked.memory)
}

#[test]
fn texts_of_earlier_segments_are_stored_once() {
    let mut window = TextWindow::new();
    let long = story(1, 100_000);
    let mut changed = long.clone();
    changed[40_000..40_003].copy_from_slice(b"???");
    let contents = [
        vec![story(2, 5000), long.clone()],
        vec![story(3, 70), changed, story(4, 9000)],
        vec![story(4, 9000), long[500..90_000].to_vec(), story(5, 10)],
        vec![story(6, 3000)],
    ];
    let mut segments: Vec<Segment> = Vec::new();
    for (stories, at) in contents.iter().zip((1..).map(|i| i << 24)) {
        let (segment, memory) = texts(at, stories, &mut window);
        assert_eq!(decode_with(&segment, &segments).unwrap(), memory);
        // What it says is nowhere else: without the others there is no unpacking.
        assert_eq!(segment.version == 2, decode_with(&segment, &[]).is_err());
        segments.push(segment);
    }
    let versions: Vec<u16> = segments.iter().map(|segment| segment.version).collect();
    assert_eq!(versions, [1, 2, 2, 1]);
    let sources = |index: usize| {
        let segment: &Segment = &segments[index];
        let tables = SegmentTables::from_bytes(&segment.payload, 2).unwrap();
        tables.sources.iter().map(|source| source.addr).collect()
    };
    // No copies of copies: what the second has from the first, the third has from there.
    let (second, third): (Vec<u64>, Vec<u64>) = (sources(1), sources(2));
    assert_eq!((second, third), (vec![1 << 24], vec![2 << 24, 1 << 24]));
    let own = own_text(&segments[2].payload, 2, 2000).unwrap();
    assert!(own.len() < 1000, "{}", own.len());
    assert!(own_text(&segments[0].payload, 1, 2000).is_err());
    // Another text than the one that was copied from is told.
    let (other, _) = texts(1 << 24, &[story(7, 105_000)], &mut TextWindow::new());
    let error = decode_with(&segments[1], &[other]).unwrap_err();
    assert!(
        error.contains("the text of the segment at 0x1000000"),
        "{error}"
    );
}

#[test]
fn damage_of_copies_is_told() {
    let mut window = TextWindow::new();
    let (first, _) = texts(1 << 24, &[story(1, 3000), story(2, 3000)], &mut window);
    let stories = [story(2, 3000), story(3, 50), story(1, 3000)];
    let (second, memory) = texts(2 << 24, &stories, &mut window);
    let others = [first];
    assert_eq!(second.version, 2);
    for len in 0..second.payload.len() {
        let payload = second.payload[..len].to_vec();
        let cut = Segment {
            payload,
            ..second.clone()
        };
        assert!(decode_with(&cut, &others).is_err(), "cut at {len}");
    }
    for bit in 0..second.payload.len() * 8 {
        let mut flipped = second.clone();
        flipped.payload[bit / 8] ^= 1 << (bit % 8);
        if let Ok(found) = decode_with(&flipped, &others) {
            assert_eq!(found.len(), memory.len());
        }
    }
}

#[test]
fn old_texts_are_forgotten() {
    let mut window = TextWindow::new();
    let mut at = 1 << 24;
    let mut pack = |number: u64, len: usize| {
        at += 1 << 24;
        texts(at, &[story(number, len)], &mut window).0.version
    };
    assert_eq!(pack(1, 2000), 1);
    assert_eq!(pack(1, 2000), 2);
    for number in 2..200 {
        assert_eq!(pack(number, 100), 1, "{number}");
    }
    assert_eq!(pack(1, 2000), 1);
}

proptest! {
    #[test]
    fn any_texts_come_back(
        picks in prop::collection::vec(prop::collection::vec((0_u64..4, 0_usize..2000, 0_usize..2000), 1..6), 2..6),
    ) {
        let mut window = TextWindow::new();
        let mut segments: Vec<Segment> = Vec::new();
        for (index, picks) in picks.iter().enumerate() {
            let stories: Vec<Vec<u8>> = picks
                .iter()
                .map(|(number, from, len)| story(*number, 4000)[*from..*from + *len].to_vec())
                .collect();
            let (segment, memory) = texts((1 + index as u64) << 24, &stories, &mut window);
            prop_assert_eq!(decode_with(&segment, &segments).unwrap(), memory);
            segments.push(segment);
        }
    }

    #[test]
    fn any_words_come_back(
        all in prop::collection::vec(prop_oneof![
            any::<u64>(),
            (0_u64..64).prop_map(|word| BASE + word * 8 + 1),
            (0_u64..64).prop_map(|word| BASE + word * 8 + 3),
            any::<u32>().prop_map(|value| u64::from(value) << 32),
            Just(BASE + 1),
        ], 1..200),
        cuts in prop::collection::vec((0_usize..200, 1_u64..12, 0_usize..7), 0..40),
    ) {
        let mut builder = SegmentBuilder::new();
        let memory = words(&all);
        prop_assert!(builder.range(BASE, &memory));
        let mut cuts = cuts;
        cuts.sort_unstable();
        for (at, size, kind) in cuts {
            let tail = [Tail::None, Tail::Values, Tail::Text8(1), Tail::Text16(1), Tail::Bytes, Tail::Numbers, Tail::Text8(0)][kind];
            let head = if at % 2 == 0 { all.get(at).copied().unwrap_or(0) } else { 0 };
            let class = builder.class(Class { head, lead: (size / 2) as u8, tail, is_gap: at % 5 == 0 });
            builder.object(BASE + at as u64 * 8, size * 8, class);
        }
        let blocks = Blocks::new(&[MemoryRange { start: BASE, len: 512 }]);
        let segment = builder.finish(&blocks, PackOptions::default()).unwrap();
        prop_assert_eq!(decode(&segment.payload).unwrap(), memory);
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = decode(&bytes);
        let none = |_: &SourceRecord| Err(String::new());
        let _ = super::decode(&bytes, 2, &none);
    }
}
