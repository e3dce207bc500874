//! Finds V8 in an address space: its pages, spaces and isolates.
//!
//! Everything works from an [`v8mini_format::memory::Memory`] and the memory map, so a live process, a snapshot of one and an
//! ELF core are found in the same way. What is found explains itself: pages by their own headers, spaces by the back
//! pointer from space to heap. A version of V8 is a hint that breaks ties, never a requirement.

mod allocation_area;
mod dispatch_table;
mod external_strings;
mod handles;
mod header;
mod immortal_maps;
mod isolate;
mod local_heap;
mod microtasks;
mod plan;
mod scan;
mod space;
mod words;

pub use dispatch_table::DispatchTable;
pub(crate) use external_strings::CharactersOutside;
pub use external_strings::{ExternalStringShape, find_external_strings};
pub use handles::{Handles, Holders, find_handles, find_handles_again};
pub use header::{HEADER_KINDS, HeaderKind};
pub(crate) use immortal_maps::{immortal_maps, is_variable_size};

pub use isolate::{
    IsolateClues, find_isolates, gc_problems, gc_state, isolate_block, likely_isolate,
    pair_isolates,
};
pub use local_heap::LocalAllocators;
pub use microtasks::MicrotaskQueue;
pub use plan::{ReadPlan, checked_stack_bottom};
pub(crate) use scan::page_of;
pub use scan::{Pages, locate_pages};
pub use space::SpaceIds;
pub(crate) use words::{clipped, words_of};
