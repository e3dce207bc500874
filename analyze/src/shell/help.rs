//! `help`: all commands, or one.

use std::io::Write;

use anyhow::bail;

use super::builtin::BUILTINS;
use super::execute::spelling_named;
use super::spelling::Spelling;
use super::{Shell, llnode, mdb};
use crate::commands::{Cli, Outcome, Output};

const HEADING: anstyle::Style = anstyle::Style::new().bold();
/// Columns of the names.
const NAME: usize = 26;

const NOTES: &str = "\
$1, $2, …        objects of the last listing, by their place in it
$_               the object that was asked about last; `.` before ::
$*               all objects of the last listing
$?               exit status of the line before
$name = ADDRESS  gives an object a name
ADDRESS.a.b[0]   what a path of properties leads to
a | b            b gets the first object of each line that a writes; what is no command of ours runs in the system's shell
a ! b            the rest of the line runs in the system's shell
";

/// `help [COMMAND]`
pub(super) fn run(
    shell: &mut Shell,
    words: &[String],
    output: &mut Output,
) -> anyhow::Result<Outcome> {
    let words: Vec<&str> = words
        .iter()
        .map(String::as_str)
        .filter(|word| *word != "v8")
        .collect();
    if words.is_empty() {
        return list(output);
    }
    let name = words.join(" ");
    if let Some(builtin) = BUILTINS
        .iter()
        .find(|builtin| builtin.names.contains(&name.as_str()))
    {
        writeln!(output, "{name} {}\n\n{}", builtin.usage, builtin.about)?;
        return Ok(Outcome::Done);
    }
    let is_own = Cli::names().iter().any(|(own, _)| *own == name);
    if is_own {
        let line = ["help".to_owned(), name.clone()];
        if let Err(error) = Cli::answer(&shell.session, &line, output) {
            let help = error.downcast::<clap::Error>()?;
            writeln!(output, "{}", help.render())?;
        }
        writeln!(output, "In a session FILE is left out.")?;
    }
    match spelling_named(&name)? {
        Some(spelling) => {
            if is_own {
                writeln!(output, "\nAs llnode has it:\n")?;
            }
            let prefix = if name.starts_with("::") { "::" } else { "v8 " };
            writeln!(
                output,
                "{prefix}{} {}\n\n{}",
                spelling.name, spelling.usage, spelling.about
            )?;
        }
        None if is_own => {}
        None => bail!("there is no command '{name}'; help lists all"),
    }
    Ok(Outcome::Done)
}

fn list(output: &mut Output) -> anyhow::Result<Outcome> {
    writeln!(output, "{HEADING}Commands of v8mini{HEADING:#}")?;
    for (name, about) in Cli::names() {
        writeln!(output, "  {name:<NAME$}{about}")?;
    }
    writeln!(output, "\n{HEADING}Commands of the shell{HEADING:#}")?;
    for builtin in BUILTINS {
        let name = builtin.names.first().copied().unwrap_or_default();
        writeln!(
            output,
            "  {:<NAME$}{}",
            format!("{name} {}", builtin.usage),
            builtin.about
        )?;
    }
    writeln!(
        output,
        "\n{HEADING}Commands of llnode{HEADING:#}, with or without v8 before them"
    )?;
    spellings(output, "", llnode::COMMANDS)?;
    writeln!(output, "\n{HEADING}Commands of mdb_v8{HEADING:#}")?;
    spellings(output, "::", mdb::COMMANDS)?;
    writeln!(
        output,
        "\n{NOTES}\n`help COMMAND` and `help ::COMMAND` say more."
    )?;
    Ok(Outcome::Done)
}

fn spellings(output: &mut Output, prefix: &str, table: &[Spelling]) -> anyhow::Result<()> {
    for spelling in table {
        let first = spelling.about.split(". ").next().unwrap_or_default();
        writeln!(
            output,
            "  {:<NAME$}{first}",
            format!("{prefix}{}", spelling.name)
        )?;
    }
    Ok(())
}
