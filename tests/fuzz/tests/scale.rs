//! What hurts by its amount: lists whose product nothing bounds, heaps in which everything is a map, pages of impossible
//! size. Fuzzers do not find these, because their inputs are small. Each test is about a mistake that was made once: it took hours,
//! or gigabytes.

mod common;

use v8mini_analyze::layout::Field;
use v8mini_analyze::v8::Objects;
use v8mini_capture::elf_core::{CoreOptions, open};
use v8mini_capture::locate::{ExternalStringShape, HEADER_KINDS, Pages, find_external_strings};
use v8mini_format::Metadata;
use v8mini_format::memory::{Memory, MemoryRange, ReadError};
use v8mini_format::model::{AllocationArea, Isolate, Page, Permissions, Region, Space};
use v8mini_fuzz::allocation::bounded;
use v8mini_fuzz::image::Bytes;
use v8mini_fuzz::seeds::Seed;
use v8mini_fuzz::targets::analysis;

const BASE: u64 = 0x1_0000_0000;
const MIB: u64 = 1 << 20;

fn page(address: u64, size: u64) -> Page {
    Page {
        address,
        size,
        area_start: address,
        area_end: address + size,
        space: Space::Old,
        ..Page::default()
    }
}

/// The seed's process with other pages.
fn metadata(pages: Vec<Page>) -> Metadata {
    Metadata {
        pages,
        regions: Vec::new(),
        isolates: Vec::new(),
        ..Seed::get().metadata.clone()
    }
}

fn objects(memory: impl Memory + 'static, metadata: Metadata) -> Objects {
    analysis::open(memory, metadata).expect("the version is the seed's")
}

/// One range made of words.
fn words(start: u64, words: impl Iterator<Item = u64>) -> Bytes {
    let bytes = words.flat_map(u64::to_le_bytes).collect();
    Bytes(vec![(start, bytes)])
}

/// Memory that is there and takes no place.
struct Zeros(MemoryRange);

impl Memory for Zeros {
    fn read_at(&self, addr: u64, buf: &mut [u8]) -> Result<(), ReadError> {
        let len = buf.len() as u64;
        let fits = self.0.contains(addr) && addr.saturating_add(len) <= self.0.end();
        buf.fill(0);
        fits.then_some(()).ok_or(ReadError::Unmapped { addr, len })
    }

    fn ranges(&self) -> Vec<MemoryRange> {
        vec![self.0]
    }
}

#[test]
fn pages_of_a_gigabyte_are_not_read_whole() {
    let _turn = common::turn();
    let size = 1 << 30;
    let pages = (0..4).map(|i| page(BASE + i * size, size)).collect();
    let range = MemoryRange {
        start: BASE,
        len: 4 * size,
    };
    let objects = objects(Zeros(range), metadata(pages));
    // They are four small files' worth of zeros.
    common::in_time("large pages", || bounded(0, || analysis::heap(&objects)));
}

#[test]
fn a_million_allocation_areas_over_one_page_are_met_once() {
    let _turn = common::turn();
    let size = MIB / 4;
    let area = |i: u64| AllocationArea {
        start: BASE,
        top: BASE + i % (size / 8) * 8,
        limit: BASE + size,
    };
    let mut metadata = metadata(vec![page(BASE, size)]);
    metadata.isolates.push(Isolate {
        allocation_areas: (0..1_000_000).map(area).collect(),
        ..Isolate::default()
    });
    // Every second area leaves a word to walk.
    let scattered = (0..size / 16).map(|i| AllocationArea {
        start: BASE,
        top: BASE + i * 16,
        limit: BASE + i * 16 + 8,
    });
    let mut other = metadata.clone();
    other.isolates[0].allocation_areas = scattered.collect();
    for metadata in [metadata, other] {
        let memory = words(BASE, (0..size / 8).map(|_| 0x0bad_0bad_0bad_0bad));
        let objects = objects(memory, metadata);
        common::in_time("areas", || bounded(24 << 20, || analysis::heap(&objects)));
    }
}

#[test]
fn a_hundred_thousand_regions_over_ranges_of_a_word_are_met_once() {
    let _turn = common::turn();
    let size = MIB;
    let memory = Bytes(
        (0..size / 16)
            .map(|i| (BASE + i * 16, vec![7; 8]))
            .collect(),
    );
    let mut metadata = metadata(vec![page(BASE, size)]);
    metadata.regions = (0..100_000)
        .map(|i| Region {
            start: BASE - i,
            end: BASE + size + i,
            permissions: Permissions {
                read: true,
                ..Permissions::default()
            },
            ..Region::default()
        })
        .collect();
    let objects = objects(memory, metadata);
    common::in_time("regions", || bounded(8 << 20, || analysis::heap(&objects)));
}

/// A heap in which a word is a map wherever `is_map` says so; all other words point at one map after the other.
fn heap_of_maps(bytes: u64, is_map: impl Fn(u64) -> bool) -> (Bytes, Metadata) {
    let seed = Seed::get();
    let meta_map = BASE;
    let number = seed.layout.types.number("MAP_TYPE").expect("MAP_TYPE");
    let type_place = seed
        .layout
        .place(Field::MapInstanceType)
        .expect("its place");
    let count = bytes / 8;
    let word = |i: u64| {
        if is_map(i) {
            meta_map | 1
        } else {
            // Far from the word itself, and another for each.
            (BASE + (i * 8 + bytes / 2) % bytes) | 1
        }
    };
    let mut memory = words(BASE, (0..count).map(word));
    let at = meta_map + type_place.offset;
    let aligned = at & !7;
    let instance_type = u64::from(number) << (8 * (at - aligned));
    memory.set_word(aligned, instance_type);
    memory.set_word(meta_map, meta_map | 1);
    let pages = (0..bytes / (MIB / 4)).map(|i| page(BASE + i * (MIB / 4), MIB / 4));
    (memory, metadata(pages.collect()))
}

#[test]
fn a_heap_of_nothing_but_maps_costs_no_more_than_its_size() {
    let _turn = common::turn();
    for bytes in [4 * MIB, 32 * MIB] {
        let half = bytes / 16;
        for is_map in [|_: u64, _: u64| true, |i, half| i < half, |i, _| i % 2 == 0] {
            let (memory, metadata) = heap_of_maps(bytes, |i| is_map(i, half));
            let objects = objects(memory, metadata);
            common::in_time("maps", || {
                bounded(bytes as usize, || analysis::heap(&objects))
            });
        }
    }
}

#[test]
fn a_heap_of_words_that_lead_nowhere_costs_no_more_than_its_size() {
    let _turn = common::turn();
    let (memory, metadata) = heap_of_maps(32 * MIB, |_| false);
    let objects = objects(memory, metadata);
    common::in_time("no maps", || bounded(32 << 20, || analysis::heap(&objects)));
}

#[test]
fn a_page_of_words_that_are_their_own_map_is_searched_once() {
    let _turn = common::turn();
    let seed = Seed::get();
    let size = 2 * MIB;
    let memory = words(BASE, (0..size / 8).map(|i| (BASE + i * 8) | 1));
    let pages = Pages {
        kind: &HEADER_KINDS[5],
        owner_variant: 0,
        pages: vec![Page {
            space: Space::ReadOnly,
            ..page(BASE, size)
        }],
    };
    let shape = ExternalStringShape::new(&seed.metadata.constants).expect("the seed tells it");
    common::in_time("external strings", || {
        bounded(size as usize, || {
            find_external_strings(&memory, &memory, &[], &pages, &shape)
        })
    });
}

/// A core: its program headers (type, offset, address, size), and what follows them.
fn core(headers: impl ExactSizeIterator<Item = (u32, u64, u64, u64)>, rest: &[u8]) -> Vec<u8> {
    let count = headers.len();
    assert!(count < 0xffff);
    let mut core = vec![0; 64];
    core[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
    core[16..24].copy_from_slice(&[4, 0, 62, 0, 1, 0, 0, 0]);
    core[32] = 64;
    core[54] = 56;
    core[56..58].copy_from_slice(&(count as u16).to_le_bytes());
    for (kind, offset, address, size) in headers {
        core.extend(kind.to_le_bytes());
        core.extend(4_u32.to_le_bytes());
        for word in [offset, address, 0, size, size, 4] {
            core.extend(u64::to_le_bytes(word));
        }
    }
    core.extend_from_slice(rest);
    core
}

fn open_core(what: &str, core: &[u8]) {
    use std::io::Write;
    let mut file = tempfile::tempfile().expect("a temporary file");
    file.write_all(core).expect("a temporary file");
    common::in_time(what, || {
        // There is no heap in it.
        bounded(core.len(), || {
            open(&file, &CoreOptions::default()).unwrap_err()
        })
    });
}

fn note(kind: u32, desc: &[u8]) -> Vec<u8> {
    let mut note = 5_u32.to_le_bytes().to_vec();
    note.extend((desc.len() as u32).to_le_bytes());
    note.extend(kind.to_le_bytes());
    note.extend(b"CORE\0\0\0\0");
    note.extend(desc);
    note.resize(note.len().next_multiple_of(4), 0);
    note
}

#[test]
fn a_core_of_damaged_notes_is_described_in_bounded_space() {
    let _turn = common::turn();
    let notes = note(1, &[]).repeat(2_000_000);
    let header = (4, 64 + 56, 0, notes.len() as u64);
    open_core("damaged notes", &core([header].into_iter(), &notes));
}

#[test]
fn note_segments_that_share_their_bytes_are_not_all_read() {
    let _turn = common::turn();
    const COUNT: u64 = 60_000;
    let notes = note(6, &[1; 2048]).repeat(2000);
    let header = (4, 64 + 56 * COUNT, 0, notes.len() as u64);
    let headers: Vec<_> = (0..COUNT).map(|_| header).collect();
    open_core("shared notes", &core(headers.into_iter(), &notes));
}

#[test]
fn sixty_thousand_mappings_of_a_file_with_a_long_name_do_not_each_cost_its_length() {
    let _turn = common::turn();
    const COUNT: u64 = 60_000;
    let mut files = Vec::new();
    for word in [1, 1, BASE, BASE + (COUNT << 12), 0] {
        files.extend(u64::to_le_bytes(word));
    }
    files.extend(std::iter::repeat_n(b'/', 4095));
    files.push(0);
    let notes = note(0x4649_4c45, &files);
    let at = 64 + 56 * (COUNT + 1);
    let mut headers = vec![(4, at, 0, notes.len() as u64)];
    headers.extend((0..COUNT).map(|i| (1, at, BASE + (i << 12), 4096)));
    let rest = [&notes[..], &[0; 4096]].concat();
    open_core("long names", &core(headers.into_iter(), &rest));
}

#[test]
fn sixty_thousand_modules_that_share_their_bytes_are_met_once() {
    let _turn = common::turn();
    const COUNT: u64 = 60_000;
    let library = include_bytes!("../seeds/v8-symbols.so");
    let mut files = Vec::new();
    for word in [COUNT, 1] {
        files.extend(u64::to_le_bytes(word));
    }
    for i in 0..COUNT {
        for word in [BASE + (i << 12), BASE + ((i + 1) << 12), 0] {
            files.extend(u64::to_le_bytes(word));
        }
    }
    for i in 0..COUNT {
        files.extend(format!("/long/enough/to/take/time/{i:08}\0").bytes());
    }
    let notes = note(0x4649_4c45, &files);
    let at = 64 + 56 * (COUNT + 1);
    let mut headers = vec![(4, at, 0, notes.len() as u64)];
    let library_at = at + notes.len() as u64;
    headers.extend((0..COUNT).map(|i| (1, library_at, BASE + (i << 12), 4096)));
    let rest = [&notes[..], library].concat();
    open_core("modules", &core(headers.into_iter(), &rest));
}

#[test]
fn sixty_thousand_impossible_segments_are_counted() {
    let _turn = common::turn();
    let headers: Vec<_> = (0..60_000).map(|i| (1, 0, u64::MAX - i, 1 << 20)).collect();
    open_core("impossible segments", &core(headers.into_iter(), &[0; 64]));
}
