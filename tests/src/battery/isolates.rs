//! Is every isolate of a process in its capture, with what belongs to it and nothing else?

use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

use super::Verdict;
use super::population::instances;
use crate::Tools;

/// Compares a capture of `workers.js` with the truth that the process told: a population for each worker, and one for
/// the main thread. The order of isolates is not part of the truth.
///
/// # Errors
/// If a command fails or answers in another form than it should.
pub fn check(tools: &Tools, file: &Path, truth: &Value) -> Result<Verdict> {
    let workers = truth["workers"]
        .as_array()
        .context("no workers in the truth")?;
    let mut expected = vec![(truth["main"]["MainOnly"].as_u64(), None)];
    expected.extend(
        workers
            .iter()
            .map(|worker| (None, worker["InWorker"].as_u64())),
    );
    expected.sort_unstable();

    let mut found = Vec::new();
    for isolate in 0..expected.len() {
        let arguments = ["--limit", "0", "--isolate", &isolate.to_string()];
        found.push(population(&tools.query("histogram", file, &arguments)?)?);
    }
    found.sort_unstable();

    let mut verdict = Verdict::default();
    for (expected, found) in expected.iter().zip(&found) {
        let wrong = expected != found;
        verdict.note(wrong.then(|| format!("an isolate: expected {expected:?}, found {found:?}")));
    }
    let all = population(&tools.query("histogram", file, &["--limit", "0"])?)?;
    let sum = (
        truth["main"]["MainOnly"].as_u64(),
        Some(expected.iter().filter_map(|(_, count)| *count).sum()),
    );
    let wrong = all != sum;
    verdict.note(wrong.then(|| format!("all isolates together: expected {sum:?}, found {all:?}")));
    Ok(verdict)
}

/// How many instances a histogram has of the main thread's class, and of the workers'.
fn population(histogram: &Value) -> Result<(Option<u64>, Option<u64>)> {
    let found = instances(histogram)?;
    Ok((
        found.get("MainOnly").copied(),
        found.get("InWorker").copied(),
    ))
}
