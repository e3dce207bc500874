//! Capturing a live process on Linux: one module per fact of the operating system.

mod binary;
mod error;
mod freeze;
mod live;
mod maps;
mod pagemap;
mod procfs;
mod ptrace;
mod registers;
mod remote_memory;
mod snapshot;

pub use error::CaptureError;
pub use freeze::{Frozen, StopReport};
pub use live::{capture, Captured, Options, Progress};
pub use maps::read_regions;
pub use remote_memory::RemoteMemory;
pub use snapshot::{FrozenView, Planner, Snapshot, SnapshotMemory, Snapshotter, StopAndCopy};
