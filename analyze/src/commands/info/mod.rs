//! `v8mini info`: what was captured, and how far it can be trusted.

mod report;
mod text;

use clap::Args;

use super::file::FileArgs;
use super::output::{Outcome, Output};
use super::verdict::Verdict;
use crate::heap::Tally;

/// Shows what was captured: process, versions, pause, isolates, spaces, and how far the layout can be trusted
#[derive(Debug, Args)]
pub(super) struct Info {
    #[command(flatten)]
    file: FileArgs,
}

impl Info {
    /// Runs the command.
    pub(super) fn run(&self, output: &mut Output) -> anyhow::Result<Outcome> {
        let opened = self.file.open()?;
        let selection = self.file.selection(&opened)?;
        let tally = Tally::count(&opened.objects, selection);
        let verdict = Verdict::of(&opened, selection, &tally);
        if self.file.json {
            output.json(&report::report(&opened, &tally, &verdict))?;
        } else {
            text::text(output, &opened, &tally, &verdict)?;
        }
        Ok(verdict.outcome(true))
    }
}
