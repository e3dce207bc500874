//! `v8mini print`: one object in one line.

use std::io::Write;

use clap::Args;

use super::address::value_at;
use super::file::InputArgs;
use super::output::{Outcome, Output};
use super::session::{Query, Session};
use crate::inspect::{Options, describe_property, one_line};

/// Shows one object in one line
#[derive(Debug, Args)]
pub(super) struct Print {
    #[command(flatten)]
    input: InputArgs,

    /// Address of the object in hexadecimal, as v8mini instances prints it, or global; a path of properties may follow:
    /// 0x2a1f03c81b49._events.close, global.cache
    #[arg(value_name = "ADDR")]
    address: String,
}

impl Query for Print {
    fn input(&self) -> &InputArgs {
        &self.input
    }

    fn answer(&self, session: &Session, output: &mut Output) -> anyhow::Result<Outcome> {
        let value = value_at(&session.objects, &self.address)?;
        let description = describe_property(&session.objects, value, &Options::ONE_LINE);
        writeln!(output, "{}", one_line(&description))?;
        Ok(session.outcome_without_walk())
    }
}
