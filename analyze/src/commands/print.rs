//! `v8mini print`: one object in one line.

use std::io::Write;

use clap::Args;

use super::address::object_at;
use super::file::InputArgs;
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
    #[command(flatten)]
    input: InputArgs,

    /// Address of the object in hexadecimal, as v8mini instances prints it.
    #[arg(value_name = "ADDR")]
    address: String,
}

impl Print {
    /// Runs the command.
    pub(super) fn run(&self, output: &mut Output) -> anyhow::Result<Outcome> {
        let opened = self.input.open_objects()?;
        let address = object_at(&opened.objects, &self.address)?;
        let description = describe(&opened.objects, address.tagged(), &OPTIONS);
        writeln!(output, "{}", one_line(&description))?;
        Ok(opened.outcome_without_walk())
    }
}
