//! Who refers to whom, what is alive, and what keeps it so.
//!
//! Two levels answer what an object refers to. [`References`] finds the words, fast, for all objects: this is what the graph
//! is made of. [`edges`] names them, for one object, as Chrome DevTools does.

mod bits;
mod build;
mod csr;
mod dominators;
mod edge;
mod edges;
mod ids;
mod index;
mod log;
mod network;
mod nodes;
mod path;
mod reachable;
mod references;
mod referrers;
mod roots;
mod route;
mod stored;
mod tree;
#[cfg(test)]
mod widths_test;
mod word_names;

pub(crate) use bits::BitSet;
pub use edge::{Edge, EdgeKind, EdgeName, Target};
pub use edges::{EdgeReader, Edges, edges, edges_to};
pub(crate) use ids::Numbers;
pub use ids::{IdIter, Ids, Width};
pub use network::{Ephemeron, Graph};
pub use nodes::Nodes;
pub use path::Paths;
pub use reachable::Reachable;
pub use references::{Reference, References, Strength, for_each_reference, is_weak_in_code};
pub use referrers::{Referrer, referrers, referrers_of_referrers};
pub use roots::{RootKind, Roots};
pub use route::{Link, WEAK_VALUE, links};
pub use tree::{Children, DominatorTree};
