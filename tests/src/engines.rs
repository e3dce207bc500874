//! The engines that ask exported tables by SQL, DuckDB and Spark: see `tests/engines/`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::npm::succeed;
use crate::{target_dir, workspace_root};

/// An engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// DuckDB, in the process of Python.
    DuckDb,
    /// Apache Spark in its local mode.
    Spark,
}

/// What an engine answers to queries about a folder of tables: for each query its rows.
///
/// # Errors
/// If Python, pip, the network or, for Spark, Java is missing, or the engine does not take a file or a query.
pub fn ask(engine: Engine, lake: &Path, queries: &[&str]) -> Result<Vec<Vec<Vec<Value>>>> {
    let name = match engine {
        Engine::DuckDb => "duckdb",
        Engine::Spark => {
            install_java()?;
            "spark"
        }
    };
    let output = Command::new(installed()?.join("bin/python"))
        .arg(workspace_root().join("tests/engines/ask.py"))
        .args([name.as_ref(), lake.as_os_str()])
        .arg(serde_json::to_string(queries)?)
        .output()?;
    ensure!(
        output.status.success(),
        "{engine:?} failed: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let answers = String::from_utf8_lossy(&output.stdout);
    let last = answers.lines().last().unwrap_or_default();
    serde_json::from_str(last).with_context(|| format!("what {engine:?} printed: {answers}"))
}

/// The environment of Python with the engines, which pip fills once for each version of their list.
fn installed() -> Result<&'static Path> {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    if let Some(folder) = FOLDER.get() {
        return Ok(folder);
    }
    let list = workspace_root().join("tests/engines/requirements.txt");
    let wanted = fs::read(&list)?;
    let folder = target_dir().join("engines");
    let stamp = folder.join("installed.txt");
    if fs::read(&stamp).ok().as_ref() != Some(&wanted) {
        succeed(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
        let mut pip = Command::new(folder.join("bin/pip"));
        pip.args(["install", "--quiet", "--disable-pip-version-check", "-r"]);
        succeed(pip.arg(&list))?;
        fs::write(&stamp, &wanted)?;
    }
    Ok(FOLDER.get_or_init(|| folder))
}

/// Spark runs on Java.
fn install_java() -> Result<()> {
    let java = Command::new("java")
        .arg("-version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    if java.is_ok_and(|status| status.success()) {
        return Ok(());
    }
    let hint = "java is not here, and cannot be installed: install a Java runtime, 17 or later";
    succeed(Command::new("apt-get").arg("update")).context(hint)?;
    let mut install = Command::new("apt-get");
    install.args([
        "install",
        "--yes",
        "--no-install-recommends",
        "openjdk-17-jre-headless",
    ]);
    succeed(&mut install).context(hint)
}
