//! Are the values that `inspect` reads the ones that a workload holds?

mod compare;
mod text;

use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::Verdict;
use crate::Tools;
use compare::Comparison;

/// Compares a capture of `specimens.js` with the truth that the process told: every specimen of every subject.
///
/// # Errors
/// If a command fails or answers in another form than it should.
pub fn check(tools: &Tools, file: &Path, truth: &Value) -> Result<Verdict> {
    let mut verdict = Verdict::default();
    for (subject, specimens) in truth["subjects"]
        .as_object()
        .context("no subjects in the truth")?
    {
        let instances = tools.query("instances", file, &[subject])?;
        ensure!(
            instances["count"] == 1,
            "{subject} has {} instances",
            instances["count"]
        );
        let found = inspect(tools, file, &instances["instances"][0])?;
        for specimen in specimens.as_array().context("a subject is no array")? {
            let name = specimen["name"]
                .as_str()
                .context("a specimen has no name")?;
            let truth = &specimen["value"];
            let differences = match property(&found, name) {
                // All functions of a module share their scopes, so only the object that is asked for shows its own.
                Some(value) if truth["context"].is_object() => {
                    Comparison::of(truth, &inspect(tools, file, value)?)
                }
                Some(value) => Comparison::of(truth, value),
                None => vec!["no such property".to_owned()],
            };
            let wrong = !differences.is_empty();
            verdict.note(wrong.then(|| format!("{subject}.{name}: {}", differences.join("; "))));
        }
    }
    Ok(verdict)
}

/// All of what an object holds.
fn inspect(tools: &Tools, file: &Path, object: &Value) -> Result<Value> {
    let address = object["address"]
        .as_str()
        .context("an object has no address")?;
    let options = [
        "--depth",
        "8",
        "--string-length",
        "10000000",
        "--array-length",
        "100000",
    ];
    tools.query("inspect", file, &[&[address], options.as_slice()].concat())
}

/// The value of an object's property.
fn property<'a>(object: &'a Value, name: &str) -> Option<&'a Value> {
    let properties = object["properties"].as_array()?;
    properties
        .iter()
        .find(|property| property["name"] == name)
        .map(|property| &property["value"])
}
