//! `cargo xtask constants`: the `v8dbg_*` constants of official releases, for cores whose binary is not at hand.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use clap::Args;
use v8mini_capture::symbols::Binary;
use v8mini_tests::{nodes, workspace_root};

/// What the file says of itself.
const HEAD: &str = "\
# v8dbg_* constants of official Node.js releases for x86-64, by version of V8. Written by `cargo xtask constants`.
#
# First line: the versions of V8 that were read. Then one line for each constant, without its prefix: from which of these
# versions on it has which value, `-` where it is gone.
";

/// Write spec/v8dbg.txt: the v8dbg constants of releases of Node.js, for cores whose binary is not at hand
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Releases (`22.23.3`, `22`), or paths of binaries; by default the first and the latest release of each major from 4 on.
    #[arg(value_name = "RELEASE")]
    releases: Vec<String>,
}

/// (major, minor) of V8.
type Minor = (u32, u32);
/// (build, patch) of V8.
type Patch = (u32, u32);
/// Constants by name, and the patch that they are of, by version.
type Constants = BTreeMap<Minor, (Patch, BTreeMap<String, i64>)>;

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let releases = if arguments.releases.is_empty() {
        (4..=26)
            .flat_map(|major| [format!("{major}.0.0"), major.to_string()])
            .collect()
    } else {
        arguments.releases.clone()
    };
    // Of several releases with one minor version of V8, the latest counts.
    let mut latest = Constants::new();
    for release in releases {
        let path = if release.contains('/') {
            PathBuf::from(&release)
        } else {
            nodes::ensure(&release)?.path
        };
        let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let symbols = Binary::parse(&*bytes)?.v8_symbols();
        let version = symbols
            .v8_version
            .with_context(|| format!("{} does not say its version of V8", path.display()))?;
        println!(
            "{release}: V8 {version}, {} constants",
            symbols.constants.len()
        );
        let patch = (version.build, version.patch);
        let entry = latest.entry((version.major, version.minor)).or_default();
        if patch >= entry.0 {
            *entry = (patch, symbols.constants);
        }
    }
    ensure!(!latest.is_empty(), "no release was read");
    let path = workspace_root().join("spec/v8dbg.txt");
    let text = text(&latest)?;
    fs::write(&path, &text)?;
    println!(
        "{}: {} versions of V8, {} bytes",
        path.display(),
        latest.len(),
        text.len()
    );
    Ok(())
}

fn text(versions: &Constants) -> Result<String> {
    let mut text = HEAD.to_owned();
    let listed: Vec<String> = versions
        .keys()
        .map(|(major, minor)| format!("{major}.{minor}"))
        .collect();
    writeln!(text, "{}", listed.join(" "))?;
    let names: BTreeSet<&String> = versions
        .values()
        .flat_map(|(_, constants)| constants.keys())
        .collect();
    for name in names {
        text.push_str(name);
        let mut before = None;
        for ((major, minor), (_, constants)) in versions {
            let value = constants.get(name);
            if value != before {
                match value {
                    Some(value) => write!(text, " {major}.{minor}={value}")?,
                    None => write!(text, " {major}.{minor}=-")?,
                }
                before = value;
            }
        }
        text.push('\n');
    }
    Ok(text)
}
