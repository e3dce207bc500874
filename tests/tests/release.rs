//! What `cargo xtask dist` builds, installed and run in each of the ways in which a user would, from an empty directory.

#![cfg(target_os = "linux")]

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tempfile::TempDir;
use v8mini_tests::{NodeProcess, Workload, nodes, target_dir, workspace_root};

/// The release, built once for all tests here, in a folder with nothing else in it.
fn release() -> &'static Path {
    static RELEASE: OnceLock<TempDir> = OnceLock::new();
    let dir = RELEASE.get_or_init(|| {
        let dir = tempfile::tempdir().expect("a folder for the release");
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut build = Command::new(cargo);
        build
            .args([
                "run",
                "--quiet",
                "--package",
                "xtask",
                "--",
                "dist",
                "--output",
            ])
            .arg(dir.path())
            // That the analyzer is fast is not what is tested here, and half of the time of its build.
            .env("CARGO_PROFILE_DIST_ANALYZE_OPT_LEVEL", "1")
            .env("CARGO_PROFILE_DIST_ANALYZE_LTO", "off")
            .env("CARGO_PROFILE_DIST_ANALYZE_CODEGEN_UNITS", "16")
            .current_dir(workspace_root());
        run(&mut build).expect("`cargo xtask dist`");
        dir
    });
    dir.path()
}

/// The one file of the release whose name begins and ends so.
fn file(begin: &str, end: &str) -> Result<PathBuf> {
    let named = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with(begin) && name.ends_with(end)
    };
    let mut found: Vec<PathBuf> = fs::read_dir(release())?
        .flatten()
        .map(|entry| entry.path())
        .filter(named)
        .collect();
    ensure!(found.len() == 1, "{begin}*{end} in the release: {found:?}");
    found.pop().context("a file")
}

/// Runs a command to its end, and returns what it printed.
fn run(command: &mut Command) -> Result<String> {
    let output = command
        .output()
        .with_context(|| format!("cannot run {command:?}"))?;
    ensure!(
        output.status.success(),
        "{command:?} ended with {}: {}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8(output.stdout)?)
}

fn program() -> Result<NodeProcess> {
    Workload::new("population.js", nodes::USUAL)?.spawn()
}

/// Captures a process with one program, and asks the other what it holds.
fn works(capture: &Path, analyze: &Path, dir: &Path) -> Result<()> {
    let process = program()?;
    let heap = dir.join("heap.v8mini");
    let mut first = Command::new(capture);
    first.arg(process.pid().to_string()).arg("-o").arg(&heap);
    run(first.current_dir(dir).env_clear())?;
    let mut second = Command::new(analyze);
    second
        .args(["histogram", "--json", "--limit", "0"])
        .arg(&heap);
    let histogram: Value = serde_json::from_str(&run(second.current_dir(dir).env_clear())?)?;
    let rows = histogram["rows"].as_array().context("no rows")?;
    let invoices = rows
        .iter()
        .find(|row| row["name"] == "Invoice" && row["kind"] == "instance");
    let count = &invoices.context("no invoices")?["count"];
    ensure!(
        *count == process.truth["counts"]["Invoice"],
        "{count} invoices"
    );
    Ok(())
}

#[test]
fn checksums() -> Result<()> {
    let mut check = Command::new("sha256sum");
    let said = run(check.args(["--check", "SHA256SUMS"]).current_dir(release()))?;
    let files = fs::read_dir(release())?.count();
    ensure!(
        said.lines().count() == files - 1,
        "{files} files, but {said}"
    );
    Ok(())
}

#[test]
fn archive() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let archive = file("v8mini-", "-linux-x86_64.tar.gz")?;
    run(Command::new("tar")
        .arg("-xzf")
        .arg(archive)
        .arg("-C")
        .arg(dir.path()))?;
    let mut folders = fs::read_dir(dir.path())?;
    let root = folders.next().context("an empty archive")??.path();
    ensure!(folders.next().is_none(), "the archive is not one folder");
    works(
        &root.join("v8mini-capture"),
        &root.join("v8mini"),
        dir.path(),
    )?;
    for name in [
        "README.md",
        "CHANGELOG.md",
        "LICENSE-APACHE",
        "LICENSE-MIT",
        "THIRD-PARTY-LICENSES",
    ] {
        ensure!(root.join(name).metadata()?.len() > 1000, "{name} is short");
    }
    let page = fs::read_to_string(root.join("man/man1/v8mini-histogram.1"))?;
    ensure!(
        page.starts_with(".ie") || page.contains(".TH v8mini-histogram 1"),
        "{page}"
    );
    // A shell that reads them knows the commands.
    let script = "source completions/v8mini.bash && COMP_WORDS=(v8mini histo) COMP_CWORD=1 && _v8mini v8mini histo v8mini && \
                  echo \"${COMPREPLY[@]}\"";
    let completed = run(Command::new("bash").args(["-c", script]).current_dir(&root))?;
    ensure!(completed.trim() == "histogram", "completed: {completed:?}");
    Ok(())
}

#[test]
fn debian_package() -> Result<()> {
    let root = tempfile::tempdir()?;
    let package = file("v8mini_", ".deb")?;
    // SAFETY: geteuid has no preconditions and cannot fail.
    let is_root = unsafe { libc::geteuid() } == 0;
    let dpkg = |arguments: &[&OsStr]| {
        let mut command = Command::new("dpkg");
        command.arg("--root").arg(root.path()).args(arguments);
        run(&mut command)
    };
    if is_root {
        for folder in ["updates", "info"] {
            fs::create_dir_all(root.path().join("var/lib/dpkg").join(folder))?;
        }
        fs::write(root.path().join("var/lib/dpkg/status"), "")?;
        dpkg(&["--install".as_ref(), package.as_os_str()])?;
    } else {
        run(Command::new("dpkg-deb")
            .arg("-x")
            .arg(&package)
            .arg(root.path()))?;
    }
    let programs = root.path().join("usr/bin");
    works(
        &programs.join("v8mini-capture"),
        &programs.join("v8mini"),
        root.path(),
    )?;
    for path in [
        "usr/share/man/man1/v8mini-suspects.1.gz",
        "usr/share/man/man1/v8mini-capture-watch.1.gz",
        "usr/share/bash-completion/completions/v8mini-capture",
        "usr/share/zsh/vendor-completions/_v8mini",
        "usr/share/fish/vendor_completions.d/v8mini.fish",
        "usr/share/doc/v8mini/copyright",
        "usr/share/doc/v8mini/THIRD-PARTY-LICENSES.gz",
    ] {
        ensure!(root.path().join(path).is_file(), "{path} is not there");
    }
    if is_root {
        dpkg(&["--purge".as_ref(), "v8mini".as_ref()])?;
        ensure!(!programs.join("v8mini").exists(), "it is still there");
    }
    Ok(())
}

/// Both packages are installed without a registry; the programs are run by their names, and the library by a program in
/// TypeScript.
#[test]
fn npm_packages() -> Result<()> {
    let dir = tempfile::tempdir()?;
    fs::write(dir.path().join("package.json"), r#"{ "private": true }"#)?;
    let version = env!("CARGO_PKG_VERSION");
    let main = file(&format!("v8mini-{version}.tgz"), "")?;
    let own = file("v8mini-linux-x64-", ".tgz")?;
    let mut install = Command::new("npm");
    install
        .args(["install", "--offline", "--no-audit", "--no-fund"])
        .args([&main, &own])
        .current_dir(dir.path());
    run(&mut install)?;
    let binaries = dir.path().join("node_modules/.bin");
    for name in ["v8mini", "v8mini-capture"] {
        let said = run(Command::new(binaries.join(name)).arg("--version"))?;
        ensure!(said.trim() == format!("{name} {version}"), "{said}");
    }
    let failed = Command::new(binaries.join("v8mini"))
        .args(["info", "nowhere"])
        .output()?;
    ensure!(failed.status.code() == Some(2), "{:?}", failed.status);

    let script = compiled(dir.path())?;
    let process = program()?;
    let pid = process.pid().to_string();
    let mut example = Command::new("node");
    example
        .arg(script)
        .args([&pid, "heap.v8mini", "Invoice"])
        .current_dir(dir.path());
    let said: Value = serde_json::from_str(&run(&mut example)?)?;
    let expected = serde_json::json!({
        "file": "heap.v8mini",
        "paused": true,
        "count": process.truth["counts"]["Invoice"],
        "listed": 2,
        "class": "Invoice",
        "properties": ["number", "amount", "note"],
        "nothing": 0,
        "same": true,
        "threads": true,
        "aborted": "AbortError",
    });
    for (key, expected) in expected.as_object().context("an object")? {
        ensure!(
            said[key] == *expected,
            "{key} in {said}, expected {expected}"
        );
    }
    let error = said["error"].as_str().unwrap_or_default();
    ensure!(
        error.starts_with("2: ") && error.contains("there is no such file"),
        "{error}"
    );
    Ok(())
}

/// `tests/npm/example.ts`, compiled against the types of the package that is installed in `dir`.
fn compiled(dir: &Path) -> Result<PathBuf> {
    let source = workspace_root().join("tests/npm");
    let compiler = target_dir().join("npm");
    fs::create_dir_all(&compiler)?;
    let list = fs::read(source.join("package.json"))?;
    if fs::read(compiler.join("installed.json")).ok().as_ref() != Some(&list) {
        fs::write(compiler.join("package.json"), &list)?;
        let mut install = Command::new("npm");
        install.args([
            "install",
            "--ignore-scripts",
            "--no-audit",
            "--no-fund",
            "--silent",
        ]);
        run(install.current_dir(&compiler))?;
        fs::write(compiler.join("installed.json"), &list)?;
    }
    fs::copy(source.join("example.ts"), dir.join("example.ts"))?;
    let mut compile = Command::new("node");
    compile
        .arg(compiler.join("node_modules/typescript/bin/tsc"))
        .args([
            "--strict", "--target", "es2022", "--module", "node16", "--types", "node",
        ])
        .arg("--typeRoots")
        .arg(compiler.join("node_modules/@types"))
        .arg("example.ts")
        .current_dir(dir);
    run(&mut compile)?;
    Ok(dir.join("example.js"))
}

/// The bill of materials has what is linked, and nothing that is not.
#[test]
fn bill_of_materials() -> Result<()> {
    let bom: Value = serde_json::from_slice(&fs::read(file("v8mini-", ".cdx.json")?)?)?;
    ensure!(
        bom["bomFormat"] == "CycloneDX" && bom["specVersion"] == "1.5",
        "{bom}"
    );
    let components = bom["components"].as_array().context("no components")?;
    let find = |name: &str| {
        components
            .iter()
            .find(|component| component["name"] == name)
    };
    let zstd = find("zstd-sys").context("zstd-sys is not listed")?;
    ensure!(
        zstd["purl"]
            .as_str()
            .is_some_and(|url| url.starts_with("pkg:cargo/zstd-sys@")),
        "{zstd}"
    );
    let hash = zstd["hashes"][0]["content"].as_str().unwrap_or_default();
    ensure!(hash.len() == 64, "{zstd}");
    for name in [
        "v8mini-tests",
        "xtask",
        "proptest",
        "clap_derive",
        "cc",
        "libfuzzer-sys",
    ] {
        ensure!(
            find(name).is_none(),
            "{name} is listed, but no part of the programs"
        );
    }
    let known: Vec<&str> = components
        .iter()
        .filter_map(|one| one["bom-ref"].as_str())
        .collect();
    for component in components {
        let license = component["licenses"][0]["expression"]
            .as_str()
            .unwrap_or_default();
        ensure!(!license.is_empty(), "{component} has no license");
    }
    for edge in bom["dependencies"]
        .as_array()
        .context("no dependencies")?
        .iter()
        .skip(1)
    {
        let ends = edge["dependsOn"]
            .as_array()
            .into_iter()
            .flatten()
            .chain([&edge["ref"]]);
        for end in ends.filter_map(Value::as_str) {
            ensure!(known.contains(&end), "{end} is not among the components");
        }
    }
    Ok(())
}
