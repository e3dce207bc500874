//! Pages of every header shape are found and named.

use v8mini_capture::locate::{Pages, locate_pages};
use v8mini_format::model::Space;

use crate::heap::*;
use crate::synthetic::Synthetic;

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
