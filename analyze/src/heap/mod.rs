//! The heap as a whole: its pages, the walk over all objects, and the classes that they belong to.

mod class;
mod classes;
mod coverage;
mod functions;
mod instances;
mod page_walk;
mod place;
mod population;
mod stored;
mod tally;
mod walk;

pub(crate) use class::camel_case;
pub use class::{Class, ClassKind, Classifier};
pub use classes::Classes;
pub use coverage::{Coverage, SpaceCoverage};
pub use functions::{Definition, DefinitionBytes, Functions};
pub use instances::{instances_of, instances_with};
pub use page_walk::HeapObject;
pub use place::{Place, find_place};
pub use population::{Population, Shape};
pub(crate) use stored::{read_coverage, write_coverage};
pub use tally::{Count, GapStart, Gaps, Sample, Tally};
pub(crate) use walk::PageWalker;
pub use walk::{PageSelection, Visitor, walk};
