//! `v8mini`: analyses a captured V8 heap.

use std::process::ExitCode;

use clap::Parser;
use v8mini_analyze::commands::Cli;

fn main() -> ExitCode {
    Cli::parse().run()
}
