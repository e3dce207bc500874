//! `cargo xtask docs`: the page of all commands, made from the programs' own `--help`.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use v8mini_tests::{Tools, tools, workspace_root};

const PAGE: &str = "docs/commands.md";

/// Write docs/commands.md anew from the programs' own --help
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Write nothing; fail if the page is not what would be written
    #[arg(long)]
    pub(crate) check: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let tools = Tools::build("dev")?;
    let mut page = String::from(
        "# Commands\n\nWhat `--help` says, made by `cargo xtask docs`. The JSON that `--json` answers is described in\n\
         [spec/json-schema.md](https://github.com/v8mini/v8mini/blob/main/spec/json-schema.md).\n",
    );
    for program in [&tools.capture, &tools.analyze] {
        describe(program, &mut Vec::new(), &mut page)?;
    }
    let path = workspace_root().join(PAGE);
    if !arguments.check {
        fs::create_dir_all(path.parent().context("the page has no directory")?)?;
        return fs::write(&path, page).with_context(|| format!("cannot write {PAGE}"));
    }
    let written = fs::read_to_string(&path).with_context(|| format!("cannot read {PAGE}"))?;
    let pairs = written.lines().zip(page.lines()).zip(1..);
    if let Some(((written, wanted), line)) = pairs.into_iter().find(|((a, b), _)| a != b) {
        bail!("{PAGE}:{line} says {written:?}, --help says {wanted:?}: run `cargo xtask docs`");
    }
    ensure!(
        written == page,
        "{PAGE} is longer or shorter than --help: run `cargo xtask docs`"
    );
    Ok(())
}

/// Describes a program or subcommand, and all that are below it.
fn describe(program: &Path, subcommands: &mut Vec<String>, page: &mut String) -> Result<()> {
    let mut line = subcommands.clone();
    line.push("--help".to_owned());
    let help = tools::run(program, &line)?.success()?.text();
    let name = program
        .file_name()
        .context("the program has no name")?
        .to_string_lossy();
    let heading = "#".repeat(subcommands.len() + 2);
    let full_name = [&[name.into_owned()], subcommands.as_slice()]
        .concat()
        .join(" ");
    // Writing to a String cannot fail.
    let _ = write!(
        page,
        "\n{heading} {full_name}\n\n```text\n{}\n```\n",
        help.trim_end()
    );
    for below in listed_subcommands(&help) {
        subcommands.push(below);
        describe(program, subcommands, page)?;
        subcommands.pop();
    }
    Ok(())
}

/// The names under `Commands:` in a help text, without `help` itself.
fn listed_subcommands(help: &str) -> Vec<String> {
    help.lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| !line.is_empty())
        // Deeper indented lines continue the description of the command above.
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::listed_subcommands;

    #[test]
    fn subcommands_are_found_in_a_help_text() {
        let help = "Does things\n\nUsage: tool <COMMAND>\n\nCommands:\n  info       Says what\n             it is\n  \
                    inspect    Looks\n  help       Print this message\n\nOptions:\n  -h, --help  Print help\n";
        assert_eq!(listed_subcommands(help), ["info", "inspect"]);
        assert!(
            listed_subcommands("Usage: tool\n\nOptions:\n  -h, --help  Print help\n").is_empty()
        );
    }
}
