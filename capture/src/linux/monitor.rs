//! How much memory a process uses, again and again, without stopping it.

use nix::libc::pid_t;

use super::binary::SymbolCache;
use super::error::CaptureError;
use super::live::Target;
use super::remote_memory::RemoteMemory;
use super::{headroom, maps, procfs};

/// How much memory a process uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryUse {
    /// Size of the V8 heap's pages of all isolates, in bytes, as [`list`](super::list) tells it.
    pub heap_bytes: u64,
    /// What of the process is in RAM (`VmRSS`), in bytes.
    pub resident_bytes: u64,
    /// What it may use, in bytes: the least of the limits of its control groups (version 1 or 2) and the machine's memory.
    pub limit_bytes: u64,
}

/// A process whose memory is watched.
pub struct Monitor {
    target: Target,
}

impl Monitor {
    /// Finds V8 in a process.
    ///
    /// # Errors
    /// As [`capture`](super::capture) before it stops the process.
    pub fn open(pid: pid_t) -> Result<Self, CaptureError> {
        let target = Target::locate(pid, &mut SymbolCache::default())?;
        Ok(Self { target })
    }

    /// Measures; `None` if the process has ended, and perhaps another has its number.
    ///
    /// The headers of the heap's pages are read, and nothing else of it.
    ///
    /// # Errors
    /// If `/proc` cannot be read although the process lives.
    pub fn measure(&self) -> Result<Option<MemoryUse>, CaptureError> {
        let target = &self.target;
        let pid = target.pid;
        if !self.is_alive() {
            return Ok(None);
        }
        let regions = match maps::read_regions(pid) {
            Ok(regions) => regions,
            Err(_) if !self.is_alive() => return Ok(None),
            Err(error) => return Err(CaptureError::proc(pid, &error)),
        };
        let memory = RemoteMemory::new(pid, &regions, target.page_size);
        let version = target.listed().version;
        let pages = target.pages.again(&memory, &regions, version);
        let measured = MemoryUse {
            heap_bytes: pages.pages.iter().map(|page| page.size).sum(),
            resident_bytes: headroom::resident(pid).unwrap_or(0),
            limit_bytes: headroom::limit(pid).unwrap_or(u64::MAX),
        };
        // What was measured of a process that ended meanwhile means nothing.
        Ok(self.is_alive().then_some(measured))
    }

    /// Whether the process still runs.
    pub fn is_alive(&self) -> bool {
        procfs::Stat::read(self.target.pid, None).is_ok_and(|stat| {
            stat.start_time == self.target.stat.start_time && !matches!(stat.state, 'Z' | 'X')
        })
    }
}
