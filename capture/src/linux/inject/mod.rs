//! System calls made by a thread of the target.
//!
//! Some of what a snapshot needs only the process itself can do: open a `userfaultfd`, clone itself. An idle thread is made to do
//! it, in a way that needs nobody for it to come to its end: before the thread is touched, all that it shall do lies in its
//! memory as a [`chain`] of signal frames, the last of which gives it back its registers. If this program is killed at any
//! moment, the thread either was never sent into the chain, or finishes it and is as before.
//!
//! [`idle`] says which threads may be used, [`seccomp`] whether the process may make the calls at all.

mod call;
mod why;

#[cfg(target_arch = "x86_64")]
mod chain;
#[cfg(target_arch = "x86_64")]
mod frame;
#[cfg(target_arch = "x86_64")]
mod gadgets;
#[cfg(target_arch = "x86_64")]
mod idle;
#[cfg(target_arch = "x86_64")]
mod injector;
#[cfg(not(target_arch = "x86_64"))]
#[path = "unsupported.rs"]
mod injector;
#[cfg(target_arch = "x86_64")]
mod seccomp;
#[cfg(target_arch = "x86_64")]
mod steps;
#[cfg(target_arch = "x86_64")]
mod xstate;

use nix::errno::Errno;
use nix::libc::pid_t;

pub use call::{Argument, Call};
pub use injector::Injector;
pub use why::Why;

/// What a system call returned.
pub type Returned = Result<u64, Errno>;

/// What the calls returned.
#[derive(Debug)]
pub struct Outcome {
    /// One result for each call.
    pub returned: Vec<Returned>,
    /// The process that a call cloned, by its number here. It is traced by the caller, and stops before it runs.
    pub child: Option<pid_t>,
}
