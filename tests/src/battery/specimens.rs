//! Are the values that `inspect` reads the ones that a workload holds?

use std::path::Path;

use anyhow::Result;
use serde_json::Value;

use super::Verdict;
use crate::Tools;

/// x
///
/// # Errors
/// x
pub fn check(_: &Tools, _: &Path, _: &Value) -> Result<Verdict> {
    anyhow::bail!("soon")
}
