//! Source text: of scripts and functions as they are loaded, and as they were written, by source maps.

mod excerpt;
mod file_names;
mod heap_maps;
mod source_map;
mod text;

pub use excerpt::{Excerpt, Line, Part, excerpt};
pub use source_map::{MapOrigin, Original, SourceMap};
pub use text::{Position, SourceError, Text};
