//! What V8 itself says of a process, in DevTools, and what we say: class by class the same counts, and the same retained sizes.

#![cfg(target_os = "linux")]

use anyhow::{Result, ensure};
use v8mini_tests::{NodeProcess, Tools, witness};

fn agree(program: &str, process: Result<NodeProcess>) -> Result<()> {
    let dir = tempfile::tempdir()?;
    let found = witness::compare(Tools::get(), program, &mut process?, dir.path())?;
    ensure!(found.classes.len() == witness::CLASSES, "{}", found.text());
    ensure!(found.unexpected().is_empty(), "{}", found.text());
    let agreeing = found.classes.iter().filter(|class| class.agrees()).count();
    ensure!(agreeing >= witness::CLASSES / 2, "{}", found.text());
    let [theirs, ours] = found.bytes;
    // V8 also counts what C++ holds: the buffer of Node's HTTP parser alone is 64 KiB of the shop's 12 MB.
    ensure!(
        (ours / theirs - 1.0).abs() < witness::TOLERANCE,
        "{theirs} and {ours} bytes: {}",
        found.text()
    );
    Ok(())
}

#[test]
fn on_a_service_node_22() -> Result<()> {
    agree("the shop of the demo", witness::shop("22", 5000))
}

#[test]
fn on_a_service_node_20() -> Result<()> {
    agree("the shop of the demo", witness::shop("20", 5000))
}

#[test]
fn on_a_service_node_24() -> Result<()> {
    agree("the shop of the demo", witness::shop("24", 5000))
}

#[test]
fn on_the_typescript_compiler_node_24() -> Result<()> {
    agree("the TypeScript compiler", witness::compiler("24"))
}

#[test]
fn on_the_typescript_compiler() -> Result<()> {
    agree("the TypeScript compiler", witness::compiler("22"))
}
