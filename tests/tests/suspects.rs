//! `v8mini suspects` on programs that leak, each in a way of its own, and on healthy ones.

#![cfg(target_os = "linux")]

use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use v8mini_tests::{Tools, Workload, nodes};

/// Whether a suspect is the one that a program says it has.
fn is_expected(suspect: &Value, truth: &Value) -> bool {
    let told = |names: &Value| {
        let places = [&suspect["code"], &suspect["holder"]].map(Value::to_string);
        names.as_array().is_some_and(|names| {
            names
                .iter()
                .filter_map(Value::as_str)
                .any(|name| places.iter().any(|place| place.contains(name)))
        })
    };
    let contents = truth["contents"].as_str().unwrap_or("?");
    let inside = [&suspect["items"], &suspect["contents"], &suspect["code"]];
    suspect["class"] == truth["accumulates"]
        && told(&truth["holder"])
        && inside
            .iter()
            .any(|part| part.to_string().contains(contents))
}

/// Captures a leaking program, and looks for what it says that it leaks. The code must be named with its file.
fn is_found(program: &str, release: &str) -> Result<()> {
    let process = Workload::new(&format!("leaks/{program}.js"), release)?.spawn()?;
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("leak.v8mini");
    Tools::get().capture_to(process.pid(), &file)?;
    let report = Tools::get().query("suspects", &file, &[])?;
    let suspects = report["suspects"].as_array().context("no suspects")?;
    let truth = &process.truth;
    let first = suspects.first().context("no suspects")?;
    ensure!(
        is_expected(first, truth),
        "expected {truth}, found {first:#}"
    );
    let code = first["code"].to_string();
    let path = Path::new(truth["file"].as_str().context("no file")?);
    let name = path.file_name().and_then(|name| name.to_str());
    ensure!(
        code.contains(name.context("no name")?),
        "no code of {path:?} is named: {code}"
    );
    ensure!(first["next"].to_string().contains("v8mini path"));
    Ok(())
}

macro_rules! leaks {
    ($($name:ident $program:literal $release:literal)*) => {
        $(
            #[test]
            fn $name() -> Result<()> {
                is_found($program, $release)
            }
        )*
    };
}

leaks! {
    listeners_of_an_emitter "listener" "22.23.3"
    an_array_in_the_closure_of_a_timer "timer-closure" "22.23.3"
    a_map_as_a_cache "map-cache" "22.23.3"
    reactions_of_a_forgotten_promise "forgotten-promise" "22.23.3"
    a_global_array "global-array" "22.23.3"
    detached_buffers "detached-buffers" "22.23.3"
    a_memoized_function "memo" "22.23.3"
    an_async_local_storage "async-storage" "22.23.3"
    emitters_of_a_domain "domain-emitters" "22.23.3"
    messages_to_a_worker "worker-messages" "22.23.3"
    slices_of_long_strings "sliced-strings" "22.23.3"
    held_values_of_a_registry "finalization" "22.23.3"
    sockets_in_a_set "socket-set" "22.23.3"
    a_stream_without_backpressure "backpressure" "22.23.3"
    a_chain_of_log_records "log-ring" "22.23.3"
    an_interval_for_each_request "interval-per-request" "22.23.3"
    functions_compiled_at_run_time "dynamic-functions" "22.23.3"
    errors_with_their_context "error-context" "22.23.3"
    a_dictionary_under_a_symbol "symbol-registry" "22.23.3"
    requests_of_an_agent "http-agent" "22.23.3"
    a_text_that_grows "audit-text" "22.23.3"
    maps_in_a_map "tenant-sessions" "22.23.3"
    a_cache_that_never_evicts "broken-lru" "22.23.3"
    an_array_in_a_private_field "private-series" "22.23.3"
    promises_in_a_chain "promise-chain" "22.23.3"
    pipes_that_are_never_unpiped "pipes" "22.23.3"
    effects_of_a_reactive_state "reactive-effects" "22.23.3"
    a_handler_that_is_wrapped_again "wrapped-handler" "22.23.3"
    listeners_that_are_removed_in_vain "bound-listeners" "22.23.3"
    an_array_with_another_name "destructured-log" "22.23.3"
    a_recorder_that_is_never_reset "recorder" "22.23.3"
    a_queue_that_is_emptied_too_slowly "slow-consumer" "22.23.3"

    node_12_map_cache "map-cache" "12.22.12"
    node_16_listener "listener" "16.20.2"
    node_18_timer_closure "timer-closure" "18.20.8"
    node_20_log_ring "log-ring" "20.20.2"
    node_24_memo "memo" "24.21.0"
    node_26_error_context "error-context" "26.10.0"
    node_12_bound_listeners "bound-listeners" "12.22.12"
    node_16_wrapped_handler "wrapped-handler" "16.20.2"
    node_20_reactive_effects "reactive-effects" "20.20.2"
    node_18_recorder "recorder" "18.20.8"
    node_24_slow_consumer "slow-consumer" "24.21.0"
}

/// Neither one capture of a healthy program nor two of it at work give a suspect.
fn is_quiet(program: &str, release: &str) -> Result<()> {
    let mut process = Workload::new(&format!("healthy/{program}.js"), release)?.spawn()?;
    let dir = tempfile::tempdir()?;
    let (first, second) = (dir.path().join("1.v8mini"), dir.path().join("2.v8mini"));
    Tools::get().capture_to(process.pid(), &first)?;
    process.ask("more 300")?;
    Tools::get().capture_to(process.pid(), &second)?;
    let later = second.to_str().context("a path that is no text")?;
    for later in [None, Some(later)] {
        let mut line = vec!["suspects".as_ref(), first.as_os_str()];
        line.extend(later.map(std::ffi::OsStr::new));
        line.push("--json".as_ref());
        let outcome = Tools::get().analyze(line)?;
        let report: Value = serde_json::from_slice(&outcome.stdout)?;
        ensure!(report["count"] == 0, "{program}: {report:#}");
        ensure!(
            matches!(outcome.code(), Some(1 | 3)),
            "{:?}",
            outcome.status
        );
    }
    Ok(())
}

macro_rules! healthy {
    ($($name:ident $program:literal $release:literal)*) => {
        $(
            #[test]
            fn $name() -> Result<()> {
                is_quiet($program, $release)
            }
        )*
    };
}

healthy! {
    quiet_on_a_static_table "static-config" "22.23.3"
    quiet_on_a_cache_at_its_bound "lru-cache" "22.23.3"
    quiet_on_a_service_under_load "http-load" "22.23.3"
    quiet_on_a_compiler_between_bursts "compiler-burst" "22.23.3"
    quiet_on_a_job_queue "job-queue" "22.23.3"
    quiet_on_a_ring "ring" "22.23.3"
    quiet_on_batches_and_generations "batches" "22.23.3"
    quiet_on_a_table_at_its_bound "table" "22.23.3"
    quiet_on_a_pool "pool" "22.23.3"
    quiet_on_a_catalog_that_was_loaded_once "catalog" "22.23.3"
    quiet_on_a_cache_below_its_bound "filling-cache" "22.23.3"
    quiet_on_parsed_data "parsed-data" "22.23.3"
    quiet_on_a_registry "registry" "22.23.3"
    node_12_quiet_on_a_catalog "catalog" "12.22.12"
    node_18_quiet_on_a_catalog "catalog" "18.20.8"
    node_24_quiet_on_a_catalog "catalog" "24.21.0"
    node_12_quiet_on_a_registry "registry" "12.22.12"
    node_18_quiet_on_a_registry "registry" "18.20.8"
    node_24_quiet_on_a_registry "registry" "24.21.0"
    node_26_quiet_on_a_registry "registry" "26.10.0"
}

/// What is large without being a suspect is told, with what to do next.
#[test]
fn what_is_large_is_named_without_suspicion() -> Result<()> {
    let process = Workload::new("healthy/catalog.js", nodes::USUAL)?.spawn()?;
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("catalog.v8mini");
    Tools::get().capture_to(process.pid(), &file)?;
    let report =
        Tools::get().analyze(["suspects".as_ref(), file.as_os_str(), "--json".as_ref()])?;
    let report: Value = serde_json::from_slice(&report.stdout)?;
    let found = &report["largest"][0];
    ensure!(found["count"] == 20000, "{report:#}");
    ensure!(
        found["reasons"].to_string().contains("has run once"),
        "{found:#}"
    );
    let text = Tools::get().analyze(["suspects".as_ref(), file.as_os_str()])?;
    let text = String::from_utf8_lossy(&text.stdout);
    ensure!(
        text.contains("no suspects") && text.contains("take a second capture and run `v8mini diff"),
        "{text}"
    );
    Ok(())
}

/// Captures a program `captures` times at work, and looks for what it says that it leaks.
fn grows(program: &str, more: u64, captures: usize) -> Result<Value> {
    let mut process = Workload::new(&format!("leaks/{program}.js"), nodes::USUAL)?.spawn()?;
    let dir = tempfile::tempdir()?;
    let mut files = Vec::new();
    for number in 0..captures {
        if number > 0 {
            process.ask(&format!("more {more}"))?;
        }
        let file = dir.path().join(format!("{number}.v8mini"));
        Tools::get().capture_to(process.pid(), &file)?;
        files.push(file);
    }
    let (first, later) = files.split_first().context("no captures")?;
    let later: Vec<&str> = later.iter().filter_map(|file| file.to_str()).collect();
    let report = Tools::get().query("suspects", first, &later)?;
    let suspect = &report["suspects"][0];
    ensure!(
        is_expected(suspect, &process.truth),
        "{program}: {report:#}"
    );
    Ok(suspect.clone())
}

#[test]
fn growth_decides_between_several_captures() -> Result<()> {
    let suspect = grows("map-cache", 5000, 2)?;
    ensure!(
        suspect["counts"] == serde_json::json!([20000, 25000]),
        "{suspect:#}"
    );
    let title = suspect["title"].as_str().context("no title")?;
    ensure!(title.starts_with("Likely leak"), "{title}");
    Ok(())
}

/// What one capture cannot tell from a program that is fine.
#[test]
fn growth_shows_what_one_capture_does_not() -> Result<()> {
    grows("plugin-modules", 300, 2)?;
    let tree = grows("search-trie", 3000, 2)?;
    ensure!(tree["arrangement"] == "tree", "{tree:#}");
    let queue = grows("stuck-queue", 3000, 3)?;
    ensure!(
        queue["reasons"].to_string().contains("less than is put in"),
        "{queue:#}"
    );
    Ok(())
}
