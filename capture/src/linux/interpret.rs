//! What a copy of a stopped process is: pages, isolates, and what is read beside it while the process runs again.

use std::time::{Instant, UNIX_EPOCH};

use v8mini_format::memory::{Memory, MemoryExt, MemoryRange};
use v8mini_format::model::{Metadata, Problem, Process, Region, Statistics};

use super::live::{Captured, Target, nanoseconds};
use super::snapshot::{FrozenView, Snapshot};
use super::{accounting, binary, buffers, procfs, registers};
use crate::content::Edits;
use crate::locate::{
    ExternalStringShape, Pages, find_external_strings, find_isolates, gc_problems,
};
use crate::symbols::V8Symbols;
use crate::unwind::{StoppedProcess, Unwinding, unwinding};

impl Target {
    fn symbols(&self) -> V8Symbols {
        self.v8
            .as_ref()
            .map(|(_, symbols)| symbols.clone())
            .unwrap_or_default()
    }

    /// Finds in the copy what the capture says about it.
    ///
    /// `buffers` are the contents of buffers that were planned; `None` if none were wanted.
    pub(super) fn interpret(
        &self,
        snapshot: Snapshot,
        mode: &str,
        began: Instant,
        buffers: Option<&[MemoryRange]>,
    ) -> Captured {
        let Snapshot {
            memory,
            regions,
            mut threads,
            pause,
            at,
            at_monotonic,
            wanted_bytes,
            mut problems,
            mut notes,
        } = snapshot;
        let symbols = self.symbols();
        let pages = self.pages.again(&memory, &regions, symbols.v8_version);
        let isolates = find_isolates(&memory, &pages, &mut threads, self.clues());
        problems.extend(gc_problems(&isolates));
        let mut late_memory = self.external_strings(&memory, &regions, &pages, &mut problems);
        let mut stale = Vec::new();
        if let Some(planned) = buffers {
            let image = FrozenView {
                memory: &memory,
                regions: &regions,
                threads: &threads,
            };
            let held = buffers::compare(self, planned, image, &pages, &mut problems);
            let zeros = |range: &MemoryRange| {
                Some((range.start, vec![0; usize::try_from(range.len).ok()?]))
            };
            late_memory.extend(held.untouched.iter().filter_map(zeros));
            late_memory.sort_unstable_by_key(|(start, _)| *start);
            stale = held.stale;
            notes.extend(held.note);
        }
        let native = self.unwinding(StoppedProcess {
            memory: &memory,
            regions: &regions,
            modules: &self.modules,
            threads: &threads,
        });
        problems.extend(native.problems());
        let late_bytes: u64 = late_memory
            .iter()
            .map(|(_, bytes)| bytes.len() as u64)
            .sum();
        let statistics = Statistics {
            pause_ns: nanoseconds(pause),
            total_ns: 0,
            wanted_bytes: wanted_bytes + late_bytes,
            captured_bytes: memory.len_bytes() + late_bytes,
        };
        let accounting = accounting::measure(self.pid, &pages.pages, &threads, self.page_size)
            .unwrap_or_else(|error| {
                problems.push(Problem {
                    stage: "accounting".to_owned(),
                    message: format!(
                        "memory use by kind is missing: /proc/{}/smaps: {error}",
                        self.pid
                    ),
                    address: 0,
                    bytes: 0,
                });
                Vec::new()
            });
        let metadata = Metadata {
            process: Process {
                mode: mode.to_owned(),
                captured_at_ns: at.duration_since(UNIX_EPOCH).map_or(0, |since| {
                    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
                }),
                monotonic_ns: nanoseconds(at_monotonic),
                ..self.process(&symbols)
            },
            accounting,
            v8_version: symbols.v8_version,
            modules: self.modules.clone(),
            constants: symbols.constants,
            threads,
            isolates,
            pages: pages.pages,
            regions,
            symbols: native.symbols,
            unwind_rows: native.rows,
            problems,
            ..Metadata::default()
        };
        Captured {
            metadata,
            memory,
            late_memory,
            edits: Edits::default(),
            stale,
            declined: Vec::new(),
            statistics,
            notes,
            began,
        }
    }

    /// What unwinding the native frames needs, read from the binaries while the process runs again.
    fn unwinding(&self, stopped: StoppedProcess<'_>) -> Unwinding {
        let executable = procfs::executable(self.pid);
        let mut native = unwinding(stopped, |module| {
            binary::map(self.pid, module, &executable, stopped.regions)
        });
        native.add_vdso(stopped, &self.memory);
        native
    }

    /// Reads the contents of external strings, which lie outside the heap.
    ///
    /// The process runs again: the contents never change while the string lives, and if a string has died meanwhile, what is
    /// stored belongs to nothing. What cannot be read is a problem, not an error.
    fn external_strings(
        &self,
        memory: &dyn Memory,
        regions: &[Region],
        pages: &Pages,
        problems: &mut Vec<Problem>,
    ) -> Vec<(u64, Vec<u8>)> {
        let symbols = self.v8.as_ref().map(|(_, symbols)| symbols);
        let Some(shape) = symbols.and_then(|symbols| ExternalStringShape::new(&symbols.constants))
        else {
            problems.push(Problem {
                stage: "external-strings".to_owned(),
                message:
                    "the binary has no v8dbg constants: contents of external strings are missing"
                        .to_owned(),
                address: 0,
                bytes: 0,
            });
            return Vec::new();
        };
        let mut late = Vec::new();
        for range in find_external_strings(memory, &self.memory, regions, pages, &shape) {
            let len = usize::try_from(range.len).unwrap_or(usize::MAX);
            match self.memory.read_vec(range.start, len) {
                Ok(bytes) => late.push((range.start, bytes)),
                Err(error) => problems.push(Problem {
                    stage: "external-strings".to_owned(),
                    message: format!("the contents of external strings are missing: {error}"),
                    address: range.start,
                    bytes: range.len,
                }),
            }
        }
        late
    }

    /// What does not depend on the stop.
    fn process(&self, symbols: &V8Symbols) -> Process {
        Process {
            pid: u32::try_from(self.pid).unwrap_or(0),
            name: self.stat.name.clone(),
            executable: procfs::executable(self.pid),
            arguments: procfs::arguments(self.pid),
            node_version: symbols.node_version.clone().unwrap_or_default(),
            architecture: registers::ARCHITECTURE.to_owned(),
            kernel: std::fs::read_to_string("/proc/sys/kernel/osrelease")
                .unwrap_or_default()
                .trim()
                .to_owned(),
            os_page_size: u32::try_from(self.page_size).unwrap_or(0),
            uptime_ns: procfs::uptime_ns(&self.stat),
            writer: concat!("v8mini-capture ", env!("CARGO_PKG_VERSION")).to_owned(),
            ..Process::default()
        }
    }
}
