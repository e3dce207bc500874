//! Asking the kernel which protected pages were written: the `PAGEMAP_SCAN` request (Linux 6.7).
//!
//! See `Documentation/admin-guide/mm/pagemap.rst`.

use std::fs::File;
use std::os::fd::AsRawFd;

use nix::errno::Errno;
use nix::libc::pid_t;
use v8mini_format::memory::MemoryRange;

use super::procfs;

// From include/uapi/linux/fs.h.
const PAGE_IS_WRITTEN: u64 = 1 << 1;
const PM_SCAN_WP_MATCHING: u64 = 1 << 0;
const PM_SCAN_CHECK_WPASYNC: u64 = 1 << 1;

/// The request, in a module because the macro makes it public.
mod request {
    nix::ioctl_readwrite!(pagemap_scan, b'f', 16, super::ScanArgument);
}

/// `struct pm_scan_arg`.
#[repr(C)]
pub(super) struct ScanArgument {
    size: u64,
    flags: u64,
    start: u64,
    end: u64,
    walk_end: u64,
    vec: u64,
    vec_len: u64,
    max_pages: u64,
    category_inverted: u64,
    category_mask: u64,
    category_anyof_mask: u64,
    return_mask: u64,
}

/// `struct page_region`: neighbouring pages of the same categories.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
struct PageRegion {
    start: u64,
    end: u64,
    categories: u64,
}

/// What a scan does to the pages that it finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    /// Nothing.
    Leave,
    /// Protects them again, in the same step, so that no write is lost. Memory that is not registered is passed over.
    ProtectAgain,
    /// Nothing, but fails if any of the memory is not registered.
    ///
    /// Not together with protecting: what was found, and protected, up to the failure would be lost.
    CheckRegistered,
}

/// Finds written pages.
#[derive(Debug)]
pub(super) struct PagemapScan {
    pagemap: File,
    /// What one call fills; allocated, and touched, before the process is stopped.
    found: Vec<PageRegion>,
}

/// Regions per call: 1.5 MB.
const REGIONS_PER_CALL: usize = 64 << 10;

impl PagemapScan {
    /// Opens the pagemap of a process, and asks whether the kernel knows the request.
    ///
    /// # Errors
    /// `ENOTTY` from kernels before 6.7; `EACCES` without permission.
    pub(super) fn open(pid: pid_t) -> Result<Self, Errno> {
        let pagemap = File::open(procfs::path(pid, "pagemap"))
            .map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or(0)))?;
        let mut scan = Self {
            pagemap,
            found: vec![
                PageRegion {
                    categories: 1,
                    ..PageRegion::default()
                };
                REGIONS_PER_CALL
            ],
        };
        // An empty range is a legal question.
        scan.call(0, 0, 0)?;
        Ok(scan)
    }

    /// Adds to `written` the pages of `runs` that were written since they were protected; neighbours are merged.
    ///
    /// Unless it is to be protected again, memory that is not registered counts as written; and memory that was discarded (`MADV_DONTNEED`), too. The question is asked in the form
    /// for which the kernel has a fast path: one category, one mask.
    ///
    /// # Errors
    /// `EPERM` from [`Then::CheckRegistered`]; `ESRCH` when the process is gone.
    pub(super) fn written(
        &mut self,
        runs: &[MemoryRange],
        then: Then,
        written: &mut Vec<MemoryRange>,
    ) -> Result<(), Errno> {
        let flags = match then {
            Then::Leave => 0,
            Then::ProtectAgain => PM_SCAN_WP_MATCHING,
            Then::CheckRegistered => PM_SCAN_CHECK_WPASYNC,
        };
        for run in runs {
            let mut start = run.start;
            while start < run.end() {
                let (count, walked) = self.call(start, run.end(), flags)?;
                for region in self.found.iter().take(count) {
                    let len = region.end.saturating_sub(region.start);
                    match written.last_mut() {
                        Some(last) if last.end() == region.start => last.len += len,
                        _ => written.push(MemoryRange {
                            start: region.start,
                            len,
                        }),
                    }
                }
                if walked <= start {
                    break;
                }
                start = walked;
            }
        }
        Ok(())
    }

    /// One request: the number of regions found, and the address where the walk ended.
    fn call(&mut self, start: u64, end: u64, flags: u64) -> Result<(usize, u64), Errno> {
        let mut argument = ScanArgument {
            size: size_of::<ScanArgument>() as u64,
            flags,
            start,
            end,
            walk_end: 0,
            vec: self.found.as_mut_ptr() as u64,
            vec_len: self.found.len() as u64,
            max_pages: 0,
            category_inverted: 0,
            category_mask: PAGE_IS_WRITTEN,
            category_anyof_mask: 0,
            return_mask: PAGE_IS_WRITTEN,
        };
        // SAFETY: the request reads and writes one `struct pm_scan_arg`, and writes at most `vec_len` regions to `vec`, which is
        // the exclusively borrowed `found` of that length.
        let count = unsafe { request::pagemap_scan(self.pagemap.as_raw_fd(), &raw mut argument) }?;
        Ok((usize::try_from(count).unwrap_or(0), argument.walk_end))
    }
}
