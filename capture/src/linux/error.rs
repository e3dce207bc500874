//! Why a capture failed, in words that a person can act on.

use std::io;
use std::time::Duration;

use nix::errno::Errno;
use nix::libc::pid_t;
use thiserror::Error;

use super::procfs;

/// Why a process was not captured. In every case the process goes on as before.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CaptureError {
    /// The image cannot be redacted, so nothing of it may be written.
    #[error("process {pid} was not captured: {source}")]
    Redact {
        /// The process.
        pid: u32,
        /// Why not.
        source: crate::content::RedactError,
    },
    /// There is no such process.
    #[error("there is no process {pid}")]
    NoSuchProcess {
        /// What was asked for.
        pid: pid_t,
    },
    /// The number names a thread.
    #[error(
        "{pid} is a thread of process {process} ({name}): capture {process} instead, it includes all its threads"
    )]
    IsThread {
        /// What was asked for.
        pid: pid_t,
        /// The process.
        process: String,
        /// The process's name.
        name: String,
    },
    /// The capturing process itself.
    #[error("process {pid} is this program itself")]
    IsSelf {
        /// What was asked for.
        pid: pid_t,
    },
    /// The process has ended and waits for its parent to notice.
    #[error("process {pid} has already ended (a zombie): it has no memory left to capture")]
    Zombie {
        /// What was asked for.
        pid: pid_t,
    },
    /// Reading or stopping the process is forbidden.
    #[error("not permitted to trace process {pid} ({name}): {reason}")]
    NotPermitted {
        /// What was asked for.
        pid: pid_t,
        /// Its name.
        name: String,
        /// Why, and what to do.
        reason: String,
    },
    /// No V8 in it.
    #[error("process {pid} ({name}) holds no V8 heap: {reason}")]
    NotV8 {
        /// What was asked for.
        pid: pid_t,
        /// Its name.
        name: String,
        /// What was looked for and not found.
        reason: String,
    },
    /// The process ended while it was captured.
    #[error("process {pid} ended while it was being captured; nothing was written")]
    Exited {
        /// What was asked for.
        pid: pid_t,
    },
    /// Not enough memory for the copy.
    #[error(
        "no memory for the copy of process {pid}: {bytes} bytes are needed while it is stopped ({source}); \
         free some memory, or raise this program's limit"
    )]
    NoMemory {
        /// What was asked for.
        pid: pid_t,
        /// Size of the copy.
        bytes: u64,
        /// What the kernel said.
        source: io::Error,
    },
    /// The strategy does not work for this process; another may.
    #[error("mode {mode} does not work for process {pid}: {reason}")]
    Unavailable {
        /// What was asked for.
        pid: pid_t,
        /// The strategy.
        mode: &'static str,
        /// Why.
        reason: String,
    },
    /// It would have stood still for too long.
    #[error(
        "process {pid} would have stood still for longer than {} ms: it was let go, and nothing was written; allow more with \
         --max-pause, or try again when it is less busy", limit.as_secs_f64() * 1e3
    )]
    PauseTooLong {
        /// What was asked for.
        pid: pid_t,
        /// How long it may stand still.
        limit: Duration,
    },
    /// The copy could not be kept.
    #[error("the copy of process {pid} cannot be kept: {source}")]
    Store {
        /// What was asked for.
        pid: pid_t,
        /// What failed.
        source: io::Error,
    },
    /// Reading `/proc` failed in an unforeseen way.
    #[error("process {pid} cannot be read: {source}")]
    Proc {
        /// What was asked for.
        pid: pid_t,
        /// What the kernel said.
        source: io::Error,
    },
}

impl CaptureError {
    /// The error behind a failed read of `/proc/PID/…`.
    pub(super) fn proc(pid: pid_t, error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => Self::NoSuchProcess { pid },
            io::ErrorKind::PermissionDenied => Self::not_permitted(pid, Errno::EPERM),
            _ if error.raw_os_error() == Some(Errno::ESRCH as i32) => Self::NoSuchProcess { pid },
            kind => Self::Proc {
                pid,
                source: io::Error::new(kind, error.to_string()),
            },
        }
    }

    /// The error behind a refused `ptrace`: finds out who refused, and what would help.
    pub(super) fn not_permitted(pid: pid_t, errno: Errno) -> Self {
        let Ok(stat) = procfs::Stat::read(pid, None) else {
            return Self::NoSuchProcess { pid };
        };
        if stat.state == 'Z' {
            return Self::Zombie { pid };
        }
        // The kernel names the tracing thread; people know processes.
        let tracing_thread = procfs::status_field(pid, "TracerPid")
            .and_then(|tid| tid.parse().ok())
            .filter(|&tid| tid != 0);
        let tracer = tracing_thread.map(|tid| {
            procfs::status_field(tid, "Tgid")
                .and_then(|pid| pid.parse().ok())
                .unwrap_or(tid)
        });
        let facts = Facts {
            tracer,
            tracer_name: tracer
                .and_then(|tracer| procfs::Stat::read(tracer, None).ok())
                .map(|stat| stat.name),
            target_uid: effective_uid(pid),
            own_uid: nix::unistd::geteuid().as_raw(),
            ptrace_scope: std::fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope")
                .ok()
                .and_then(|scope| scope.trim().parse().ok()),
            may_trace: has_capability(CAP_SYS_PTRACE),
            other_user_namespace: namespace("self", "user") != namespace(&pid.to_string(), "user"),
        };
        Self::NotPermitted {
            pid,
            name: stat.name,
            reason: facts.reason(errno),
        }
    }
}

/// Bit of the capability in `CapEff` (capabilities(7)).
const CAP_SYS_PTRACE: u32 = 19;

fn has_capability(bit: u32) -> bool {
    procfs::status_field(nix::unistd::getpid().as_raw(), "CapEff")
        .and_then(|mask| u64::from_str_radix(&mask, 16).ok())
        .is_some_and(|mask| mask >> bit & 1 == 1)
}

fn effective_uid(pid: pid_t) -> Option<u32> {
    procfs::status_field(pid, "Uid")?
        .split_ascii_whitespace()
        .nth(1)?
        .parse()
        .ok()
}

fn namespace(pid: &str, kind: &str) -> Option<std::path::PathBuf> {
    std::fs::read_link(format!("/proc/{pid}/ns/{kind}")).ok()
}

/// What decides whether one process may trace another.
#[derive(Debug, Clone)]
struct Facts {
    tracer: Option<pid_t>,
    tracer_name: Option<String>,
    target_uid: Option<u32>,
    own_uid: u32,
    ptrace_scope: Option<u32>,
    may_trace: bool,
    other_user_namespace: bool,
}

impl Facts {
    /// Why the kernel refused and what to do about it, the surest cause first.
    fn reason(&self, errno: Errno) -> String {
        if let Some(tracer) = self.tracer {
            let name = self.tracer_name.as_deref().unwrap_or("unknown");
            return format!(
                "it is already traced by process {tracer} ({name}), and a process can have only one tracer; end that one first"
            );
        }
        if let Some(uid) = self.target_uid
            && uid != self.own_uid
            && !self.may_trace
        {
            return format!(
                "it belongs to user {uid}, and this program runs as user {}; run it as that user or with sudo",
                self.own_uid
            );
        }
        match self.ptrace_scope {
            Some(3) => {
                return "kernel.yama.ptrace_scope is 3, which forbids tracing until the next boot, even for root"
                    .to_owned();
            }
            Some(2) if !self.may_trace => {
                return "kernel.yama.ptrace_scope is 2, which allows tracing only with CAP_SYS_PTRACE; run with sudo, \
                    or grant it: setcap cap_sys_ptrace+ep $(command -v v8mini-capture)"
                    .to_owned();
            }
            Some(1) if !self.may_trace => {
                return "kernel.yama.ptrace_scope is 1, which allows tracing only one's own child processes; run with \
                    sudo, grant CAP_SYS_PTRACE (setcap cap_sys_ptrace+ep $(command -v v8mini-capture)), or set it to 0: \
                    sysctl kernel.yama.ptrace_scope=0"
                    .to_owned();
            }
            _ => {}
        }
        if self.other_user_namespace || !self.may_trace {
            return format!(
                "the kernel says {errno}; this program lacks CAP_SYS_PTRACE over it. In a container, start it with \
                 --cap-add=SYS_PTRACE (Docker) or securityContext.capabilities.add: [SYS_PTRACE] (Kubernetes); from the host, \
                 run as root"
            );
        }
        format!(
            "the kernel says {errno} although this program has CAP_SYS_PTRACE; a security module (AppArmor, SELinux) or a \
             seccomp filter forbids ptrace here. In Docker, try --security-opt seccomp=unconfined, or run from the host"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> Facts {
        Facts {
            tracer: None,
            tracer_name: None,
            target_uid: Some(1000),
            own_uid: 1000,
            ptrace_scope: None,
            may_trace: false,
            other_user_namespace: false,
        }
    }

    #[test]
    fn every_cause_names_its_cure() {
        let cases = [
            (
                Facts {
                    tracer: Some(7),
                    tracer_name: Some("gdb".into()),
                    ..facts()
                },
                "process 7 (gdb)",
            ),
            (
                Facts {
                    target_uid: Some(0),
                    ..facts()
                },
                "user 0",
            ),
            (
                Facts {
                    ptrace_scope: Some(1),
                    ..facts()
                },
                "ptrace_scope=0",
            ),
            (
                Facts {
                    ptrace_scope: Some(2),
                    ..facts()
                },
                "setcap",
            ),
            (
                Facts {
                    ptrace_scope: Some(3),
                    may_trace: true,
                    ..facts()
                },
                "next boot",
            ),
            (
                Facts {
                    ptrace_scope: Some(0),
                    ..facts()
                },
                "--cap-add=SYS_PTRACE",
            ),
            (
                Facts {
                    may_trace: true,
                    ..facts()
                },
                "seccomp",
            ),
            (
                Facts {
                    may_trace: true,
                    other_user_namespace: true,
                    ..facts()
                },
                "from the host",
            ),
        ];
        for (facts, cure) in cases {
            let reason = facts.reason(Errno::EPERM);
            assert!(reason.contains(cure), "{reason:?} does not say {cure:?}");
        }
    }

    #[test]
    fn absent_process() {
        // Above the largest pid that Linux hands out (2^22).
        let error = CaptureError::not_permitted(1 << 23, Errno::EPERM);
        assert_eq!(error.to_string(), "there is no process 8388608");
    }
}
