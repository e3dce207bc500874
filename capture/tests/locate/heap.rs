//! A heap in synthetic memory, with page headers of every shape that V8 has had.

use v8mini_format::model::V8Version;

use crate::synthetic::Synthetic;

/// What a header says, whatever its shape.
#[derive(Clone, Copy)]
pub(crate) struct Header {
    pub(crate) page: u64,
    pub(crate) size: u64,
    pub(crate) flags: u64,
    pub(crate) area_start: u64,
    pub(crate) area_end: u64,
    pub(crate) heap: u64,
    pub(crate) owner: u64,
}

pub(crate) const HEAP: u64 = 0x0100_8000;
pub(crate) const OTHER_HEAP: u64 = 0x0110_8000;
/// `malloc`ed metadata of shape E, one block per page.
pub(crate) const METADATA: u64 = 0x0200_0000;

/// Lays out one header; the shapes as `src/heap/spaces.h`, `memory-chunk-layout.h` and `memory-chunk-metadata.h` have them.
pub(crate) type Lay = fn(&mut Synthetic, Header);

pub(crate) fn shape_a(m: &mut Synthetic, h: Header) {
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

pub(crate) fn shape_b0(m: &mut Synthetic, h: Header) {
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

pub(crate) fn shape_b(m: &mut Synthetic, h: Header) {
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

pub(crate) fn shape_b_79(m: &mut Synthetic, h: Header) {
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

pub(crate) fn shape_b2(m: &mut Synthetic, h: Header) {
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

pub(crate) fn shape_c(m: &mut Synthetic, h: Header) {
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

pub(crate) fn shape_d(m: &mut Synthetic, h: Header) {
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

pub(crate) fn shape_e(m: &mut Synthetic, h: Header) {
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
pub(crate) const SHAPES: [(&str, V8Version, u64, Lay, [u32; 2]); 9] = [
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

pub(crate) const fn v8(major: u32, minor: u32) -> V8Version {
    V8Version {
        major,
        minor,
        build: 0,
        patch: 0,
    }
}

pub(crate) const OLD_OWNER: u64 = 0x0120_0000;
pub(crate) const NEW_OWNER: u64 = 0x0121_0000;
pub(crate) const PAGES_FROM: u64 = 0x10_0000_0000;

/// Two isolates: four old pages (one large), two semispace pages, one read-only page; three old pages of the other.
pub(crate) fn heap(align: u64, lay: Lay, [old_id, new_id]: [u32; 2]) -> Synthetic {
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
