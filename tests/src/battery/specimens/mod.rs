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
        let found = inspect(tools, file, subject)?;
        for specimen in specimens.as_array().context("a subject is no array")? {
            let name = specimen["name"]
                .as_str()
                .context("a specimen has no name")?;
            let differences = match property(&found, name) {
                Some(value) => Comparison::of(&specimen["value"], value),
                None => vec!["no such property".to_owned()],
            };
            let wrong = !differences.is_empty();
            verdict.note(wrong.then(|| format!("{subject}.{name}: {}", differences.join("; "))));
        }
    }
    Ok(verdict)
}

/// What `inspect` says of the only instance of a subject.
fn inspect(tools: &Tools, file: &Path, subject: &str) -> Result<Value> {
    let instances = tools.query("instances", file, &[subject])?;
    ensure!(
        instances["count"] == 1,
        "{subject} has {} instances",
        instances["count"]
    );
    let address = instances["instances"][0]["address"]
        .as_str()
        .context("an instance has no address")?;
    // The scopes of functions lead to the whole module, and so to every specimen: they are not followed far.
    let [depth, string_length, array_length] = match subject {
        "Functions" | "Suspended" => ["3", "1000", "100"],
        _ => ["8", "10000000", "100000"],
    };
    let options = [
        "--depth",
        depth,
        "--string-length",
        string_length,
        "--array-length",
        array_length,
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
