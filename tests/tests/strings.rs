//! `v8mini strings` on programs that waste strings in known numbers.

#![cfg(target_os = "linux")]

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use v8mini_tests::{Tools, Workload, nodes};

/// The rows of a table.
fn rows<'a>(report: &'a Value, table: &str) -> Result<&'a Vec<Value>> {
    let rows = report[table]["rows"]
        .as_array()
        .or_else(|| report[table].as_array());
    rows.with_context(|| format!("no table {table}"))
}

fn finds_what_is_wasted(release: &str) -> Result<()> {
    let process = Workload::new("strings.js", release)?.spawn()?;
    let truth = &process.truth;
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("strings.v8mini");
    Tools::get().capture_to(process.pid(), &file)?;
    let report = Tools::get().query("strings", &file, &["--limit", "0"])?;

    let text = &truth["duplicateText"];
    let duplicate = rows(&report, "duplicates")?
        .iter()
        .find(|row| row["text"] == *text)
        .context("the planted duplicates are missing")?;
    // One more may be left of what the truth was told with.
    let copies = duplicate["copies"].as_u64().unwrap_or(0);
    let planted = truth["duplicates"].as_u64().unwrap_or(0);
    ensure!((planted..=planted + 2).contains(&copies), "{duplicate}");
    // A header of 16 bytes (24 up to V8 10) and 64 characters.
    let each = duplicate["wasted_bytes"].as_u64().unwrap_or(0) / (copies - 1);
    ensure!(each == 80 || each == 88, "{duplicate}");

    let longest = rows(&report, "longest")?.first().context("none")?;
    ensure!(longest["length"].as_u64() >= truth["parentLength"].as_u64());

    let parent = rows(&report, "slices")?
        .iter()
        .find(|row| row["length"] == truth["parentLength"])
        .context("the parent of the planted slices is missing")?;
    ensure!(parent["slices"] == truth["slices"], "{parent}");
    let shown = truth["slices"].as_u64().unwrap_or(0) * truth["sliceLength"].as_u64().unwrap_or(0);
    ensure!(parent["used_units"] == shown, "{parent}");
    let pinned = parent["pinned_bytes"].as_u64().unwrap_or(0);
    let length = truth["parentLength"].as_u64().unwrap_or(0);
    ensure!(pinned.abs_diff(length - shown) < 32, "{parent}");

    // What each level adds is itself a concatenation, which can be a level deeper than what it is added to.
    let depth = truth["ropeDepth"].as_u64().unwrap_or(0);
    let rope = rows(&report, "concatenations")?
        .iter()
        .find(|row| row["text"].to_string().contains("level 0 of"));
    let rope = rope.context("the planted concatenation is missing")?;
    let found = rope["depth"].as_u64().unwrap_or(0);
    ensure!((depth..=depth + 2).contains(&found), "{rope}");
    ensure!(rope["nodes"].as_u64() >= Some(depth), "{rope}");

    let narrow = truth["narrow"].as_u64().unwrap_or(0);
    let found = report["one_byte_in_two"]["count"].as_u64().unwrap_or(0);
    ensure!(found >= narrow, "{found} of {narrow} wide strings");
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
    node_4 "4.4.7"
    node_12 "12.22.12"
    node_18 "18.20.8"
    node_24 "24.21.0"
}

#[test]
fn a_filter_leaves_the_rest_out() -> Result<()> {
    let process = Workload::new("strings.js", nodes::USUAL)?.spawn()?;
    let text = process.truth["duplicateText"].as_str().context("no text")?;
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("strings.v8mini");
    Tools::get().capture_to(process.pid(), &file)?;
    let pattern = format!("^{text}$");
    let report = Tools::get().query("strings", &file, &["--filter", &pattern])?;
    ensure!(rows(&report, "duplicates")?.len() == 1, "{report}");
    ensure!(rows(&report, "slices")?.is_empty(), "{report}");
    let counted: u64 = rows(&report, "kinds")?
        .iter()
        .filter_map(|row| row["count"].as_u64())
        .sum();
    ensure!(counted >= 500, "{report}");

    let human = Tools::get()
        .analyze(["strings".as_ref(), file.as_os_str()])?
        .success()?;
    ensure!(human.text().contains("Duplicates:"), "{}", human.text());
    ensure!(human.text().contains("next: v8mini inspect"));
    Ok(())
}
