//! The threads of a process, before and in the stop.

use nix::libc::pid_t;
use v8mini_format::model::{Problem, Region, Thread};

use super::error::CaptureError;
use super::freeze::Frozen;
use super::{procfs, registers};

/// Names and states of the threads before the stop: the stop itself changes the state to `t`.
pub(super) fn facts(pid: pid_t) -> Result<Vec<(pid_t, procfs::Stat)>, CaptureError> {
    let tids = procfs::threads(pid).map_err(|error| CaptureError::proc(pid, &error))?;
    Ok(tids
        .into_iter()
        .filter_map(|tid| Some((tid, procfs::Stat::read(pid, Some(tid)).ok()?)))
        .collect())
}

pub(super) fn read(
    pid: pid_t,
    frozen: &Frozen,
    regions: &[Region],
    before: &[(pid_t, procfs::Stat)],
    problems: &mut Vec<Problem>,
) -> Vec<Thread> {
    let mut threads = Vec::new();
    for tid in frozen.threads() {
        let registers = registers::read(tid).unwrap_or_else(|errno| {
            let message = format!("the registers of thread {tid} cannot be read: {errno}");
            problems.push(Problem {
                stage: "registers".to_owned(),
                message,
                address: 0,
                bytes: 0,
            });
            Vec::new()
        });
        let known = before
            .iter()
            .find(|(other, _)| *other == tid)
            .map(|(_, stat)| stat.clone());
        let born_since = known.is_none();
        let stat = known.or_else(|| procfs::Stat::read(pid, Some(tid)).ok());
        let mut thread = Thread {
            tid: u32::try_from(tid).unwrap_or(0),
            name: stat.as_ref().map(|s| s.name.clone()).unwrap_or_default(),
            registers,
            state: stat.filter(|_| !born_since).map_or('?', |s| s.state),
            ..Thread::default()
        };
        let stack_pointer = thread.register("rsp").or_else(|| thread.register("sp"));
        if let Some(region) = stack_pointer.and_then(|sp| Region::at(regions, sp)) {
            thread.stack_start = region.start;
            thread.stack_end = region.end;
        }
        threads.push(thread);
    }
    // The main thread has the process's own number; it is not always the lowest.
    threads.sort_by_key(|thread| (i64::from(thread.tid) != i64::from(pid), thread.tid));
    threads
}
