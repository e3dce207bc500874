//! Files for other programs.

pub mod core;
pub mod heapsnapshot;
#[cfg(feature = "parquet")]
pub mod parquet;
