//! Single facts from `/proc/PID`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use nix::libc::pid_t;

/// `/proc/PID/…`.
pub(super) fn path(pid: pid_t, name: &str) -> PathBuf {
    PathBuf::from(format!("/proc/{pid}/{name}"))
}

/// The threads of a process, ascending.
pub(super) fn threads(pid: pid_t) -> io::Result<Vec<pid_t>> {
    let mut tids: Vec<pid_t> = fs::read_dir(path(pid, "task"))?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect();
    tids.sort_unstable();
    Ok(tids)
}

/// The fields of `/proc/PID/stat` and `/proc/PID/task/TID/stat` that matter here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stat {
    /// Short name.
    pub(super) name: String,
    /// `R`, `S`, `D`, `Z`, `T`, `t`, …
    pub(super) state: char,
    /// Process id of the parent.
    pub(super) parent: pid_t,
    /// Start time in clock ticks after boot.
    pub(super) start_time: u64,
    /// Bottom of the main thread's stack; above it lie arguments and environment. 0 if not permitted.
    pub(super) start_stack: u64,
    /// The signal that tells the parent of the end; 0 if nothing does.
    pub(super) exit_signal: i32,
}

impl Stat {
    /// Reads `/proc/PID/stat`, or a thread's.
    pub(super) fn read(pid: pid_t, tid: Option<pid_t>) -> io::Result<Self> {
        let name = tid.map_or_else(|| "stat".to_owned(), |tid| format!("task/{tid}/stat"));
        let text = fs::read(path(pid, &name))?;
        Self::parse(&text).ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::InvalidData,
                format!("/proc/{pid}/{name} has an unknown form"),
            )
        })
    }

    /// The name stands in parentheses and may itself contain any byte, parentheses and spaces included.
    fn parse(text: &[u8]) -> Option<Self> {
        let open = text.iter().position(|&b| b == b'(')?;
        let close = text.iter().rposition(|&b| b == b')')?;
        let name = String::from_utf8_lossy(text.get(open + 1..close)?).into_owned();
        let rest = std::str::from_utf8(text.get(close + 1..)?).ok()?;
        // proc(5) numbers the fields from 1; the state is field 3.
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        let field = |number: usize| fields.get(number - 3).copied();
        Some(Self {
            name,
            state: field(3)?.chars().next()?,
            parent: field(4)?.parse().ok()?,
            start_time: field(22)?.parse().ok()?,
            start_stack: field(28)?.parse().ok()?,
            exit_signal: field(38)?.parse().ok()?,
        })
    }
}

/// How many pages of memory are mapped: changes whenever something is mapped that was not there, or unmapped. It costs
/// microseconds, where reading the whole map takes milliseconds.
pub(super) fn mapped_pages(pid: pid_t) -> io::Result<u64> {
    let text = fs::read_to_string(path(pid, "statm"))?;
    let first = text.split_ascii_whitespace().next();
    first
        .and_then(|pages| pages.parse().ok())
        .ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// A value of `/proc/PID/status`, such as `Uid` or `TracerPid`.
pub(super) fn status_field(pid: pid_t, name: &str) -> Option<String> {
    field_of(&path(pid, "status"), name)
}

/// A value of `/proc/PID/task/TID/status`, such as `Seccomp`.
pub(super) fn thread_status_field(pid: pid_t, tid: pid_t, name: &str) -> Option<String> {
    field_of(&path(pid, &format!("task/{tid}/status")), name)
}

fn field_of(status: &Path, name: &str) -> Option<String> {
    let status = fs::read_to_string(status).ok()?;
    status.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key == name).then(|| value.trim().to_owned())
    })
}

/// The command line; empty for a zombie or a kernel thread.
pub(super) fn arguments(pid: pid_t) -> Vec<String> {
    let bytes = fs::read(path(pid, "cmdline")).unwrap_or_default();
    let bytes = bytes.strip_suffix(b"\0").unwrap_or(&bytes);
    if bytes.is_empty() {
        return Vec::new();
    }
    bytes
        .split(|&b| b == 0)
        .map(|a| String::from_utf8_lossy(a).into_owned())
        .collect()
}

/// The path of the executable as the process sees it, without ` (deleted)`.
pub(super) fn executable(pid: pid_t) -> String {
    let link = fs::read_link(path(pid, "exe")).unwrap_or_default();
    let link = link.to_string_lossy();
    link.strip_suffix(" (deleted)").unwrap_or(&link).to_owned()
}

/// How long a process has run, in nanoseconds.
pub(super) fn uptime_ns(stat: &Stat) -> u64 {
    let ticks_per_second = nix::unistd::sysconf(nix::unistd::SysconfVar::CLK_TCK)
        .ok()
        .flatten()
        .unwrap_or(100)
        .max(1);
    let started = i128::from(stat.start_time) * 1_000_000_000 / i128::from(ticks_per_second);
    let now = fs::read_to_string("/proc/uptime").ok().and_then(|text| {
        let seconds: f64 = text.split_ascii_whitespace().next()?.parse().ok()?;
        Some((seconds * 1e9) as i128)
    });
    now.and_then(|now| u64::try_from(now - started).ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stat_with_a_hostile_name() {
        let text =
            b"77 (a) R (b \xff) S 1 77 77 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 11 0 123456 999 88 \
            18446744073709551615 4194304 1 140722000000000 0 0 0 0 0 0 0 0 0 17 1 0 0 0 0 0";
        let stat = Stat::parse(text).unwrap();
        assert_eq!(stat.name, "a) R (b \u{fffd}");
        assert_eq!(stat.state, 'S');
        assert_eq!(stat.start_time, 123_456);
        assert_eq!((stat.parent, stat.exit_signal), (1, 17));
        assert_eq!(stat.start_stack, 140_722_000_000_000);
        assert_eq!(Stat::parse(b"77 (a) S 1"), None);
        assert_eq!(Stat::parse(b""), None);
    }

    #[test]
    fn own_process() {
        let pid = nix::unistd::getpid().as_raw();
        let stat = Stat::read(pid, None).unwrap();
        assert!(stat.start_stack > 0 && uptime_ns(&stat) < 1 << 62);
        assert!(threads(pid).unwrap().contains(&pid));
        assert_eq!(status_field(pid, "Tgid").unwrap(), pid.to_string());
        assert_eq!(arguments(pid), std::env::args().collect::<Vec<_>>());
    }
}
