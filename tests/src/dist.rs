//! The programs as they are distributed: on Linux two files that need no library, to be copied into any container.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::{tools, workspace_root};

/// What makes a binary independent of everything but the kernel, and small.
const STATIC: [&str; 3] = [
    "-C target-feature=+crt-static",
    "-C relocation-model=static",
    // A static binary cannot ask whether its C library has `getrandom`, and would look for /dev/urandom, which an empty root
    // does not have.
    "--cfg getrandom_backend=\"linux_getrandom\"",
];

/// Nothing is unwound where a panic ends the program, as in the profile `dist`.
const NO_UNWINDING: &str = "-C force-unwind-tables=no";
/// The standard library and the C library have tables for it all the same, a tenth of the file. The linker of Rust (LLVM's) can leave them out; that of
/// binutils, which Rust uses for other processors, takes the script for something else.
const NO_TABLES: &str =
    "-C link-arg=-Wl,--no-eh-frame-hdr -C link-arg=-Wl,-T,capture/no-unwinding.ld";

/// Builds `v8mini-capture` as a static binary in the profile `dist`, unless that is up to date, and returns where it is.
///
/// # Errors
/// If it does not build: the standard library for the target is needed, and glibc's static archives (Debian: `libc6-dev` has
/// them).
pub fn static_capture() -> Result<PathBuf> {
    let mut flags = [&STATIC[..], &[NO_UNWINDING]].concat();
    if cfg!(target_arch = "x86_64") {
        flags.push(NO_TABLES);
    }
    build("v8mini-capture", "v8mini-capture", "dist", &flags)
}

/// Builds `v8mini` in the profile `dist-analyze`, on Linux as a static binary, and returns where it is.
///
/// # Errors
/// As [`static_capture`].
pub fn analyze() -> Result<PathBuf> {
    let flags: &[&str] = if cfg!(target_os = "linux") {
        &STATIC
    } else {
        &[]
    };
    build("v8mini-analyze", "v8mini", "dist-analyze", flags)
}

fn build(package: &str, binary: &str, profile: &str, flags: &[&str]) -> Result<PathBuf> {
    let target = target()?;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .current_dir(workspace_root())
        .args(["build", "--package", package, "--bin", binary])
        .args(["--profile", profile, "--target", &target])
        .arg("--message-format=json-render-diagnostics")
        // With a target named, they do not apply to build scripts, which cannot be linked so.
        .env("RUSTFLAGS", flags.join(" "))
        .stderr(Stdio::inherit())
        .output()
        .context("cannot run cargo")?;
    ensure!(
        output.status.success(),
        "{binary} does not build for {target} in the profile {profile}"
    );
    tools::executable(&output.stdout, binary)
}

/// What is built for: this machine's processor and system, with glibc on Linux.
///
/// # Errors
/// If nothing is distributed for this machine.
pub fn target() -> Result<String> {
    let system = match std::env::consts::OS {
        "linux" => "unknown-linux-gnu",
        "macos" => "apple-darwin",
        other => anyhow::bail!("nothing is distributed for {other}: Linux and macOS only"),
    };
    Ok(format!("{}-{system}", std::env::consts::ARCH))
}
