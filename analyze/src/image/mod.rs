//! The image that all analysis starts from: an address space and what is known about the process.

mod edited;
mod open;
mod page_index;
mod ranges;
mod spool;

use v8mini_format::{Memory, Metadata};

pub(crate) use edited::Edited;
pub use open::{OpenError, OpenOptions, Opened, open};
pub use page_index::PageIndex;
pub(crate) use ranges::disjoint;

/// A captured process.
pub struct Image {
    /// Its memory, as far as it was captured.
    pub memory: Box<dyn Memory>,
    /// What the capture says about it.
    pub metadata: Metadata,
}

impl std::fmt::Debug for Image {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Image")
            .field("metadata", &self.metadata)
            .finish_non_exhaustive()
    }
}
