//! `v8mini-capture`: captures the V8 heap of a live process.

use std::process::ExitCode;

#[cfg(target_os = "linux")]
fn main() -> ExitCode {
    v8mini_capture::cli::main()
}

#[cfg(not(target_os = "linux"))]
fn main() -> ExitCode {
    eprintln!(
        "v8mini-capture: live processes can be captured on Linux only; analyse captures anywhere with v8mini"
    );
    ExitCode::from(2)
}
