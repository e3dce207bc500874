//! Asynchronous write protection: which pages have been written since they were protected?
//!
//! With `UFFD_FEATURE_WP_ASYNC` (Linux 6.7) a write to a protected page is resolved by the kernel alone: the page becomes
//! writable and counts as written. Nobody waits for the holder of the descriptor, and closing it ends all of it, so that the process cannot be
//! harmed by the end of this program. See `Documentation/admin-guide/mm/userfaultfd.rst`.

use std::os::fd::{AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::libc;
use v8mini_format::memory::MemoryRange;

// From include/uapi/linux/userfaultfd.h.
const UFFD_API: u64 = 0xAA;
const UFFD_FEATURE_PAGEFAULT_FLAG_WP: u64 = 1 << 0;
const UFFD_FEATURE_WP_UNPOPULATED: u64 = 1 << 13;
const UFFD_FEATURE_WP_ASYNC: u64 = 1 << 15;
const UFFDIO_REGISTER_MODE_WP: u64 = 1 << 1;
const UFFDIO_WRITEPROTECT_MODE_WP: u64 = 1 << 0;
/// `UFFD_USER_MODE_ONLY`: what an unprivileged process may ask for. Asynchronous protection works for the kernel's own writes all the same.
pub(super) const USER_MODE_ONLY: u64 = 1;

nix::ioctl_readwrite!(uffdio_api, 0xAA, 0x3F, Api);
nix::ioctl_readwrite!(uffdio_register, 0xAA, 0x00, Register);
nix::ioctl_read!(uffdio_unregister, 0xAA, 0x01, Range);
nix::ioctl_readwrite!(uffdio_writeprotect, 0xAA, 0x06, WriteProtect);

/// `struct uffdio_api`.
#[repr(C)]
struct Api {
    api: u64,
    features: u64,
    ioctls: u64,
}

/// `struct uffdio_range`.
#[repr(C)]
struct Range {
    start: u64,
    len: u64,
}

/// `struct uffdio_register`.
#[repr(C)]
struct Register {
    range: Range,
    mode: u64,
    ioctls: u64,
}

/// `struct uffdio_writeprotect`.
#[repr(C)]
struct WriteProtect {
    range: Range,
    mode: u64,
}

impl From<MemoryRange> for Range {
    fn from(range: MemoryRange) -> Self {
        Self {
            start: range.start,
            len: range.len,
        }
    }
}

/// Bytes per call: the kernel holds the lock of the process's memory map during each.
const BYTES_PER_CALL: u64 = 16 << 20;

/// A userfaultfd of another process, made in it and handed to this program.
///
/// Dropping it ends the protection range by range: closing a descriptor with a gigabyte registered keeps the process from mapping
/// memory for 50 ms.
#[derive(Debug)]
pub(super) struct Userfaultfd {
    fd: OwnedFd,
    registered: Vec<MemoryRange>,
}

impl Userfaultfd {
    /// Agrees with the kernel on asynchronous protection. The descriptor must be fresh.
    ///
    /// # Errors
    /// `EINVAL` from kernels before 6.7.
    pub(super) fn new(fd: OwnedFd) -> Result<Self, Errno> {
        let mut api = Api {
            api: UFFD_API,
            features: UFFD_FEATURE_PAGEFAULT_FLAG_WP
                | UFFD_FEATURE_WP_UNPOPULATED
                | UFFD_FEATURE_WP_ASYNC,
            ioctls: 0,
        };
        // SAFETY: the request reads and writes one `struct uffdio_api`, which `api` is.
        unsafe { uffdio_api(fd.as_raw_fd(), &raw mut api) }?;
        Ok(Self {
            fd,
            registered: Vec::new(),
        })
    }

    /// Makes the pages of whole mappings protectable. Nothing is protected by that alone.
    ///
    /// # Errors
    /// `ENOMEM` or `EINVAL` where no such mapping is, `EBUSY` where the process uses a userfaultfd itself.
    pub(super) fn register(&mut self, range: MemoryRange) -> Result<(), Errno> {
        let mut register = Register {
            range: range.into(),
            mode: UFFDIO_REGISTER_MODE_WP,
            ioctls: 0,
        };
        // SAFETY: the request reads and writes one `struct uffdio_register`, which `register` is.
        unsafe { uffdio_register(self.fd.as_raw_fd(), &raw mut register) }?;
        self.registered.push(range);
        Ok(())
    }

    /// Protects pages of registered mappings: they count as written from their next write on.
    ///
    /// # Errors
    /// `ENOENT` where nothing is registered (any more).
    pub(super) fn protect(&self, range: MemoryRange) -> Result<(), Errno> {
        self.change(range, UFFDIO_WRITEPROTECT_MODE_WP)
    }

    /// Ends the protection of pages: they count as written from now on.
    ///
    /// # Errors
    /// As [`Self::protect`].
    pub(super) fn unprotect(&self, range: MemoryRange) -> Result<(), Errno> {
        self.change(range, 0)
    }

    fn change(&self, range: MemoryRange, mode: u64) -> Result<(), Errno> {
        for_each_part(range, |part| {
            let mut protect = WriteProtect {
                range: part.into(),
                mode,
            };
            loop {
                // SAFETY: the request reads and writes one `struct uffdio_writeprotect`, which `protect` is.
                match unsafe { uffdio_writeprotect(self.fd.as_raw_fd(), &raw mut protect) } {
                    // The memory map is just being changed (a fork, an exit).
                    Err(Errno::EAGAIN) => std::thread::yield_now(),
                    result => return result.map(drop),
                }
            }
        })
    }

    /// Ends all protection, in steps so short that the process does not notice.
    fn unregister_all(&mut self) {
        for range in std::mem::take(&mut self.registered) {
            let _unmapped_since = for_each_part(range, |part| {
                let mut part = Range::from(part);
                // SAFETY: the request reads one `struct uffdio_range`, which `part` is.
                unsafe { uffdio_unregister(self.fd.as_raw_fd(), &raw mut part) }.map(drop)
            });
        }
    }
}

impl Drop for Userfaultfd {
    fn drop(&mut self) {
        self.unregister_all();
    }
}

fn for_each_part(
    range: MemoryRange,
    mut call: impl FnMut(MemoryRange) -> Result<(), Errno>,
) -> Result<(), Errno> {
    let mut start = range.start;
    while start < range.end() {
        let len = BYTES_PER_CALL.min(range.end() - start);
        call(MemoryRange { start, len })?;
        start += len;
    }
    Ok(())
}

/// Number of `userfaultfd(2)`, to be called in the process itself, and its flags.
pub(super) const SYSCALL: libc::c_long = libc::SYS_userfaultfd;
/// Flags of that call.
pub(super) const FLAGS: u64 = USER_MODE_ONLY | (libc::O_CLOEXEC | libc::O_NONBLOCK) as u64;
