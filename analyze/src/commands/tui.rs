//! `v8mini tui`: to look around in a terminal.

use std::io;
use std::time::Duration;

use anstream::{AutoStream, ColorChoice};
use clap::Args;

use super::file::{InputArgs, selection};
use super::output::{Outcome, Output};
use super::progress;
use super::session::{Query, Session};
use super::verdict::Verdict;
use crate::tui;

/// Shows the dominator tree, the classes, an object and what keeps it alive, side by side in the terminal
///
/// Everything is done by keys: arrows or those of vi move, Enter opens, Tab goes to the next pane, / filters, ? shows all keys, q
/// quits. It works over ssh and in a window of 80 by 24.
#[derive(Debug, Args)]
pub(super) struct Tui {
    #[command(flatten)]
    input: InputArgs,

    /// Only the heap of isolate N, as `v8mini info` numbers them; without it, of all.
    #[arg(long, value_name = "N")]
    isolate: Option<usize>,
}

impl Query for Tui {
    fn input(&self) -> &InputArgs {
        &self.input
    }

    fn answer(&self, session: &Session, _: &mut Output) -> anyhow::Result<Outcome> {
        let selection = selection(session, self.isolate)?;
        let verdict = Verdict::of(session, selection, &session.tally(selection));
        let spinner = progress::step();
        spinner.set_message("looking at the whole heap");
        spinner.enable_steady_tick(Duration::from_millis(200));
        // Neither NO_COLOR nor a terminal that has none is asked for colours.
        let color = AutoStream::choice(&io::stdout()) != ColorChoice::Never;
        tui::run(
            session,
            &self.input.path,
            self.isolate,
            selection,
            color,
            || {
                spinner.finish_and_clear();
            },
        )?;
        Ok(verdict.outcome(true))
    }
}
