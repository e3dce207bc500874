//! Who refers to whom, what is alive, and what keeps it so.
//!
//! Two levels answer what an object refers to. [`References`] finds the words, fast, for all objects: this is what the graph
//! is made of. [`edges`] names them, for one object, as Chrome DevTools does.

mod edge;
mod edges;
mod references;
mod referrers;

pub use edge::{Edge, EdgeKind, EdgeName, Target};
pub use edges::{Edges, edges};
pub use references::{Reference, References, Strength, for_each_reference, is_weak_in_code};
pub use referrers::{Referrer, referrers};
