//! `v8mini shell`: a session in which many questions are asked of one file.

use std::process::ExitCode;

use clap::Args;

use super::file::InputArgs;
use super::output::{Color, FAILED, complain};
use crate::shell;

/// Opens a session: asks one question after the other of a file that is opened once
///
/// All commands of v8mini work without FILE: `histogram --limit 5`, `inspect 0x2a1f03c81b49`. So do those of llnode (`v8
/// findjsobjects -d`, `findjsinstances -n 5 Socket`, `v8 bt`) and of mdb_v8 (`::findjsobjects -p method`,
/// `2a1f03c81b49::jsprint -d 2`). Commands can be joined with `|`, also with commands of the system, or with `!` as in mdb:
/// `findjsinstances Socket | print ._httpMessage | grep GET`. The objects of the last listing are $1, $2, …; $_ is the object
/// asked about last. `help` lists everything.
///
/// Without a terminal, commands are read from standard input, one a line. Exit status: that of the command that went worst (2,
/// then 3, then 1, then 0).
#[derive(Debug, Args)]
pub(super) struct Shell {
    #[command(flatten)]
    input: InputArgs,

    /// Run this line instead of reading lines; may be given more than once.
    #[arg(long = "command", short = 'c', value_name = "LINE")]
    commands: Vec<String>,
}

impl Shell {
    pub(super) fn run(&self, color: Color) -> ExitCode {
        let result = self
            .input
            .open_session()
            .and_then(|session| shell::run(session, &self.input.path, color, &self.commands));
        match result {
            Ok(code) => ExitCode::from(code),
            Err(error) => {
                complain(&error);
                ExitCode::from(FAILED)
            }
        }
    }
}
