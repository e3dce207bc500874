//! The performance events that log page faults: `perf_event_open(2)`.

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use nix::errno::Errno;
use nix::libc::{self, pid_t};

// From include/uapi/linux/perf_event.h.
const PERF_TYPE_SOFTWARE: u32 = 1;
const PERF_COUNT_SW_PAGE_FAULTS_MIN: u64 = 5;
const PERF_COUNT_SW_PAGE_FAULTS_MAJ: u64 = 6;
const PERF_SAMPLE_ADDR: u64 = 1 << 3;
const PERF_FLAG_FD_CLOEXEC: u64 = 1 << 3;
nix::ioctl_write_int_bad!(perf_event_set_output, nix::request_code_none!(b'$', 5));

/// `struct perf_event_attr` up to `PERF_ATTR_SIZE_VER1`; the kernel takes what is missing for zero.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
struct Attributes {
    kind: u32,
    size: u32,
    config: u64,
    sample_period: u64,
    sample_type: u64,
    read_format: u64,
    flags: u64,
    wakeup: u32,
    breakpoint_type: u32,
    config1: u64,
    config2: u64,
}

/// The bits of `perf_event_attr` that are used here.
mod flag {
    pub(super) const INHERIT: u64 = 1 << 1;
    pub(super) const EXCLUDE_HV: u64 = 1 << 6;
    pub(super) const MMAP: u64 = 1 << 8;
    pub(super) const WATERMARK: u64 = 1 << 14;
    pub(super) const MMAP_DATA: u64 = 1 << 17;
    /// Linux 5.13: threads inherit the event, child processes do not.
    pub(super) const INHERIT_THREAD: u64 = 1 << 35;
}

/// Which faults an event counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Faults {
    /// Those that needed no disk, and the mappings that are made meanwhile.
    ///
    /// Not `PAGE_FAULTS`, which the kernel logs before it resolves the fault: a page could be protected anew in between,
    /// and its write be lost. `PAGE_FAULTS_MIN` is logged after the page has become writable and before the write happens.
    Minor,
    /// Those that did; and those that had to be tried again.
    Major,
}

/// One event: the faults of a thread, and of the threads that it will start, on one processor.
///
/// The kernel lets events be inherited only if they are bound to a processor; that way no thread that is born during the
/// capture is missed.
#[derive(Debug)]
pub(super) struct Event(OwnedFd);

impl Event {
    /// Begins to log, into the ring of `output` or one that is still to be mapped.
    ///
    /// # Errors
    /// `EACCES` where `kernel.perf_event_paranoid` forbids it, `EMFILE`, `ENODEV` for a processor that is off, `ESRCH` for a
    /// thread that has ended.
    pub(super) fn open(
        tid: pid_t,
        processor: u32,
        faults: Faults,
        output: Option<&Self>,
    ) -> Result<Self, Errno> {
        let (config, mappings) = match faults {
            Faults::Minor => (PERF_COUNT_SW_PAGE_FAULTS_MIN, flag::MMAP | flag::MMAP_DATA),
            Faults::Major => (PERF_COUNT_SW_PAGE_FAULTS_MAJ, 0),
        };
        let attributes = Attributes {
            kind: PERF_TYPE_SOFTWARE,
            size: u32::try_from(size_of::<Attributes>()).unwrap_or(0),
            config,
            sample_period: 1,
            sample_type: PERF_SAMPLE_ADDR,
            flags: flag::INHERIT
                | flag::INHERIT_THREAD
                | flag::EXCLUDE_HV
                | flag::WATERMARK
                | mappings,
            // Nobody waits for the ring: it is read when its content is wanted.
            wakeup: u32::MAX >> 1,
            ..Attributes::default()
        };
        // SAFETY: the kernel reads `size` bytes of attributes, all of which exist; the other arguments are integers.
        let fd = unsafe {
            libc::syscall(
                libc::SYS_perf_event_open,
                &raw const attributes,
                tid,
                processor,
                -1,
                PERF_FLAG_FD_CLOEXEC,
            )
        };
        let fd = i32::try_from(Errno::result(fd)?).map_err(|_| Errno::EBADF)?;
        // SAFETY: the call has just returned this descriptor, which nobody else owns.
        let event = Self(unsafe { OwnedFd::from_raw_fd(fd) });
        if let Some(output) = output {
            // SAFETY: the request takes an integer, a descriptor that is open.
            unsafe { perf_event_set_output(fd, output.as_raw_fd()) }?;
        }
        Ok(event)
    }
}

impl AsRawFd for Event {
    fn as_raw_fd(&self) -> i32 {
        self.0.as_raw_fd()
    }
}
