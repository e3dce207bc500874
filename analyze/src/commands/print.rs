//! `v8mini print`: one object in one line.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;

use super::address::object_at;
use super::file::FileArgs;
use super::output::{Outcome, Output};
use crate::inspect::{Options, describe, one_line};

/// Objects inside the object stay closed, and what is long is cut.
const OPTIONS: Options = Options {
    depth: 0,
    string_length: 100,
    array_length: 10,
    print_map: false,
};

/// Shows one object in one line
#[derive(Debug, Args)]
pub(super) struct Print {
    /// A capture (.v8mini).
    #[arg(value_name = "FILE")]
    path: PathBuf,

    /// Address of the object in hexadecimal, as v8mini instances prints it.
    #[arg(value_name = "ADDR")]
    address: String,
}

impl Print {
    /// Runs the command.
    pub(super) fn run(&self, output: &mut Output) -> anyhow::Result<Outcome> {
        let file = FileArgs {
            path: self.path.clone(),
            json: false,
            isolate: None,
        };
        let opened = file.open()?;
        let address = object_at(&opened.objects, &self.address)?;
        let description = describe(&opened.objects, address.tagged(), &OPTIONS);
        writeln!(output, "{}", one_line(&description))?;
        Ok(opened.outcome_without_walk())
    }
}
