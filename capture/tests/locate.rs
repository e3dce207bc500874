//! Pages of every header shape are found in synthetic memory, laid out here word by word and not by the crate's own table.

use std::collections::BTreeMap;

use v8mini_capture::locate::{
    ExternalStringShape, IsolateClues, Pages, find_external_strings, find_isolates, locate_pages,
};
use v8mini_capture::symbols::{CurrentIsolate, V8Symbols};
use v8mini_format::memory::{Memory, MemoryRange, ReadError};
use v8mini_format::model::{
    AllocationArea, GcState, Permissions, Region, Register, Space, Thread, V8Version,
};

/// An address space of 4 KiB blocks, zero where nothing was written.
#[derive(Default)]
struct Synthetic {
    blocks: BTreeMap<u64, Vec<u8>>,
    regions: Vec<Region>,
}

const BLOCK: u64 = 4096;

impl Synthetic {
    fn map(&mut self, start: u64, len: u64, permissions: &str, name: &str) {
        let has = |flag| permissions.contains(flag);
        self.regions.push(Region {
            start,
            end: start + len,
            permissions: Permissions {
                read: has('r'),
                write: has('w'),
                execute: has('x'),
                shared: false,
            },
            file_offset: 0,
            name: name.to_owned(),
        });
        self.regions.sort_by_key(|region| region.start);
        if has('r') {
            for block in (start..start + len).step_by(BLOCK as usize) {
                self.blocks.insert(block, vec![0; BLOCK as usize]);
            }
        }
    }

    fn word(&mut self, address: u64, value: u64) {
        let block = self
            .blocks
            .get_mut(&(address / BLOCK * BLOCK))
            .expect("mapped");
        let at = (address % BLOCK) as usize;
        block[at..at + 8].copy_from_slice(&value.to_le_bytes());
    }

    fn words(&mut self, address: u64, values: &[u64]) {
        for (at, value) in (address..).step_by(8).zip(values) {
            self.word(at, *value);
        }
    }
}

impl Memory for Synthetic {
    fn read_at(&self, addr: u64, buf: &mut [u8]) -> Result<(), ReadError> {
        let len = buf.len() as u64;
        for (at, byte) in (addr..).zip(buf.iter_mut()) {
            let block = self
                .blocks
                .get(&(at / BLOCK * BLOCK))
                .ok_or(ReadError::Unmapped { addr, len })?;
            *byte = block[(at % BLOCK) as usize];
        }
        Ok(())
    }

    fn ranges(&self) -> Vec<MemoryRange> {
        let mut ranges: Vec<MemoryRange> = Vec::new();
        for &start in self.blocks.keys() {
            match ranges.last_mut() {
                Some(last) if last.end() == start => last.len += BLOCK,
                _ => ranges.push(MemoryRange { start, len: BLOCK }),
            }
        }
        ranges
    }
}

/// What a header says, whatever its shape.
#[derive(Clone, Copy)]
struct Header {
    page: u64,
    size: u64,
    flags: u64,
    area_start: u64,
    area_end: u64,
    heap: u64,
    owner: u64,
}

const HEAP: u64 = 0x0100_8000;
const OTHER_HEAP: u64 = 0x0110_8000;
/// `malloc`ed metadata of shape E, one block per page.
const METADATA: u64 = 0x0200_0000;

/// Lays out one header; the shapes as `src/heap/spaces.h`, `memory-chunk-layout.h` and `memory-chunk-metadata.h` have them.
type Lay = fn(&mut Synthetic, Header);

fn shape_a(m: &mut Synthetic, h: Header) {
    // size, flags, area_start, area_end, reservation (2), owner, heap. Up to V8 6.x the owner carries the tag 3.
    m.words(
        h.page,
        &[
            h.size,
            h.flags,
            h.area_start,
            h.area_end,
            h.page,
            h.size,
            h.owner | 3,
            h.heap,
        ],
    );
}

fn shape_b0(m: &mut Synthetic, h: Header) {
    // size, flags, marking bitmap, reservation (3), heap, header sentinel, owner, area_start, area_end.
    let bitmap = h.page + 0x138;
    m.words(
        h.page,
        &[
            h.size,
            h.flags,
            bitmap,
            0x7777_0000,
            h.page,
            h.size,
            h.heap,
            h.page + 1,
            h.owner,
            h.area_start,
            h.area_end,
        ],
    );
}

fn shape_b(m: &mut Synthetic, h: Header) {
    // V8 7.8: size, flags, bitmap, heap, sentinel, area_start, area_end, reservation (3), owner.
    m.words(
        h.page,
        &[
            h.size,
            h.flags,
            0x7777_1000,
            h.heap,
            h.page + 1,
            h.area_start,
            h.area_end,
            0x7777_0000,
            h.page,
            h.size,
            h.owner,
        ],
    );
}

fn shape_b_79(m: &mut Synthetic, h: Header) {
    // V8 7.9: one more word before the owner.
    m.words(
        h.page,
        &[
            h.size,
            h.flags,
            0x7777_1000,
            h.heap,
            h.page + 1,
            h.area_start,
            h.area_end,
            0,
            0x7777_0000,
            h.page,
            h.size,
            h.owner,
        ],
    );
}

fn shape_b2(m: &mut Synthetic, h: Header) {
    // size, flags, bitmap, heap, area_start, area_end, allocated bytes (2), reservation (3), owner.
    m.words(
        h.page,
        &[
            h.size,
            h.flags,
            0x7777_1000,
            h.heap,
            h.area_start,
            h.area_end,
            0,
            0,
            0x7777_0000,
            h.page,
            h.size,
            h.owner,
        ],
    );
}

fn shape_c(m: &mut Synthetic, h: Header) {
    // size, flags, heap, area_start, area_end, allocated, wasted, high water mark, owner, reservation (3).
    m.words(
        h.page,
        &[
            h.size,
            h.flags,
            h.heap,
            h.area_start,
            h.area_end,
            0x111,
            0x22,
            0x3333,
            h.owner,
            0x7777_0000,
            h.page,
            h.size,
        ],
    );
}

fn shape_d(m: &mut Synthetic, h: Header) {
    // flags, self, size, heap, area_start, area_end, allocated, wasted, high water mark, owner.
    m.words(
        h.page,
        &[
            h.flags,
            h.page,
            h.size,
            h.heap,
            h.area_start,
            h.area_end,
            0x111,
            0x22,
            0x3333,
            h.owner,
        ],
    );
}

fn shape_e(m: &mut Synthetic, h: Header) {
    // In the page: flags, metadata. There: reservation (allocator, page, size), allocated, wasted, high water mark, size,
    // area_end, heap, area_start, owner. Read-only pages have no reservation of their own.
    let metadata = METADATA + (h.page >> 18) % 0x100 * 0x200;
    let page = if h.heap == 0 { 0 } else { h.page };
    m.words(h.page, &[h.flags, metadata]);
    m.words(
        metadata,
        &[
            0x7777_0000,
            page,
            h.size,
            0x111,
            0x22,
            0x3333,
            h.size,
            h.area_end,
            h.heap,
            h.area_start,
            h.owner,
        ],
    );
}

/// A shape's name, the V8 it is laid out as, the alignment of pages, and the order of `AllocationSpace` (old, new).
const SHAPES: [(&str, V8Version, u64, Lay, [u32; 2]); 9] = [
    ("A", v8(5, 1), 1 << 20, shape_a, [1, 0]),
    ("A", v8(6, 8), 512 << 10, shape_a, [2, 1]),
    ("B0", v8(7, 4), 512 << 10, shape_b0, [2, 1]),
    ("B", v8(7, 8), 256 << 10, shape_b, [2, 1]),
    ("B", v8(7, 9), 256 << 10, shape_b_79, [2, 1]),
    ("B2", v8(8, 4), 256 << 10, shape_b2, [2, 1]),
    ("C", v8(10, 2), 256 << 10, shape_c, [1, 7]),
    ("D", v8(12, 4), 256 << 10, shape_d, [2, 1]),
    ("E", v8(14, 6), 256 << 10, shape_e, [2, 1]),
];

const fn v8(major: u32, minor: u32) -> V8Version {
    V8Version {
        major,
        minor,
        build: 0,
        patch: 0,
    }
}

const OLD_OWNER: u64 = 0x0120_0000;
const NEW_OWNER: u64 = 0x0121_0000;
const PAGES_FROM: u64 = 0x10_0000_0000;

/// Two isolates: four old pages (one large), two semispace pages, one read-only page; three old pages of the other.
fn heap(align: u64, lay: Lay, [old_id, new_id]: [u32; 2]) -> Synthetic {
    let mut m = Synthetic::default();
    m.map(0x0100_0000, 0x30_0000, "rw", "[heap]");
    m.map(METADATA, 0x2_0000, "rw", "[heap]");
    // A Space: vtable, heap, id. Later versions put more in front.
    for (owner, heap, id) in [
        (OLD_OWNER, HEAP, old_id),
        (NEW_OWNER, HEAP, new_id),
        (OLD_OWNER + 0x1000, OTHER_HEAP, old_id),
    ] {
        m.words(owner, &[0x40_0000, 0x5555, heap, u64::from(id)]);
    }
    let place = |m: &mut Synthetic, nth: u64, size: u64, flags, heap, owner, permissions: &str| {
        let page = PAGES_FROM + nth * align;
        m.map(page, size, permissions, "");
        let header = Header {
            page,
            size,
            flags,
            area_start: page + 0x140,
            area_end: page + size,
            heap,
            owner,
        };
        lay(m, header);
    };
    place(&mut m, 0, align, 0x4, HEAP, OLD_OWNER, "rw");
    // Neighbours: two pages in what the kernel shows as one mapping.
    place(&mut m, 1, align, 0x4, HEAP, OLD_OWNER, "rw");
    // A large page of more than two alignments.
    place(&mut m, 4, align * 2 + 0x3000, 0x24, HEAP, OLD_OWNER, "rw");
    place(&mut m, 8, align, 0x4, HEAP, OLD_OWNER, "rw");
    place(&mut m, 10, align, 0x12, HEAP, NEW_OWNER, "rw");
    place(&mut m, 12, align, 0xa, HEAP, NEW_OWNER, "rw");
    place(&mut m, 14, 0x2000, 0x80, 0, 0, "r");
    for nth in [16, 18, 20] {
        place(
            &mut m,
            nth,
            align,
            0x4,
            OTHER_HEAP,
            OLD_OWNER + 0x1000,
            "rw",
        );
    }
    // Inside the large page, at the alignment of pages, an array that holds a copy of a page's header.
    let inside = PAGES_FROM + 5 * align;
    lay(
        &mut m,
        Header {
            page: inside,
            size: align,
            flags: 0x4,
            area_start: inside + 0x140,
            area_end: inside + align,
            heap: HEAP,
            owner: OLD_OWNER,
        },
    );
    // Noise: anonymous memory with words that resemble nothing, and a file that is not searched.
    m.map(PAGES_FROM + 30 * align, align, "rw", "");
    m.words(
        PAGES_FROM + 30 * align,
        &[align, 0x4, 0x1234, 0x5678, 0x9abc, HEAP, HEAP, HEAP, HEAP],
    );
    m
}

fn found(pages: &Pages) -> Vec<(u64, Space)> {
    pages
        .pages
        .iter()
        .map(|page| (page.address - PAGES_FROM, page.space))
        .collect()
}

fn expected(align: u64) -> Vec<(u64, Space)> {
    [
        (0, Space::Old),
        (1, Space::Old),
        (4, Space::Old),
        (8, Space::Old),
        (10, Space::New),
        (12, Space::NewFrom),
        (14, Space::ReadOnly),
        (16, Space::Old),
        (18, Space::Old),
        (20, Space::Old),
    ]
    .map(|(nth, space)| (nth * align, space))
    .to_vec()
}

#[test]
fn every_shape_is_found_and_named() {
    for (name, version, align, lay, ids) in SHAPES {
        let memory = heap(align, lay, ids);
        let pages = locate_pages(&memory, &memory.regions, Some(version)).expect(name);
        assert_eq!(pages.kind.name, name, "V8 {version}");
        assert_eq!(found(&pages), expected(align), "V8 {version}");
        assert_eq!(pages.heaps(), [HEAP, OTHER_HEAP]);
    }
}

#[test]
fn no_version_and_a_wrong_version_do_not_matter() {
    for (name, version, align, lay, ids) in SHAPES {
        let memory = heap(align, lay, ids);
        let addresses = |pages: &Pages| {
            found(pages)
                .into_iter()
                .map(|(at, _)| at)
                .collect::<Vec<_>>()
        };
        let expected: Vec<u64> = expected(align).into_iter().map(|(at, _)| at).collect();
        for hint in [None, Some(v8(4, 5)), Some(v8(14, 6))] {
            let pages = locate_pages(&memory, &memory.regions, hint).expect(name);
            assert_eq!(pages.kind.name, name, "V8 {version}, hint {hint:?}");
            assert_eq!(addresses(&pages), expected, "V8 {version}, hint {hint:?}");
        }
        // Without a version the semispaces tell the order of spaces.
        let pages = locate_pages(&memory, &memory.regions, None).expect(name);
        let space = |nth: u64| {
            pages
                .containing(PAGES_FROM + nth * align + 8)
                .map(|page| page.space)
        };
        assert_eq!(space(10), Some(Space::New), "V8 {version}");
        assert_eq!(space(12), Some(Space::NewFrom), "V8 {version}");
    }
}

#[test]
fn fields_are_read() {
    for (name, version, align, lay, ids) in SHAPES {
        let memory = heap(align, lay, ids);
        let pages = locate_pages(&memory, &memory.regions, Some(version)).expect(name);
        let large = pages
            .containing(PAGES_FROM + 5 * align)
            .expect("the large page");
        assert_eq!(large.size, align * 2 + 0x3000);
        assert_eq!(
            (large.area_start, large.area_end),
            (large.address + 0x140, large.address + large.size)
        );
        assert_eq!(
            (large.flags, large.heap, large.owner),
            (0x24, HEAP, OLD_OWNER),
            "V8 {version}"
        );
        let counts = (large.allocated_bytes, large.high_water_mark);
        assert_eq!(
            counts,
            if version.major < 9 {
                (0, 0)
            } else {
                (0x111, 0x3333)
            },
            "V8 {version}"
        );
        assert_eq!(large.metadata_address != 0, name == "E");
    }
}

#[test]
fn memory_without_v8_has_no_pages() {
    let mut memory = Synthetic::default();
    memory.map(0x10_0000_0000, 1 << 20, "rw", "");
    memory.map(0x20_0000_0000, 1 << 20, "r", "");
    assert!(locate_pages(&memory, &memory.regions, None).is_none());
    // Two pages are no heap: a heap has two semispaces and an old space.
    for nth in [0, 1] {
        let page = 0x10_0000_0000 + (nth << 18);
        let header = Header {
            page,
            size: 1 << 18,
            flags: 4,
            area_start: page + 0x140,
            area_end: page + (1 << 18),
            heap: HEAP,
            owner: OLD_OWNER,
        };
        shape_c(&mut memory, header);
    }
    assert!(locate_pages(&memory, &memory.regions, None).is_none());
}

#[test]
fn hostile_headers_are_refused() {
    let (_, version, align, lay, ids) = SHAPES[6];
    let good = PAGES_FROM;
    // Word by word of a shape C header: values that must not overflow, hang or allocate.
    for word in [0, 2, 3, 4, 8] {
        for value in [
            u64::MAX,
            u64::MAX - 0xfff,
            1 << 63,
            1,
            0x7fff_ffff_ffff_f000,
        ] {
            let mut memory = heap(align, lay, ids);
            memory.word(good + word * 8, value);
            let pages =
                locate_pages(&memory, &memory.regions, Some(version)).expect("the other pages");
            assert!(pages.containing(good).is_none(), "word {word} = {value:#x}");
            assert_eq!(pages.pages.len(), expected(align).len() - 1);
        }
    }
}

/// A tagged pointer to a map, as the first word of an object is…
const SOME_MAP: u64 = PAGES_FROM + 0x2000 + 1;
/// …whose own map is its own map.
const META_MAP: u64 = PAGES_FROM + 0x3000 + 1;

#[test]
fn allocation_areas_with_a_start() {
    let (_, version, align, lay, ids) = SHAPES[7];
    let mut memory = heap(align, lay, ids);
    memory.word(SOME_MAP - 1, META_MAP);
    memory.word(META_MAP - 1, META_MAP);
    let page = PAGES_FROM + 10 * align;
    let area = AllocationArea {
        start: page + 0x1000,
        top: page + 0x1800,
        limit: page + align,
    };
    memory.word(area.start, SOME_MAP);
    memory.words(HEAP + 0x100, &[area.start, area.top, area.limit]);
    // V8's copy from the last time it looked: the same area, less far.
    memory.words(HEAP + 0x300, &[area.start, area.top - 0x400, area.limit]);
    // Lowered for an allocation observer: the limit is in the middle of nothing, the original follows.
    let lowered = PAGES_FROM + 8 * align;
    memory.word(lowered + 0x4000, SOME_MAP);
    memory.words(
        OLD_OWNER + 0x80,
        &[
            lowered + 0x3000,
            lowered + 0x3000,
            lowered + 0x3800,
            7,
            lowered + 0x4000,
        ],
    );
    // In order, but in the unused semispace; and in order, but with nothing at the start.
    let from = PAGES_FROM + 12 * align;
    memory.words(HEAP + 0x500, &[from + 0x1000, from + 0x1000, from + align]);
    memory.words(HEAP + 0x600, &[page + 0x5000, page + 0x5100, page + 0x5200]);
    let pages = locate_pages(&memory, &memory.regions, Some(version)).expect("pages");
    let isolates = find_isolates(&memory, &pages, &mut [], IsolateClues::default());
    let observed = AllocationArea {
        start: lowered + 0x3000,
        top: lowered + 0x3000,
        limit: lowered + 0x4000,
    };
    let mut expected = vec![observed, area];
    expected.sort_by_key(|area| area.limit);
    let isolate = isolates
        .iter()
        .find(|isolate| isolate.heap == HEAP)
        .expect("the isolate");
    assert_eq!(isolate.allocation_areas, expected);
}

#[test]
fn allocation_areas_without_a_start() {
    let (_, version, align, lay, ids) = SHAPES[3];
    let mut memory = heap(align, lay, ids);
    let page = PAGES_FROM + 10 * align;
    let (top, limit) = (page + 0x1800, page + align);
    memory.words(NEW_OWNER - 0x200, &[top, limit, top - 0x800, limit]);
    let pages = locate_pages(&memory, &memory.regions, Some(version)).expect("pages");
    let isolates = find_isolates(&memory, &pages, &mut [], IsolateClues::default());
    let isolate = isolates
        .iter()
        .find(|isolate| isolate.heap == HEAP)
        .expect("the isolate");
    assert_eq!(
        isolate.allocation_areas,
        [AllocationArea {
            start: top,
            top,
            limit
        }]
    );
}

/// The thread's control block, and the isolates that hold the two heaps.
const THREAD: u64 = 0x7f00_0000_1000;
const ISOLATE: u64 = HEAP - 0x1230;
const OTHER_ISOLATE: u64 = OTHER_HEAP - 0x1230;

fn thread(tid: u32, fs_base: u64) -> Thread {
    Thread {
        tid,
        registers: vec![Register {
            name: "fs_base".to_owned(),
            value: fs_base,
        }],
        ..Thread::default()
    }
}

/// A heap with thread-local memory for two threads.
fn heap_with_threads() -> (Synthetic, Vec<Thread>) {
    let (_, _, align, lay, ids) = SHAPES[7];
    let mut memory = heap(align, lay, ids);
    memory.map(THREAD - 0x1000, 0x4000, "rw", "");
    (
        memory,
        vec![
            thread(11, THREAD),
            thread(12, THREAD + 0x2000),
            thread(13, 0),
        ],
    )
}

/// Which thread has entered which isolate.
fn paired(
    memory: &Synthetic,
    threads: &mut [Thread],
    clues: IsolateClues<'_>,
) -> Vec<(u64, u64, u32)> {
    let pages = locate_pages(memory, &memory.regions, None).expect("pages");
    let isolates = find_isolates(memory, &pages, threads, clues);
    isolates
        .iter()
        .map(|isolate| (isolate.heap, isolate.address, isolate.tid))
        .collect()
}

#[test]
fn isolates_by_thread_local_variable() {
    let (mut memory, mut threads) = heap_with_threads();
    memory.word(THREAD - 0x68, OTHER_ISOLATE);
    let symbols = V8Symbols {
        current_isolate: Some(CurrentIsolate::ThreadLocal {
            below_thread_pointer: 0x68,
        }),
        gc_state_offset: Some(0x198),
        ..V8Symbols::default()
    };
    memory.word(HEAP + 0x198, 2);
    let clues = IsolateClues {
        symbols: Some(&symbols),
        load_bias: 0,
    };
    // The other isolate has been entered by no thread, but lies as the first does.
    let expected = [(OTHER_HEAP, OTHER_ISOLATE, 11), (HEAP, ISOLATE, 0)];
    assert_eq!(paired(&memory, &mut threads, clues), expected);
    assert_eq!(
        threads
            .iter()
            .map(|thread| thread.isolate)
            .collect::<Vec<_>>(),
        [OTHER_ISOLATE, 0, 0]
    );
    let pages = locate_pages(&memory, &memory.regions, None).expect("pages");
    let states = find_isolates(&memory, &pages, &mut threads, clues);
    assert_eq!(
        states
            .iter()
            .map(|isolate| isolate.gc_state)
            .collect::<Vec<_>>(),
        [GcState::Idle, GcState::Collecting]
    );
    let unknown = find_isolates(&memory, &pages, &mut threads, IsolateClues::default());
    assert!(
        unknown
            .iter()
            .all(|isolate| isolate.gc_state == GcState::Unknown)
    );
}

#[test]
fn isolates_by_key() {
    let (mut memory, mut threads) = heap_with_threads();
    // The binary is loaded at a bias; its key variable says 3. glibc: 16 bytes per key from 0x310 on, the value second.
    let (bias, variable) = (0x0100_0000, 0x2_0000);
    memory.word(bias + variable, 3);
    memory.word(THREAD + 0x310 + 3 * 16 + 8, ISOLATE);
    memory.word(THREAD + 0x2000 + 0x310 + 3 * 16 + 8, OTHER_ISOLATE);
    let symbols = V8Symbols {
        current_isolate: Some(CurrentIsolate::PthreadKey { address: variable }),
        ..V8Symbols::default()
    };
    let clues = IsolateClues {
        symbols: Some(&symbols),
        load_bias: bias,
    };
    let expected = [(HEAP, ISOLATE, 11), (OTHER_HEAP, OTHER_ISOLATE, 12)];
    assert_eq!(paired(&memory, &mut threads, clues), expected);
}

#[test]
fn isolates_without_symbols() {
    let (mut memory, mut threads) = heap_with_threads();
    // Something in thread-local memory that points near the heap, but is no allocation around it; then the isolate, with the
    // allocator's size in front.
    memory.word(THREAD - 0x10, HEAP - 0x400);
    memory.word(THREAD - 0x20, ISOLATE);
    memory.word(ISOLATE - 8, 0x6000 | 1);
    let expected = [(HEAP, ISOLATE, 11), (OTHER_HEAP, OTHER_ISOLATE, 0)];
    assert_eq!(
        paired(&memory, &mut threads, IsolateClues::default()),
        expected
    );
}

/// `v8dbg_*` of V8 12.4, as far as strings are concerned.
fn string_constants() -> BTreeMap<String, i64> {
    [
        ("FirstNonstringType", 128),
        ("StringRepresentationMask", 7),
        ("ExternalStringTag", 2),
        ("StringEncodingMask", 8),
        ("OneByteStringTag", 8),
        ("class_Map__instance_type__uint16_t", 12),
        ("class_String__length__int32_t", 12),
        ("class_ExternalString__resource__Object", 16),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

#[test]
fn contents_of_external_strings() {
    let (_, version, align, lay, ids) = SHAPES[7];
    let mut memory = heap(align, lay, ids);
    memory.map(0x0040_0000, 0x2000, "r", "/usr/bin/node");
    let (vtable, characters, resources) = (0x0040_0100, 0x0040_1000, 0x0128_0000);
    // In the read-only space: the map of maps, and those of external strings of one and of two bytes per character.
    let read_only = PAGES_FROM + 14 * align;
    let (meta_map, one_byte, two_byte) = (read_only + 0x200, read_only + 0x300, read_only + 0x400);
    memory.words(meta_map, &[meta_map + 1, 0x00f5_0000_0000]);
    memory.words(one_byte, &[meta_map + 1, 0x000a_0000_0000]);
    memory.words(two_byte, &[meta_map + 1, 0x0002_0000_0000]);
    let mut string = |at: u64, map: u64, length: u64, resource: u64, data: u64| {
        memory.words(PAGES_FROM + at, &[map + 1, length << 32, resource, data]);
    };
    string(0x1000, one_byte, 100, resources, characters);
    string(0x1100, two_byte, 30, resources + 0x40, characters + 0x800);
    // Not cached: where the address would be, the next object begins.
    string(0x1200, one_byte, 7, resources + 0x80, meta_map + 1);
    // A word that equals a map, and what follows it: no resource, no vtable, a hostile length, another's characters.
    string(0x1300, one_byte, 50, 0, characters);
    string(0x1400, one_byte, 50, resources + 0xc0, characters);
    string(0x1500, one_byte, 0x7fff_ffff, resources, characters);
    string(0x1600, one_byte, 50, resources, 0x0100_0000);
    memory.words(resources, &[vtable, characters, 100]);
    memory.words(resources + 0x40, &[vtable, 0x5555, characters + 0x800]);
    memory.words(resources + 0x80, &[vtable, characters + 0x900, 7]);
    memory.words(resources + 0xc0, &[0x0100_0000, characters]);
    let pages = locate_pages(&memory, &memory.regions, Some(version)).expect("pages");
    let shape = ExternalStringShape::new(&string_constants()).expect("all constants");
    let found = find_external_strings(&memory, &memory, &memory.regions, &pages, &shape);
    let range = |start, len| MemoryRange { start, len };
    assert_eq!(
        found,
        [
            range(characters, 100),
            range(characters + 0x800, 60),
            range(characters + 0x900, 7),
            range(resources, 48),
            range(resources + 0x40, 48),
            range(resources + 0x80, 48),
        ]
    );
}

#[test]
fn external_strings_need_their_constants() {
    for missing in string_constants().keys() {
        let mut constants = string_constants();
        constants.remove(missing);
        assert_eq!(ExternalStringShape::new(&constants), None, "{missing}");
    }
    // V8 up to 6.5: types of one byte, lengths as Smis.
    let mut old = string_constants();
    old.remove("class_Map__instance_type__uint16_t");
    old.insert("class_Map__instance_attributes__int".to_owned(), 12);
    assert!(ExternalStringShape::new(&old).is_some());
}
