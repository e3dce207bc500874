//! The notes of a core: what the kernel, or `gcore`, says about the process besides its memory.

use object::LittleEndian;
use object::elf::{FileHeader64, NT_AUXV, NT_FILE, NT_PRPSINFO, NT_PRSTATUS, NT_SIGINFO};
use object::read::elf::NoteIterator;
use v8mini_format::model::{FatalSignal, Register};

use super::embedded::{NOTE_NAME, NOTE_TYPE};
use super::headers::{ENDIAN, Machine};

/// Threads that are kept: what the `.v8mini` file can hold.
const MAX_THREADS: usize = 1 << 16;
/// File mappings that are kept.
const MAX_FILES: usize = 1 << 16;
/// Damaged notes that are described.
const MAX_DAMAGED: usize = 16;
/// Entries of the auxiliary vector that are kept: Linux has some 50.
const MAX_AUXILIARY: usize = 128;
/// What a debugger stops a process with.
const SIGSTOP: u32 = 19;
const SIGTRAP: u32 = 5;
/// Bytes of a path that are kept: Linux's `PATH_MAX`.
const MAX_PATH: usize = 4096;

/// Everything that the notes say.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Notes {
    /// The threads: the one that died first if the kernel wrote the core.
    pub(super) threads: Vec<ThreadNote>,
    pub(super) process: Option<ProcessNote>,
    /// `AT_…` keys and values.
    pub(super) auxiliary: Vec<(u64, u64)>,
    /// Mapped files, as in the note: sorted by address.
    pub(super) files: Vec<FileMapping>,
    /// What the process died of, if the kernel wrote the core.
    pub(super) signal: Option<FatalSignal>,
    /// A capture without memory: see [`super::embedded`].
    pub(super) capture: Option<Vec<u8>>,
    /// Notes that made no sense, in words.
    pub(super) damaged: Vec<String>,
}

/// `NT_PRSTATUS`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ThreadNote {
    pub(super) tid: u32,
    pub(super) registers: Vec<Register>,
}

/// `NT_PRPSINFO`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ProcessNote {
    pub(super) pid: u32,
    /// `pr_fname`: 15 bytes at most.
    pub(super) name: String,
    /// `pr_psargs`: the command line, joined with spaces and cut after 79 bytes.
    pub(super) arguments: String,
}

/// An entry of `NT_FILE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FileMapping {
    pub(super) start: u64,
    pub(super) end: u64,
    /// Offset in the file, in bytes.
    pub(super) offset: u64,
    pub(super) path: String,
}

impl Notes {
    /// The value of an auxiliary vector entry.
    pub(super) fn auxiliary(&self, key: u64) -> Option<u64> {
        let entry = self.auxiliary.iter().find(|(k, _)| *k == key);
        entry.map(|(_, value)| *value).filter(|&value| value != 0)
    }

    /// Reads the contents of a note segment.
    pub(super) fn read(&mut self, machine: Machine, align: u64, bytes: &[u8]) {
        let mut notes = match NoteIterator::<FileHeader64<LittleEndian>>::new(ENDIAN, align, bytes)
        {
            Ok(notes) => notes,
            Err(error) => return self.damaged.push(error.to_string()),
        };
        loop {
            match notes.next() {
                Ok(Some(note)) if note.name() == b"CORE" => {
                    let desc = note.desc();
                    let understood = match note.n_type(ENDIAN) {
                        NT_PRSTATUS => self.thread(machine, desc),
                        NT_PRPSINFO => self.process(desc),
                        NT_SIGINFO => self.signal_info(desc),
                        NT_AUXV => self.auxiliary_vector(desc),
                        NT_FILE => self.file_mappings(desc),
                        _ => Some(()),
                    };
                    if understood.is_none() && self.damaged.len() < MAX_DAMAGED {
                        let message = format!(
                            "note of type {:#x} with {} bytes",
                            note.n_type(ENDIAN).0,
                            desc.len()
                        );
                        self.damaged.push(message);
                    }
                }
                Ok(Some(note))
                    if note.name() == NOTE_NAME.as_bytes()
                        && note.n_type(ENDIAN).0 == NOTE_TYPE =>
                {
                    self.capture = Some(note.desc().to_vec());
                }
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(error) => {
                    self.damaged.push(error.to_string());
                    break;
                }
            }
        }
        self.files.sort_by_key(|file| file.start);
    }

    /// `struct elf_prstatus`: the thread's number at 32, its registers (`elf_gregset_t`) at 112.
    fn thread(&mut self, machine: Machine, desc: &[u8]) -> Option<()> {
        if self.threads.len() >= MAX_THREADS {
            return None;
        }
        let tid = u32_at(desc, 32)?;
        let registers = machine.registers(desc.get(112..)?)?;
        self.threads.push(ThreadNote { tid, registers });
        Some(())
    }

    /// `siginfo_t` of the thread whose `NT_PRSTATUS` came just before: `si_signo` at 0, `si_code` at 8, `si_addr` at 16 where there is
    /// one. `gcore` writes it, too, for a process that goes on: then the signal is that of the debugger's own stop.
    fn signal_info(&mut self, desc: &[u8]) -> Option<()> {
        let number = u32_at(desc, 0)?;
        let code = i64::from(u32_at(desc, 8)?.cast_signed());
        let faults = [4, 5, 7, 8, 11].contains(&number) && code > 0;
        // V8's own assertions end in a breakpoint, with one of the few codes that the kernel has for that.
        let is_stop = number == SIGSTOP || (number == SIGTRAP && code > 0xff);
        let is_fatal = number != 0 && !is_stop;
        if is_fatal && self.signal.is_none() {
            self.signal = Some(FatalSignal {
                number,
                code,
                address: if faults { u64_at(desc, 16)? } else { 0 },
                tid: self.threads.last().map_or(0, |thread| thread.tid),
            });
        }
        Some(())
    }

    /// `struct elf_prpsinfo`: `pr_pid` at 24, `pr_fname[16]` at 40, `pr_psargs[80]` at 56.
    fn process(&mut self, desc: &[u8]) -> Option<()> {
        self.process = Some(ProcessNote {
            pid: u32_at(desc, 24)?,
            name: c_string(desc.get(40..56)?),
            arguments: c_string(desc.get(56..136)?).trim_end().to_owned(),
        });
        Some(())
    }

    fn auxiliary_vector(&mut self, desc: &[u8]) -> Option<()> {
        let (words, _) = desc.as_chunks::<16>();
        let room = MAX_AUXILIARY.saturating_sub(self.auxiliary.len());
        for word in words.iter().take(room) {
            let (key, value) = (u64_at(word, 0)?, u64_at(word, 8)?);
            if key != 0 {
                self.auxiliary.push((key, value));
            }
        }
        Some(())
    }

    /// `NT_FILE`: count, page size; start, end and offset in pages of each mapping; then the names, each ended by NUL.
    ///
    /// The kernel counts offsets in pages of 4096 bytes, `gcore` in pages of one byte.
    fn file_mappings(&mut self, desc: &[u8]) -> Option<()> {
        let count = usize::try_from(u64_at(desc, 0)?).ok()?;
        let page_size = u64_at(desc, 8)?;
        let names = desc.get(count.checked_mul(24)?.checked_add(16)?..)?;
        let mut names = names.split(|&byte| byte == 0);
        for entry in desc.get(16..)?.chunks_exact(24).take(count) {
            let name = names.next()?;
            if self.files.len() >= MAX_FILES {
                return None;
            }
            let (start, end) = (u64_at(entry, 0)?, u64_at(entry, 8)?);
            if start < end {
                self.files.push(FileMapping {
                    start,
                    end,
                    offset: u64_at(entry, 16)?.checked_mul(page_size)?,
                    path: String::from_utf8_lossy(name.get(..MAX_PATH).unwrap_or(name))
                        .into_owned(),
                });
            }
        }
        Some(())
    }
}

impl Machine {
    /// The registers of `elf_gregset_t`, which is `struct user_regs_struct`, by name.
    fn registers(self, bytes: &[u8]) -> Option<Vec<Register>> {
        const X86_64: [&str; 27] = [
            "r15", "r14", "r13", "r12", "rbp", "rbx", "r11", "r10", "r9", "r8", "rax", "rcx",
            "rdx", "rsi", "rdi", "orig_rax", "rip", "cs", "eflags", "rsp", "ss", "fs_base",
            "gs_base", "ds", "es", "fs", "gs",
        ];
        let names: Vec<String> = match self {
            Self::X86_64 => X86_64.map(str::to_owned).to_vec(),
            Self::Aarch64 => (0..31)
                .map(|n| format!("x{n}"))
                .chain(["sp", "pc", "pstate"].map(str::to_owned))
                .collect(),
        };
        names
            .into_iter()
            .enumerate()
            .map(|(at, name)| {
                Some(Register {
                    name,
                    value: u64_at(bytes, at * 8)?,
                })
            })
            .collect()
    }
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn c_string(bytes: &[u8]) -> String {
    let len = bytes
        .iter()
        .position(|&byte| byte == 0)
        .unwrap_or(bytes.len());
    String::from_utf8_lossy(bytes.get(..len).unwrap_or_default()).into_owned()
}
