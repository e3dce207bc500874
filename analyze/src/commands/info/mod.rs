//! `v8mini info`: what was captured, and how far it can be trusted.

mod report;
mod text;

use clap::Args;

use super::file::{FileArgs, InputArgs};
use super::output::{Outcome, Output};
use super::session::{Query, Session};
use super::verdict::Verdict;
pub(super) use report::Report;

/// Shows what was captured: process, versions, pause, isolates, spaces, and how far the layout can be trusted
#[derive(Debug, Args)]
pub(super) struct Info {
    #[command(flatten)]
    file: FileArgs,
}

impl Query for Info {
    fn input(&self) -> &InputArgs {
        &self.file.input
    }

    fn answer(&self, session: &Session, output: &mut Output) -> anyhow::Result<Outcome> {
        let selection = self.file.selection(session)?;
        let tally = session.tally(selection);
        let verdict = Verdict::of(session, selection, &tally);
        if self.file.json {
            output.json(&report::report(session, &tally, &verdict))?;
        } else {
            text::text(output, session, &tally, &verdict)?;
        }
        Ok(verdict.outcome(true))
    }
}
