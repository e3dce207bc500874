//! The capture tool as it is distributed: one file that needs no library, to be copied into any container.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::{tools, workspace_root};

/// What makes the binary independent of everything but the kernel, and small.
const FLAGS: [&str; 4] = [
    "-C target-feature=+crt-static",
    "-C relocation-model=static",
    // Nothing is unwound where a panic ends the program.
    "-C force-unwind-tables=no",
    // A static binary cannot ask whether its C library has `getrandom`, and would look for /dev/urandom, which an empty root
    // does not have.
    "--cfg getrandom_backend=\"linux_getrandom\"",
];

/// Builds `v8mini-capture` as a static binary in the profile `dist`, unless that is up to date, and returns where it is.
///
/// # Errors
/// If it does not build: the standard library for the target is needed, and glibc's static archives (Debian: `libc6-dev` has
/// them).
pub fn static_capture() -> Result<PathBuf> {
    let target = target();
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .current_dir(workspace_root())
        .args([
            "build",
            "--package",
            "v8mini-capture",
            "--bin",
            "v8mini-capture",
        ])
        .args(["--profile", "dist", "--target", &target])
        .arg("--message-format=json-render-diagnostics")
        // With a target named, they do not apply to build scripts, which cannot be linked so.
        .env("RUSTFLAGS", FLAGS.join(" "))
        .stderr(Stdio::inherit())
        .output()
        .context("cannot run cargo")?;
    ensure!(
        output.status.success(),
        "v8mini-capture does not build for {target} with a static C library"
    );
    tools::executable(&output.stdout, "v8mini-capture")
}

/// This machine's processor with glibc.
fn target() -> String {
    format!("{}-unknown-linux-gnu", std::env::consts::ARCH)
}
