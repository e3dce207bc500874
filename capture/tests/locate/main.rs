//! What makes a heap is found in synthetic memory, laid out here word by word and not by the crate's own tables.

mod allocation_areas;
mod external_strings;
mod handles;
mod heap;
mod isolates;
mod pages;
mod synthetic;
