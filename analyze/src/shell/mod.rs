//! The shell: a session in which commands of v8mini, llnode and mdb_v8 ask one file.
//!
//! Stages of a pipeline hand each other text, as in a shell of Unix, so that commands of the system can stand between ours. A
//! command of ours that is about an object takes, of what the stage before it wrote, the first object that each line names.

mod builtin;
mod complete;
mod editor;
mod execute;
mod frames;
mod help;
mod llnode;
mod mdb;
mod options;
mod pager;
mod parse;
mod results;
mod settings;
mod spelling;
mod system;

use std::io::{self, BufRead, IsTerminal};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use anyhow::Context;

use crate::commands::{Color, FAILED, Outcome, Session, complain, is_closed_pipe};
use results::Results;
use settings::Settings;

/// Longest line that is read from a script.
const MAX_LINE: u64 = 1 << 20;

/// A session, and what it remembers between lines.
pub(crate) struct Shell {
    session: Rc<Session>,
    /// The file, for commands that open it themselves.
    path: PathBuf,
    results: Results,
    settings: Settings,
    selection: frames::Selection,
    /// Which page of which listing `findjsinstances` showed last.
    page: llnode::Page,
    /// Whether a person types the lines and reads what is printed.
    interactive: bool,
    /// Exit status so far: that of the line that went worst.
    worst: u8,
    /// Whether the user wants to leave.
    done: bool,
}

/// Runs the lines, or, if there are none, those that are typed or come from standard input. Returns the exit status.
///
/// # Errors
/// If the lines cannot be read.
pub(crate) fn run(
    session: Session,
    path: &Path,
    color: Color,
    lines: &[String],
) -> anyhow::Result<u8> {
    let interactive = lines.is_empty() && io::stdin().is_terminal() && io::stdout().is_terminal();
    let mut shell = Shell {
        session: Rc::new(session),
        path: path.to_owned(),
        results: Results::default(),
        settings: Settings::new(color),
        selection: frames::Selection::default(),
        page: llnode::Page::default(),
        interactive,
        worst: 0,
        done: false,
    };
    let result = shell.run(lines);
    shell.session.keep();
    result
}

impl Shell {
    fn run(&mut self, lines: &[String]) -> anyhow::Result<u8> {
        if self.interactive {
            return editor::run(self).map(|()| 0);
        }
        if lines.is_empty() {
            self.script(&mut io::stdin().lock())?;
        } else {
            for line in lines {
                if self.done {
                    break;
                }
                self.line(line);
            }
        }
        Ok(self.worst)
    }

    /// Runs the lines of a script.
    fn script(&mut self, lines: &mut impl BufRead) -> anyhow::Result<()> {
        let mut line = Vec::new();
        while !self.done {
            line.clear();
            let mut limited = io::Read::take(&mut *lines, MAX_LINE);
            let read = limited
                .read_until(b'\n', &mut line)
                .context("cannot read standard input")?;
            if read == 0 {
                break;
            }
            self.line(&String::from_utf8_lossy(&line));
        }
        Ok(())
    }

    /// Runs a line. What goes wrong is printed, and counts for the exit status.
    fn line(&mut self, line: &str) {
        match parse::parse(line) {
            Ok(pipelines) => {
                for pipeline in pipelines {
                    let result = self.pipeline(pipeline);
                    self.settle(result);
                }
            }
            Err(error) => self.settle(Err(error.into())),
        }
    }

    /// Takes note of how a pipeline went.
    fn settle(&mut self, result: anyhow::Result<Outcome>) {
        let code = match result {
            Ok(outcome) => outcome.code(),
            Err(error) if is_closed_pipe(&error) => {
                self.done = true;
                return;
            }
            Err(error) => {
                complain(&error);
                FAILED
            }
        };
        self.results.status = code;
        // An error is worse than an answer of which something is missing, and that worse than no answer.
        let rank = |code| match code {
            FAILED => 3,
            3 => 2,
            code => code,
        };
        if rank(code) > rank(self.worst) {
            self.worst = code;
        }
    }
}
