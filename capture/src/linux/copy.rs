//! Copying memory out of a stopped process.

use std::collections::VecDeque;

use nix::errno::Errno;
use v8mini_format::memory::MemoryRange;
use v8mini_format::model::Problem;

use super::remote_memory::RemoteMemory;
use super::snapshot::Copied;

/// Bytes per call: large enough to be cheap, small enough that both sides stay in the cache's reach.
const BYTES_PER_CALL: u64 = 1 << 20;

/// Copies the planned ranges into `buffer`, one after the other; returns what was copied, as (range, offset in the buffer). `None` if the process is gone.
pub(super) fn copy(
    memory: &RemoteMemory,
    plan: &[MemoryRange],
    buffer: &mut [u8],
    page_size: u64,
    problems: &mut Vec<Problem>,
) -> Option<Vec<Copied>> {
    let mut pieces: Vec<Copied> = Vec::new();
    let mut used = 0_usize;
    let mut pending: VecDeque<MemoryRange> = plan.iter().copied().collect();
    let mut batch = Vec::new();
    while !pending.is_empty() {
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
            Err(Errno::ESRCH) => return None,
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
    Some(pieces)
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
