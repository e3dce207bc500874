//! On each Node.js release, the counts of a histogram are the truth.

#![cfg(target_os = "linux")]

use anyhow::Result;
use v8mini_tests::{Tools, Workload, battery, each_release};

fn check(release: &str) -> Result<()> {
    let process = Workload::new("population.js", release)?.spawn()?;
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("population.v8mini");
    Tools::get().capture_to(process.pid(), &file)?;
    battery::population::check(Tools::get(), &file, &process.truth)?.into_result()
}

macro_rules! tests {
    ($($name:ident $version:literal)*) => {
        $(#[test] fn $name() -> Result<()> { check($version) })*
    };
}
each_release!(tests);
