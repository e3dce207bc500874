//! What a capture knows about the process besides its memory.
//!
//! These are domain types: plain, complete, free to change. What is written to disk is in the private `wire` module, one
//! frozen struct per record kind and version.

use std::collections::BTreeMap;

/// Everything a capture says about the process, besides the bytes of its memory.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Metadata {
    /// The process, and when and how it was captured.
    pub process: Process,
    /// Version of V8, from `v8::internal::Version::{major_,minor_,build_,patch_}`.
    pub v8_version: Option<V8Version>,
    /// Files mapped into the process, with the build ids that name them wherever they are.
    pub modules: Vec<Module>,
    /// `v8dbg_*` values by name without the `v8dbg_` prefix, as read from the captured binary itself.
    pub constants: BTreeMap<String, i64>,
    /// Threads, main thread first.
    pub threads: Vec<Thread>,
    /// V8 isolates, the main thread's first where it is known.
    pub isolates: Vec<Isolate>,
    /// V8 heap pages of all isolates, sorted by address.
    pub pages: Vec<Page>,
    /// The memory map of the whole process, stored or not.
    pub regions: Vec<Region>,
    /// Resident memory of the process by kind; the figures add up to its RSS.
    pub accounting: Vec<MemoryUse>,
    /// Native symbols that reading the stacks needs.
    pub symbols: Vec<Symbol>,
    /// How to unwind the native code that the stacks return to, sorted by address.
    pub unwind_rows: Vec<UnwindRow>,
    /// The signal that the process was dying of when it was captured.
    pub signal: Option<FatalSignal>,
    /// What could not be captured, in words for a person.
    pub problems: Vec<Problem>,
    /// What of the memory was replaced before it was written.
    pub redaction: Redaction,
    /// Figures that are only known at the end. Absent from a truncated file.
    pub statistics: Option<Statistics>,
}

/// What of the memory was replaced before it was written, so that it can be shown to others.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Redaction {
    /// Nothing: the memory is as it was.
    #[default]
    None,
    /// Contents of strings and of buffers. Names of properties, classes, functions and variables, and the source of functions are left.
    Strings,
    /// Those names and sources, too.
    All,
    /// A level of a later version of the format, by its number: at least strings.
    Other(u8),
}

impl Redaction {
    /// The number in the file header.
    pub const fn code(self) -> u8 {
        match self {
            Self::None => 0,
            Self::Strings => 1,
            Self::All => 2,
            Self::Other(code) => code,
        }
    }

    /// The level with a number.
    pub const fn from_code(code: u8) -> Self {
        match code {
            0 => Self::None,
            1 => Self::Strings,
            2 => Self::All,
            code => Self::Other(code),
        }
    }
}

impl std::fmt::Display for Redaction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Strings => f.write_str("strings"),
            Self::All => f.write_str("all"),
            Self::Other(code) => write!(f, "level {code}"),
        }
    }
}

/// The captured process.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Process {
    /// Process id, as the capturing tool saw it.
    pub pid: u32,
    /// Short name (`comm`).
    pub name: String,
    /// Path of the executable as the process itself sees it; may no longer exist.
    pub executable: String,
    /// Command line. Never the environment.
    pub arguments: Vec<String>,
    /// `process.version`, such as `v22.23.3`; empty if it was not found.
    pub node_version: String,
    /// Machine architecture by its GNU name: `x86_64`, `aarch64`.
    pub architecture: String,
    /// Kernel release.
    pub kernel: String,
    /// Size of an operating-system page in bytes.
    pub os_page_size: u32,
    /// How long the process had run, in nanoseconds.
    pub uptime_ns: u64,
    /// Wall-clock time of the stop, nanoseconds since the Unix epoch.
    pub captured_at_ns: i64,
    /// `CLOCK_MONOTONIC` at the stop, in nanoseconds: orders the captures of one boot whatever the wall clock did; 0 if unknown.
    pub monotonic_ns: u64,
    /// How the image was taken: `stop`, `core`, …
    pub mode: String,
    /// Name and version of the program that wrote the capture.
    pub writer: String,
}

/// A version of V8, such as 12.4.254.21.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct V8Version {
    /// Major.
    pub major: u32,
    /// Minor: object layouts change with it.
    pub minor: u32,
    /// Build.
    pub build: u32,
    /// Patch: offsets inside the Isolate may change with it.
    pub patch: u32,
}

impl std::fmt::Display for V8Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{}.{}.{}.{}",
            self.major, self.minor, self.build, self.patch
        )
    }
}

/// A file mapped into the process.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Module {
    /// Path as the process sees it, without a ` (deleted)` suffix.
    pub path: String,
    /// Whether the file had been deleted or replaced on disk.
    pub deleted: bool,
    /// `NT_GNU_BUILD_ID`, raw bytes; empty if there is none.
    pub build_id: Vec<u8>,
    /// Lowest mapped address.
    pub start: u64,
    /// Address after the highest mapped one.
    pub end: u64,
    /// Add to an address in the file's symbol table to get the virtual address: 0 for a non-PIE executable.
    pub load_bias: u64,
}

/// A thread, stopped.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Thread {
    /// Thread id.
    pub tid: u32,
    /// Name (`comm`).
    pub name: String,
    /// General registers by name in the architecture's own order; for x86-64 those of `struct user_regs_struct`.
    pub registers: Vec<Register>,
    /// The mapping that holds the stack pointer: lowest address.
    pub stack_start: u64,
    /// The mapping that holds the stack pointer: address after the highest.
    pub stack_end: u64,
    /// The isolate entered on this thread; 0 if none or unknown.
    pub isolate: u64,
    /// One character as in `/proc/PID/stat` (`R`, `S`, `D`, …) before the stop; `?` if unknown.
    pub state: char,
}

impl Thread {
    /// A register's value by name.
    pub fn register(&self, name: &str) -> Option<u64> {
        self.registers
            .iter()
            .find(|r| r.name == name)
            .map(|r| r.value)
    }
}

/// One register.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Register {
    /// Lower-case name (`rip`, `fs_base`).
    pub name: String,
    /// Value.
    pub value: u64,
}

/// One V8 isolate.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Isolate {
    /// Address of the `v8::internal::Isolate`; 0 if it was not found.
    pub address: u64,
    /// Address of its `v8::internal::Heap`: the value that its pages carry in their headers.
    pub heap: u64,
    /// Thread that had entered it; 0 if none or unknown.
    pub tid: u32,
    /// Linear allocation areas found: between `top` and `limit` there is no object.
    pub allocation_areas: Vec<AllocationArea>,
    /// The GC state read from the isolate: see [`GcState`].
    pub gc_state: GcState,
}

/// `v8::internal::LinearAllocationArea`: objects lie in `start..top`, nothing lies in `top..limit`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AllocationArea {
    /// Where allocation began.
    pub start: u64,
    /// Where the next object goes.
    pub top: u64,
    /// Where the area ends.
    pub limit: u64,
}

/// Whether a garbage collection was under way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum GcState {
    /// Not determined.
    #[default]
    Unknown,
    /// No collection was moving or freeing objects.
    Idle,
    /// A collection was under way: words may be forwarding addresses.
    Collecting,
}

/// A V8 heap page (memory chunk): its header as V8 keeps it, independent of where V8 keeps it.
///
/// From V8 12.9 on the header page holds only flags and a pointer to metadata in `malloc`ed memory, so a capture that
/// kept pages alone could not be walked: the values are stored here for every version.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Page {
    /// Base address, aligned to the page size of this V8.
    pub address: u64,
    /// Size in bytes; larger than the usual page for a large object.
    pub size: u64,
    /// Flags as V8 stores them: bit positions depend on the version.
    pub flags: u64,
    /// First byte that may hold an object.
    pub area_start: u64,
    /// Address after the last byte that may hold an object.
    pub area_end: u64,
    /// Address of the owning `Heap`; 0 for read-only pages shared between isolates (V8 10 and later).
    pub heap: u64,
    /// Address of the owning space, with tag bits removed; 0 if there is none.
    pub owner: u64,
    /// Bytes allocated on the page as V8 counts them; 0 before V8 8.6, where it is not in the header.
    pub allocated_bytes: u64,
    /// Offset from `address` up to which the page was ever used; 0 where V8 does not keep it.
    pub high_water_mark: u64,
    /// The space that the page belongs to, as far as it can be told.
    pub space: Space,
    /// Address of the off-page metadata (V8 12.9 and later); 0 before.
    pub metadata_address: u64,
}

/// A V8 heap space. Names follow V8's own `BaseSpace::GetSpaceName`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Space {
    /// Not determined.
    #[default]
    Unknown,
    /// `read_only_space`: immortal immovable objects.
    ReadOnly,
    /// `new_space`, the semispace that holds objects.
    New,
    /// `new_space`, the other semispace: holds nothing outside a GC.
    NewFrom,
    /// `old_space` (before V8 6: `old_pointer_space`, `old_data_space` are merged already at 4.5).
    Old,
    /// `code_space`.
    Code,
    /// `map_space` (up to V8 11).
    Map,
    /// `large_object_space`.
    LargeObject,
    /// `new_large_object_space`.
    NewLargeObject,
    /// `code_large_object_space`.
    CodeLargeObject,
    /// `trusted_space` (V8 12.1 and later).
    Trusted,
    /// `trusted_large_object_space`.
    TrustedLargeObject,
    /// `shared_space`.
    Shared,
    /// `shared_large_object_space`.
    SharedLargeObject,
}

impl Space {
    /// V8's name of the space; `new_space_from` for the unused semispace and `unknown_space` where it could not be told.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown_space",
            Self::ReadOnly => "read_only_space",
            Self::New => "new_space",
            Self::NewFrom => "new_space_from",
            Self::Old => "old_space",
            Self::Code => "code_space",
            Self::Map => "map_space",
            Self::LargeObject => "large_object_space",
            Self::NewLargeObject => "new_large_object_space",
            Self::CodeLargeObject => "code_large_object_space",
            Self::Trusted => "trusted_space",
            Self::TrustedLargeObject => "trusted_large_object_space",
            Self::Shared => "shared_space",
            Self::SharedLargeObject => "shared_large_object_space",
        }
    }
}

/// One mapping of the process, as in `/proc/PID/maps`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Region {
    /// First address.
    pub start: u64,
    /// Address after the last.
    pub end: u64,
    /// Permissions.
    pub permissions: Permissions,
    /// Offset in the mapped file, in bytes.
    pub file_offset: u64,
    /// Path or `[stack]`-like name; empty for anonymous memory.
    pub name: String,
}

/// Access rights of a mapping.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Permissions {
    /// Readable.
    pub read: bool,
    /// Writable.
    pub write: bool,
    /// Executable.
    pub execute: bool,
    /// Shared with other processes (`s`), not private (`p`).
    pub shared: bool,
}

/// Resident memory of one kind, in bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MemoryUse {
    /// Kind: `v8:old_space`, `anonymous`, `stack`, `file`, …
    pub kind: String,
    /// Resident bytes (RSS).
    pub resident_bytes: u64,
    /// Mapped bytes.
    pub mapped_bytes: u64,
}

/// A native symbol.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Symbol {
    /// Virtual address in the process.
    pub address: u64,
    /// Size in bytes; 0 if unknown.
    pub size: u64,
    /// Mangled name.
    pub name: String,
}

/// How to get from a native function to its caller, for a range of instructions: a row of the call-frame table that a
/// debugger computes from DWARF (`.eh_frame`). Registers have the numbers that DWARF gives them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct UnwindRow {
    /// Virtual address of the first instruction that the row is for.
    pub start: u64,
    /// Address after the last one.
    pub end: u64,
    /// Whether this is where a signal handler returns to: the caller was interrupted and did not call.
    pub is_signal_frame: bool,
    /// The canonical frame address, which is the stack pointer of the caller.
    pub cfa: UnwindRule,
    /// The caller's frame pointer.
    pub frame_pointer: UnwindRule,
    /// The address to return to.
    pub return_address: UnwindRule,
}

/// Where a value of the caller is found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum UnwindRule {
    /// Nowhere. A return address that is nowhere ends the stack.
    #[default]
    Undefined,
    /// It has not been changed.
    Unchanged,
    /// It is the base and an offset in bytes.
    Value(UnwindBase, i64),
    /// It is the word in memory at the base and an offset in bytes.
    Memory(UnwindBase, i64),
}

/// What a rule counts from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnwindBase {
    /// The canonical frame address.
    Cfa,
    /// A register of the frame by its DWARF number.
    Register(u16),
}

/// The signal that a process died of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FatalSignal {
    /// Its number: 6 for `SIGABRT`, 11 for `SIGSEGV`.
    pub number: u32,
    /// Why it was sent, as in `si_code`: 0 if unknown.
    pub code: i64,
    /// For a fault, the address that could not be accessed; 0 if unknown.
    pub address: u64,
    /// Thread that it hit; 0 if unknown.
    pub tid: u32,
}

impl FatalSignal {
    /// The name of the number, the same on all architectures that Linux has but Alpha, MIPS and SPARC.
    pub const fn name(&self) -> Option<&'static str> {
        Some(match self.number {
            1 => "SIGHUP",
            2 => "SIGINT",
            3 => "SIGQUIT",
            4 => "SIGILL",
            5 => "SIGTRAP",
            6 => "SIGABRT",
            7 => "SIGBUS",
            8 => "SIGFPE",
            9 => "SIGKILL",
            11 => "SIGSEGV",
            13 => "SIGPIPE",
            15 => "SIGTERM",
            24 => "SIGXCPU",
            25 => "SIGXFSZ",
            31 => "SIGSYS",
            _ => return None,
        })
    }
}

impl std::fmt::Display for FatalSignal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name)?,
            None => write!(f, "signal {}", self.number)?,
        }
        if matches!(self.number, 7 | 11) && self.code > 0 {
            write!(f, " at {:#x}", self.address)?;
        }
        if self.tid != 0 {
            write!(f, " in thread {}", self.tid)?;
        }
        Ok(())
    }
}

/// Something that could not be captured or was doubtful: stored in the file, so that nobody mistakes a gap for a fact.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Problem {
    /// What the tool was doing, in one stable word for machines: `read-page`, `registers`, `thread`, …
    pub stage: String,
    /// What, where, expected and found, in words for a person.
    pub message: String,
    /// Address it concerns; 0 if none.
    pub address: u64,
    /// Bytes that are missing because of it; 0 if none.
    pub bytes: u64,
}

impl Problem {
    /// Stage of the problem that a core was cut before it was turned into a capture: whatever is counted in it may be too
    /// little, however well the rest can be read.
    pub const TRUNCATED: &'static str = "truncated";
}

/// Figures of the capture itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Statistics {
    /// How long the process stood still, in nanoseconds: from when the first thread stopped that did something, until all of those ran
    /// again. Threads that waited for something are stopped a moment before, and let go a moment after.
    pub pause_ns: u64,
    /// How long the whole capture took, in nanoseconds.
    pub total_ns: u64,
    /// Bytes of memory that the capture set out to store.
    pub wanted_bytes: u64,
    /// Bytes of memory that it stored.
    pub captured_bytes: u64,
}
