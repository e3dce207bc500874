//! Capturing a live process on Linux: one module per fact of the operating system.

mod accounting;
mod binary;
mod buffers;
mod collection;
mod copy;
mod edit;
mod error;
mod fault_log;
mod fork;
mod freeze;
mod headroom;
mod inject;
mod interpret;
mod leftovers;
mod list;
mod live;
mod manners;
mod mappings;
mod maps;
mod mode;
mod monitor;
mod options;
mod output;
mod pagemap;
mod pagemap_scan;
mod planner;
mod precopy;
mod prefetched;
mod procfs;
mod ptrace;
mod range_set;
mod registers;
mod remote_memory;
mod snapshot;
mod stop_and_copy;
mod threads;
mod userfaultfd;
mod write;

pub use error::CaptureError;
pub use fork::ForkedClone;
pub use freeze::{Frozen, StopReport};
pub use inject::{Argument, Call, Injector, Outcome, Returned, Why};
pub use list::{Listed, ListedV8, list};
pub use live::{Captured, Progress, capture, is_v8};
pub use manners::{Manners, on_a_thread};
pub use maps::read_regions;
pub use mode::{Declined, Mode};
pub use monitor::{MemoryUse, Monitor};
pub use options::Options;
pub use output::{OutputFile, free_bytes};
pub use remote_memory::RemoteMemory;
pub use snapshot::{
    AtStop, FrozenView, Image, NewPage, Piece, Planner, Snapshot, SnapshotMemory, Snapshotter,
    Watch,
};
pub use stop_and_copy::StopAndCopy;
