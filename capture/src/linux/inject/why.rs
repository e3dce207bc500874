//! Why no system call was made in the target.

use nix::errno::Errno;
use nix::libc::pid_t;
use thiserror::Error;

/// Why no system call was made in the target, in words that complete the sentence "… because". The target is as it was.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Why {
    /// Signal frames are built for x86-64 only.
    #[error("system calls can be made in another process on x86-64 only")]
    Architecture,
    /// The process is stopped by `SIGSTOP` and the like, and nothing shall run in it.
    #[error("the process is stopped by a job-control signal")]
    Stopped,
    /// No thread waits in a way that can be interrupted and resumed without a trace.
    #[error(
        "no thread waits in a way that can be interrupted without a trace (as an idle V8 worker does)"
    )]
    NoIdleThread {
        /// Threads that were looked at.
        threads: usize,
    },
    /// The code has no instructions to borrow.
    #[error("its code has no `{what}` to borrow")]
    NoInstructions {
        /// The instructions.
        what: &'static str,
    },
    /// `sigreturn` would break a shadow stack (CET).
    #[error("thread {tid} has a shadow stack (CET), which a made-up signal frame would violate")]
    ShadowStack {
        /// The thread.
        tid: pid_t,
    },
    /// A register that the kernel would not take back from a signal frame.
    #[error("the vector registers of thread {tid} cannot be restored: {reason}")]
    VectorRegisters {
        /// The thread.
        tid: pid_t,
        /// What stands in the way.
        reason: &'static str,
    },
    /// A seccomp filter answers one of the calls otherwise than by letting it pass.
    #[error("a seccomp filter of the process answers {call} with {action}")]
    Seccomp {
        /// The call's name or number.
        call: String,
        /// What the filter would do.
        action: String,
    },
    /// There is a seccomp filter, and nobody knows what it would do: it might kill the process.
    #[error(
        "the process has a seccomp filter that cannot be read ({errno}; it takes CAP_SYS_ADMIN, from the host), and a call that \
         it forbids could end the process"
    )]
    SeccompUnknown {
        /// What the kernel said.
        errno: Errno,
    },
    /// A request of `ptrace` failed.
    #[error("{what} thread {tid} failed: {errno}")]
    Trace {
        /// What was tried, such as `seizing`.
        what: &'static str,
        /// The thread.
        tid: pid_t,
        /// What the kernel said.
        errno: Errno,
    },
    /// The process, or the thread, ended.
    #[error("thread {tid} ended meanwhile")]
    Exited {
        /// The thread.
        tid: pid_t,
    },
    /// The calls took too long. They will complete, and the thread will restore itself, unattended.
    #[error("thread {tid} did not make its system calls within {milliseconds} ms")]
    TimedOut {
        /// The thread.
        tid: pid_t,
        /// The limit.
        milliseconds: u128,
    },
}
