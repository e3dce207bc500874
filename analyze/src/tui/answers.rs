//! What the commands answer about the opened file.

use std::ffi::OsString;
use std::path::Path;

use serde::de::DeserializeOwned;

use crate::commands::{Cli, Output, Session};

/// Longest line that is kept, in characters: no terminal is wider.
const MAX_LINE: usize = 1000;

/// The commands of a file.
#[derive(Clone, Copy)]
pub(super) struct Answers<'a> {
    pub(super) session: &'a Session,
    pub(super) path: &'a Path,
    /// The number of the only isolate that is looked at.
    pub(super) isolate: Option<usize>,
}

impl Answers<'_> {
    /// The answer as JSON has it. `about` is what the command is about besides the file.
    ///
    /// # Errors
    /// As the command.
    pub(super) fn json<T: DeserializeOwned>(
        &self,
        command: &str,
        options: &[OsString],
        about: Option<&str>,
    ) -> anyhow::Result<T> {
        let mut all = vec![OsString::from("--json")];
        all.extend_from_slice(options);
        if let Some(number) = self.isolate {
            all.extend(["--isolate".into(), number.to_string().into()]);
        }
        Ok(serde_json::from_slice(&self.run(command, all, about)?)?)
    }

    /// The answer as people read it, in lines.
    ///
    /// # Errors
    /// As the command.
    pub(super) fn lines(
        &self,
        command: &str,
        options: &[&str],
        about: &str,
    ) -> anyhow::Result<Vec<String>> {
        let options = options.iter().map(OsString::from).collect();
        let text = self.run(command, options, Some(about))?;
        let text = String::from_utf8_lossy(&text);
        Ok(text
            .lines()
            .map(|line| line.chars().take(MAX_LINE).collect())
            .collect())
    }

    fn run(
        &self,
        command: &str,
        options: Vec<OsString>,
        about: Option<&str>,
    ) -> anyhow::Result<Vec<u8>> {
        let mut line: Vec<OsString> = vec![command.into()];
        line.extend(options);
        line.extend(["--".into(), self.path.as_os_str().to_owned()]);
        line.extend(about.map(OsString::from));
        let mut output = Output::buffer();
        Cli::answer(self.session, &line, &mut output)?;
        Ok(output.into_text().plain().into_bytes())
    }
}
