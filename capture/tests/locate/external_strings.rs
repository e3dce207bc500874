//! The contents of external strings are found, and nothing that only looks like them.

use std::collections::BTreeMap;

use v8mini_capture::locate::{ExternalStringShape, find_external_strings, locate_pages};
use v8mini_format::memory::MemoryRange;

use crate::heap::*;

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
    let allocated = resources + 0x1000;
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
    // Hardly behind the first ones; and not in a file.
    string(0x1700, one_byte, 21, resources + 0x100, characters + 0x80);
    string(0x1800, one_byte, 13, resources + 0x140, allocated);
    string(0x1900, one_byte, 14, resources + 0x180, allocated + 0x10);
    // A word that equals a map, and what follows it: no resource, no vtable, a hostile length, another's characters.
    string(0x1300, one_byte, 50, 0, characters);
    string(0x1400, one_byte, 50, resources + 0xc0, characters);
    string(0x1500, one_byte, 0x7fff_ffff, resources, characters);
    string(0x1600, one_byte, 50, resources, 0x0100_0000);
    memory.words(resources, &[vtable, characters, 100]);
    memory.words(resources + 0x40, &[vtable, 0x5555, characters + 0x800]);
    memory.words(resources + 0x80, &[vtable, characters + 0x900, 7]);
    memory.words(resources + 0xc0, &[0x0100_0000, characters]);
    memory.words(resources + 0x100, &[vtable, characters + 0x80, 21]);
    memory.words(resources + 0x140, &[vtable, allocated, 13]);
    memory.words(resources + 0x180, &[vtable, allocated + 0x10, 14]);
    let pages = locate_pages(&memory, &memory.regions, Some(version)).expect("pages");
    let shape = ExternalStringShape::new(&string_constants()).expect("all constants");
    let found = find_external_strings(&memory, &memory, &memory.regions, &pages, &shape);
    let range = |start, len| MemoryRange { start, len };
    assert_eq!(
        found,
        [
            // In a file: whole words, and the two that are near each other as one.
            range(characters, 0x80 + 24),
            range(characters + 0x800, 64),
            range(characters + 0x900, 8),
            range(resources, 48),
            range(resources + 0x40, 48),
            range(resources + 0x80, 48),
            range(resources + 0x100, 48),
            range(resources + 0x140, 48),
            range(resources + 0x180, 48),
            range(allocated, 13),
            range(allocated + 0x10, 14),
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
