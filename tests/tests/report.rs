//! `v8mini report`: the page, in a real browser.

#![cfg(target_os = "linux")]

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use v8mini_tests::{Tools, Workload, browser, nodes};

/// Captures a program, and again after each time that it was told to do more.
fn captures(program: &str, release: &str, dir: &Path, more: &[&str]) -> Result<Vec<PathBuf>> {
    let mut process = Workload::new(program, release)?.spawn()?;
    let mut files = Vec::new();
    for index in 0..=more.len() {
        let file = dir.join(format!("{index}.v8mini"));
        Tools::get().capture_to(process.pid(), &file)?;
        files.push(file);
        if let Some(more) = more.get(index) {
            process.ask(&format!("more {more}"))?;
        }
    }
    Ok(files)
}

/// Writes the report of captures.
fn report(files: &[PathBuf], options: &[&str]) -> Result<PathBuf> {
    let page = files.last().context("no captures")?.with_extension("html");
    let mut line = vec!["report".as_ref()];
    line.extend(files.iter().map(|file| file.as_os_str()));
    line.extend(["-o".as_ref(), page.as_os_str()]);
    line.extend(options.iter().map(std::ffi::OsStr::new));
    let outcome = Tools::get().analyze(line)?;
    ensure!(
        matches!(outcome.code(), Some(0 | 3)),
        "{:?}: {}",
        outcome.status,
        outcome.stderr
    );
    Ok(page)
}

/// What the browser saw of a page, and of its use: see `tests/browser/report.mjs`.
fn browse(page: &Path) -> Result<Value> {
    open(page, &[])
}

fn open(page: &Path, options: &[&str]) -> Result<Value> {
    let seen = browser::show("report.mjs", page, options)?;
    // Whatever the page is about, these hold.
    ensure!(
        seen["beforeAttack"] == serde_json::json!({ "complaints": 0, "requests": 0 }),
        "complaints {}, requests {}",
        seen["complaints"],
        seen["requests"]
    );
    ensure!(seen["hacked"].is_null(), "{}", seen["hacked"]);
    let elements =
        serde_json::json!({ "scripts": 2, "images": 0, "foreign": 0, "handlers": 0, "styles": 1 });
    ensure!(seen["elements"] == elements, "{}", seen["elements"]);
    ensure!(seen["sticksOut"] == 0, "{} pixels", seen["sticksOut"]);
    let attack = &seen["attack"];
    ensure!(attack["hacked"].is_null(), "{attack}");
    let violations = attack["violations"].to_string();
    for directive in ["require-trusted-types-for", "connect-src", "img-src"] {
        ensure!(violations.contains(directive), "{directive}: {violations}");
    }
    Ok(seen)
}

fn numbers(list: &Value) -> Vec<f64> {
    let list = list.as_array().into_iter().flatten();
    list.filter_map(Value::as_f64).collect()
}

fn is_falling(list: &Value) -> bool {
    let numbers = numbers(list);
    numbers.len() > 1 && numbers.iter().rev().is_sorted()
}

fn strings(list: &Value) -> Vec<&str> {
    let list = list.as_array().into_iter().flatten();
    list.filter_map(Value::as_str).collect()
}

#[test]
fn a_leak_is_shown_and_the_page_can_be_used() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let files = captures("leaks/map-cache.js", nodes::USUAL, dir.path(), &[])?;
    let page = report(&files, &[])?;
    let html = fs::metadata(&page)?.len();
    ensure!(html < 2_000_000, "{html} bytes");
    // Styles of a terminal are no part of a page.
    ensure!(!fs::read_to_string(&page)?.contains("\\u001b["));
    let seen = browse(&page)?;

    let sections = [
        "Summary",
        "Leak suspects",
        "Dominator tree",
        "Classes",
        "Strings",
        "Waste",
        "Stacks",
    ];
    ensure!(
        strings(&seen["sections"]) == sections,
        "{}",
        seen["sections"]
    );
    ensure!(seen["contents"] == seen["sections"]);
    // What the commands say, the page says.
    let suspects = Tools::get().query("suspects", &files[0], &[])?;
    let first = strings(&seen["suspects"]).first().copied().unwrap_or("");
    ensure!(
        first == "20,000 × Profile in one Map",
        "{first}, of {suspects}"
    );
    let text = seen["text"].as_str().context("no text")?;
    for part in ["rememberProfile", "map-cache.js", nodes::USUAL] {
        ensure!(text.contains(part), "the page does not say {part}");
    }
    let stacks = strings(&seen["stackBoxes"]).join("\n");
    ensure!(stacks.contains("main thread"), "{stacks}");

    let table = &seen["table"];
    ensure!(is_falling(&table["first"]), "{}", table["first"]);
    ensure!(table["sorted"][3] == "descending", "{}", table["sorted"]);
    let histogram =
        Tools::get().query("histogram", &files[0], &["--sort", "retained", "-n", "30"])?;
    let retained: Vec<f64> = histogram["rows"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|row| row["retained_bytes"].as_f64())
        .collect();
    ensure!(
        numbers(&table["first"]) == retained,
        "{} instead of {retained:?}",
        table["first"]
    );
    let by_count = &table["byCount"];
    ensure!(is_falling(&by_count["values"]), "{by_count}");
    ensure!(by_count["sorted"][1] == "descending", "{by_count}");
    let up = &table["byCountUp"];
    ensure!(numbers(&up["values"]).is_sorted(), "{up}");
    ensure!(up["sorted"][1] == "ascending", "{up}");
    let unfolded = numbers(&table["unfolded"]);
    ensure!(
        matches!(unfolded.as_slice(), [few, all] if *few == 30.0 && *all > 100.0),
        "{unfolded:?}"
    );
    let filtered = strings(&table["filtered"]);
    ensure!(
        !filtered.is_empty()
            && filtered
                .iter()
                .all(|name| name.to_lowercase().contains("closure")),
        "{filtered:?}"
    );
    ensure!(table["empty"][0] == "Nothing matches.", "{table}");
    let exact = strings(&table["exact"]);
    ensure!(
        matches!(exact.as_slice(), [text, value] if text.replace(',', "") == *value),
        "{exact:?}"
    );
    ensure!(
        table["human"]
            .as_str()
            .is_some_and(|text| text.ends_with('B'))
    );
    Ok(())
}

#[test]
fn the_tree_is_zoomed_by_mouse_and_by_keys() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let files = captures("leaks/map-cache.js", nodes::USUAL, dir.path(), &[])?;
    let seen = browse(&report(&files, &[])?)?;
    let tree = &seen["tree"];
    ensure!(
        tree["boxes"].as_u64().is_some_and(|boxes| boxes > 10),
        "{tree}"
    );
    ensure!(
        strings(&tree["crumbs"]) == ["all that is alive"],
        "{}",
        tree["crumbs"]
    );
    ensure!(strings(&tree["zoomed"]).len() == 2, "{}", tree["zoomed"]);
    ensure!(
        tree["fills"].as_f64().is_some_and(|part| part > 0.99),
        "{}",
        tree["fills"]
    );
    ensure!(
        tree["details"]
            .as_str()
            .is_some_and(|text| text.contains("v8mini path ")),
        "{}",
        tree["details"]
    );
    ensure!(tree["reset"] == tree["crumbs"], "{}", tree["reset"]);
    // Down to the first box, beside it and back; Enter goes in, Escape out.
    let keys = tree["keys"].as_array().context("no keys")?;
    let name = |step: usize| keys.get(step).map_or(&Value::Null, |key| &key[1]);
    let depth = |step: usize| keys.get(step).and_then(|key| key[2].as_u64());
    ensure!(
        name(0)
            .as_str()
            .is_some_and(|name| name.starts_with("all that is alive")),
        "{tree}"
    );
    ensure!(*name(1) == tree["first"], "{tree}");
    ensure!(name(2) != name(1) && name(3) == name(1), "{tree}");
    ensure!((depth(3), depth(4)) == (Some(1), Some(2)), "{tree}");
    ensure!(name(5) != name(4) && name(6) == name(4), "{tree}");
    ensure!(depth(7) == Some(1), "{tree}");
    ensure!(
        tree["matches"].as_u64().is_some_and(|boxes| boxes > 0),
        "{tree}"
    );
    ensure!(
        tree["matchText"]
            .as_str()
            .is_some_and(|text| text.contains(" found: ")),
        "{tree}"
    );
    ensure!(tree["reachable"] == 1, "one box takes the focus: {tree}");

    let theme = &seen["theme"];
    ensure!(theme["light"] != theme["dark"], "{theme}");
    ensure!(
        theme["toggled"] == theme["light"] && theme["back"] == theme["dark"],
        "{theme}"
    );
    let print = &seen["print"];
    ensure!(print["background"] == "rgb(255, 255, 255)", "{print}");
    ensure!(print["visible"] == 0, "{print}");
    ensure!(
        print["bytes"].as_u64().is_some_and(|bytes| bytes > 20_000),
        "{print}"
    );
    Ok(())
}

#[test]
fn growth_is_drawn_for_two_and_three_captures() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let files = captures(
        "leaks/map-cache.js",
        nodes::USUAL,
        dir.path(),
        &["5000", "5000"],
    )?;
    for number in [2, 3] {
        let seen = browse(&report(&files[..number], &[])?)?;
        ensure!(seen["sections"][1] == "Growth", "{}", seen["sections"]);
        ensure!(seen["captures"] == number, "{}", seen["captures"]);
        ensure!(seen["lines"].as_u64() > Some(1), "{}", seen["lines"]);
        let rows = strings(&seen["growth"]);
        let row = rows.iter().find(|row| row.starts_with("Profile"));
        let row = row.with_context(|| format!("no Profile: {rows:?}"))?;
        let grown = if number == 2 { "+5,000" } else { "+10,000" };
        ensure!(row.contains(grown), "{row}");
        ensure!(
            row.contains("steady growth") == (number == 3),
            "two captures show no trend: {row}"
        );
        // Of several captures, the report is about the last.
        let suspects = strings(&seen["suspects"]);
        let count = if number == 2 { "25,000" } else { "30,000" };
        ensure!(
            suspects.first() == Some(&format!("{count} × Profile in one Map").as_str()),
            "{suspects:?}"
        );
    }
    Ok(())
}

#[test]
fn hostile_names_do_nothing() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let files = captures("hostile-names.js", nodes::USUAL, dir.path(), &["500"])?;
    let page = report(&files, &[])?;
    let html = fs::read_to_string(&page)?;
    ensure!(html.len() < 2_000_000, "{} bytes", html.len());
    ensure!(
        html.matches("</script").count() == 2 && !html.contains("<img") && !html.contains("<!--"),
        "a name is markup"
    );
    let seen = browse(&page)?;
    // They are shown as what they are.
    let growth = strings(&seen["growth"]).join("\n");
    for name in [
        "</script><script>window.hacked = 1</script>",
        "\"><img src=x onerror=\"window.hacked = 1\">",
        "&lt;b&gt;&amp;&#60;i&#62;",
    ] {
        ensure!(growth.contains(name), "{name} is not shown: {growth}");
    }
    Ok(())
}

#[test]
fn contents_are_left_out_when_asked() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let files = captures("leaks/global-array.js", nodes::USUAL, dir.path(), &[])?;
    let whole = fs::read_to_string(report(&files, &[])?)?;
    let bare = fs::read_to_string(report(&files, &["--no-strings"])?)?;
    for text in [" of the leak", "payload number"] {
        ensure!(whole.contains(text), "{text} is a text of the heap");
        ensure!(!bare.contains(text), "{text} is in a report without texts");
    }
    let seen = browse(&dir.path().join("0.html"))?;
    ensure!(
        seen["notices"].to_string().contains("left out"),
        "{}",
        seen["notices"]
    );
    Ok(())
}

/// What of a file is missing, the report says; and a capture of any age has one.
#[test]
fn old_releases_and_cut_files_have_reports_too() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let files = captures("stacks.js", "10.24.1", dir.path(), &[])?;
    let seen = browse(&report(&files, &[])?)?;
    ensure!(
        strings(&seen["sections"]).len() == 7,
        "{}",
        seen["sections"]
    );

    let whole = fs::read(&files[0])?;
    let cut = dir.path().join("cut.v8mini");
    fs::write(&cut, &whole[..whole.len() * 2 / 3])?;
    let outcome = Tools::get().analyze(["report".as_ref(), cut.as_os_str(), "--json".as_ref()])?;
    ensure!(
        outcome.code() == Some(3),
        "{:?}: {}",
        outcome.status,
        outcome.stderr
    );
    let written: Value = serde_json::from_slice(&outcome.stdout)?;
    let page = PathBuf::from(written["file"].as_str().context("no file")?);
    ensure!(page == cut.with_extension("html"), "{}", page.display());
    ensure!(written["bytes"] == fs::metadata(&page)?.len(), "{written}");
    let seen = open(&page, &["look"])?;
    ensure!(
        seen["notices"]
            .to_string()
            .contains("the file is not whole"),
        "{}",
        seen["notices"]
    );
    Ok(())
}
