//! The shell's own commands.

use std::io::Write;

use anyhow::bail;

use super::{Shell, help};
use crate::commands::{Outcome, Output};

/// A command of the shell itself.
pub(super) struct Builtin {
    /// Its names.
    pub(super) names: &'static [&'static str],
    /// What follows the name.
    pub(super) usage: &'static str,
    /// What it does.
    pub(super) about: &'static str,
    /// Does it.
    pub(super) run: fn(&mut Shell, &[String], &mut Output) -> anyhow::Result<Outcome>,
}

/// All of them.
pub(super) const BUILTINS: &[Builtin] = &[
    Builtin {
        names: &["help", "?"],
        usage: "[COMMAND]",
        about: "Lists all commands, or explains one",
        run: help::run,
    },
    Builtin {
        names: &["results"],
        usage: "",
        about: "Shows what $1, $_ and the named objects are",
        run: results,
    },
    Builtin {
        names: &["echo"],
        usage: "[WORD…]",
        about: "Prints its arguments: `echo $*` prints the addresses of the last listing",
        run: echo,
    },
    Builtin {
        names: &["quit", "exit", "q", "::quit"],
        usage: "",
        about: "Leaves the session",
        run: quit,
    },
];

/// The command of a name.
pub(super) fn find(name: &str) -> Option<&'static Builtin> {
    BUILTINS
        .iter()
        .find(|builtin| builtin.names.contains(&name))
}

fn results(shell: &mut Shell, _: &[String], output: &mut Output) -> anyhow::Result<Outcome> {
    let lines = shell.results.describe();
    if lines.is_empty() {
        bail!("nothing was listed yet");
    }
    for (name, value) in lines {
        writeln!(output, "{name:<8} {value}")?;
    }
    Ok(Outcome::Done)
}

fn echo(_: &mut Shell, words: &[String], output: &mut Output) -> anyhow::Result<Outcome> {
    for word in words {
        writeln!(output, "{word}")?;
    }
    Ok(Outcome::Done)
}

fn quit(shell: &mut Shell, _: &[String], _: &mut Output) -> anyhow::Result<Outcome> {
    shell.done = true;
    Ok(Outcome::Done)
}
