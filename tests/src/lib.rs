//! What the end-to-end tests and `cargo xtask` share: real Node.js binaries of any version, the workloads that run on
//! them, and the two tools of the project, built and run as a person would.
//!
//! The chain of a test is `nodes::ensure` → [`Workload`] → [`NodeProcess`] → [`Tools`]: a binary, what it shall run,
//! the process with the truth that it told about itself, and the programs that must find the same truth in its memory.

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
pub mod assassin;
pub mod battery;
pub mod browser;
pub mod clients;
#[cfg(target_os = "linux")]
pub mod control_group;
pub mod core_dump;
pub mod dist;
pub mod engines;
pub mod heapsnapshot;
pub mod http;
pub mod modes;
pub mod nodes;
pub mod npm;
pub mod patience;
pub mod process;
pub mod readers;
pub mod terminal;
pub mod tools;
#[cfg(target_os = "linux")]
pub mod vitals;
pub mod witness;

use std::path::PathBuf;

pub use process::{NodeProcess, Workload};
pub use tools::{Outcome, Tools};

/// The root of the workspace.
pub fn workspace_root() -> PathBuf {
    let mut root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    root.pop();
    root
}

/// Where cargo puts what it builds, and this project what it fetches.
pub fn target_dir() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(dir) => workspace_root().join(dir),
        None => workspace_root().join("target"),
    }
}
