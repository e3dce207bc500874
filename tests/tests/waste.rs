//! `v8mini waste` on a program that wastes memory in known ways.

#![cfg(target_os = "linux")]

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use v8mini_tests::{Tools, Workload};

fn finds_what_is_wasted(release: &str) -> Result<()> {
    let process = Workload::new("waste.js", release)?.spawn()?;
    let each = process.truth["each"].as_u64().context("no number")?;
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("waste.v8mini");
    Tools::get().capture_to(process.pid(), &file)?;
    let report = Tools::get().query("waste", &file, &[])?;
    let categories = report["categories"].as_array().context("no categories")?;
    let category = |name: &str| -> Result<&Value> {
        let found = categories
            .iter()
            .find(|category| category["category"] == name);
        found.with_context(|| format!("no {name}: {report:#}"))
    };
    // Node's own objects are among them, too: few in comparison.
    for (name, planted, class) in [
        // The examples are the largest, which are Node's own.
        ("dictionary-objects", each, ""),
        ("empty-collections", 2 * each, ""),
        ("empty-arrays", each, "Array"),
        ("sparse-arrays", each, "Array"),
        ("overgrown-arrays", each, "Array"),
    ] {
        let category = category(name)?;
        let count = category["count"].as_u64().unwrap_or(0);
        ensure!(
            (planted..planted + planted / 2).contains(&count),
            "{planted} planted: {category:#}"
        );
        ensure!(category["wasted_bytes"].as_u64() >= Some(planted * 16));
        ensure!(
            category["examples"].to_string().contains(class),
            "{category:#}"
        );
    }
    let constants = category("constant-properties")?["examples"].to_string();
    ensure!(constants.contains("region, active"), "{constants}");
    Ok(())
}

macro_rules! on {
    ($($name:ident $release:literal)*) => {
        $(
            #[test]
            fn $name() -> Result<()> {
                finds_what_is_wasted($release)
            }
        )*
    };
}

on! {
    node_12 "12.22.12"
    node_22 "22.23.3"
    node_26 "26.10.0"
}
