//! Cores of Node.js on arm64, made under QEMU's user mode: objects, values and stacks, against the program's own truth.

#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use v8mini_tests::core_dump::{self, Signal};
use v8mini_tests::{Tools, Workload, battery, nodes};

/// Where Debian's packages for cross-compilation have the libraries of arm64.
const LIBRARIES: &str = "/usr/aarch64-linux-gnu";

/// What a program told of itself, and the core that QEMU wrote when it died: of the emulated process, not of the emulator.
struct Died {
    truth: Value,
    node: PathBuf,
    core: PathBuf,
    dir: tempfile::TempDir,
}

fn died(program: &str, release: &str) -> Result<Died> {
    let node = nodes::ensure_arm64(release)?.path;
    let dir = tempfile::tempdir()?;
    let mut process = Workload::on("qemu-aarch64", program)
        .env("QEMU_LD_PREFIX", LIBRARIES)
        .node_argument(&node)
        .node_argument("--expose-gc")
        .dumping_core_to(dir.path())
        .spawn()
        .context("`cargo xtask ci` installs QEMU and the libraries of arm64, where it may")?;
    // It is ready a moment before it stands still.
    thread::sleep(Duration::from_millis(500));
    core_dump::end_with(&mut process, Signal::Abort)?;
    let core = fs::read_dir(dir.path())?
        .flatten()
        .map(|entry| entry.path())
        .find(|path| {
            path.extension()
                .is_some_and(|extension| extension == "core")
        })
        .context("QEMU wrote no core")?;
    Ok(Died {
        truth: std::mem::take(&mut process.truth),
        node,
        core,
        dir,
    })
}

impl Died {
    /// The core with its binary, as a capture.
    fn converted(&self) -> Result<PathBuf> {
        let capture = self.dir.path().join("converted.v8mini");
        let outcome = Tools::get().analyze([
            "convert".as_ref(),
            self.core.as_os_str(),
            "--exe".as_ref(),
            self.node.as_os_str(),
            "-o".as_ref(),
            capture.as_os_str(),
        ])?;
        ensure!(matches!(outcome.code(), Some(0 | 3)), "{}", outcome.stderr);
        Ok(capture)
    }
}

/// Populations from the core alone, whose binary is of another processor than this machine's; values with it.
fn objects(release: &str) -> Result<()> {
    let died_with = died("population.js", release)?;
    battery::population::check(Tools::get(), &died_with.core, &died_with.truth)?.into_result()?;
    let capture = died_with.converted()?;
    battery::population::check(Tools::get(), &capture, &died_with.truth)?.into_result()?;
    let info = Tools::get().query("info", &capture, &[])?;
    ensure!(info["process"]["architecture"] == "aarch64", "{info}");
    let died_with = died("specimens.js", release)?;
    let capture = died_with.converted()?;
    battery::specimens::check(Tools::get(), &capture, &died_with.truth)?.into_result()
}

/// Name, line and column of every call in progress in a file, innermost first.
fn calls(frames: &Value, file: &str, of: impl Fn(&Value) -> Value) -> Vec<Value> {
    let all = frames.as_array().into_iter().flatten().map(of);
    let here = all.filter(|call| {
        call["file"]
            .as_str()
            .is_some_and(|path| Path::new(path).ends_with(file))
    });
    here.map(|call| serde_json::json!([call["name"], call["line"], call["column"]]))
        .collect()
}

/// The JavaScript calls in progress are those that V8 itself told of, and the walk goes on to the first function of the program.
fn stack(release: &str) -> Result<()> {
    let died_with = died("stacks.js", release)?;
    let bt = Tools::get().query("bt", &died_with.converted()?, &["--native"])?;
    let main = &bt["threads"][0];
    let told = calls(&died_with.truth["stack"], "stacks.js", Value::clone);
    let found = calls(&main["frames"], "stacks.js", |frame| {
        frame["function"].clone()
    });
    ensure!(told.len() > 5, "{}", died_with.truth);
    // `block`, which told it, is in progress, too.
    ensure!(
        found.get(1..) == Some(told.as_slice()),
        "{release}: told {told:?}, found {found:?}"
    );
    let symbols: Vec<&str> = main["frames"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|frame| frame["native"]["name"].as_str())
        .collect();
    ensure!(
        symbols.iter().any(|name| name.starts_with("node::Start(")),
        "{release}: the walk does not come to node::Start: {bt}"
    );
    Ok(())
}

macro_rules! releases {
    ($($name:ident $version:literal)*) => {
        mod objects {
            $(#[test] fn $name() -> anyhow::Result<()> { super::objects($version) })*
        }
        mod stacks {
            $(#[test] fn $name() -> anyhow::Result<()> { super::stack($version) })*
        }
    };
}
// Of the even majors, those that npm has for arm64.
releases! {
    node_10 "10.18.1"
    node_14 "14.21.3"
    node_16 "16.20.2"
    node_18 "18.20.8"
    node_20 "20.20.2"
    node_22 "22.23.3"
    node_24 "24.21.0"
    node_26 "26.10.0"
}

/// The registers and the code of one processor are never taken for those of another.
#[test]
fn binary_of_another_processor() -> Result<()> {
    let died_with = died("population.js", nodes::USUAL)?;
    let other = nodes::ensure(nodes::USUAL)?.path;
    let outcome = Tools::get().analyze([
        "info".as_ref(),
        died_with.core.as_os_str(),
        "--exe".as_ref(),
        other.as_os_str(),
    ])?;
    ensure!(outcome.code() == Some(2), "{}", outcome.text());
    ensure!(
        outcome
            .stderr
            .contains("ELF machine 62 instead of 183, aarch64"),
        "{}",
        outcome.stderr
    );
    Ok(())
}
