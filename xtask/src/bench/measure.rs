//! Runs a program and tells what it used.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

/// What a program used from its start to its end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Usage {
    /// Time on the wall.
    pub(super) wall: Duration,
    /// Time on all cores together, user and system.
    pub(super) cpu: Duration,
    /// Most memory that was resident at any time, in bytes.
    pub(super) peak_bytes: u64,
}

/// Runs a program to its end: 0, or 3 if it says that its answer is incomplete.
///
/// # Errors
/// If it cannot be started or fails.
pub(super) fn run_measured(command: &mut Command) -> Result<Usage> {
    let start = Instant::now();
    let child = command
        .spawn()
        .with_context(|| format!("cannot run {command:?}"))?;
    let pid = libc::pid_t::try_from(child.id())?;
    let mut status = 0;
    // SAFETY: an all-zero rusage is a valid one.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // The standard library's wait would reap the child without telling what it used.
    // SAFETY: both pointers are to live, writable values of the right types.
    let reaped = unsafe { libc::wait4(pid, &raw mut status, 0, &raw mut usage) };
    let wall = start.elapsed();
    ensure!(reaped == pid, "wait4: {}", std::io::Error::last_os_error());
    ensure!(
        status == 0 || (libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 3),
        "{command:?} ended with wait status {status:#x}"
    );
    Ok(Usage {
        wall,
        cpu: duration(usage.ru_utime) + duration(usage.ru_stime),
        // Linux counts in KiB.
        peak_bytes: u64::try_from(usage.ru_maxrss)? * 1024,
    })
}

/// What this program itself has used of all cores so far.
///
/// # Errors
/// If the system does not tell.
pub(super) fn own_time() -> Result<Duration> {
    // SAFETY: an all-zero rusage is a valid one.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: the pointer is to a live, writable value of the right type.
    let told = unsafe { libc::getrusage(libc::RUSAGE_SELF, &raw mut usage) };
    ensure!(told == 0, "getrusage: {}", std::io::Error::last_os_error());
    Ok(duration(usage.ru_utime) + duration(usage.ru_stime))
}

fn duration(time: libc::timeval) -> Duration {
    Duration::from_secs(time.tv_sec.unsigned_abs())
        + Duration::from_micros(time.tv_usec.unsigned_abs())
}

/// The middle of some figures; between the two middle ones of an even number.
pub(super) fn median(figures: impl Iterator<Item = f64>) -> Option<f64> {
    let mut figures: Vec<f64> = figures.collect();
    figures.sort_by(f64::total_cmp);
    let middle = figures.len() / 2;
    match figures.len() {
        0 => None,
        odd if odd % 2 == 1 => Some(figures[middle]),
        _ => Some(f64::midpoint(figures[middle - 1], figures[middle])),
    }
}

#[cfg(test)]
mod tests {
    use super::median;

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(median([3.0, 1.0, 2.0].into_iter()), Some(2.0));
        assert_eq!(median([4.0, 1.0, 2.0, 3.0].into_iter()), Some(2.5));
        assert_eq!(median(std::iter::empty()), None);
    }
}
