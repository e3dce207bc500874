//! Files for other programs.

pub mod heapsnapshot;
