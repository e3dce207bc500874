//! What is left out of captures is missed by nobody.

#![cfg(target_os = "linux")]

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
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

/// Nothing that can be asked tells a capture from one that stores everything.
fn check(release: &str) -> Result<()> {
    let process = Workload::new("allocating.js", release)?.spawn()?;
    std::thread::sleep(std::time::Duration::from_millis(300));
    let pid = process.pid().to_string();
    ensure!(
        Command::new("kill")
            .args(["-STOP", &pid])
            .status()?
            .success()
    );
    let dir = tempfile::tempdir()?;
    let (full, usual) = (dir.path().join("full"), dir.path().join("usual"));
    for (path, more) in [(&full, &["--full"][..]), (&usual, &[])] {
        let path = path.to_str().context("no UTF-8")?;
        let line = [&[pid.as_str(), "--mode", "stop", "-o", path][..], more].concat();
        Tools::get().capture(line)?.success()?;
    }
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
    let size = |path: &Path| std::fs::metadata(path).map(|facts| facts.len());
    let (full, usual) = (size(&full)?, size(&usual)?);
    println!("{release}: {full} bytes with everything, {usual} without");
    ensure!(
        usual < full,
        "{release}: {usual} bytes are not less than {full}"
    );
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
