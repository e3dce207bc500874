//! `v8mini node`: what Node.js itself knows of the process.

mod report;
mod text;
mod waiting;

use clap::Args;

use super::file::{FileArgs, InputArgs};
use super::output::{Outcome, Output};
use super::session::{Query, Session};
use crate::heap::PageSelection;

use report::IsolateReport;
pub(super) use report::Report;

/// Shows what Node.js knows of the process: versions, arguments, open handles, requests, timers, event emitters, modules, pending
/// promises
///
/// All of it is read from the objects of Node.js' JavaScript half. Its lists of handles and requests are kept in C++, so these
/// are told by their objects: open ones are listed whether or not they keep the process alive. Without any of the flags for
/// sections, all are shown.
#[derive(Debug, Args)]
pub(super) struct Node {
    #[command(flatten)]
    file: FileArgs,

    #[command(flatten)]
    sections: Sections,

    /// Show so many of each kind; 0 for all.
    #[arg(long, short = 'n', value_name = "N", default_value_t = 10)]
    limit: usize,
}

/// What is shown.
#[derive(Debug, Clone, Copy, Args)]
#[expect(clippy::struct_excessive_bools, reason = "they are flags of a command")]
pub(super) struct Sections {
    /// Versions, arguments, paths.
    #[arg(long)]
    process: bool,

    /// Open handles: sockets, servers, pipes, child processes, …
    #[arg(long)]
    handles: bool,

    /// Requests under way: connections being made, names looked up, files read, …
    #[arg(long)]
    requests: bool,

    /// Callbacks given to `process.nextTick`, microtasks, timers and immediates: when they are due and what they call.
    #[arg(long)]
    timers: bool,

    /// Event emitters by class, and those with most listeners.
    #[arg(long)]
    emitters: bool,

    /// Loaded modules.
    #[arg(long)]
    modules: bool,

    /// Pending promises by who waits for them.
    #[arg(long)]
    promises: bool,
}

impl Sections {
    /// All, if none was chosen.
    fn or_all(self) -> Self {
        let Self {
            process,
            handles,
            requests,
            timers,
            emitters,
            modules,
            promises,
        } = self;
        if process || handles || requests || timers || emitters || modules || promises {
            return self;
        }
        Self {
            process: true,
            handles: true,
            requests: true,
            timers: true,
            emitters: true,
            modules: true,
            promises: true,
        }
    }
}

impl Query for Node {
    fn input(&self) -> &InputArgs {
        &self.file.input
    }

    fn answer(&self, session: &Session, output: &mut Output) -> anyhow::Result<Outcome> {
        // Names the isolate if there is no such one.
        self.file.selection(session)?;
        let limit = if self.limit == 0 {
            usize::MAX
        } else {
            self.limit
        };
        let sections = self.sections.or_all();
        let isolates = session.isolates().iter().enumerate();
        let isolates: Vec<IsolateReport> = isolates
            .filter(|(number, _)| self.file.isolate.is_none_or(|wanted| wanted == *number))
            .map(|(number, isolate)| {
                let selection = PageSelection {
                    heap: Some(isolate.heap),
                };
                let environment = session.environment(selection);
                IsolateReport::new(session, number, &environment, sections, limit)
            })
            .collect();
        let found = isolates.iter().any(IsolateReport::is_node);
        if self.file.json {
            output.json(&Report { isolates })?;
        } else {
            text::write(&isolates, output)?;
        }
        Ok(match session.outcome_without_walk() {
            Outcome::Done if !found => Outcome::NothingFound,
            outcome => outcome,
        })
    }
}
