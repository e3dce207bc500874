//! The ring through which the kernel hands over records: `struct perf_event_mmap_page` and what follows it.

use std::os::fd::AsRawFd;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};

use nix::errno::Errno;
use nix::libc::{self, pid_t};
use v8mini_format::memory::MemoryRange;

use super::event::Event;

// From include/uapi/linux/perf_event.h.
const PERF_RECORD_MMAP: u32 = 1;
const PERF_RECORD_LOST: u32 = 2;
const PERF_RECORD_EXIT: u32 = 4;
const PERF_RECORD_THROTTLE: u32 = 5;
const PERF_RECORD_FORK: u32 = 7;
const PERF_RECORD_SAMPLE: u32 = 9;
const PERF_RECORD_LOST_SAMPLES: u32 = 13;
/// Offsets of `data_head` and `data_tail` in `struct perf_event_mmap_page`.
const DATA_HEAD: usize = 1024;
const DATA_TAIL: usize = 1032;
/// `struct perf_event_header`: type, misc, size.
const HEADER_BYTES: usize = 8;
/// The longest record: a mapping with the name of its file, which has up to `PATH_MAX` bytes.
const LONGEST_RECORD: u64 = 64 + 4096;

/// What a record says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Record {
    /// A page fault at this address.
    Fault(u64),
    /// Memory was mapped, or its protection was changed.
    Mapped(MemoryRange),
    /// Records are missing: the ring was full.
    Lost,
    /// A thread has started another.
    Started { by: pid_t, tid: pid_t },
    /// Says nothing about memory.
    Other,
    /// A record of a form that is not known.
    Unknown,
}

impl Record {
    /// What the bytes of one record say, header included.
    fn parse(bytes: &[u8]) -> Self {
        let word = |at: usize| -> Option<u64> {
            let bytes = bytes.get(at..at.checked_add(8)?)?;
            Some(u64::from_ne_bytes(bytes.try_into().ok()?))
        };
        let kind = bytes
            .first_chunk()
            .map_or(0, |kind| u32::from_ne_bytes(*kind));
        let known = match kind {
            // PERF_SAMPLE_ADDR is all that was asked for.
            PERF_RECORD_SAMPLE => word(HEADER_BYTES).map(Self::Fault),
            // { pid, tid: u32; addr, len, pgoff: u64; filename }
            PERF_RECORD_MMAP => word(HEADER_BYTES + 8)
                .zip(word(HEADER_BYTES + 16))
                .map(|(start, len)| Self::Mapped(MemoryRange { start, len })),
            PERF_RECORD_LOST | PERF_RECORD_LOST_SAMPLES | PERF_RECORD_THROTTLE => Some(Self::Lost),
            // { pid, ppid, tid, ptid: u32; time: u64 }
            PERF_RECORD_FORK => word(HEADER_BYTES + 8).map(|tids| Self::Started {
                by: (tids >> 32) as pid_t,
                tid: tids as pid_t,
            }),
            PERF_RECORD_EXIT => Some(Self::Other),
            _ => None,
        };
        known.unwrap_or(Self::Unknown)
    }
}

/// Parses the records between `tail` and `head` of a ring with these bytes, a power of two of them; the new tail.
///
/// The positions count on for ever; a record may begin at the end of the ring and go on at its beginning.
fn parse(
    data: &[u8],
    tail: u64,
    head: u64,
    scratch: &mut Vec<u8>,
    visit: &mut impl FnMut(Record),
) -> u64 {
    let len = data.len() as u64;
    let mut tail = tail;
    while tail < head {
        let at = usize::try_from(tail % len).unwrap_or(0);
        let left = usize::try_from(head - tail).unwrap_or(0).min(data.len());
        // Records are multiples of eight bytes, so that a header is never torn.
        let size = data
            .get(at + 6..at + 8)
            .and_then(|size| Some(usize::from(u16::from_ne_bytes(size.try_into().ok()?))))
            .unwrap_or(0);
        if size < HEADER_BYTES || size > left {
            visit(Record::Unknown);
            return head;
        }
        match data.get(at..at + size) {
            Some(record) => visit(Record::parse(record)),
            None => {
                scratch.clear();
                let (wrapped, first) = data.split_at(at);
                scratch.extend_from_slice(first);
                scratch.extend(wrapped.iter().take(size - first.len()));
                visit(Record::parse(scratch));
            }
        }
        tail += size as u64;
    }
    tail
}

/// The mapped ring of an event.
#[derive(Debug)]
pub(super) struct Ring {
    /// The control page, followed by the data.
    base: NonNull<u8>,
    page_size: usize,
    data_len: usize,
    scratch: Vec<u8>,
}

// SAFETY: the mapping belongs to the process and not to a thread, and only one `Ring` reads it and writes its tail.
unsafe impl Send for Ring {}

impl Ring {
    /// Maps a ring of `data_len` bytes, a power of two of pages.
    ///
    /// # Errors
    /// `EPERM` beyond `kernel.perf_event_mlock_kb`, `ENOMEM`.
    pub(super) fn map(event: &Event, page_size: usize, data_len: usize) -> Result<Self, Errno> {
        // SAFETY: a fresh mapping at an address of the kernel's choice touches no memory that exists.
        let base = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                page_size + data_len,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                event.as_raw_fd(),
                0,
            )
        };
        if base == libc::MAP_FAILED {
            return Err(Errno::last());
        }
        Ok(Self {
            base: NonNull::new(base.cast()).ok_or(Errno::ENOMEM)?,
            page_size,
            data_len,
            scratch: Vec::with_capacity(usize::from(u16::MAX)),
        })
    }

    fn position(&self, offset: usize) -> &AtomicU64 {
        // SAFETY: the control page is at least 4 KiB, mapped as long as `self` lives, and its words are aligned; the kernel
        // accesses both positions atomically.
        unsafe { AtomicU64::from_ptr(self.base.as_ptr().add(offset).cast()) }
    }

    /// Takes all records out.
    ///
    /// The kernel says that records were lost when it writes the next one, so what was lost last is not told. Where there was no room left for a
    /// record, some may have been.
    pub(super) fn drain(&mut self, visit: &mut impl FnMut(Record)) {
        let head = self.position(DATA_HEAD).load(Ordering::Acquire);
        let tail = self.position(DATA_TAIL).load(Ordering::Relaxed);
        // SAFETY: the data follows the control page and is mapped as long as `self` lives. The kernel writes only in front of `head`, up
        // to `tail`, and nothing outside `tail..head` is looked at.
        let data = unsafe {
            std::slice::from_raw_parts(self.base.as_ptr().add(self.page_size), self.data_len)
        };
        if head.wrapping_sub(tail).saturating_add(LONGEST_RECORD) > self.data_len as u64 {
            visit(Record::Lost);
        }
        let mut scratch = std::mem::take(&mut self.scratch);
        let tail = parse(data, tail, head, &mut scratch, visit);
        self.scratch = scratch;
        self.position(DATA_TAIL).store(tail, Ordering::Release);
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        // SAFETY: this is the mapping that `map` made, and nothing borrows from it any more.
        let _cannot_fail =
            unsafe { libc::munmap(self.base.as_ptr().cast(), self.page_size + self.data_len) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(kind: u32, payload: &[u64]) -> Vec<u8> {
        let size = (HEADER_BYTES + payload.len() * 8) as u16;
        let mut bytes = kind.to_ne_bytes().to_vec();
        bytes.extend([0, 0]);
        bytes.extend(size.to_ne_bytes());
        bytes.extend(payload.iter().flat_map(|word| word.to_ne_bytes()));
        bytes
    }

    /// Puts bytes into a ring of 64 bytes at a position, and parses them.
    fn through(records: &[u8], tail: u64) -> (Vec<Record>, u64) {
        let mut data = [0xEE; 64];
        for (at, byte) in (tail..).zip(records) {
            data[(at % 64) as usize] = *byte;
        }
        let mut found = Vec::new();
        let head = tail + records.len() as u64;
        let end = parse(&data, tail, head, &mut Vec::new(), &mut |r| found.push(r));
        (found, end - tail)
    }

    #[test]
    fn faults_and_mappings_wherever_they_lie() {
        let records = [
            record(PERF_RECORD_SAMPLE, &[0x1234_5678]),
            record(PERF_RECORD_MMAP, &[7, 0x7000_0000, 0x4_0000, 0]),
        ]
        .concat();
        // Every position of a ring, so that each word is once the first after the wrap.
        for tail in (0..256).step_by(8) {
            let expected = vec![
                Record::Fault(0x1234_5678),
                Record::Mapped(MemoryRange {
                    start: 0x7000_0000,
                    len: 0x4_0000,
                }),
            ];
            assert_eq!(through(&records, tail), (expected, 56), "at {tail}");
        }
    }

    #[test]
    fn losses_are_not_overlooked() {
        for kind in [
            PERF_RECORD_LOST,
            PERF_RECORD_LOST_SAMPLES,
            PERF_RECORD_THROTTLE,
        ] {
            assert_eq!(through(&record(kind, &[1, 2]), 48).0, [Record::Lost]);
        }
    }

    #[test]
    fn threads_that_were_started() {
        let bytes = record(PERF_RECORD_FORK, &[(1 << 32) | 1, (7 << 32) | 9, 0]);
        assert_eq!(through(&bytes, 0).0, [Record::Started { by: 7, tid: 9 }]);
        assert_eq!(
            through(&record(PERF_RECORD_EXIT, &[1, 2, 3]), 0).0,
            [Record::Other]
        );
    }

    #[test]
    fn what_is_not_understood_is_said() {
        assert_eq!(through(&record(77, &[1]), 0).0, [Record::Unknown]);
        assert_eq!(
            through(&record(PERF_RECORD_SAMPLE, &[]), 56).0,
            [Record::Unknown]
        );
        // A length of zero must not be a loop for ever, nor one beyond the head be believed.
        for size in [0_u16, 7, 48] {
            let mut bytes = record(PERF_RECORD_SAMPLE, &[1]);
            bytes[6..8].copy_from_slice(&size.to_ne_bytes());
            assert_eq!(through(&bytes, 8), (vec![Record::Unknown], 16), "{size}");
        }
    }
}
