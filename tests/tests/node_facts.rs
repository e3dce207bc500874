//! On each Node.js release, `v8mini node`, `functions`, `scripts`, `source` and `what` say what the process itself says.

#![cfg(target_os = "linux")]

use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use v8mini_tests::nodes::Version;
use v8mini_tests::{NodeProcess, Tools, Workload, each_release};

/// From here on, functions have no word that refers to their code, but a number in a table outside of the heap.
const HAS_TABLE_OF_CODE: Version = Version(24, 0, 0);

fn check(release: &str) -> Result<()> {
    let mut process = Workload::new("node-facts.js", release)?.spawn_with(&["idle", "a b"])?;
    // With what the protocol itself has opened by now: standard input.
    let handles = process.ask("handles")?;
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("facts.v8mini");
    Tools::get().capture_to(process.pid(), &file)?;
    check_node(&process, &handles, &file).context("node")?;
    check_functions(&process, &file).context("functions")?;
    if Version::parse(release) >= Some(HAS_TABLE_OF_CODE) {
        check_code(&file).context("code")?;
    }
    Ok(())
}

/// A function keeps its machine code alive, and is named as what does.
fn check_code(file: &Path) -> Result<()> {
    let tools = Tools::get();
    let answer = tools.query("functions", file, &["--script", "node-facts", "-n", "0"])?;
    let hot = list(&answer["functions"])
        .iter()
        .find(|function| function["name"] == "hot")
        .context("no function hot")?;
    let hot = text(&hot["example"]);
    let number = u64::from_str_radix(hot.trim_start_matches("0x"), 16)?;
    let query = format!(
        "SELECT printf('0x%x', target) FROM edges JOIN objects ON address = target \
         WHERE source = {number} AND name = 'code' AND strong AND live"
    );
    let answer = tools.query("sql", file, &[&query])?;
    let code = text(&answer["rows"][0][0]);
    let refs = tools.query("refs", file, &[&code])?;
    ensure!(
        list(&refs["references"])
            .iter()
            .any(|of| of["holder"] == hot && of["name"] == ".<code>"),
        "hot is {hot} and its code {code}: {refs:#}"
    );
    Ok(())
}

fn check_node(process: &NodeProcess, handles: &Value, file: &Path) -> Result<()> {
    let truth = &process.truth;
    let answer = Tools::get().query("node", file, &["-n", "0"])?;
    let node = &answer["isolates"][0];
    let facts = &node["process"];
    for (ours, theirs) in [
        ("pid", "pid"),
        ("version", "node"),
        ("versions", "versions"),
        ("argv", "argv"),
        ("exec_argv", "execArgv"),
        ("exec_path", "execPath"),
        ("platform", "platform"),
        ("arch", "arch"),
    ] {
        ensure!(
            facts[ours] == truth[theirs],
            "{ours}: {} is not {}",
            facts[ours],
            truth[theirs]
        );
    }
    ensure!(
        facts["release"]["name"] == truth["release"],
        "release: {}",
        facts["release"]
    );

    // Handles that were unrefed are open, too: Node.js does not list these.
    let mut open: Vec<String> = list(&node["handles"]["open"])
        .iter()
        .map(|handle| {
            let owner = &handle["owner"]["class"];
            let class = if owner.is_null() {
                &handle["class"]
            } else {
                owner
            };
            text(class)
        })
        .collect();
    for expected in list(handles) {
        let expected = text(expected);
        let at = open.iter().position(|class| *class == expected);
        open.remove(at.with_context(|| format!("no {expected} in {}", node["handles"]))?);
    }
    open.retain(|class| !["Timeout", "Timer", "MessagePort"].contains(&class.as_str()));
    ensure!(open.is_empty(), "open, but not for Node.js: {open:?}");

    let timers = list(&node["timers"]["timers"]);
    for (name, duration, repeats) in [
        ("everyHour", 3600e3, true),
        ("unrefed", 5400e3, false),
        ("inTwoHours", 7200e3, false),
        ("inTwoHoursToo", 7200e3, false),
    ] {
        let timer = timers
            .iter()
            .find(|timer| timer["callback"]["name"] == name)
            .with_context(|| format!("no timer {name} in {timers:?}"))?;
        ensure!(timer["duration_ms"] == json!(duration), "{timer}");
        ensure!(timer["repeat_ms"].is_number() == repeats, "{timer}");
        let due = timer["due_in_ms"].as_f64().context("when is it due?")?;
        ensure!(duration - due > -1e3 && duration - due < 120e3, "{timer}");
        let location = text(&timer["callback"]["location"]);
        ensure!(location.contains("node-facts.js:"), "{timer}");
    }
    ensure!(
        timers
            .iter()
            .all(|timer| timer["callback"]["name"] != "cancelled"),
        "a cancelled timer is listed"
    );

    let top = &node["emitters"]["top"][0];
    ensure!(top["class"] == "Radio", "{top}");
    ensure!(top["listeners"] == truth["listeners"], "{top}");
    ensure!(
        top["events"][0] == json!({"event": "signal", "listeners": 25}),
        "{top}"
    );
    ensure!(node["emitters"]["suspects"] == 1, "{}", node["emitters"]);

    let modules: Vec<&Value> = list(&node["modules"]["common_js"])
        .iter()
        .map(|module| &module["key"])
        .collect();
    ensure!(
        modules == list(&truth["modules"]).iter().collect::<Vec<_>>(),
        "{modules:?}"
    );
    ensure!(
        node["promises"]["pending"].as_u64() >= Some(2),
        "{}",
        node["promises"]
    );
    Ok(())
}

fn check_functions(process: &NodeProcess, file: &Path) -> Result<()> {
    let tools = Tools::get();
    let arguments = ["--script", "node-facts", "-n", "0"];
    let answer = tools.query("functions", file, &arguments)?;
    let function = |name: &str| {
        list(&answer["functions"])
            .iter()
            .find(|function| function["name"] == name)
            .with_context(|| format!("no function {name}"))
    };
    let made = function("made")?;
    ensure!(made["closures"] == process.truth["closures"], "{made}");
    ensure!(
        made["bytes"]["closures"].as_u64() >= Some(100 * 48),
        "{made}"
    );
    ensure!(function("neverCalled")?["code"] == "lazy", "neverCalled");
    let hot = function("hot")?;
    let tiers = ["turbofan", "maglev", "baseline", "interpreted"];
    ensure!(tiers.contains(&text(&hot["code"]).as_str()), "{hot}");
    ensure!(hot["code"] != "interpreted", "hot is not optimised: {hot}");
    ensure!(hot["bytes"]["machine_code"].as_u64() > Some(0), "{hot}");

    // The source is what the function itself says of it.
    let maker = text(&function("maker")?["example"]);
    let source = tools.query("source", file, &[&maker])?;
    let lines: Vec<String> = list(&source["lines"])
        .iter()
        .map(|line| text(&line["text"]))
        .collect();
    ensure!(
        lines.join("\n") == text(&process.truth["line"]),
        "{lines:?}"
    );
    ensure!(source["first_line"] == 18, "{source}");
    let by_name = tools.query("source", file, &["maker"])?;
    ensure!(by_name == source, "{by_name}");

    // What the global object has, by the path that a program would write.
    let array = tools.query("inspect", file, &["global.Array"])?;
    let address = text(&array["address"]);
    let by_address = tools.query("inspect", file, &[&address])?;
    ensure!(array["name"] == "Array" && array == by_address, "{array}");

    // The variables of a closure, by name.
    let closure = tools.query("inspect", file, &[&text(&made["example"])])?;
    for name in ["hidden", "number", "secret"] {
        ensure!(
            closure["scopes"]
                .to_string()
                .contains(&format!("\"{name}\"")),
            "{name}: {closure}"
        );
    }

    let scripts = tools.query("scripts", file, &[])?;
    let script = list(&scripts["scripts"])
        .iter()
        .find(|script| text(&script["name"]).ends_with("node-facts.js"))
        .context("no script")?;
    ensure!(script["closures"].as_u64() > Some(100), "{script}");
    ensure!(script["source"]["captured"] == true, "{script}");

    let what = tools.query("what", file, &[&maker])?;
    ensure!(what["object"]["address"] == maker, "{what}");
    ensure!(
        what["object"]["offset"] == 0 && what["page"]["part"] == "objects",
        "{what}"
    );
    for nowhere in ["0", "1", "7fffffffffffffff", "ffffffffffffffff"] {
        let what = tools.query("what", file, &[nowhere])?;
        ensure!(
            what["object"].is_null() && what["mapping"].is_null(),
            "{what}"
        );
    }
    Ok(())
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

macro_rules! tests {
    ($($name:ident $version:literal)*) => {
        $(#[test] fn $name() -> Result<()> { check($version) })*
    };
}
each_release!(tests);
