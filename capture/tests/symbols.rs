//! Symbols are read from an ELF file laid out here byte by byte.

use v8mini_capture::symbols::{Binary, CurrentIsolate};
use v8mini_format::model::V8Version;

const BASE: u64 = 0x40_0000;
const DATA: u64 = BASE + 0x1000;
const BSS: u64 = DATA + 0x800;
const CODE: u64 = DATA + 0x600;

const OBJECT: u8 = 1;
const FUNCTION: u8 = 2;
const TLS: u8 = 6;

struct Symbol {
    name: &'static str,
    kind: u8,
    value: u64,
    size: u64,
}

fn symbol(name: &'static str, kind: u8, value: u64, size: u64) -> Symbol {
    Symbol {
        name,
        kind,
        value,
        size,
    }
}

/// A 64-bit little-endian executable: one loaded segment with data of 0x800 bytes in the file and 0x100 more in memory, one
/// thread-local segment, and the two symbol tables.
fn elf(data: &[u8], dynamic: &[Symbol], full: &[Symbol]) -> Vec<u8> {
    let mut file = vec![0; 0x1000];
    file.extend_from_slice(data);
    file.resize(0x1800, 0);
    let mut sections = vec![[0; 64]];
    for (symbols, table_type) in [(dynamic, 11_u32), (full, 2)] {
        let mut strings = vec![0];
        let mut table = vec![0; 24];
        for symbol in symbols {
            table.extend((strings.len() as u32).to_le_bytes());
            table.extend([0x10 | symbol.kind, 0, 1, 0]);
            table.extend(symbol.value.to_le_bytes());
            table.extend(symbol.size.to_le_bytes());
            strings.extend(symbol.name.as_bytes());
            strings.push(0);
        }
        let strings_section = sections.len() as u32 + 1;
        sections.push(section(
            table_type,
            file.len(),
            table.len(),
            strings_section,
            24,
        ));
        file.extend(table);
        sections.push(section(3, file.len(), strings.len(), 0, 0));
        file.extend(strings);
    }
    let section_headers = file.len() as u64;
    let section_count = sections.len() as u16;
    sections.iter().for_each(|section| file.extend(section));
    let header = [
        &b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0"[..],
        &2_u16.to_le_bytes(),  // ET_EXEC
        &62_u16.to_le_bytes(), // EM_X86_64
        &1_u32.to_le_bytes(),
        &BASE.to_le_bytes(), // Entry.
        &64_u64.to_le_bytes(),
        &section_headers.to_le_bytes(),
        &0_u32.to_le_bytes(),
        &64_u16.to_le_bytes(),
        &56_u16.to_le_bytes(),
        &2_u16.to_le_bytes(), // Program headers.
        &64_u16.to_le_bytes(),
        &section_count.to_le_bytes(),
        &2_u16.to_le_bytes(), // Names of sections: nobody asks.
    ]
    .concat();
    file[..64].copy_from_slice(&header);
    let load = program_header(1, 0x1000, DATA, 0x800, 0x900, 0x1000);
    // 0x123 bytes of thread-local storage, aligned to 64: the block takes 0x140.
    let tls = program_header(7, 0x1000, DATA, 0, 0x123, 64);
    file[64..120].copy_from_slice(&load);
    file[120..176].copy_from_slice(&tls);
    file
}

fn program_header(
    kind: u32,
    offset: u64,
    address: u64,
    file: u64,
    memory: u64,
    align: u64,
) -> Vec<u8> {
    let mut header = [kind.to_le_bytes(), 4_u32.to_le_bytes()].concat();
    [offset, address, address, file, memory, align]
        .iter()
        .for_each(|word| header.extend(word.to_le_bytes()));
    header
}

fn section(kind: u32, offset: usize, size: usize, link: u32, entry: u64) -> [u8; 64] {
    let mut section = [0; 64];
    section[4..8].copy_from_slice(&kind.to_le_bytes());
    section[24..32].copy_from_slice(&(offset as u64).to_le_bytes());
    section[32..40].copy_from_slice(&(size as u64).to_le_bytes());
    section[40..44].copy_from_slice(&link.to_le_bytes());
    section[48..56].copy_from_slice(&8_u64.to_le_bytes());
    section[56..64].copy_from_slice(&entry.to_le_bytes());
    section
}

const VERSION: [&str; 4] = [
    "_ZN2v88internal7Version6major_E",
    "_ZN2v88internal7Version6minor_E",
    "_ZN2v88internal7Version6build_E",
    "_ZN2v88internal7Version6patch_E",
];

fn data() -> Vec<u8> {
    let mut data = vec![0; 0x800];
    for (at, value) in [12_i32, 4, 254, 21, 128, -7].iter().enumerate() {
        data[at * 4..][..4].copy_from_slice(&value.to_le_bytes());
    }
    let url = b"\0https://nodejs.org/download/release/v22.23.3/node-v22.23.3-headers.tar.gz\0";
    data[0x200..][..url.len()].copy_from_slice(url);
    data[0x600..0x607].copy_from_slice(&[0x89, 0xb7, 0x98, 0x01, 0, 0, 0xc3]);
    data
}

fn exported() -> Vec<Symbol> {
    vec![
        symbol("v8dbg_FirstNonstringType", OBJECT, DATA + 16, 4),
        symbol("v8dbg_negative", OBJECT, DATA + 20, 4),
        symbol("v8dbg_OddballFalse", OBJECT, BSS + 0x10, 4),
        symbol("v8dbg_nowhere", OBJECT, 0x9999_0000, 4),
        symbol("v8_dbg_unrelated", OBJECT, DATA, 4),
    ]
}

fn internal() -> Vec<Symbol> {
    let mut symbols: Vec<Symbol> = (DATA..)
        .step_by(4)
        .zip(VERSION)
        .map(|(at, name)| symbol(name, OBJECT, at, 4))
        .collect();
    symbols.push(symbol("_ZN2v88internal18g_current_isolate_E", TLS, 0xd8, 8));
    symbols.push(symbol(
        "_ZN2v88internal4Heap10SetGCStateENS1_9HeapStateE",
        FUNCTION,
        CODE,
        7,
    ));
    // The same name with another value: what is exported counts.
    symbols.push(symbol("v8dbg_FirstNonstringType", OBJECT, DATA, 4));
    symbols
}

#[test]
fn everything_in_one_file() {
    let file = elf(&data(), &exported(), &internal());
    let symbols = Binary::parse(file.as_slice()).unwrap().v8_symbols();
    assert!(symbols.has_v8());
    let constants: Vec<(&str, i64)> = symbols
        .constants
        .iter()
        .map(|(name, value)| (name.as_str(), *value))
        .collect();
    assert_eq!(
        constants,
        [
            ("FirstNonstringType", 128),
            ("OddballFalse", 0),
            ("negative", -7)
        ]
    );
    assert_eq!(
        symbols.v8_version,
        Some(V8Version {
            major: 12,
            minor: 4,
            build: 254,
            patch: 21
        })
    );
    assert_eq!(symbols.node_version.as_deref(), Some("v22.23.3"));
    assert_eq!(symbols.gc_state_offset, Some(0x198));
    assert_eq!(
        symbols.current_isolate,
        Some(CurrentIsolate::ThreadLocal {
            below_thread_pointer: 0x140 - 0xd8
        })
    );
}

#[test]
fn a_stripped_file_keeps_what_it_exports() {
    let file = elf(&data(), &exported(), &[]);
    let symbols = Binary::parse(file.as_slice()).unwrap().v8_symbols();
    assert_eq!(symbols.constants.len(), 3);
    assert_eq!(
        (
            symbols.v8_version,
            symbols.current_isolate,
            symbols.gc_state_offset
        ),
        (None, None, None)
    );
}

#[test]
fn the_key_of_older_versions() {
    let key = symbol(
        "_ZN2v88internal7Isolate12isolate_key_E",
        OBJECT,
        BSS + 0x20,
        4,
    );
    let file = elf(&data(), &[], &[key]);
    let symbols = Binary::parse(file.as_slice()).unwrap().v8_symbols();
    assert_eq!(
        symbols.current_isolate,
        Some(CurrentIsolate::PthreadKey {
            address: BSS + 0x20
        })
    );
    assert!(!symbols.has_v8());
}

#[test]
fn cut_and_flipped_files_are_errors_or_answers() {
    let whole = elf(&data(), &exported(), &internal());
    for len in 0..whole.len() {
        if let Ok(binary) = Binary::parse(&whole[..len]) {
            binary.v8_symbols();
        }
    }
    for at in (0..176).chain(0x1800..whole.len()) {
        for bit in 0..8 {
            let mut file = whole.clone();
            file[at] ^= 1 << bit;
            if let Ok(binary) = Binary::parse(file.as_slice()) {
                binary.v8_symbols();
            }
        }
    }
}
