//! `cargo xtask nodes`: fetches Node.js binaries.

use anyhow::Result;
use clap::Args;
use v8mini_tests::nodes;

/// Fetch Node.js binaries from the npm registry into target/nodes, and print their paths
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Exact versions (22.23.3) or lines whose latest is wanted (22, 22.9); all that the tests use if none is named
    versions: Vec<String>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let mut versions: Vec<&str> = arguments.versions.iter().map(String::as_str).collect();
    if versions.is_empty() {
        versions.extend(nodes::TESTED);
    }
    for version in versions {
        println!("{}", nodes::ensure(version)?.path.display());
    }
    Ok(())
}
