//! What a process waits for is what it says itself: which `await` comes before which, and what timers let go on.

#![cfg(target_os = "linux")]

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use v8mini_tests::nodes::Version;
use v8mini_tests::{Tools, Workload, each_release};

/// The name of a step without the class, and its line where it is an `await`.
fn steps(list: &Value) -> Vec<(String, Option<u64>)> {
    let list = list.as_array().into_iter().flatten();
    list.map(|step| {
        let name = step["name"].as_str().unwrap_or_default();
        let name = name.rsplit('.').next().unwrap_or_default();
        let is_exact = step["is_exact"] == true;
        (name.to_owned(), step["line"].as_u64().filter(|_| is_exact))
    })
    .collect()
}

macro_rules! chains {
    ($($name:ident $version:literal)*) => {
        mod chains {
            use super::*;
            $(#[test] fn $name() -> Result<()> { chains($version) })*
        }
    };
}
each_release!(chains);

/// Node 7 and earlier have no async functions, and 8 no async generators.
fn chains(release: &str) -> Result<()> {
    let major = Version::parse(release).map_or(0, |version| version.0);
    if major < 8 {
        return Ok(());
    }
    let process = Workload::new("awaiting.js", release)?.spawn()?;
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("awaiting.v8mini");
    Tools::get().capture_to(process.pid(), &file)?;
    let report = Tools::get().query("bt", &file, &["--async"])?;
    let waiting = &report["threads"][0]["waiting"];
    let lines = &process.truth["lines"];
    let at = |name: &str| (name.to_owned(), lines[name].as_u64());
    let plain = |name: &str| (name.to_owned(), None);
    let chains = waiting["chains"].as_array().context("chains")?;
    let starting = |name: &str, next: &str| {
        chains
            .iter()
            .map(|chain| (chain, steps(&chain["steps"])))
            .find(|(_, steps)| {
                steps.first().is_some_and(|step| step.0 == name)
                    && steps.get(1).is_some_and(|step| step.0 == next)
            })
            .with_context(|| format!("no chain begins with {name}, {next}: {waiting:#}"))
    };

    let (chain, found) = starting("leaf", "middle")?;
    let expected = [
        at("leaf"),
        at("middle"),
        at("outer"),
        at("load"),
        plain("onLoaded"),
    ];
    ensure!(found == expected, "{found:?} instead of {expected:?}");
    ensure!(chain["count"] == 3, "three wait alike: {chain:#}");
    // Columns as V8 has them. From Node.js 12 on, stack traces go on behind an `await`.
    let errors = process.truth["errors"].as_array().context("errors")?;
    ensure!(errors.len() == if major < 12 { 0 } else { 3 }, "{errors:?}");
    for (error, step) in errors
        .iter()
        .zip(chain["steps"].as_array().into_iter().flatten().skip(1))
    {
        ensure!(
            (&step["line"], &step["column"]) == (&error["line"], &error["column"]),
            "{step} instead of {error}"
        );
    }

    // Up to V8 6.5 what combines promises is not told from other functions of V8's own.
    let combinator = if major < 10 {
        "each"
    } else {
        "all, any or allSettled"
    };
    let (chain, found) = starting("leaf", combinator)?;
    ensure!(
        found.last() == Some(&at("each")),
        "Promise.all leads to {found:?}"
    );
    ensure!(chain["count"] == 2, "two promises: {chain:#}");

    if major >= 10 {
        let (_, found) = starting("numbers", "consume")?;
        let expected = [at("numbers"), at("consume"), plain("onFailure")];
        ensure!(found == expected, "{found:?} instead of {expected:?}");
    }

    // Timers, and what goes on when they have settled their promise.
    let callbacks = waiting["callbacks"].as_array().context("callbacks")?;
    let then: Vec<_> = callbacks
        .iter()
        .map(|callback| {
            let name = callback["function"]["name"].as_str().unwrap_or_default();
            (name.to_owned(), steps(&callback["then"]))
        })
        .collect();
    let expected = [
        ("tick".to_owned(), vec![]),
        (String::new(), vec![at("sleeper")]),
        ("wake".to_owned(), vec![at("longSleeper")]),
    ];
    ensure!(then == expected, "{then:?} instead of {expected:?}");

    // As text, without being asked for it, since the process does nothing.
    let text = Tools::get()
        .analyze(["bt".as_ref(), file.as_os_str()])?
        .text();
    ensure!(
        text.contains("at async outer (") && text.contains("waits for 3 timers"),
        "{text}"
    );
    Ok(())
}
