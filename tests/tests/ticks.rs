//! What a program has asked to run next is what `v8mini bt` finds in the queues, in the order of execution.

#![cfg(target_os = "linux")]

use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use v8mini_tests::core_dump::gcore;
use v8mini_tests::{Tools, Workload, each_release};

macro_rules! tests {
    ($($name:ident $version:literal)*) => {
        $(#[test] fn $name() -> Result<()> { check($version) })*
    };
}
each_release!(tests);

/// In the script and in the middle of a queue; of the live process and of a core.
fn check(release: &str) -> Result<()> {
    for place in ["script", "tick", "microtask"] {
        let process = Workload::new("ticks.js", release)?.spawn_with(&["--in", place])?;
        let dir = tempfile::tempdir()?;
        let file = dir.path().join("ticks.v8mini");
        Tools::get().capture_to(process.pid(), &file)?;
        check_queues(&process.truth, place, &file)
            .with_context(|| format!("in the {place}, captured"))?;
        let core = dir.path().join("core");
        gcore(&process, &core)?;
        check_queues(&process.truth, place, &core)
            .with_context(|| format!("in the {place}, a core"))?;
    }
    Ok(())
}

fn check_queues(truth: &Value, place: &str, file: &Path) -> Result<()> {
    let report = Tools::get().query("bt", file, &["--async"])?;
    let waiting = &report["threads"][0]["waiting"];
    let callbacks = waiting["callbacks"].as_array().context("callbacks")?;

    // Node.js may have asked for something itself: its files have no path.
    let of_program = |it: &&Value| {
        let file = it["function"]["file"].as_str();
        file.is_some_and(|file| file.starts_with('/'))
    };
    let ticks = || callbacks.iter().filter(|it| it["kind"] == "tick");
    let found: Vec<Value> = ticks()
        .filter(of_program)
        .map(|tick| {
            let function = &tick["function"];
            let file = function["file"].as_str().unwrap_or_default();
            json!({
                "file": file.rsplit('/').next(),
                "name": function["name"], "line": function["line"],
                "arguments": tick["arguments"], "count": tick["count"],
            })
        })
        .collect();
    let expected = truth["ticks"].as_array().context("ticks")?;
    let in_file = |tick: &Value| {
        let mut tick = tick.clone();
        tick["file"] = json!("ticks.js");
        tick
    };
    let expected: Vec<Value> = expected.iter().map(in_file).collect();
    ensure!(found == expected, "{found:?} instead of {expected:?}");
    let count: u64 = ticks().filter_map(|it| it["count"].as_u64()).sum();
    ensure!(waiting["ticks"] == count, "{} ticks", waiting["ticks"]);

    let microtasks = || callbacks.iter().filter(|it| it["kind"] == "microtask");
    let found: Vec<Value> = microtasks()
        .map(|microtask| {
            let function = &microtask["function"];
            json!({
                "kind": function["kind"], "task": microtask["task"],
                "name": function["name"], "line": function["line"],
            })
        })
        .collect();
    let microtasks_expected = truth["microtasks"].as_array().context("microtasks")?;
    ensure!(
        found == *microtasks_expected,
        "{found:?} instead of {microtasks_expected:?}"
    );
    ensure!(
        waiting["microtasks"] == found.len(),
        "{} microtasks",
        waiting["microtasks"]
    );

    // What is called first is what comes first.
    let kinds: Vec<&Value> = callbacks.iter().map(|it| &it["kind"]).collect();
    let first = match place {
        "microtask" => "microtask",
        _ => "tick",
    };
    let of_first = kinds.iter().take_while(|kind| **kind == first).count();
    let all_of_first = kinds.iter().filter(|kind| **kind == first).count();
    ensure!(of_first > 0 && of_first == all_of_first, "{kinds:?}");

    // As text, and elsewhere.
    let text = Tools::get().analyze(["bt".as_ref(), file.as_os_str(), "--async".as_ref()])?;
    let text = text.text();
    ensure!(
        text.contains("next tick: second (")
            && text.contains("with 2 arguments")
            && text.contains("next microtask: "),
        "{text}"
    );
    let node = Tools::get().query("node", file, &["--timers"])?;
    let timers = &node["isolates"][0]["timers"];
    ensure!(timers["ticks"] == count, "{timers}");
    ensure!(timers["microtasks"] == found.len(), "{timers}");
    let named = &timers["microtask_callbacks"][0]["callback"]["name"];
    ensure!(*named == "onFulfilled", "{timers}");
    ensure!(
        timers["tick_callbacks"][0]["callback"]["name"] == expected[0]["name"],
        "{timers}"
    );
    Ok(())
}
