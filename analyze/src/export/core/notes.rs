//! The notes of a core: process, threads, mapped files, and what only a capture can say.
//!
//! Structures are those of Linux' `include/linux/elfcore.h` for the machine.

use v8mini_capture::elf_core::{NOTE_NAME, NOTE_TYPE, note};
use v8mini_format::model::{FatalSignal, Metadata, Region, Thread};

use super::CoreWriteError;

const NT_PRSTATUS: u32 = 1;
const NT_PRPSINFO: u32 = 3;
const NT_SIGINFO: u32 = 0x5349_4749;
const NT_FILE: u32 = 0x4649_4c45;
const OWNER: &str = "CORE";

/// Where `struct elf_prstatus` has the signal, the thread's number, the process' and the registers.
const SIGNAL_AT: usize = 12;
const TID_AT: usize = 32;
const GROUP_AT: usize = 40;
const REGISTERS_AT: usize = 112;
/// Bytes of `struct elf_prpsinfo`.
const PRPSINFO: usize = 136;
/// Bytes of `siginfo_t`.
const SIGINFO: usize = 128;

/// Registers of x86-64 in the order of `struct user_regs_struct`.
const X86_64: [&str; 27] = [
    "r15", "r14", "r13", "r12", "rbp", "rbx", "r11", "r10", "r9", "r8", "rax", "rcx", "rdx", "rsi",
    "rdi", "orig_rax", "rip", "cs", "eflags", "rsp", "ss", "fs_base", "gs_base", "ds", "es", "fs",
    "gs",
];
/// Registers of arm64 in the order of `struct user_pt_regs`.
const AARCH64: [&str; 34] = [
    "x0", "x1", "x2", "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13", "x14",
    "x15", "x16", "x17", "x18", "x19", "x20", "x21", "x22", "x23", "x24", "x25", "x26", "x27",
    "x28", "x29", "x30", "sp", "pc", "pstate",
];

/// A machine whose registers are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Machine {
    X86_64,
    Aarch64,
}

impl Machine {
    /// The machine with a GNU name.
    pub(super) fn of(architecture: &str) -> Option<Self> {
        match architecture {
            "x86_64" => Some(Self::X86_64),
            "aarch64" => Some(Self::Aarch64),
            _ => None,
        }
    }

    /// `e_machine`.
    pub(super) const fn number(self) -> u16 {
        match self {
            Self::X86_64 => 62,
            Self::Aarch64 => 183,
        }
    }

    const fn registers(self) -> &'static [&'static str] {
        match self {
            Self::X86_64 => &X86_64,
            Self::Aarch64 => &AARCH64,
        }
    }
}

/// All notes, one after the other.
pub(super) fn notes(machine: Machine, metadata: &Metadata) -> Result<Vec<u8>, CoreWriteError> {
    let mut notes = Vec::new();
    let process = &metadata.process;
    put(&mut notes, OWNER, NT_PRPSINFO, &prpsinfo(metadata))?;
    // A debugger begins with the first thread: the one that died.
    let signal = metadata.signal;
    let mut threads: Vec<&Thread> = metadata.threads.iter().collect();
    threads.sort_by_key(|thread| signal.is_none_or(|signal| signal.tid != thread.tid));
    for thread in threads {
        let signal = signal.map_or(0, |signal| signal.number);
        let status = prstatus(machine, thread, process.pid, signal);
        put(&mut notes, OWNER, NT_PRSTATUS, &status)?;
    }
    if let Some(signal) = &signal {
        put(&mut notes, OWNER, NT_SIGINFO, &siginfo(signal))?;
    }
    let page = u64::from(process.os_page_size.max(1));
    put(&mut notes, OWNER, NT_FILE, &files(&metadata.regions, page))?;
    put(&mut notes, NOTE_NAME, NOTE_TYPE, &note(metadata)?)?;
    Ok(notes)
}

/// Adds a note; name and contents are padded to four bytes.
fn put(notes: &mut Vec<u8>, owner: &str, kind: u32, contents: &[u8]) -> Result<(), CoreWriteError> {
    let len = u32::try_from(contents.len()).map_err(|_| CoreWriteError::TooLong("notes"))?;
    let name_len = owner.len() as u32 + 1;
    for word in [name_len, len, kind] {
        notes.extend_from_slice(&word.to_le_bytes());
    }
    notes.extend_from_slice(owner.as_bytes());
    notes.push(0);
    notes.resize(notes.len().next_multiple_of(4), 0);
    notes.extend_from_slice(contents);
    notes.resize(notes.len().next_multiple_of(4), 0);
    Ok(())
}

/// Writes bytes into a structure, where there is room.
fn place(structure: &mut [u8], at: usize, bytes: &[u8]) {
    if let Some(field) = structure.get_mut(at..at + bytes.len()) {
        field.copy_from_slice(bytes);
    }
}

/// `struct elf_prstatus`.
fn prstatus(machine: Machine, thread: &Thread, pid: u32, signal: u32) -> Vec<u8> {
    let registers = machine.registers();
    // Behind the registers, whether the floating-point registers are valid, and padding.
    let mut status = vec![0; REGISTERS_AT + registers.len() * 8 + 8];
    place(&mut status, 0, &signal.to_le_bytes());
    place(&mut status, SIGNAL_AT, &(signal as u16).to_le_bytes());
    place(&mut status, TID_AT, &thread.tid.to_le_bytes());
    place(&mut status, GROUP_AT, &pid.to_le_bytes());
    for (name, at) in registers.iter().zip((REGISTERS_AT..).step_by(8)) {
        let value = thread.register(name).unwrap_or(0);
        place(&mut status, at, &value.to_le_bytes());
    }
    status
}

/// `struct elf_prpsinfo`: the state, the process' number, its name and arguments.
fn prpsinfo(metadata: &Metadata) -> Vec<u8> {
    let process = &metadata.process;
    let mut info = vec![0; PRPSINFO];
    place(&mut info, 1, b"R");
    place(&mut info, 24, &process.pid.to_le_bytes());
    // Both end with a zero.
    let cut = |text: &str, room: usize| text.bytes().take(room - 1).collect::<Vec<u8>>();
    place(&mut info, 40, &cut(&process.name, 16));
    place(&mut info, 56, &cut(&process.arguments.join(" "), 80));
    info
}

/// `siginfo_t`.
fn siginfo(signal: &FatalSignal) -> Vec<u8> {
    let mut info = vec![0; SIGINFO];
    place(&mut info, 0, &signal.number.to_le_bytes());
    place(&mut info, 8, &(signal.code as i32).to_le_bytes());
    place(&mut info, 16, &signal.address.to_le_bytes());
    info
}

/// The mapped files: their number, the size of a page, start, end and offset in pages of each, and their paths.
fn files(regions: &[Region], page: u64) -> Vec<u8> {
    let mapped: Vec<&Region> = regions.iter().filter(|region| region.is_file()).collect();
    let mut files = Vec::new();
    for word in [mapped.len() as u64, page] {
        files.extend_from_slice(&word.to_le_bytes());
    }
    for region in &mapped {
        for word in [region.start, region.end, region.file_offset / page] {
            files.extend_from_slice(&word.to_le_bytes());
        }
    }
    for region in mapped {
        // A path with a zero in it would shift all that follow.
        files.extend(region.name.bytes().filter(|byte| *byte != 0));
        files.push(0);
    }
    files
}

#[cfg(test)]
mod tests {
    use v8mini_capture::elf_core::{CoreOptions, open_bytes};
    use v8mini_format::model::{Process, Register};
    use v8mini_format::{CaptureFile, WriteOptions, Writer};

    use super::*;

    fn metadata() -> Metadata {
        let register = |name: &str, value| Register {
            name: name.to_owned(),
            value,
        };
        Metadata {
            process: Process {
                pid: 41,
                name: "node".to_owned(),
                architecture: "x86_64".to_owned(),
                os_page_size: 4096,
                ..Process::default()
            },
            threads: vec![
                Thread {
                    tid: 41,
                    registers: vec![register("rip", 0x1234), register("gs", 7)],
                    state: 'S',
                    ..Thread::default()
                },
                Thread {
                    tid: 42,
                    state: 'S',
                    ..Thread::default()
                },
            ],
            signal: Some(FatalSignal {
                number: 11,
                tid: 42,
                ..FatalSignal::default()
            }),
            ..Metadata::default()
        }
    }

    #[test]
    fn structures_have_the_sizes_that_linux_gives_them() {
        let metadata = metadata();
        let status = prstatus(Machine::X86_64, &metadata.threads[0], 41, 11);
        assert_eq!(status.len(), 336);
        assert_eq!(
            prstatus(Machine::Aarch64, &metadata.threads[0], 41, 0).len(),
            392
        );
        assert_eq!(prpsinfo(&metadata).len(), 136);
        // rip is the 17th register, gs the last.
        assert_eq!(status[112 + 16 * 8..][..8], 0x1234_u64.to_le_bytes());
        assert_eq!(status[112 + 26 * 8..][..8], 7_u64.to_le_bytes());
    }

    #[test]
    fn a_core_is_read_back_as_the_capture_that_it_was_made_of() {
        let metadata = metadata();
        let mut writer = Writer::create(Vec::new(), WriteOptions::default(), &metadata).unwrap();
        writer.memory(0x1000, &[7; 4096]).unwrap();
        let (bytes, _) = writer.finish(&[], &Default::default()).unwrap();
        let file = CaptureFile::from_bytes(bytes).unwrap();
        let mut core = Vec::new();
        let written = super::super::write(file.metadata(), &file, &mut core, &mut |_| {}).unwrap();
        assert_eq!(written.bytes, core.len() as u64);
        assert_eq!(written.memory_bytes, 4096);
        let image = open_bytes(&core, &CoreOptions::default()).unwrap();
        assert_eq!(&image.metadata, file.metadata());
        // Cut: what is left is read, and it is said that something is missing.
        core.truncate(core.len() - 96);
        let image = open_bytes(&core, &CoreOptions::default()).unwrap();
        assert_eq!(image.metadata.threads, file.metadata().threads);
        assert!(!image.metadata.problems.is_empty());
    }
}
