//! `v8mini mcp`: the commands as tools of the Model Context Protocol.

mod page;
mod server;
mod tool;

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use clap::Args;

use super::file::InputArgs;
use super::output::Outcome;

/// Serves the commands as tools of the Model Context Protocol on standard input and output, for agents
///
/// A client starts it, and asks about FILE: what fills the heap, what an object holds, what keeps it alive. Answers are those
/// of the commands, part by part, each with what to ask next. The tools read FILE and the LATER captures, and no other file; they write
/// none. The server ends with its client.
#[derive(Debug, Args)]
pub(super) struct Mcp {
    #[command(flatten)]
    input: InputArgs,

    /// Later captures of the same process, in the order of time, for diff and suspects.
    #[arg(value_name = "LATER")]
    later: Vec<PathBuf>,
}

impl Mcp {
    pub(super) fn run(&self) -> anyhow::Result<Outcome> {
        // What cannot be opened is told at once, and not at the first question.
        for path in &self.later {
            self.input.with_path(path).open()?;
        }
        let session = Arc::new(self.input.open_session()?);
        let name = |path: &PathBuf| {
            let name = path.to_str().map(str::to_owned);
            name.with_context(|| format!("the name {} is not UTF-8", path.display()))
        };
        let files: anyhow::Result<Vec<String>> = std::iter::once(&self.input.path)
            .chain(&self.later)
            .map(name)
            .collect();
        server::serve(session, files?)?;
        Ok(Outcome::Done)
    }
}
