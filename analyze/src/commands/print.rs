//! `v8mini print`: one object in one line.

use std::io::Write;

use clap::Args;

use super::address::object_at;
use super::file::InputArgs;
use super::output::{Outcome, Output};
use super::session::{Query, Session};
use crate::inspect::{Options, describe, one_line};

/// Shows one object in one line
#[derive(Debug, Args)]
pub(super) struct Print {
    #[command(flatten)]
    input: InputArgs,

    /// Address of the object in hexadecimal, as v8mini instances prints it.
    #[arg(value_name = "ADDR")]
    address: String,
}

impl Query for Print {
    fn input(&self) -> &InputArgs {
        &self.input
    }

    fn answer(&self, session: &Session, output: &mut Output) -> anyhow::Result<Outcome> {
        let address = object_at(&session.objects, &self.address)?;
        let description = describe(&session.objects, address.tagged(), &Options::ONE_LINE);
        writeln!(output, "{}", one_line(&description))?;
        Ok(session.outcome_without_walk())
    }
}
