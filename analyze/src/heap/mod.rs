//! The heap as a whole: its pages, the walk over all objects, and the classes that they belong to.

mod coverage;
mod page_walk;
mod walk;

pub use coverage::{Coverage, SpaceCoverage};
pub use page_walk::HeapObject;
pub use walk::{PageSelection, Visitor, walk};
