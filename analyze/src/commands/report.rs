//! `v8mini report`: everything on one page.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use schemars::JsonSchema;
use serde::Serialize;

use super::file::{FileArgs, InputArgs};
use super::new_file::{goes_to_stdout, write_new};
use super::output::{Outcome, Output, human_bytes};
use super::progress;
use super::session::{Query, Session};
use crate::report::{Document, Subject, page};

/// The longest document that is written into a page: with the page around it, less than 2 MB.
const BUDGET: usize = 1_700_000;

/// Writes a page for the browser that shows it all: memory, leak suspects, classes, dominator tree, strings, stacks
///
/// The page is one HTML file that loads nothing and sends nothing, so that it can be attached to a ticket or opened years later. It
/// holds names, and contents of strings where these are long, many or in a suspect: --no-strings leaves contents out. With
/// later captures of the same program, it is about the last of them, and shows what grew.
#[derive(Debug, Args)]
pub(super) struct Report {
    #[command(flatten)]
    file: FileArgs,

    /// Later captures of the same program, in the order of time.
    #[arg(value_name = "LATER")]
    later: Vec<PathBuf>,

    /// File to write; `-` for standard output. By default the name of the last capture with `.html`,
    /// or report.html.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Leave out the contents of strings, lines of source, and arguments.
    #[arg(long)]
    no_strings: bool,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct Written {
    file: String,
    bytes: u64,
    /// Whether lists were shortened to keep the file small.
    shortened: bool,
}

impl Query for Report {
    fn input(&self) -> &InputArgs {
        &self.file.input
    }

    fn answer(&self, session: &Session, output: &mut Output) -> anyhow::Result<Outcome> {
        let newest = self.later.last().unwrap_or(&self.file.input.path);
        let path = self.output.clone().unwrap_or_else(|| {
            if newest == Path::new("-") {
                return PathBuf::from("report.html");
            }
            newest.with_extension("html")
        });
        let to_stdout = goes_to_stdout(&path, "a page is for a browser")?;
        let last = match self.later.last() {
            Some(path) => Some(self.file.input.with_path(path).open_session()?),
            None => None,
        };
        let last = last.as_ref().unwrap_or(session);
        let selection = self.file.selection(last)?;
        let subject = Subject {
            path: &self.file.input.path,
            later: &self.later,
            opening: self.file.input.opening(),
            isolate: self.file.isolate,
        };
        let spinner = progress::step();
        let (mut document, outcome) =
            Document::collect(&subject, session, last, selection, &mut |step| {
                spinner.set_message(step);
                spinner.tick();
            });
        spinner.finish_and_clear();
        if self.no_strings {
            document.without_strings();
        }
        let text = document.encode(BUDGET)?;
        let html = page(&document.title(), &text);
        if to_stdout {
            io::stdout().lock().write_all(html.as_bytes())?;
        } else {
            write_new(&path, |mut file| Ok(file.write_all(html.as_bytes())?))?;
        }
        let written = Written {
            file: path.display().to_string(),
            bytes: html.len() as u64,
            shortened: document.is_shortened(),
        };
        let line = format!(
            "{} in {}: open it in a browser",
            human_bytes(written.bytes),
            written.file
        );
        output.summary(
            &written,
            self.file.json,
            to_stdout,
            &line,
            &document.warnings(),
        )?;
        Ok(outcome)
    }
}
