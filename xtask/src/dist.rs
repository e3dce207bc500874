//! `cargo xtask dist`: the binary that is copied into containers.

use anyhow::{Context, Result};
use clap::Args;
use v8mini_tests::dist;

/// Build v8mini-capture as one static file, and print where it is and how large
#[derive(Debug, Args)]
pub(crate) struct Arguments {}

pub(crate) fn run(_: &Arguments) -> Result<()> {
    let path = dist::static_capture()?;
    let bytes = path
        .metadata()
        .with_context(|| format!("{} is not there", path.display()))?
        .len();
    println!("{}: {:.2} MB, static", path.display(), bytes as f64 / 1e6);
    Ok(())
}
