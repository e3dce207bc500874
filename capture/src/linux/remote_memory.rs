//! The memory of another process.

use std::fs::File;
use std::io::IoSliceMut;
use std::os::unix::fs::FileExt;

use nix::errno::Errno;
use nix::libc::pid_t;
use nix::sys::uio::{RemoteIoVec, process_vm_readv};
use nix::unistd::Pid;
use v8mini_format::memory::{Memory, MemoryRange, ReadError};
use v8mini_format::model::Region;

use super::{maps, pagemap, procfs};

/// Mappings from this size on are asked which of their pages exist: V8 reserves code ranges of 512 MiB and uses few.
const SPARSE_FROM: u64 = 16 << 20;
/// `IOV_MAX` of Linux: ranges per call.
const RANGES_PER_CALL: usize = 1024;

/// The memory of another process, at the moment of each read.
#[derive(Debug)]
pub struct RemoteMemory {
    pid: Pid,
    /// `/proc/PID/mem`, for kernels and sandboxes without `process_vm_readv`.
    file: Option<File>,
    ranges: Vec<MemoryRange>,
}

impl RemoteMemory {
    /// The memory of `pid`, of which the readable parts of `regions` are listed as ranges.
    pub fn new(pid: pid_t, regions: &[Region], page_size: u64) -> Self {
        let pagemap = File::open(procfs::path(pid, "pagemap")).ok();
        let mut ranges: Vec<MemoryRange> = Vec::new();
        let mut push = |range: MemoryRange| match ranges.last_mut() {
            Some(last) if last.end() == range.start => last.len += range.len,
            _ => ranges.push(range),
        };
        // The vvar pages of the kernel are mapped readable and cannot be read from outside.
        for region in regions
            .iter()
            .filter(|r| r.permissions.read && !r.name.starts_with("[v"))
        {
            let whole = maps::extent(region);
            match &pagemap {
                Some(pagemap) if region.name.is_empty() && whole.len >= SPARSE_FROM => {
                    pagemap::populated(pagemap, region.start, region.end, page_size)
                        .into_iter()
                        .for_each(&mut push);
                }
                _ => push(whole),
            }
        }
        Self {
            pid: Pid::from_raw(pid),
            file: File::open(procfs::path(pid, "mem")).ok(),
            ranges,
        }
    }

    /// Whether the memory may be read at all: reads one byte.
    pub(super) fn probe(&self) -> Result<(), Errno> {
        let Some(first) = self.ranges.first() else {
            return Err(Errno::ESRCH);
        };
        self.read_ranges(
            &[MemoryRange {
                start: first.start,
                len: 1,
            }],
            &mut [0],
        )
        .map(drop)
    }

    /// Fills `buf` with the bytes of `ranges`, one after the other, and returns how many bytes were read before the first that could
    /// not be.
    ///
    /// # Errors
    /// What the kernel said when nothing could be read at all, and `ESRCH` whenever the process is gone.
    pub(super) fn read_ranges(
        &self,
        ranges: &[MemoryRange],
        buf: &mut [u8],
    ) -> Result<usize, Errno> {
        let mut done = 0_usize;
        for batch in ranges.chunks(RANGES_PER_CALL) {
            let remote: Vec<RemoteIoVec> = batch
                .iter()
                .map(|range| RemoteIoVec {
                    base: usize::try_from(range.start).unwrap_or(usize::MAX),
                    len: usize::try_from(range.len).unwrap_or(0),
                })
                .collect();
            let wanted: usize = remote.iter().map(|r| r.len).sum();
            let Some(local) = buf.get_mut(done..done.saturating_add(wanted)) else {
                break;
            };
            let read = match process_vm_readv(self.pid, &mut [IoSliceMut::new(local)], &remote) {
                Ok(read) => read,
                Err(Errno::ENOSYS | Errno::EPERM) => self.read_first(batch, local)?,
                // The process is gone: what was read before is of no use either.
                Err(Errno::ESRCH) => return Err(Errno::ESRCH),
                Err(errno) if done == 0 => return Err(errno),
                Err(_) => 0,
            };
            done += read;
            if read < wanted {
                break;
            }
        }
        Ok(done)
    }

    /// Reads through `/proc/PID/mem`, range by range.
    fn read_first(&self, ranges: &[MemoryRange], buf: &mut [u8]) -> Result<usize, Errno> {
        let file = self.file.as_ref().ok_or(Errno::EPERM)?;
        let mut done = 0_usize;
        for range in ranges {
            let len = usize::try_from(range.len).unwrap_or(0);
            let Some(local) = buf.get_mut(done..done.saturating_add(len)) else {
                break;
            };
            if file.read_exact_at(local, range.start).is_err() {
                break;
            }
            done += len;
        }
        if done == 0 && !ranges.is_empty() {
            Err(Errno::EIO)
        } else {
            Ok(done)
        }
    }
}

impl Memory for RemoteMemory {
    fn read_at(&self, addr: u64, buf: &mut [u8]) -> Result<(), ReadError> {
        let len = buf.len() as u64;
        match self.read_ranges(&[MemoryRange { start: addr, len }], buf) {
            Ok(read) if read == buf.len() => Ok(()),
            _ => Err(ReadError::Unmapped { addr, len }),
        }
    }

    fn ranges(&self) -> Vec<MemoryRange> {
        self.ranges.clone()
    }
}
