//! On each Node.js release: what is alive and what is dead, what keeps each object alive, and how much it retains.

#![cfg(target_os = "linux")]

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use v8mini_tests::{Tools, Workload, each_release};

/// 1,000 arrays, each with 16 doubles of 8 bytes in a store with a header of 16, and an array of their own of 32.
const RETAINED_BYTES: u64 = 1000 * (16 * 8 + 16 + 32);

fn check(release: &str) -> Result<()> {
    let process = Workload::new("reachability.js", release)?.spawn()?;
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("reachability.v8mini");
    Tools::get().capture_to(process.pid(), &file)?;
    let ask = |command: &str, arguments: &[&str]| Tools::get().query(command, &file, arguments);

    let garbage = ask("garbage", &["--limit", "0"])?;
    let warnings = garbage["warnings"].to_string();
    ensure!(
        !warnings.contains("not located"),
        "roots are missing: {warnings}"
    );
    let dead: BTreeMap<&str, u64> = garbage["rows"]
        .as_array()
        .context("no rows")?
        .iter()
        .filter(|row| row["kind"] == "instance")
        .filter_map(|row| Some((row["name"].as_str()?, row["count"].as_u64()?)))
        .collect();
    let histogram = ask(
        "histogram",
        &["--limit", "0", "--filter", "^(By|Ghost|Link$)"],
    )?;
    for row in histogram["rows"].as_array().context("no rows")? {
        if row["kind"] != "instance" {
            continue;
        }
        let name = row["name"].as_str().context("no name")?;
        let total = row["count"].as_u64().context("no count")?;
        let dead = dead.get(name).copied().unwrap_or(0);
        let expected = |what: &str| process.truth[what][name].as_u64().unwrap_or(0);
        ensure!(
            (total - dead, dead) == (expected("alive"), expected("dead")),
            "{name}: {} alive and {dead} dead",
            total - dead
        );
    }

    for (class, name) in process.truth["links"].as_object().context("no links")? {
        let paths = ask("path", &["--type", class])?;
        let path = &paths["paths"][0];
        let last = path["steps"].as_array().and_then(|steps| steps.last());
        ensure!(
            last.is_some_and(|step| step["name"] == *name && step["class"] == **class),
            "{class} is kept by {name}, but the path is {path}"
        );
    }
    let global = ask("path", &["--type", "ByGlobal"])?;
    let of_global = &global["paths"][0];
    ensure!(
        of_global["root"] == "global" && of_global["class"] == "global" && steps(&global) == 1,
        "global.planted is one step from the global object: {global:#}"
    );
    check_weak_map(&ask)?;
    let list = ask("path", &["--type", "Link"])?;
    ensure!(list["paths"][0]["objects"] == 200_000, "{list:#}");

    let instances = ask("instances", &["Retained"])?;
    let address = instances["instances"][0]["address"]
        .as_str()
        .context("no address")?;
    let tree = ask("tree", &["--node", address, "--depth", "1", "--limit", "0"])?;
    let below: u64 = tree["branches"]
        .as_array()
        .context("no branches")?
        .iter()
        .filter_map(|branch| branch["retained_bytes"].as_u64())
        .sum();
    ensure!(
        (RETAINED_BYTES..RETAINED_BYTES * 6 / 5).contains(&below),
        "Retained dominates {below} bytes, and made {RETAINED_BYTES}"
    );
    Ok(())
}

/// The value of a `WeakMap` is referred to under its key, and the key weakly.
fn check_weak_map(ask: &impl Fn(&str, &[&str]) -> Result<Value>) -> Result<()> {
    let instances = ask("instances", &["ByWeakMap"])?;
    let value = instances["instances"][0]["address"]
        .as_str()
        .context("no address")?;
    let refs = ask("refs", &[value])?;
    let reference = &refs["references"][0];
    let name = reference["name"].as_str().context("no name")?;
    let key = name
        .strip_prefix('[')
        .and_then(|name| name.strip_suffix(']'));
    let key = key.with_context(|| format!("the value has no key: {refs:#}"))?;
    ensure!(reference["class"] == "WeakMap", "{refs:#}");
    let refs = ask("refs", &[key])?;
    let references = refs["references"].as_array().context("no references")?;
    ensure!(
        (references.iter()).any(|of| of["class"] == "WeakMap" && of["kind"] == "weak"),
        "the WeakMap does not refer to its key: {refs:#}"
    );
    Ok(())
}

fn steps(paths: &Value) -> usize {
    paths["paths"][0]["steps"].as_array().map_or(0, Vec::len)
}

macro_rules! tests {
    ($($name:ident $version:literal)*) => {
        $(#[test] fn $name() -> Result<()> { check($version) })*
    };
}
each_release!(tests);
