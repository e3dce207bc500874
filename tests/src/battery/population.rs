//! Do the counts of a histogram equal the populations that a workload made?

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

use super::Verdict;
use crate::Tools;

/// Compares a capture of `population.js` with the truth that the process told: its classes, and its shapes of literals.
///
/// # Errors
/// If a command fails or answers in another form than it should.
pub fn check(tools: &Tools, file: &Path, truth: &Value) -> Result<Verdict> {
    let mut verdict = counts(tools, file, &truth["counts"])?;
    let coverage = &tools.query("info", file, &[])?["coverage"];
    verdict.note(
        (coverage["complete"] != true).then(|| format!("the coverage is incomplete: {coverage}")),
    );
    let by_shape = tools.query("histogram", file, &["--limit", "0", "--by", "shape"])?;
    let found = instances(&by_shape)?;
    for shape in truth["shapes"]
        .as_array()
        .context("no shapes in the truth")?
    {
        let properties = shape["properties"]
            .as_array()
            .context("a shape without properties")?;
        let properties: Vec<&str> = properties.iter().filter_map(Value::as_str).collect();
        let name = format!("Object {{{}}}", properties.join(", "));
        verdict.note(difference(
            &name,
            shape["count"].as_u64(),
            found.get(&name).copied(),
        ));
    }
    Ok(verdict)
}

/// Compares the histogram of a capture with known numbers of instances by class.
///
/// # Errors
/// If the command fails or answers in another form than it should.
pub fn counts(tools: &Tools, file: &Path, expected: &Value) -> Result<Verdict> {
    let histogram = tools.query("histogram", file, &["--limit", "0"])?;
    let found = instances(&histogram)?;
    let mut verdict = Verdict::default();
    for (class, expected) in expected.as_object().context("no counts in the truth")? {
        verdict.note(difference(
            class,
            expected.as_u64(),
            found.get(class).copied(),
        ));
    }
    Ok(verdict)
}

/// The rows of a histogram that count instances, neither prototypes nor boilerplates: name and count.
///
/// # Errors
/// If the answer has another form.
pub fn instances(histogram: &Value) -> Result<BTreeMap<String, u64>> {
    let rows = histogram["rows"]
        .as_array()
        .context("the histogram has no rows")?;
    rows.iter()
        .filter(|row| row["kind"] == "instance")
        .map(|row| {
            let name = row["name"].as_str().context("a row has no name")?;
            let count = row["count"].as_u64().context("a row has no count")?;
            Ok((name.to_owned(), count))
        })
        .collect()
}

fn difference(name: &str, expected: Option<u64>, found: Option<u64>) -> Option<String> {
    let (expected, found) = (expected.unwrap_or(0), found.unwrap_or(0));
    (expected != found).then(|| format!("{name}: expected {expected} instances, found {found}"))
}
