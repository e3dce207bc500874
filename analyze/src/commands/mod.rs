//! The commands of `v8mini`, one file each: arguments, run, text, JSON. The doc comment of a command is its `--help`.

mod address;
mod convert;
mod file;
mod histogram;
mod info;
mod inspect;
mod instances;
mod output;
mod print;
mod progress;
mod session;
mod verdict;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use output::{Outcome, Output};
use session::Query;

/// Analyses a captured V8 heap: what fills it, what an object holds, where the program was.
///
/// FILE is a capture made by v8mini-capture (.v8mini), or an ELF core from gcore or the kernel. Every command prints text for people, and JSON for programs with
/// --json.
///
/// Exit status: 0 done, 1 nothing found, 2 error, 3 done, but the input is incomplete and so is the answer.
#[derive(Debug, Parser)]
#[command(name = "v8mini", version, max_term_width = 100)]
pub struct Cli {
    /// Colour the text output.
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    color: output::Color,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Convert(convert::Convert),
    Info(info::Info),
    Histogram(histogram::Histogram),
    Instances(instances::Instances),
    Inspect(inspect::Inspect),
    Print(print::Print),
}

impl Command {
    fn run(&self, output: &mut Output) -> anyhow::Result<Outcome> {
        let query: &dyn Query = match self {
            Self::Convert(convert) => return convert.run(output),
            Self::Info(info) => info,
            Self::Histogram(histogram) => histogram,
            Self::Instances(instances) => instances,
            Self::Inspect(inspect) => inspect,
            Self::Print(print) => print,
        };
        query.answer(&query.input().open_session()?, output)
    }
}

impl Cli {
    /// Runs the command. Errors are printed; the exit status says how it went.
    pub fn run(self) -> ExitCode {
        let mut output = Output::new(self.color);
        let result = self.command.run(&mut output);
        output.finish(result)
    }
}
