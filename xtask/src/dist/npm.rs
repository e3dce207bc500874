//! The npm packages: one with the programs for each platform, and `v8mini`, which depends on all of them optionally, so that npm
//! fetches the one for the machine.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use v8mini_tests::workspace_root;

use super::contents::{Contents, Mode};
use super::platform::Platform;
use super::{Programs, VERSION, sbom};

/// The package of everybody, in the source.
const MAIN: &str = "npm/v8mini";

/// The files of `npm/v8mini` besides `package.json`.
const MAIN_FILES: [(&str, Mode); 6] = [
    ("README.md", Mode::Data),
    ("index.js", Mode::Data),
    ("index.d.ts", Mode::Data),
    ("lib/binary.js", Mode::Data),
    ("bin/v8mini.js", Mode::Program),
    ("bin/v8mini-capture.js", Mode::Program),
];

/// Writes both packages as `npm pack` would.
pub(super) fn write(output: &Path, platform: &Platform, programs: &Programs) -> Result<()> {
    let mut main = Contents::default();
    let folder = workspace_root().join(MAIN);
    for (name, mode) in MAIN_FILES {
        main.add_file(name, &folder.join(name), mode)?;
    }
    add_licenses(&mut main)?;
    main.add(
        "package.json",
        pretty(&main_manifest(&folder)?)?,
        Mode::Data,
    );
    main.write_tar_gz("package", &output.join(format!("v8mini-{VERSION}.tgz")))?;

    let mut own = Contents::default();
    for (name, path) in programs.all() {
        own.add_file(format!("bin/{name}"), path, Mode::Program)?;
    }
    add_licenses(&mut own)?;
    own.add(
        "THIRD-PARTY-LICENSES",
        sbom::third_party_licenses(platform)?,
        Mode::Data,
    );
    own.add(
        "package.json",
        pretty(&platform_manifest(platform))?,
        Mode::Data,
    );
    let name = format!(
        "v8mini-{}-{}-{VERSION}.tgz",
        platform.npm_os(),
        platform.npm_cpu()
    );
    own.write_tar_gz("package", &output.join(name))
}

fn add_licenses(contents: &mut Contents) -> Result<()> {
    for name in ["LICENSE-APACHE", "LICENSE-MIT"] {
        contents.add_file(name, &workspace_root().join(name), Mode::Data)?;
    }
    Ok(())
}

/// The name of the package with the programs for a platform.
fn package(platform: &Platform) -> String {
    format!("@v8mini/{}-{}", platform.npm_os(), platform.npm_cpu())
}

/// What the source says, with the version and the packages that belong to it.
fn main_manifest(folder: &Path) -> Result<Value> {
    let text = fs::read(folder.join("package.json")).context("cannot read the package.json")?;
    let mut manifest: Value = serde_json::from_slice(&text).context("package.json is no JSON")?;
    manifest["version"] = VERSION.into();
    manifest["optionalDependencies"] = Platform::ALL
        .iter()
        .map(|platform| (package(platform), Value::from(VERSION)))
        .collect();
    Ok(manifest)
}

fn platform_manifest(platform: &Platform) -> Value {
    json!({
        "name": package(platform),
        "version": VERSION,
        "description": format!("The programs of v8mini for {}", platform.name()),
        "license": "MIT OR Apache-2.0",
        "repository": { "type": "git", "url": concat!("git+", env!("CARGO_PKG_REPOSITORY"), ".git") },
        "os": [platform.npm_os()],
        "cpu": [platform.npm_cpu()],
        "preferUnplugged": true,
    })
}

fn pretty(manifest: &Value) -> Result<String> {
    Ok(serde_json::to_string_pretty(manifest)? + "\n")
}
