//! From a core to an image.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

use memmap2::{Mmap, MmapMut};
use v8mini_format::memory::{Memory as _, MemoryRange};
use v8mini_format::model::{Metadata, Module, Problem, Process, Region, Statistics, Thread};

use super::binary::{self, V8Binary};
use super::embedded;
use super::error::CoreError;
use super::headers::{Headers, Machine, Segment};
use super::mapped::{Access, FileBytes, expect};
use super::memory::{Backed, CoreMemory};
use super::notes::Notes;
use super::planned::PlannedMemory;
use super::regions::regions;
use super::stack_bottom::{self, StackBottom};
use super::{headers, placed, versions};
use crate::content::{BufferShape, Edits};
use crate::locate::{
    ExternalStringShape, IsolateClues, ReadPlan, find_isolates, gc_problems, locate_pages,
};
use crate::symbols::{self, ModuleImage, V8Symbols};
use crate::unwind::{StoppedProcess, Unwinding, unwinding};

/// `AT_PHDR`: where the program headers of the executable are mapped.
const AT_PHDR: u64 = 3;
/// `AT_PAGESZ`.
const AT_PAGESZ: u64 = 6;
/// `AT_SYSINFO_EHDR`: where the vDSO is mapped.
const AT_SYSINFO_EHDR: u64 = 33;

const NOTE_DAMAGED: &str =
    "what v8mini noted in the core is damaged, so V8 is looked for as in any other";

/// How to open a core.
#[derive(Debug, Clone, Default)]
pub struct CoreOptions {
    /// The binary that the process ran. Without it, it is looked for.
    pub exe: Option<PathBuf>,
    /// Take a binary even if it is not the one that the process ran.
    pub force: bool,
    /// Where the core lies: the binary may lie beside it.
    pub directory: Option<PathBuf>,
    /// Whether the contents of buffers are looked at, too.
    pub buffers: bool,
    /// When the core was written, in nanoseconds since the Unix epoch; 0 if unknown. A core does not say it itself.
    pub written_at_ns: i64,
}

/// The image of the process that a core is of.
#[derive(Debug)]
pub struct CoreImage {
    /// Everything besides the memory: what a live capture says, as far as a core knows it.
    pub metadata: Metadata,
    /// The memory that a capture would hold.
    pub memory: PlannedMemory,
    /// What is changed in it when it is written.
    pub edits: Edits,
}

/// Whether a file that begins so is an ELF file.
pub fn is_elf(head: &[u8]) -> bool {
    head.starts_with(b"\x7fELF")
}

/// Opens a core.
///
/// What is damaged or missing is listed in the problems of the metadata; only a core in which no V8 heap can be found is an error.
///
/// # Errors
/// See [`CoreError`].
pub fn open(file: &File, options: &CoreOptions) -> Result<CoreImage, CoreError> {
    // SAFETY: the mapping is private and only read. If someone cuts the file meanwhile, this program ends with SIGBUS, as the
    // documentation of the module says.
    let map = unsafe { Mmap::map(file) }.map_err(CoreError::Map)?;
    let map = Arc::new(map);
    // Looking for pages touches a word in every 256 KiB: reading ahead would read the whole file. Walking them does not.
    expect(&map, Access::Scattered);
    let image = read(&map, options);
    expect(&map, Access::Sequential);
    image
}

/// Opens a core that is in memory, as [`open`] does.
///
/// # Errors
/// See [`CoreError`].
pub fn open_bytes(bytes: &[u8], options: &CoreOptions) -> Result<CoreImage, CoreError> {
    let mut map = MmapMut::map_anon(bytes.len().max(1)).map_err(CoreError::Map)?;
    if let Some(part) = map.get_mut(..bytes.len()) {
        part.copy_from_slice(bytes);
    }
    read(
        &Arc::new(map.make_read_only().map_err(CoreError::Map)?),
        options,
    )
}

fn read(map: &Arc<Mmap>, options: &CoreOptions) -> Result<CoreImage, CoreError> {
    let headers = Headers::parse(map)?;
    let mut core = Core::read(&headers, map, options);
    if let Some(note) = core.notes.capture.take() {
        match embedded::read(note) {
            Ok(Some(metadata)) => return Ok(core.of_capture(metadata)),
            Ok(None) => core.problem("notes", NOTE_DAMAGED.to_owned(), 0),
            Err(error) => core.problem("notes", format!("{NOTE_DAMAGED}: {error}"), 0),
        }
    }
    let search = binary::Search {
        memory: &core.memory,
        modules: &core.modules,
        executable: &core.executable,
        options,
        machine: headers.machine,
    };
    let (binary, remarks) = search.find()?;
    let native = core.unwinding(&search, binary.as_ref());
    for message in remarks {
        core.problem("binary", message, 0);
    }
    match &binary {
        Some(binary) => core.lay_under(binary, &headers.stored_ranges()),
        None => core.report_no_binary(),
    }
    core.interpret(&headers, binary, native, options)
}

/// What was read from a core so far.
struct Core {
    machine: Machine,
    notes: Notes,
    memory: CoreMemory,
    regions: Vec<Region>,
    threads: Vec<Thread>,
    modules: Vec<Module>,
    executable: String,
    bottom: Option<StackBottom>,
    problems: Vec<Problem>,
}

impl Core {
    fn read(headers: &Headers<'_>, map: &Arc<Mmap>, options: &CoreOptions) -> Self {
        let mut notes = Notes::default();
        for (align, bytes) in &headers.notes {
            notes.read(headers.machine, *align, bytes);
        }
        if notes.files.is_empty() {
            notes.files = placed::mappings(&notes, options).unwrap_or_default();
        }
        let mut memory = CoreMemory::default();
        let parts = headers.segments.iter().map(Segment::present);
        memory.add_under(map.clone(), parts.collect());
        let mut core = Self {
            machine: headers.machine,
            regions: regions(&headers.segments, &notes.files),
            notes,
            memory,
            threads: Vec::new(),
            modules: Vec::new(),
            executable: String::new(),
            bottom: None,
            problems: Vec::new(),
        };
        for (stage, message, bytes) in &headers.problems {
            core.problem(stage, message.clone(), *bytes);
        }
        for damage in std::mem::take(&mut core.notes.damaged) {
            core.problem(
                "notes",
                format!("a note of the core cannot be read: {damage}"),
                0,
            );
        }
        core.threads = core.threads();
        core.name_special_regions();
        core.modules = core.modules(&headers.segments);
        core.executable = core.executable();
        core.bottom = stack_bottom::find(&core.memory, &core.notes);
        core
    }

    fn problem(&mut self, stage: &str, message: String, bytes: u64) {
        self.problems.push(Problem {
            stage: stage.to_owned(),
            message,
            address: 0,
            bytes,
        });
    }

    /// The image, if the core was made of a capture: its memory is all that the capture held.
    fn of_capture(self, mut metadata: Metadata) -> CoreImage {
        metadata.problems.extend(self.problems);
        CoreImage {
            metadata,
            memory: PlannedMemory::whole(self.memory),
            edits: Edits::default(),
        }
    }

    fn pid(&self) -> u32 {
        let process = self.notes.process.as_ref().map(|process| process.pid);
        let first = self.notes.threads.first().map(|thread| thread.tid);
        process.or(first).unwrap_or(0)
    }

    /// The threads, main thread first. The kernel names none of them.
    fn threads(&mut self) -> Vec<Thread> {
        let pid = self.pid();
        let process = self.notes.process.as_ref();
        let name = process
            .map(|process| process.name.clone())
            .unwrap_or_default();
        let mut threads: Vec<Thread> = std::mem::take(&mut self.notes.threads)
            .into_iter()
            .map(|note| {
                let mut thread = Thread {
                    tid: note.tid,
                    registers: note.registers,
                    state: '?',
                    ..Thread::default()
                };
                if thread.tid == pid {
                    thread.name.clone_from(&name);
                }
                let stack_pointer = thread.register("rsp").or_else(|| thread.register("sp"));
                if let Some(region) = stack_pointer.and_then(|sp| Region::at(&self.regions, sp)) {
                    thread.stack_start = region.start;
                    thread.stack_end = region.end;
                }
                thread
            })
            .collect();
        threads.sort_by_key(|thread| (thread.tid != pid, thread.tid));
        threads
    }

    /// Gives names to what has no file: the memory map of a live process names it, too.
    fn name_special_regions(&mut self) {
        let pid = self.pid();
        let main = self.threads.iter().find(|thread| thread.tid == pid);
        let stack = main.map(|thread| thread.stack_start);
        let vdso = self.notes.auxiliary(AT_SYSINFO_EHDR);
        for region in self
            .regions
            .iter_mut()
            .filter(|region| region.name.is_empty())
        {
            if Some(region.start) == stack {
                "[stack]".clone_into(&mut region.name);
            } else if Some(region.start) == vdso {
                "[vdso]".clone_into(&mut region.name);
            }
        }
    }

    /// The ELF files that were mapped. Without their names, which are lost with a cut core's notes, by what is in memory.
    fn modules(&self, segments: &[Segment]) -> Vec<Module> {
        let mut modules = symbols::modules(&self.memory, &self.regions);
        if self.notes.files.is_empty() {
            let starts = segments
                .iter()
                .filter(|s| s.present_len >= 4096)
                .map(|s| s.start);
            modules.extend(starts.filter_map(|start| {
                let image = ModuleImage::read(&self.memory, start, &self.regions)?;
                Some(Module {
                    build_id: image.build_id,
                    start,
                    end: image.end,
                    load_bias: image.load_bias,
                    ..Module::default()
                })
            }));
            return modules;
        }
        // A core without the first pages of files (bit 4 of coredump_filter) says no more than their names.
        let nameless = |region: &&Region| {
            let path = symbols::path_of(region);
            region.file_offset == 0
                && path.starts_with('/')
                && !modules.iter().any(|module| module.path == path)
        };
        let mut bare: Vec<Module> = Vec::new();
        for region in self.regions.iter().filter(nameless) {
            let path = symbols::path_of(region);
            if bare.last().is_none_or(|module| module.path != path) {
                bare.push(Module {
                    path: path.to_owned(),
                    deleted: path.len() < region.name.len(),
                    start: region.start,
                    end: region.end,
                    ..Module::default()
                });
            }
        }
        modules.extend(bare);
        modules.sort_by_key(|module| module.start);
        modules
    }

    fn executable(&self) -> String {
        let headers = self.notes.auxiliary(AT_PHDR);
        headers
            .and_then(|address| Region::at(&self.regions, address))
            .map(|region| symbols::path_of(region).to_owned())
            .unwrap_or_default()
    }

    /// Lays the binary under the memory: what the core left out because the file holds it.
    ///
    /// Not where the core was to hold bytes and was cut: those may have been changed since they were mapped.
    fn lay_under(&mut self, binary: &V8Binary, stored: &[MemoryRange]) {
        let Some(module) = &binary.module else { return };
        let mut parts: Vec<Backed> = self
            .regions
            .iter()
            .filter(|region| !module.path.is_empty() && symbols::path_of(region) == module.path)
            .map(|region| Backed {
                start: region.start,
                len: region.end - region.start,
                offset: region.file_offset,
            })
            .collect();
        if module.path.is_empty() {
            parts.extend(binary.segments(module.load_bias));
        }
        self.memory
            .add_under(binary.file.clone(), Backed::outside(parts, stored));
    }

    /// What unwinding the native frames needs, from the files that can be found.
    fn unwinding(&self, search: &binary::Search<'_>, binary: Option<&V8Binary>) -> Unwinding {
        let stopped = StoppedProcess {
            memory: &self.memory,
            regions: &self.regions,
            modules: &self.modules,
            threads: &self.threads,
        };
        let mut native = unwinding(stopped, |module| {
            let own = binary.filter(|binary| {
                let of = binary.module.as_ref();
                of.is_some_and(|of| of.start == module.start)
            });
            let file = own.map(|binary| binary.file.clone());
            file.or_else(|| search.library(module)).map(FileBytes)
        });
        native.add_vdso(stopped, &self.memory);
        native
    }

    fn report_no_binary(&mut self) {
        let module = symbols::by_likelihood(&self.modules, &self.executable)
            .first()
            .map(|module| (module.path.clone(), binary::hex(&module.build_id)));
        let which = match module {
            Some((path, id)) if !path.is_empty() && !id.is_empty() => {
                format!(" {path} (build id {id})")
            }
            Some((path, _)) if !path.is_empty() => format!(" {path}"),
            Some((_, id)) if !id.is_empty() => format!(" with build id {id}"),
            _ => String::new(),
        };
        let message = format!(
            "the binary{which} was not found, so strings that lie in it, such as the source of Node's own modules, and whether a collection was under way are not known; name it with --exe"
        );
        self.problem("binary", message, 0);
    }

    /// Without its binary, a core is read with the constants of the official release of the same V8.
    fn stand_in_for_binary(&mut self, symbols: &mut V8Symbols) {
        if !symbols.constants.is_empty() {
            return;
        }
        let message = match symbols.v8_version {
            None => "the heap does not name its version of V8, so objects cannot be read without the binary".to_owned(),
            Some(version) => match symbols::known_constants(version) {
                Some(constants) => {
                    symbols.constants = constants;
                    format!("the heap names V8 {version}: it was read with the constants of Node's official build of that V8; those of another build may differ")
                }
                None => format!("the heap names V8 {version}, of which no constants are known here: without the binary, only what the layout table has can be read"),
            },
        };
        self.problem("binary", message, 0);
    }

    /// Finds V8 in the memory.
    fn interpret(
        mut self,
        headers: &Headers<'_>,
        binary: Option<V8Binary>,
        native: Unwinding,
        options: &CoreOptions,
    ) -> Result<CoreImage, CoreError> {
        let (mut symbols, load_bias) = match binary {
            Some(binary) => (binary.symbols, binary.module.map_or(0, |m| m.load_bias)),
            None => (V8Symbols::default(), 0),
        };
        let mut pages = locate_pages(&self.memory, &self.regions, symbols.v8_version)
            .ok_or_else(|| self.no_heap(headers))?;
        if symbols.v8_version.is_none() {
            let found = versions::find(&self.memory, &pages.pages);
            symbols.v8_version = found.v8;
            symbols.node_version = symbols.node_version.or(found.node);
            self.stand_in_for_binary(&mut symbols);
            pages = pages.again(&self.memory, &self.regions, symbols.v8_version);
        }
        let clues = IsolateClues {
            symbols: Some(&symbols)
                .filter(|symbols| symbols.has_v8() && symbols.current_isolate.is_some()),
            load_bias,
        };
        let bottom = self.bottom.as_ref().map(|bottom| bottom.address);
        let plan = ReadPlan::of_heap(&self.memory, &pages, &self.threads, bottom, clues, false);
        let wanted = plan.clone().finish(&headers.stored_ranges());
        let planned = self.memory.restrict(&plan.finish(&self.memory.ranges()));
        let isolates = find_isolates(&planned, &pages, &mut self.threads, clues);
        self.problems.extend(gc_problems(&isolates));
        let statistics = Statistics {
            pause_ns: 0,
            total_ns: 0,
            wanted_bytes: wanted.iter().map(|range| range.len).sum(),
            captured_bytes: planned.len_bytes(),
        };
        let process = self.process(&symbols, options);
        let shape = ExternalStringShape::new(&symbols.constants);
        let buffers = options
            .buffers
            .then(|| BufferShape::new(&symbols.constants))
            .flatten();
        if options.buffers && buffers.is_none() {
            self.problem(
                "buffers",
                "the constants of its V8 are not known: contents of buffers are missing".to_owned(),
                0,
            );
        }
        let metadata = Metadata {
            process,
            v8_version: symbols.v8_version,
            modules: self.modules,
            constants: symbols.constants,
            threads: self.threads,
            isolates,
            pages: pages.pages.clone(),
            regions: self.regions.clone(),
            symbols: native.symbols,
            unwind_rows: native.rows,
            signal: self.notes.signal,
            problems: self.problems,
            statistics: Some(statistics),
            ..Metadata::default()
        };
        let memory = PlannedMemory::new(self.memory, planned, self.regions, pages, shape, buffers);
        Ok(CoreImage {
            metadata,
            memory,
            edits: Edits::default(),
        })
    }

    fn no_heap(&self, headers: &Headers<'_>) -> CoreError {
        let hint = if headers
            .segments
            .iter()
            .any(|s| s.present_len < s.stored_len)
        {
            "; the core is cut, and what is left of it does not hold the heap"
        } else if !headers
            .segments
            .iter()
            .any(|s| s.permissions.write && s.stored_len > 0)
        {
            "; the core holds no private memory: was /proc/PID/coredump_filter changed (bit 0)?"
        } else {
            "; is this the core of a Node.js process?"
        };
        CoreError::NoHeap {
            memory_bytes: headers.segments.iter().map(|s| s.present_len).sum(),
            segments: headers.segments.len(),
            hint: hint.to_owned(),
        }
    }

    fn process(&self, symbols: &V8Symbols, options: &CoreOptions) -> Process {
        let note = self.notes.process.as_ref();
        let arguments = match &self.bottom {
            Some(bottom) => bottom.arguments.clone(),
            None => note
                .map(|note| note.arguments.split(' ').map(str::to_owned).collect())
                .unwrap_or_default(),
        };
        let page_size = self.notes.auxiliary(AT_PAGESZ);
        Process {
            pid: self.pid(),
            name: note.map(|note| note.name.clone()).unwrap_or_default(),
            executable: self.executable.clone(),
            arguments,
            node_version: symbols.node_version.clone().unwrap_or_default(),
            architecture: self.machine.name().to_owned(),
            kernel: String::new(),
            os_page_size: page_size
                .and_then(|size| u32::try_from(size).ok())
                .unwrap_or(headers::USUAL_PAGE_BYTES),
            uptime_ns: 0,
            captured_at_ns: options.written_at_ns,
            monotonic_ns: 0,
            mode: "core".to_owned(),
            writer: concat!("v8mini ", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }
}
