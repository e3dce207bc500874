//! Cores laid by hand: the bytes are written out here, not by the structures that read them.

use v8mini_format::memory::{Memory, MemoryExt, MemoryRange};

use super::error::CoreError;
use super::headers::{Headers, Machine};
use super::image::{CoreOptions, open_bytes};
use super::memory::{Backed, CoreMemory};
use super::notes::Notes;
use super::regions::regions;
use super::stack_bottom;

/// A segment to be laid: address, bytes in memory, `p_flags`, bytes in the core.
struct Laid(u64, u64, u32, Vec<u8>);

const R: u32 = 4;
const RW: u32 = 6;

fn words(words: &[u64]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

fn note(kind: u32, desc: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for word in [5, desc.len() as u32, kind] {
        bytes.extend(word.to_le_bytes());
    }
    bytes.extend(b"CORE\0\0\0\0");
    bytes.extend(desc);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

fn program_header(
    kind: u32,
    flags: u32,
    offset: u64,
    address: u64,
    len: u64,
    memory: u64,
) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend(kind.to_le_bytes());
    bytes.extend(flags.to_le_bytes());
    bytes.extend(words(&[offset, address, 0, len, memory, 4]));
    bytes
}

/// Header, program headers, notes, memory: the order of the kernel. `count` is what the header says of the program headers.
fn core_counting(notes: &[u8], segments: &[Laid], count: u16, sections: u64) -> Vec<u8> {
    let table = 64_u64;
    let mut offset = table + 56 * (segments.len() as u64 + 1);
    let mut headers = program_header(4, R, offset, 0, notes.len() as u64, 0);
    let mut contents = notes.to_vec();
    offset += notes.len() as u64;
    for Laid(address, memory, flags, bytes) in segments {
        let len = bytes.len() as u64;
        headers.extend(program_header(1, *flags, offset, *address, len, *memory));
        contents.extend(bytes);
        offset += len;
    }
    let mut core = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    core.extend(4_u16.to_le_bytes());
    core.extend(62_u16.to_le_bytes());
    core.extend(1_u32.to_le_bytes());
    core.extend(words(&[0, table, sections]));
    core.extend(0_u32.to_le_bytes());
    for half in [64, 56, count, 64, u16::from(sections != 0), 0] {
        core.extend(half.to_le_bytes());
    }
    core.extend(headers);
    core.extend(contents);
    core
}

fn core(notes: &[u8], segments: &[Laid]) -> Vec<u8> {
    core_counting(notes, segments, segments.len() as u16 + 1, 0)
}

fn three_segments() -> Vec<u8> {
    core(
        &note(1, &[0; 336]),
        &[
            Laid(0x1000, 0x1000, R, vec![1; 64]),
            Laid(0x2000, 0x3000, RW, vec![2; 128]),
            Laid(0x8000, 0x1000, R, Vec::new()),
        ],
    )
}

#[test]
fn segments_and_notes() {
    let bytes = three_segments();
    let headers = Headers::parse(&bytes).unwrap();
    let lens: Vec<_> = headers
        .segments
        .iter()
        .map(|s| (s.start, s.memory_len, s.stored_len, s.present_len))
        .collect();
    assert_eq!(
        lens,
        [
            (0x1000, 0x1000, 64, 64),
            (0x2000, 0x3000, 128, 128),
            (0x8000, 0x1000, 0, 0)
        ]
    );
    assert!(headers.segments[1].permissions.write && !headers.segments[0].permissions.write);
    assert_eq!((headers.notes.len(), headers.problems.len()), (1, 0));
    assert_eq!(headers.machine, Machine::X86_64);
    let stored = headers.stored_ranges();
    assert_eq!(stored.iter().map(|range| range.len).sum::<u64>(), 192);
}

#[test]
fn cut_at_every_byte() {
    let bytes = three_segments();
    let mut most = 0;
    for len in 0..bytes.len() {
        match Headers::parse(&bytes[..len]) {
            Ok(headers) => {
                let present: u64 = headers.segments.iter().map(|s| s.present_len).sum();
                assert!(present >= most, "more of the file is less memory at {len}");
                assert!(
                    !headers.problems.is_empty(),
                    "nothing is said of a cut at {len}"
                );
                most = present;
            }
            Err(error) => assert!(len < 64 + 56, "{len}: {error}"),
        }
    }
    assert_eq!(most, 191);
}

#[test]
fn more_segments_than_the_header_can_count() {
    let segments = || {
        vec![
            Laid(0x1000, 0x1000, R, vec![7; 16]),
            Laid(0x2000, 0x1000, R, vec![8; 16]),
        ]
    };
    let end = core(&[0; 12], &segments()).len() as u64;
    let mut bytes = core_counting(&[0; 12], &segments(), 0xffff, end);
    // A section header whose sh_info, at 44, is the number.
    let mut section = [0; 64];
    section[44] = 3;
    bytes.extend(section);
    let headers = Headers::parse(&bytes).unwrap();
    assert_eq!((headers.segments.len(), headers.problems.len()), (2, 0));
    // The kernel writes it last, so a cut core lacks it: then the place of the notes tells.
    bytes.truncate(bytes.len() - 65);
    let headers = Headers::parse(&bytes).unwrap();
    assert_eq!(headers.segments.len(), 2);
    assert!(headers.problems[0].1.contains("section"));
}

#[test]
fn files_that_are_no_core() {
    let of = |change: fn(&mut Vec<u8>)| {
        let mut bytes = three_segments();
        change(&mut bytes);
        Headers::parse(&bytes).map(drop).unwrap_err()
    };
    assert!(matches!(of(|b| b[16] = 2), CoreError::NotCore { found: 2 }));
    assert!(matches!(of(|b| b[18] = 3), CoreError::Machine { found: 3 }));
    assert!(matches!(of(|b| b[4] = 1), CoreError::NotElf(_)));
    assert!(matches!(of(|b| b[5] = 2), CoreError::NotElf(_)));
    assert!(matches!(of(|b| b[54] = 55), CoreError::Headers { .. }));
    assert!(matches!(of(|b| b[39] = 0x7f), CoreError::Headers { .. }));
    assert!(matches!(of(Vec::clear), CoreError::NotElf(_)));
}

#[test]
fn segments_that_share_bytes_are_left_out() {
    let mut bytes = core(
        &[],
        &[
            Laid(0x1000, 64, R, vec![1; 64]),
            Laid(0x2000, 64, R, vec![2; 64]),
        ],
    );
    let whole = bytes.len() as u64;
    // Both now claim the whole file.
    for at in [64 + 56, 64 + 112] {
        bytes[at + 8..at + 16].copy_from_slice(&0_u64.to_le_bytes());
        bytes[at + 32..at + 40].copy_from_slice(&whole.to_le_bytes());
    }
    let headers = Headers::parse(&bytes).unwrap();
    assert_eq!(headers.segments.len(), 1);
    assert!(headers.problems[0].1.contains("share bytes"));
}

#[test]
fn segment_beyond_the_address_space_is_left_out() {
    let bytes = core(&[], &[Laid(u64::MAX - 8, 64, R, vec![1; 64])]);
    let headers = Headers::parse(&bytes).unwrap();
    assert!(headers.segments.is_empty() && headers.problems[0].1.contains("address space"));
}

fn read_notes(bytes: &[u8]) -> Notes {
    let mut notes = Notes::default();
    notes.read(Machine::X86_64, 4, bytes);
    notes
}

#[test]
fn thread_process_and_auxiliary_vector() {
    let mut status = vec![0; 336];
    status[32..36].copy_from_slice(&4711_u32.to_le_bytes());
    // The 20th register is rsp, the 22nd fs_base.
    status[112 + 19 * 8..][..8].copy_from_slice(&0x7ffc_0000_1000_u64.to_le_bytes());
    status[112 + 21 * 8..][..8].copy_from_slice(&0x7f00_0000_2000_u64.to_le_bytes());
    let mut process = vec![0; 136];
    process[24..28].copy_from_slice(&4700_u32.to_le_bytes());
    process[40..44].copy_from_slice(b"node");
    process[56..69].copy_from_slice(b"node app.js  ");
    let vector = words(&[3, 0x40_0040, 6, 4096, 0, 0]);
    let bytes = [note(1, &status), note(3, &process), note(6, &vector)].concat();
    let notes = read_notes(&bytes);
    assert_eq!(notes.threads[0].tid, 4711);
    let register = |name| {
        let registers = &notes.threads[0].registers;
        registers.iter().find(|r| r.name == name).map(|r| r.value)
    };
    assert_eq!(register("rsp"), Some(0x7ffc_0000_1000));
    assert_eq!(register("fs_base"), Some(0x7f00_0000_2000));
    let process = notes.process.as_ref().unwrap();
    assert_eq!(
        (
            process.pid,
            process.name.as_str(),
            process.arguments.as_str()
        ),
        (4700, "node", "node app.js")
    );
    assert_eq!((notes.auxiliary(6), notes.auxiliary(9)), (Some(4096), None));
    assert_eq!(notes.damaged, [] as [&str; 0]);
}

fn files(page_size: u64) -> Vec<u8> {
    let offset = 0x3000 / page_size;
    let entries = [2, page_size, 0x1000, 0x2000, 0, 0x5000, 0x7000, offset];
    let mut bytes = words(&entries);
    bytes.extend(b"/usr/bin/node\0/lib/my lib (deleted)\0");
    bytes
}

#[test]
fn mapped_files_of_the_kernel_and_of_gcore() {
    for page_size in [4096, 1] {
        let notes = read_notes(&note(0x4649_4c45, &files(page_size)));
        let found: Vec<_> = notes
            .files
            .iter()
            .map(|f| (f.start, f.end, f.offset, f.path.as_str()))
            .collect();
        assert_eq!(
            found,
            [
                (0x1000, 0x2000, 0, "/usr/bin/node"),
                (0x5000, 0x7000, 0x3000, "/lib/my lib (deleted)")
            ]
        );
    }
}

#[test]
fn damaged_notes_are_reported() {
    let mut endless = files(4096);
    endless[..8].copy_from_slice(&u64::MAX.to_le_bytes());
    let mut huge = files(4096);
    huge[8..16].copy_from_slice(&u64::MAX.to_le_bytes());
    for desc in [endless, huge, vec![0; 15]] {
        assert_eq!(read_notes(&note(0x4649_4c45, &desc)).damaged.len(), 1);
    }
    let notes = read_notes(&note(1, &[0; 100]));
    assert!(notes.threads.is_empty() && notes.damaged.len() == 1);
    let mut cut = note(1, &[0; 336]);
    cut.truncate(200);
    assert_eq!(read_notes(&cut).damaged.len(), 1);
    assert!(read_notes(&note(1, &[0; 100]).repeat(1000)).damaged.len() < 100);
}

#[test]
fn map_of_segments_and_files() {
    let bytes = core(
        &note(0x4649_4c45, &files(4096)),
        &[
            Laid(0x1000, 0x1000, R, vec![1; 16]),
            Laid(0x5000, 0x1000, R, Vec::new()),
            Laid(0x9000, 0x1000, RW, vec![2; 16]),
            Laid(0x9800, 0x1000, RW, vec![3; 16]),
        ],
    );
    let headers = Headers::parse(&bytes).unwrap();
    let notes = read_notes(headers.notes[0].1);
    let map: Vec<_> = regions(&headers.segments, &notes.files)
        .into_iter()
        .map(|r| (r.start, r.end, r.file_offset, r.name))
        .collect();
    assert_eq!(
        map,
        [
            (0x1000, 0x2000, 0, "/usr/bin/node".to_owned()),
            (0x5000, 0x6000, 0x3000, "/lib/my lib (deleted)".to_owned()),
            // Of two that overlap, the first stays.
            (0x9000, 0xa000, 0, String::new()),
        ]
    );
    // A mapping that gcore left out is known from the list of files alone.
    let map = regions(&headers.segments[2..3], &notes.files);
    let starts: Vec<_> = map.iter().map(|r| (r.start, r.permissions.read)).collect();
    assert_eq!(starts, [(0x1000, true), (0x5000, true), (0x9000, true)]);
}

fn memory(parts: &[(u64, Vec<u8>)]) -> CoreMemory {
    let mut memory = CoreMemory::default();
    for (start, bytes) in parts {
        let mut map = memmap2::MmapMut::map_anon(bytes.len()).unwrap();
        map.copy_from_slice(bytes);
        let part = Backed {
            start: *start,
            len: bytes.len() as u64,
            offset: 0,
        };
        memory.add_under(map.make_read_only().unwrap().into(), vec![part]);
    }
    memory
}

#[test]
fn binary_lies_under_the_core() {
    let memory = memory(&[
        (0x1010, vec![1; 0x10]),
        (0x1030, vec![2; 0x10]),
        (0x1000, vec![9; 0x60]),
    ]);
    let mut bytes = vec![0; 0x60];
    memory.read_at(0x1000, &mut bytes).unwrap();
    let expected = [[9; 16], [1; 16], [9; 16], [2; 16], [9; 16], [9; 16]].concat();
    assert_eq!(bytes, expected);
    assert!(memory.read_at(0x1059, &mut [0; 8]).is_err());
    assert!(memory.read_at(0xfff, &mut [0; 2]).is_err());
    assert!(memory.read_at(u64::MAX, &mut [0; 2]).is_err());
    assert_eq!(
        memory.ranges(),
        [MemoryRange {
            start: 0x1000,
            len: 0x60
        }]
    );
    let part = memory.restrict(&[MemoryRange {
        start: 0x1018,
        len: 0x20,
    }]);
    assert_eq!(part.len_bytes(), 0x20);
    assert_eq!(part.read_array(0x1018), Ok([1; 8]));
    assert_eq!(part.read_array(0x101c), Ok([1, 1, 1, 1, 9, 9, 9, 9]));
    assert!(part.read_at(0x1010, &mut [0; 16]).is_err());
}

#[test]
fn binary_is_not_laid_where_the_core_was_cut() {
    let part = Backed {
        start: 0x1000,
        len: 0x1000,
        offset: 0x400,
    };
    let stored = [
        MemoryRange {
            start: 0x800,
            len: 0x900,
        },
        MemoryRange {
            start: 0x1800,
            len: 0x100,
        },
    ];
    assert_eq!(
        Backed::outside(vec![part], &stored),
        [
            Backed {
                start: 0x1100,
                len: 0x700,
                offset: 0x500
            },
            Backed {
                start: 0x1900,
                len: 0x700,
                offset: 0xd00
            }
        ]
    );
}

#[test]
fn command_line_at_the_bottom_of_the_stack() {
    let base = 0x7ffc_0000_0000_u64;
    let strings = base + 0x200;
    let mut stack = words(&[0xdead, 2, strings, strings + 5, 0, strings + 20, 0]);
    stack.extend(words(&[33, 0x7777, 25, base + 0x100, 0, 0]));
    stack.resize(0x200, 0);
    stack.extend(b"node\0my app.js\0    SECRET=1\0");
    stack.resize(0x240, 0);
    let memory = memory(&[(base, stack)]);
    let notes = Notes {
        auxiliary: vec![(33, 0x7777), (25, base + 0x100)],
        ..Notes::default()
    };
    let bottom = stack_bottom::find(&memory, &notes).unwrap();
    assert_eq!(bottom.address, base + 8);
    assert_eq!(bottom.arguments, ["node", "my app.js"]);
    assert_eq!(stack_bottom::find(&memory, &Notes::default()), None);
}

#[test]
fn core_without_a_heap_says_what_it_holds() {
    let error = open_bytes(&three_segments(), &CoreOptions::default()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "no V8 heap was found in 192 bytes of memory in 3 segments; is this the core of a Node.js process?"
    );
    let bytes = three_segments();
    let error = open_bytes(&bytes[..bytes.len() - 1], &CoreOptions::default()).unwrap_err();
    assert!(error.to_string().contains("the core is cut"), "{error}");
}
