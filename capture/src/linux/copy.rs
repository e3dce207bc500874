//! Copying memory out of a stopped process.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::libc::pid_t;
use v8mini_format::memory::MemoryRange;
use v8mini_format::model::Problem;

use super::error::CaptureError;
use super::remote_memory::RemoteMemory;
use super::snapshot::Copied;

/// Bytes per call: large enough to be cheap, small enough that both sides stay in the cache's reach.
const BYTES_PER_CALL: u64 = 1 << 20;

/// Why copying was given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum GivenUp {
    /// The process is gone.
    Exited,
    /// It would have stood still for too long.
    TooLong,
}

impl GivenUp {
    /// The error of a capture of `pid` that may stop it for `limit`.
    pub(super) fn of(self, pid: pid_t, limit: Option<Duration>) -> CaptureError {
        match self {
            Self::Exited => CaptureError::Exited { pid },
            Self::TooLong => CaptureError::PauseTooLong {
                pid,
                limit: limit.unwrap_or_default(),
            },
        }
    }
}

/// Copies the planned ranges into `buffer`, one after the other; returns what was copied, and where in the buffer it is.
///
/// # Errors
/// When the process is gone, or `deadline` has passed.
pub(super) fn copy(
    memory: &RemoteMemory,
    plan: &[MemoryRange],
    buffer: &mut [u8],
    page_size: u64,
    deadline: Option<Instant>,
    problems: &mut Vec<Problem>,
) -> Result<Vec<Copied>, GivenUp> {
    let mut pieces: Vec<Copied> = Vec::new();
    let mut used = 0_usize;
    let mut pending: VecDeque<MemoryRange> = plan.iter().copied().collect();
    let mut batch = Vec::new();
    while !pending.is_empty() {
        if deadline.is_some_and(|deadline| Instant::now() > deadline) {
            return Err(GivenUp::TooLong);
        }
        batch.clear();
        let mut total = 0;
        while let Some(range) = pending.front_mut() {
            let len = range.len.min(BYTES_PER_CALL - total);
            batch.push(MemoryRange {
                start: range.start,
                len,
            });
            total += len;
            if len < range.len {
                *range = MemoryRange {
                    start: range.start + len,
                    len: range.len - len,
                };
            } else {
                pending.pop_front();
            }
            if total == BYTES_PER_CALL || batch.len() == 1024 {
                break;
            }
        }
        let Some(local) = buffer.get_mut(used..) else {
            break;
        };
        let mut read = match memory.read_ranges(&batch, local) {
            Ok(read) => read as u64,
            Err(Errno::ESRCH) => return Err(GivenUp::Exited),
            Err(_) => 0,
        };
        let mut failed = None;
        for (at, range) in batch.iter().enumerate() {
            let got = range.len.min(read);
            read -= got;
            push_piece(
                &mut pieces,
                MemoryRange {
                    start: range.start,
                    len: got,
                },
                used,
            );
            used += usize::try_from(got).unwrap_or(0);
            if got < range.len {
                failed = Some((
                    at,
                    MemoryRange {
                        start: range.start + got,
                        len: range.len - got,
                    },
                ));
                break;
            }
        }
        let Some((at, failed)) = failed else { continue };
        // Give up one operating-system page, and go on behind it with all that was not read.
        let skip = (page_size - failed.start % page_size).min(failed.len);
        problems.push(Problem {
            stage: "read-page".to_owned(),
            message: format!("{skip} bytes at {:#x} cannot be read", failed.start),
            address: failed.start,
            bytes: skip,
        });
        batch
            .iter()
            .skip(at + 1)
            .rev()
            .for_each(|range| pending.push_front(*range));
        if failed.len > skip {
            pending.push_front(MemoryRange {
                start: failed.start + skip,
                len: failed.len - skip,
            });
        }
    }
    Ok(pieces)
}

fn push_piece(pieces: &mut Vec<Copied>, range: MemoryRange, offset: usize) {
    if range.len == 0 {
        return;
    }
    match pieces.last_mut() {
        Some(last) if last.range.end() == range.start => last.range.len += range.len,
        _ => pieces.push(Copied { range, offset }),
    }
}
