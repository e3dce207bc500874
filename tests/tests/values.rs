//! On each Node.js release, every kind of value is read as it is: numbers to the last bit, strings to the last code unit.

#![cfg(target_os = "linux")]

use anyhow::Result;
use v8mini_tests::{Tools, Workload, battery, each_release};

fn check(release: &str) -> Result<()> {
    let process = Workload::new("specimens.js", release)?.spawn()?;
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("specimens.v8mini");
    Tools::get().capture_to(process.pid(), &file)?;
    battery::specimens::check(Tools::get(), &file, &process.truth)?.into_result()
}

macro_rules! tests {
    ($($name:ident $version:literal)*) => {
        $(#[test] fn $name() -> Result<()> { check($version) })*
    };
}
each_release!(tests);
