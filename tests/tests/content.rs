//! What is left out of captures is missed by nobody.

#![cfg(target_os = "linux")]

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use v8mini_tests::patience::Patient;
use v8mini_tests::{Tools, Workload, each_release};

/// The text of a command, without the file's own name.
fn says(command: &[&str], file: &Path) -> Result<String> {
    let mut line = command.to_vec();
    line.insert(1, file.to_str().context("no UTF-8")?);
    let output = Tools::get().analyze(line)?;
    let name = file
        .file_name()
        .and_then(|name| name.to_str())
        .context("no name")?;
    Ok(output.text().replace(name, "FILE"))
}

/// How often the process is stopped until it is in no garbage collection and has free memory with something in it.
const ATTEMPTS: usize = 100;

/// Captures of one moment: with everything, and as usual. `None` if the moment was no good.
fn captures(pid: &str, full: &Path, usual: &Path) -> Result<Option<[u64; 2]>> {
    signal(pid, "-STOP")?;
    for (path, more) in [(full, &["--full"][..]), (usual, &[])] {
        let file = path.to_str().context("no UTF-8")?;
        let line = [
            &[pid, "--mode", "stop", "--retries", "0", "-o", file][..],
            more,
        ]
        .concat();
        let outcome = Tools::get().capture(line)?;
        if outcome.code() == Some(3) && outcome.stderr.contains("garbage collection") {
            signal(pid, "-CONT")?;
            return Ok(None);
        }
        outcome.success()?;
    }
    let size = |path: &Path| std::fs::metadata(path).map(|facts| facts.len());
    let sizes = [size(full)?, size(usual)?];
    if sizes[1] >= sizes[0] {
        signal(pid, "-CONT")?;
        return Ok(None);
    }
    Ok(Some(sizes))
}

fn signal(pid: &str, signal: &str) -> Result<()> {
    let status = Command::new("kill").args([signal, pid]).status_in_time()?;
    ensure!(status.success(), "kill {signal} {pid}: {status}");
    Ok(())
}

/// Nothing that can be asked tells a capture from one that stores everything.
fn check(release: &str) -> Result<()> {
    let process = Workload::new("allocating.js", release)?.spawn()?;
    let pid = process.pid().to_string();
    let dir = tempfile::tempdir()?;
    let (full, usual) = (dir.path().join("full"), dir.path().join("usual"));
    let mut sizes = None;
    for _ in 0..ATTEMPTS {
        std::thread::sleep(Duration::from_millis(50));
        sizes = captures(&pid, &full, &usual)?;
        if sizes.is_some() {
            break;
        }
    }
    let [with, without] = sizes.with_context(|| {
        format!(
            "{release}: in {ATTEMPTS} stops nothing was left out, or a collection was under way"
        )
    })?;
    println!("{release}: {with} bytes with everything, {without} without");
    for command in [
        &["histogram"][..],
        &["histogram", "--json"],
        &["instances", "Object"],
        &["instances", "Array"],
    ] {
        let (with, without) = (says(command, &full)?, says(command, &usual)?);
        ensure!(
            with == without,
            "{release}: {command:?} says\n{with}\nand\n{without}"
        );
    }
    Ok(())
}

macro_rules! releases {
    ($($name:ident $version:literal)*) => {
        $(
            #[test]
            fn $name() -> Result<()> {
                check($version)
            }
        )*
    };
}

each_release!(releases);
