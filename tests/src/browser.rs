//! What a real browser shows of a file: scripts of `tests/browser/`, which drive Chromium.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::patience::Patient;
use crate::{nodes, npm};

/// Has a script of `tests/browser/` open a file in Chromium; returns what it says of it.
///
/// # Errors
/// What the script complains of. If there is no Chromium, or npm or the network is missing.
pub fn show(script: &str, file: &Path, options: &[&str]) -> Result<Value> {
    let node = nodes::ensure(nodes::USUAL)?;
    let browser = npm::program(&["chromium", "google-chrome", "chromium-browser"])?;
    let output = Command::new(&node.path)
        .arg(npm::folder("browser", None)?.join(script))
        .args([browser.as_path(), file])
        .args(options)
        .output_in_time()?;
    ensure!(
        output.status.success(),
        "{script} fails with {}: {}",
        file.display(),
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).with_context(|| format!("what {script} printed"))
}
