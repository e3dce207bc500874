//! Asking the commands.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::{Value, json};

use crate::commands::{Cli, Outcome, Output, Session};

/// What a report is about.
#[derive(Debug)]
pub(crate) struct Subject<'a> {
    /// The first capture.
    pub(crate) path: &'a Path,
    /// The captures after it, in the order of time.
    pub(crate) later: &'a [PathBuf],
    /// Options that say how files are opened, as they were given.
    pub(crate) opening: Vec<OsString>,
    /// The number of the only isolate that is asked about.
    pub(crate) isolate: Option<usize>,
}

/// How the commands that were asked went.
#[derive(Debug)]
pub(crate) struct Asked {
    outcome: Outcome,
}

impl Subject<'_> {
    /// The captures by name.
    pub(crate) fn names(&self) -> Vec<String> {
        std::iter::once(self.path)
            .chain(self.later.iter().map(PathBuf::as_path))
            .map(|path| path.display().to_string())
            .collect()
    }

    fn newest(&self) -> &Path {
        self.later.last().map_or(self.path, PathBuf::as_path)
    }
}

impl Default for Asked {
    fn default() -> Self {
        Self {
            outcome: Outcome::Done,
        }
    }
}

impl Asked {
    /// The answer of a command on the newest capture.
    pub(crate) fn ask(
        &mut self,
        command: &str,
        session: &Session,
        subject: &Subject<'_>,
        options: &[&str],
    ) -> Value {
        self.run(command, session, subject, options, &[subject.newest()])
    }

    /// The answer of a command on all captures; the session is that of the first.
    pub(crate) fn ask_all(
        &mut self,
        command: &str,
        session: &Session,
        subject: &Subject<'_>,
        options: &[&str],
    ) -> Value {
        let later = subject.later.iter().map(PathBuf::as_path);
        let files: Vec<&Path> = std::iter::once(subject.path).chain(later).collect();
        self.run(command, session, subject, options, &files)
    }

    fn run(
        &mut self,
        command: &str,
        session: &Session,
        subject: &Subject<'_>,
        options: &[&str],
        files: &[&Path],
    ) -> Value {
        let mut line: Vec<OsString> = vec![command.into(), "--json".into()];
        line.extend(options.iter().map(OsString::from));
        line.extend(subject.opening.iter().cloned());
        // These two are about all isolates.
        if let Some(number) = subject
            .isolate
            .filter(|_| !["bt", "diff"].contains(&command))
        {
            line.extend(["--isolate".into(), number.to_string().into()]);
        }
        // Whatever a file is called, it is no option.
        line.push("--".into());
        line.extend(files.iter().map(|file| file.as_os_str().to_owned()));
        let mut output = Output::buffer();
        let answer = Cli::answer(session, &line, &mut output).and_then(|outcome| {
            let answer = serde_json::from_slice::<Value>(&output.into_text().bytes)?;
            Ok((answer, outcome))
        });
        match answer {
            Ok((answer, outcome)) => {
                if outcome == Outcome::Incomplete {
                    self.outcome = Outcome::Incomplete;
                }
                answer
            }
            Err(error) => self.failed(&error),
        }
    }

    /// What was found without a command.
    pub(crate) fn found(&mut self, found: &impl Serialize) -> Value {
        match serde_json::to_value(found) {
            Ok(value) => value,
            Err(error) => self.failed(&error.into()),
        }
    }

    /// A part that is missing does not keep the others from being shown.
    fn failed(&mut self, error: &anyhow::Error) -> Value {
        self.outcome = Outcome::Incomplete;
        json!({ "error": format!("{error:#}") })
    }

    /// Whether everything is complete.
    pub(crate) const fn outcome(&self) -> Outcome {
        self.outcome
    }
}
