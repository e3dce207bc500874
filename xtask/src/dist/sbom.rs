//! What the programs are made of: the bill of materials, and the licenses of others.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use v8mini_tests::{dist, workspace_root};

use super::VERSION;
use super::platform::Platform;
use crate::tools;

/// The packages that the programs are built from.
const ROOTS: [&str; 2] = ["v8mini-analyze", "v8mini-capture"];

/// How the files with a license begin.
const LICENSE_FILES: [&str; 6] = [
    "LICENSE",
    "LICENCE",
    "COPYING",
    "COPYRIGHT",
    "NOTICE",
    "UNLICENSE",
];

/// A package that is part of the programs.
struct Package {
    name: String,
    version: String,
    license: String,
    folder: PathBuf,
    /// SHA-256 of what crates.io has; ours have none.
    checksum: Option<String>,
    /// By their place in the list.
    dependencies: Vec<usize>,
}

impl Package {
    /// <https://github.com/package-url/purl-spec>.
    fn url(&self) -> String {
        format!("pkg:cargo/{}@{}", self.name, self.version)
    }
}

/// Writes the bill of materials in the format of CycloneDX 1.5, which scanners for vulnerabilities read.
pub(super) fn write(file: &Path, platform: &Platform) -> Result<()> {
    let packages = packages()?;
    let components: Vec<Value> = packages
        .iter()
        .map(|package| {
            let mut component = json!({
                "type": "library",
                "bom-ref": package.url(),
                "name": package.name,
                "version": package.version,
                "purl": package.url(),
                "licenses": [{ "expression": package.license }],
            });
            if let Some(checksum) = &package.checksum {
                component["hashes"] = json!([{ "alg": "SHA-256", "content": checksum }]);
            }
            component
        })
        .collect();
    let edges = packages.iter().map(|package| {
        let of = |index: &usize| packages.get(*index).map(Package::url);
        let dependencies: Vec<String> = package.dependencies.iter().filter_map(of).collect();
        json!({ "ref": package.url(), "dependsOn": dependencies })
    });
    let own = |package: &&Package| ROOTS.contains(&package.name.as_str());
    let roots: Vec<String> = packages.iter().filter(own).map(Package::url).collect();
    let name = format!("v8mini-{}", platform.name());
    let whole = json!({ "ref": name, "dependsOn": roots });
    let bom = json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": { "component": {
            "type": "application", "bom-ref": name, "name": "v8mini", "version": VERSION,
            "licenses": [{ "expression": "MIT OR Apache-2.0" }],
        } },
        "components": components,
        "dependencies": std::iter::once(whole).chain(edges).collect::<Vec<_>>(),
    });
    fs::write(file, serde_json::to_string_pretty(&bom)? + "\n")
        .with_context(|| format!("cannot write {}", file.display()))
}

/// The licenses of all packages that are not ours, each text once.
pub(super) fn third_party_licenses(platform: &Platform) -> Result<String> {
    let mut texts: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut page = String::from("The programs of v8mini hold these packages of others:\n\n");
    for package in packages()?
        .iter()
        .filter(|package| package.checksum.is_some())
    {
        let title = format!("{} {}", package.name, package.version);
        let _ = writeln!(page, "  {title}: {}", package.license);
        for entry in fs::read_dir(&package.folder)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().to_uppercase();
            if entry.path().is_file() && LICENSE_FILES.iter().any(|begin| name.starts_with(begin)) {
                let text = String::from_utf8_lossy(&fs::read(entry.path())?).into_owned();
                texts.entry(text).or_default().insert(title.clone());
            }
        }
    }
    if platform.is_linux() {
        page.push_str(
            "  the GNU C Library, which is linked statically: LGPL-2.1-or-later; with the source of v8mini, `cargo xtask dist` links \
             the programs anew with any version of it\n",
        );
    }
    for (text, of) in texts {
        let of: Vec<String> = of.into_iter().collect();
        let _ = write!(
            page,
            "\n{}\n{}:\n\n{}\n",
            "-".repeat(80),
            of.join(", "),
            text.trim_end()
        );
    }
    Ok(page)
}

/// The packages that the programs are linked from, by cargo's own resolution; sorted by name and version.
fn packages() -> Result<Vec<Package>> {
    let output = tools::cargo()
        .args(["metadata", "--format-version", "1", "--filter-platform"])
        .arg(dist::target()?)
        .output()
        .context("cannot run cargo metadata")?;
    ensure!(
        output.status.success(),
        "cargo metadata failed: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: Value = serde_json::from_slice(&output.stdout)?;
    let checksums = checksums()?;
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let all: BTreeMap<String, Value> = list(&metadata["packages"])
        .into_iter()
        .map(|package| (text(&package["id"]), package))
        .collect();
    let nodes: BTreeMap<String, Vec<String>> = list(&metadata["resolve"]["nodes"])
        .into_iter()
        .map(|node| {
            // Not what only builds or tests it.
            let linked = |dep: &Value| {
                list(&dep["dep_kinds"])
                    .iter()
                    .any(|kind| kind["kind"].is_null())
            };
            let deps = list(&node["deps"]).into_iter().filter(linked);
            (
                text(&node["id"]),
                deps.map(|dep| text(&dep["pkg"])).collect(),
            )
        })
        .collect();
    let mut wanted: Vec<&String> = all
        .iter()
        .filter(|(_, package)| ROOTS.contains(&text(&package["name"]).as_str()))
        .map(|(id, _)| id)
        .collect();
    ensure!(
        wanted.len() == ROOTS.len(),
        "cargo metadata does not have {ROOTS:?}"
    );
    let mut found: BTreeSet<&String> = BTreeSet::new();
    while let Some(id) = wanted.pop() {
        let is_linked = all
            .get(id)
            .is_some_and(|package| !is_procedural_macro(package));
        if is_linked && found.insert(id) {
            wanted.extend(nodes.get(id).into_iter().flatten());
        }
    }
    let mut ids: Vec<&String> = found.into_iter().collect();
    let key = |id: &&String| {
        all.get(*id)
            .map(|package| (text(&package["name"]), text(&package["version"])))
    };
    ids.sort_by_key(key);
    let place: BTreeMap<&String, usize> =
        ids.iter().enumerate().map(|(at, id)| (*id, at)).collect();
    let package = |id: &&String| {
        let package = all
            .get(*id)
            .with_context(|| format!("cargo metadata does not have {id}"))?;
        let (name, version) = (text(&package["name"]), text(&package["version"]));
        let manifest = PathBuf::from(text(&package["manifest_path"]));
        Ok(Package {
            checksum: checksums.get(&(name.clone(), version.clone())).cloned(),
            name,
            version,
            // Some old packages write the choice with a slash.
            license: text(&package["license"]).replace('/', " OR "),
            folder: manifest
                .parent()
                .context("a manifest without a folder")?
                .to_owned(),
            dependencies: nodes
                .get(*id)
                .into_iter()
                .flatten()
                .filter_map(|id| place.get(id).copied())
                .collect(),
        })
    };
    ids.iter().map(package).collect()
}

/// Whether a package runs in the compiler only.
fn is_procedural_macro(package: &Value) -> bool {
    let targets = package["targets"].as_array().into_iter().flatten();
    let mut kinds = targets
        .filter_map(|target| target["kind"].as_array())
        .flatten();
    kinds.any(|kind| kind == "proc-macro")
}

/// What `Cargo.lock` expects of the packages from crates.io, by name and version.
fn checksums() -> Result<BTreeMap<(String, String), String>> {
    let lock = fs::read_to_string(workspace_root().join("Cargo.lock"))
        .context("cannot read Cargo.lock")?;
    let lock: toml::Table = lock.parse().context("Cargo.lock is no TOML")?;
    let packages = lock.get("package").and_then(toml::Value::as_array);
    let entry = |package: &toml::Value| {
        let text = |key| Some(package.get(key)?.as_str()?.to_owned());
        Some(((text("name")?, text("version")?), text("checksum")?))
    };
    Ok(packages.into_iter().flatten().filter_map(entry).collect())
}
