//! Our counts against V8's own: a capture and a heap snapshot of the same process, which nothing but us disturbs.

#![cfg(target_os = "linux")]

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use v8mini_tests::battery::population::instances;
use v8mini_tests::heapsnapshot::Census;
use v8mini_tests::{Tools, Workload};

/// Names that the two do not share, by design on both sides.
const NAMED_OTHERWISE: [&str; 23] = [
    // Single objects that a snapshot names by their `Symbol.toStringTag`, and we by their class, which is Object; and
    // prototypes that have such a tag and no function whose `prototype` they are.
    "Async-from-Sync Iterator",
    "AsyncGenerator",
    "Atomics",
    "Generator",
    "Intl",
    "Iterator Helper",
    "JSON",
    "Math",
    "Reflect",
    "URLSearchParams Iterator",
    "WebAssembly",
    // The prototype of the global `console` is a plain object whose class a snapshot finds by its `constructor`.
    "console",
    // The global object and its proxy, which V8's embedder names.
    "global",
    "global (global)",
    "global (global*)",
    // Scopes of functions are no JavaScript objects to us.
    "system / Context",
    // A snapshot counts these under node types of their own: bound functions among closures; regular expressions by
    // their source; proxies, and what C++ made from a template, by what is behind them.
    "Function",
    "RegExp",
    "SkuPattern",
    "Proxy",
    "ApiObject",
    "ExternalObject",
    // Reached by nobody as soon as the call is over.
    "Arguments",
];

/// How much garbage of a class the answer to our own command may leave: the command line's text is read in chunks
/// (Buffer), split (Array), and answered (Object); a snapshot sees only what is reachable, we see all that is not swept.
const GARBAGE: u64 = 20;

/// Node wraps built-ins against tampering, and takes their prototypes' parents away: V8 14 therefore names their
/// instances after the built-in, where older ones, and we, give the name that `new` named.
fn unwrapped(class: &str) -> &str {
    class.strip_prefix("Safe").unwrap_or(class)
}

/// Older releases name instances of a built-in's subclass by the built-in's `Symbol.toStringTag`, up to V8 9.4: a snapshot
/// cannot witness those.
fn check(release: &str) -> Result<()> {
    let mut process = Workload::new("population.js", release)?.spawn()?;
    let dir = tempfile::tempdir()?;
    let capture = dir.path().join("differential.v8mini");
    let snapshot = dir.path().join("differential.heapsnapshot");
    process.ask(&format!("snapshot {}", snapshot.display()))?;
    Tools::get().capture_to(process.pid(), &capture)?;

    let mut both: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    let ours = instances(&Tools::get().query("histogram", &capture, &["--limit", "0"])?)?;
    for (class, count) in &ours {
        both.entry(unwrapped(class)).or_default().0 += count;
    }
    let census = Census::read(&snapshot)?;
    for (class, count) in census.of_type("object") {
        both.entry(unwrapped(class)).or_default().1 += count;
    }

    let program = process.truth["counts"]
        .as_object()
        .context("no counts in the truth")?;
    let mut differences = Vec::new();
    for (class, (ours, theirs)) in &both {
        // The program's own classes leave no garbage; Node's may.
        let garbage = if program.contains_key(*class) {
            0
        } else {
            GARBAGE
        };
        if !NAMED_OTHERWISE.contains(class) && !(*theirs..=theirs + garbage).contains(ours) {
            differences.push(format!("{class}: we count {ours}, the snapshot {theirs}"));
        }
    }
    ensure!(both.len() > 50, "only {} classes were compared", both.len());
    ensure!(
        differences.is_empty(),
        "Node.js {release}:\n{}",
        differences.join("\n")
    );
    Ok(())
}

#[test]
fn node_18() -> Result<()> {
    check("18.20.8")
}

#[test]
fn node_20() -> Result<()> {
    check("20.20.2")
}

#[test]
fn node_22() -> Result<()> {
    check("22.23.3")
}

#[test]
fn node_24() -> Result<()> {
    check("24.21.0")
}

#[test]
fn node_26() -> Result<()> {
    check("26.10.0")
}
