use std::hint::black_box;
use std::io::{self, Write};

use v8mini_capture::elf_core::{CoreImage, CoreOptions, open};
use v8mini_format::memory::{Memory, MemoryExt};

use super::{analysis, size_of};
use crate::allocation::bounded;
use crate::seeds::Seed;

/// What precedes the memory in the seed's core, filled up with zeros: an input replaces it.
const HEAD_BYTES: usize = 0x2000;
/// Sizes of the ELF header and of a program header.
const ELF_HEADER_BYTES: usize = 64;
const PROGRAM_HEADER_BYTES: usize = 56;
const PT_LOAD: u32 = 1;
const PT_NOTE: u32 = 4;
/// `elf_gregset_t` of x86-64.
const REGISTERS: [&str; 27] = [
    "r15", "r14", "r13", "r12", "rbp", "rbx", "r11", "r10", "r9", "r8", "rax", "rcx", "rdx", "rsi",
    "rdi", "orig_rax", "rip", "cs", "eflags", "rsp", "ss", "fs_base", "gs_base", "ds", "es", "fs",
    "gs",
];
/// Most ranges whose memory is read.
const MAX_RANGES: usize = 256;

/// The bytes as a core, alone and as the headers and notes in front of the seed's memory. What opens is read, and the heap
/// in it analysed.
pub fn core(data: &[u8]) {
    read(data, size_of(data));
    let mut whole = data.to_vec();
    whole.resize(HEAD_BYTES, 0);
    for (_, bytes) in &Seed::get().bytes.0 {
        whole.extend_from_slice(bytes);
    }
    read(&whole, size_of(data));
}

fn read(bytes: &[u8], size: usize) {
    let Ok(file) = save(bytes) else { return };
    bounded(size, || {
        let Ok(core) = open(&file, &CoreOptions::default()) else {
            return;
        };
        let CoreImage {
            mut metadata,
            memory,
            edits: _,
        } = core;
        // A sink never fails.
        let _ = write!(io::sink(), "{metadata:?}");
        for range in memory.ranges().iter().take(MAX_RANGES) {
            for addr in [range.start, range.end() - 1, range.end()] {
                black_box(memory.read_u8(addr)).ok();
                black_box(memory.read_u64(addr.wrapping_sub(4))).ok();
            }
        }
        // The seed's heap does not hold the strings that tell its version.
        let version = metadata.v8_version.or(Seed::get().metadata.v8_version);
        metadata.v8_version = version;
        if let Some(objects) = analysis::open(memory, metadata) {
            analysis::heap(&objects);
        }
    });
}

fn save(bytes: &[u8]) -> io::Result<std::fs::File> {
    let mut file = tempfile::tempfile()?;
    file.write_all(bytes)?;
    Ok(file)
}

/// The head of a core of the seed: ELF header, program headers, notes.
fn head() -> Vec<u8> {
    let seed = Seed::get();
    let notes = notes();
    let table_bytes = PROGRAM_HEADER_BYTES * (seed.bytes.0.len() + 1);
    let mut head = vec![0; ELF_HEADER_BYTES];
    head[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
    // e_type ET_CORE, e_machine EM_X86_64, e_version; e_phoff; e_ehsize, e_phentsize, e_phnum.
    head[16..24].copy_from_slice(&[4, 0, 62, 0, 1, 0, 0, 0]);
    head[32] = ELF_HEADER_BYTES as u8;
    head[52..54].copy_from_slice(&(ELF_HEADER_BYTES as u16).to_le_bytes());
    head[54..56].copy_from_slice(&(PROGRAM_HEADER_BYTES as u16).to_le_bytes());
    head[56..58].copy_from_slice(&(seed.bytes.0.len() as u16 + 1).to_le_bytes());
    let mut push = |kind: u32, offset: usize, address: u64, len: usize| {
        // Readable and writable.
        head.extend(kind.to_le_bytes());
        head.extend(6_u32.to_le_bytes());
        for word in [offset as u64, address, 0, len as u64, len as u64, 4] {
            head.extend(word.to_le_bytes());
        }
    };
    push(PT_NOTE, ELF_HEADER_BYTES + table_bytes, 0, notes.len());
    let mut offset = HEAD_BYTES;
    for (start, bytes) in &seed.bytes.0 {
        push(PT_LOAD, offset, *start, bytes.len());
        offset += bytes.len();
    }
    head.extend(notes);
    assert!(head.len() <= HEAD_BYTES, "{} bytes", head.len());
    head
}

fn notes() -> Vec<u8> {
    let metadata = &Seed::get().metadata;
    let mut notes = Vec::new();
    let mut push = |kind: u32, desc: &[u8]| {
        notes.extend(5_u32.to_le_bytes());
        notes.extend((desc.len() as u32).to_le_bytes());
        notes.extend(kind.to_le_bytes());
        notes.extend(b"CORE\0\0\0\0");
        notes.extend(desc);
        notes.resize(notes.len().next_multiple_of(4), 0);
    };
    for thread in &metadata.threads {
        let mut status = vec![0; 112];
        status[32..36].copy_from_slice(&thread.tid.to_le_bytes());
        for name in REGISTERS {
            status.extend(thread.register(name).unwrap_or(0).to_le_bytes());
        }
        status.resize(336, 0);
        push(1, &status);
    }
    let mut process = vec![0; 136];
    process[24..28].copy_from_slice(&metadata.process.pid.to_le_bytes());
    process[40..44].copy_from_slice(b"node");
    process[56..66].copy_from_slice(b"node app.j");
    push(3, &process);
    // AT_PHDR, AT_PAGESZ, AT_RANDOM.
    let vector = [3_u64, 0x40_0040, 6, 4096, 25, 0x7fff_0000, 0, 0];
    push(6, &vector.map(u64::to_le_bytes).concat());
    // One mapped file: count, page size; start, end, offset; name.
    let file = [1_u64, 4096, 0x40_0000, 0x50_0000, 0]
        .map(u64::to_le_bytes)
        .concat();
    push(0x4649_4c45, &[&file[..], b"/no/such/node\0"].concat());
    notes
}

/// The head of the seed's core, and the beginning of it.
pub(super) fn seeds() -> Vec<Vec<u8>> {
    let head = head();
    let half = head.len() / 2;
    vec![head[..half].to_vec(), head]
}
