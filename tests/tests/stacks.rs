//! On each Node.js release, the stack is the one that V8 itself reports at the same place: `new Error().stack`.

#![cfg(target_os = "linux")]

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use v8mini_tests::nodes::Version;
use v8mini_tests::{NodeProcess, Tools, Workload, each_release};

/// How often a capture is repeated until the process stands still: it says where it is just before.
const ATTEMPTS: usize = 50;

/// A function in a stack, as V8 or as `v8mini bt` names it.
#[derive(Debug, PartialEq)]
struct Call {
    name: String,
    file: Option<String>,
    place: Option<(u64, u64)>,
}

/// What V8 said.
fn told(truth: &Value) -> Result<Vec<Call>> {
    let stack = truth["stack"]
        .as_array()
        .context("the workload tells its stack")?;
    Ok(stack
        .iter()
        .map(|site| Call {
            name: site["name"].as_str().unwrap_or_default().to_owned(),
            file: site["file"].as_str().map(str::to_owned),
            place: site["line"].as_u64().zip(site["column"].as_u64()),
        })
        .collect())
}

/// What was found of the same calls: those below `block`.
fn found(report: &Value) -> Result<Vec<Call>> {
    let frames = report["threads"][0]["frames"]
        .as_array()
        .context("the main thread has frames")?;
    let functions: Vec<&Value> = frames
        .iter()
        .map(|frame| &frame["function"])
        .filter(|function| !function.is_null())
        .collect();
    let block = functions
        .iter()
        .position(|function| function["name"] == "block")
        .with_context(|| format!("block is not on the stack: {functions:#?}"))?;
    Ok(functions
        .iter()
        .skip(block + 1)
        .map(|function| Call {
            name: function["name"].as_str().unwrap_or_default().to_owned(),
            file: function["file"].as_str().map(str::to_owned),
            place: Some(function)
                .filter(|function| function["is_exact"] == true)
                .and_then(|function| function["line"].as_u64().zip(function["column"].as_u64())),
        })
        .collect())
}

fn major(release: &str) -> u32 {
    Version::parse(release).map_or(0, |version| version.0)
}

/// Compares call by call. Up to V8 5.3 (Node 6), positions are in tables of another kind, which are not read.
fn compare(release: &str, told: &[Call], found: &[Call]) -> Result<()> {
    // What old V8 wrote in JavaScript itself, it leaves out or names otherwise.
    let own = |call: &&Call| {
        !call
            .file
            .as_ref()
            .is_some_and(|file| file.starts_with("native "))
    };
    let (told, found): (Vec<&Call>, Vec<&Call>) = (
        told.iter().filter(own).collect(),
        found.iter().filter(own).collect(),
    );
    for (index, (told, found)) in told.iter().zip(&found).enumerate() {
        // A function without a name is called by what it was assigned to.
        ensure!(
            told.name.is_empty()
                || found.name == told.name
                || found.name.ends_with(&format!(".{}", told.name)),
            "call {index} is of {told:?}, but {found:?} was found"
        );
        if told.file.is_some() {
            ensure!(
                found.file == told.file,
                "call {index} is of {told:?}, but {found:?} was found"
            );
            ensure!(
                major(release) < 8 || found.place == told.place,
                "call {index} is at {told:?}, but {found:?} was found"
            );
        }
    }
    ensure!(
        told.len() == found.len(),
        "{} calls were told, {} found: {told:#?} {found:#?}",
        told.len(),
        found.len()
    );
    Ok(())
}

/// The report on a process that stands still in `block`.
fn report(process: &NodeProcess, dir: &Path, top: &str) -> Result<Value> {
    for _ in 0..ATTEMPTS {
        let file = dir.join("stack.v8mini");
        Tools::get().capture_to(process.pid(), &file)?;
        let report = Tools::get().query("bt", &file, &["--args"])?;
        let frames = report["threads"][0]["frames"].as_array();
        let is_there = frames.into_iter().flatten().any(|frame| {
            let name = frame["function"]["name"].as_str().unwrap_or_default();
            name == top || name.ends_with(&format!(".{top}"))
        });
        if is_there {
            return Ok(report);
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    bail!("the process never got into {top}")
}

fn check(release: &str, mode: &str, arguments: &[&str]) -> Result<Value> {
    let mut workload = Workload::new("stacks.js", release)?.node_argument("--allow-natives-syntax");
    for argument in arguments {
        workload = workload.node_argument(argument);
    }
    let process = workload.spawn_with(&["--mode", mode])?;
    let dir = tempfile::tempdir()?;
    let top = if mode == "loop" { "spin" } else { "readSync" };
    let report = report(&process, dir.path(), top)?;
    compare(release, &told(&process.truth)?, &found(&report)?)
        .with_context(|| format!("Node {release}, {mode}, {arguments:?}"))?;
    ensure!(
        report["threads"][0]["complete"] == true,
        "the stack was not followed to its end: {}",
        report["threads"][0]["problems"]
    );
    Ok(report)
}

fn has_kind(report: &Value, kind: &str) -> bool {
    let frames = report["threads"][0]["frames"].as_array();
    frames
        .into_iter()
        .flatten()
        .any(|frame| frame["kind"] == kind)
}

macro_rules! plain {
    ($($name:ident $version:literal)*) => {
        mod plain {
            use super::*;
            $(#[test] fn $name() -> Result<()> { plain($version) })*
        }
    };
}
each_release!(plain);

/// As the program comes: interpreted as a rule, or by the first compiler of old V8.
fn plain(release: &str) -> Result<()> {
    let report = check(release, "plain", &[])?;
    let frames = report["threads"][0]["frames"]
        .as_array()
        .context("frames")?;
    let add = frames
        .iter()
        .find(|frame| {
            let name = frame["function"]["name"].as_str().unwrap_or_default();
            name.ends_with("add")
        })
        .context("add is on the stack")?;
    let function = &add["function"];
    let receiver = function["receiver"].as_str().unwrap_or_default();
    ensure!(
        receiver.ends_with(":<Object: Account>"),
        "this is {receiver}"
    );
    let arguments = &function["arguments"];
    ensure!(arguments[0] == "<Smi: 5>", "{arguments}");
    let currency = arguments[1].as_str().unwrap_or_default();
    ensure!(currency.ends_with(":<String: \"EUR\">"), "{arguments}");
    Ok(())
}

macro_rules! optimized {
    ($($name:ident $version:literal)*) => {
        mod optimized {
            use super::*;
            $(#[test] fn $name() -> Result<()> { optimized($version) })*
        }
    };
}
each_release!(optimized);

/// Optimised, with functions inlined. What V8 up to 6.2 (Node 9) inlined where is only in tables that are not read.
fn optimized(release: &str) -> Result<()> {
    if major(release) < 10 {
        return Ok(());
    }
    let report = check(release, "optimized", &[])?;
    ensure!(
        has_kind(&report, "optimized"),
        "nothing was optimized: {report:#}"
    );
    Ok(())
}

#[test]
fn baseline_code() -> Result<()> {
    for release in [
        "16.20.2", "18.20.8", "20.20.2", "22.23.3", "24.21.0", "26.10.0",
    ] {
        let report = check(release, "plain", &["--always-sparkplug"])?;
        ensure!(
            has_kind(&report, "baseline"),
            "Node {release} has no baseline frame"
        );
    }
    Ok(())
}

#[test]
fn maglev_code() -> Result<()> {
    for release in ["24.21.0", "26.10.0"] {
        let report = check(release, "maglev", &["--maglev"])?;
        ensure!(
            has_kind(&report, "maglev"),
            "Node {release} has no Maglev frame"
        );
    }
    Ok(())
}

#[test]
fn deep_recursion() -> Result<()> {
    for release in ["8.17.0", "22.23.3"] {
        check(release, "deep", &["--stack-size=5000"])?;
    }
    Ok(())
}

#[test]
fn stack_overflow() -> Result<()> {
    check("22.23.3", "overflow", &[])?;
    Ok(())
}

/// Stopped in the middle of JavaScript, not in a call.
#[test]
fn tight_loop() -> Result<()> {
    for release in ["8.17.0", "12.22.12", "18.20.8", "22.23.3", "26.10.0"] {
        check(release, "loop", &[])?;
    }
    Ok(())
}

/// As the debugger has it, which knows nothing of functions that are V8's own.
#[test]
fn as_the_debugger_has_it() -> Result<()> {
    for release in ["8.17.0", "12.22.12", "18.20.8", "22.23.3", "26.10.0"] {
        let process = Workload::new("stacks.js", release)?
            .node_argument("--allow-natives-syntax")
            .spawn_with(&["--mode", "inspector"])?;
        let dir = tempfile::tempdir()?;
        let report = report(&process, dir.path(), "readSync")?;
        let of_scripts = |mut calls: Vec<Call>| {
            calls.retain(|call| call.file.is_some());
            calls
        };
        let (told, found) = (told(&process.truth)?, found(&report)?);
        ensure!(told.len() > 5, "the debugger has told little: {told:?}");
        compare(release, &of_scripts(told), &of_scripts(found))
            .with_context(|| format!("Node {release}, by the debugger"))?;
    }
    Ok(())
}

/// In the handler of a signal, which JavaScript runs when it comes back to the event loop.
#[test]
fn in_a_handler_of_a_signal() -> Result<()> {
    for release in ["4.4.7", "10.24.1", "22.23.3"] {
        check(release, "signal", &[])?;
    }
    Ok(())
}

/// The frames of the main thread that say where they are, by the name of a function of either kind.
fn names(report: &Value) -> Vec<String> {
    let frames = report["threads"][0]["frames"].as_array();
    let frames = frames.into_iter().flatten();
    frames
        .filter_map(|frame| {
            let function = frame["function"]["name"].as_str();
            let native = frame["native"]["name"].as_str();
            Some(function.or(native)?.to_owned())
        })
        .collect()
}

/// Whether these names are among others, in this order.
fn in_order(names: &[String], wanted: &[&str]) -> bool {
    let mut names = names.iter();
    wanted
        .iter()
        .all(|wanted| names.any(|name| name.contains(wanted)))
}

/// An addon in C writes where it must not, deep in calls from JavaScript.
#[test]
fn a_crash_inside_a_native_addon() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let workloads = v8mini_tests::workspace_root().join("tests/workloads");
    let addon = dir.path().join("wild.node");
    let compiler = std::env::var_os("CC").unwrap_or_else(|| "cc".into());
    let status = std::process::Command::new(compiler)
        .args(["-O1", "-g", "-shared", "-fPIC", "-o"])
        .arg(&addon)
        .arg(workloads.join("wild.c"))
        .status()
        .context("a C compiler is needed")?;
    ensure!(status.success(), "the addon does not compile");
    for release in ["10.24.1", "18.20.8", "22.23.3", "26.10.0"] {
        let node = v8mini_tests::nodes::ensure(release)?;
        let core = dir.path().join(format!("core.{release}"));
        // gdb, wherever the kernel hands cores of its own to.
        let output = std::process::Command::new("gdb")
            .args(["-q", "-batch", "-ex", "run", "-ex"])
            .arg(format!("generate-core-file {}", core.display()))
            .arg("--args")
            .arg(&node.path)
            .arg(workloads.join("wild.js"))
            .arg(&addon)
            .stdin(std::process::Stdio::null())
            .output()
            .context("gdb is needed: `cargo xtask ci` installs it where it may")?;
        ensure!(
            core.is_file(),
            "gdb wrote no core: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        let report = Tools::get().query("bt", &core, &["--native"])?;
        // Of a core, only the binary of Node.js is read besides; a capture of a live process has the symbols of all files.
        let module = report["threads"][0]["frames"][0]["native"]["module"].as_str();
        ensure!(
            module.is_some_and(|module| module.ends_with("wild.node")),
            "Node {release} was in {module:?}"
        );
        let names = names(&report);
        ensure!(
            in_order(&names, &["innermost", "middle", "outermost", "onTimer"]),
            "Node {release}: {names:#?}"
        );
        let source = Tools::get().query("bt", &core, &["--source"])?;
        let frames = source["threads"][0]["frames"]
            .as_array()
            .context("frames")?;
        let line = frames
            .iter()
            .find(|frame| frame["function"]["name"] == "innermost")
            .context("innermost")?;
        let line = line["function"]["source"].as_str().unwrap_or_default();
        ensure!(line.contains("addon.crash(account)"), "{line}");
    }
    Ok(())
}

/// In the middle of a garbage collection, which JavaScript has called for.
#[test]
fn in_a_garbage_collection() -> Result<()> {
    for release in ["12.22.12", "22.23.3", "26.10.0"] {
        let process = Workload::new("collecting.js", release)?.spawn()?;
        let dir = tempfile::tempdir()?;
        let file = dir.path().join("gc.v8mini");
        let pid = process.pid().to_string();
        let mut last = Vec::new();
        let found = (0..ATTEMPTS).any(|_| {
            // As it is, and not when the collection is over.
            let arguments = [
                &pid,
                "-o",
                file.to_str().unwrap_or_default(),
                "--retries",
                "0",
            ];
            let captured = Tools::get().capture(arguments);
            let report = Tools::get().query("bt", &file, &["--native"]);
            let (Ok(_), Ok(report)) = (captured, report) else {
                return false;
            };
            last = names(&report);
            in_order(&last, &["Heap::CollectGarbage", "collect", "onTimer"])
                && report["threads"][0]["complete"] == true
        });
        ensure!(found, "Node {release}: {last:#?}");
    }
    Ok(())
}
