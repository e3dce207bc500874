//! The command line of `v8mini-capture`.

mod capture;
mod core_handler;
mod destination;
mod how;
mod list;
mod packer;
mod size;
mod summary;
mod watch;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

/// Everything was written, but something could not be captured.
const INCOMPLETE: u8 = 3;
/// Nothing was written.
const FAILED: u8 = 2;

/// Captures the V8 heap of a running Node.js process into one small file.
///
/// The process is stopped for milliseconds, while its heap, its thread stacks and what is needed to read them are copied, and
/// goes on unharmed. Analyse the file with `v8mini`, on any machine.
///
/// Exit codes: 0 done, 2 failed (no file is left), 3 done but incomplete (the file says what is missing).
#[derive(Debug, Parser)]
#[command(
    name = "v8mini-capture",
    version,
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    max_term_width = 100
)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,

    #[command(flatten)]
    capture: capture::CaptureArguments,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the Node.js processes that can be captured; none is stopped.
    List(list::ListArguments),
    Watch(watch::WatchArguments),
    CoreHandler(core_handler::CoreHandlerArguments),
}

/// The definition of the command line, of which the help texts, the shells' completions and the man pages are made.
pub fn command() -> clap::Command {
    Arguments::command()
}

/// Runs the program with the arguments of this process.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let result = match &arguments.command {
        Some(Command::List(list)) => list::run(list),
        Some(Command::Watch(watch)) => watch::run(watch),
        Some(Command::CoreHandler(core)) => core_handler::run(core),
        None => capture::run(&arguments.capture),
    };
    match result {
        Ok(Outcome::Complete) => ExitCode::SUCCESS,
        Ok(Outcome::Incomplete) => ExitCode::from(INCOMPLETE),
        Err(error) => {
            eprintln!("v8mini-capture: {error:#}");
            ExitCode::from(FAILED)
        }
    }
}

/// How a command that did not fail ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Complete,
    Incomplete,
}
