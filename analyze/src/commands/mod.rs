//! The commands of `v8mini`, one file each: arguments, run, text, JSON. The doc comment of a command is its `--help`.

mod address;
mod answers;
mod bt;
mod cache;
mod convert;
mod copied;
mod diff;
mod dominators;
mod export;
mod file;
mod find;
mod functions;
mod garbage;
mod histogram;
mod info;
mod inspect;
mod instances;
mod knowledge;
#[cfg(feature = "mcp")]
mod mcp;
mod new_file;
mod node;
mod output;
mod pack;
mod path;
mod print;
mod progress;
mod redact;
mod refs;
mod report;
mod schema;
mod scripts;
mod search;
mod session;
mod shell;
mod size;
mod source;
#[cfg(feature = "sql")]
mod sql;
mod strings;
mod suspects;
#[cfg(any(feature = "parquet", feature = "sql"))]
mod tabled;
mod tree;
mod tui;
mod unpack;
mod value_schema;
mod verdict;
mod waste;
mod what;

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use anyhow::bail;
use clap::{CommandFactory, Parser, Subcommand};

pub(crate) use address::{address_number, object_at, value_at};
pub(crate) use dominators::{sort_by_retained, summary};
pub(crate) use output::{
    Color, FAILED, Outcome, Output, Text, complain, grouped, human_bytes, is_closed_pipe, percent,
};
pub(crate) use path::class_name as class_or_function;
pub(crate) use refs::{class_name, properties_named, strings_of_text};
pub(crate) use session::{Query, Session};

/// Analyses a captured V8 heap: what fills it, what an object holds, where the program was.
///
/// FILE is a capture made by v8mini-capture (.v8mini), or an ELF core from gcore or the kernel. Every command prints text for people, and JSON for programs with
/// --json.
///
/// Exit status: 0 done, 1 nothing found, 2 error, 3 done, but the input is incomplete and so is the answer.
#[derive(Debug, Parser)]
#[command(name = "v8mini", version, max_term_width = 100)]
pub struct Cli {
    /// Colour the text output.
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    color: output::Color,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Cache(cache::Cache),
    Convert(convert::Convert),
    Pack(pack::Pack),
    Unpack(unpack::Unpack),
    Diff(diff::Diff),
    Info(info::Info),
    Histogram(histogram::Histogram),
    Instances(instances::Instances),
    Inspect(inspect::Inspect),
    Print(print::Print),
    Find(find::Find),
    Refs(refs::Refs),
    Node(node::Node),
    What(what::What),
    Source(source::Source),
    Functions(functions::Functions),
    Scripts(scripts::Scripts),
    Redact(redact::Redact),
    Export(export::Export),
    Report(report::Report),
    Shell(shell::Shell),
    Tui(tui::Tui),
    Schema(schema::SchemaOf),
    #[cfg(feature = "sql")]
    Sql(sql::Sql),
    #[cfg(feature = "mcp")]
    Mcp(mcp::Mcp),
    Strings(strings::Strings),
    Waste(waste::Waste),
    Suspects(suspects::Suspects),
    Bt(bt::Bt),
    Dominators(dominators::Dominators),
    Tree(tree::Tree),
    Path(path::Path),
    Garbage(garbage::Garbage),
}

impl Command {
    /// The question that the command is; `None` if it is none that a session could answer.
    fn query(&self) -> Option<&dyn Query> {
        Some(match self {
            Self::Cache(_)
            | Self::Convert(_)
            | Self::Pack(_)
            | Self::Redact(_)
            | Self::Schema(_)
            | Self::Shell(_)
            | Self::Unpack(_) => return None,
            #[cfg(feature = "mcp")]
            Self::Mcp(_) => return None,
            Self::Diff(diff) => diff,
            Self::Export(export) => export,
            Self::Report(report) => report,
            Self::Tui(tui) => tui,
            Self::Info(info) => info,
            Self::Histogram(histogram) => histogram,
            Self::Instances(instances) => instances,
            Self::Inspect(inspect) => inspect,
            Self::Print(print) => print,
            Self::Find(find) => find,
            Self::Refs(refs) => refs,
            Self::Node(node) => node,
            Self::What(what) => what,
            Self::Source(source) => source,
            Self::Functions(functions) => functions,
            Self::Scripts(scripts) => scripts,
            Self::Strings(strings) => strings,
            Self::Waste(waste) => waste,
            Self::Suspects(suspects) => suspects,
            Self::Bt(bt) => bt,
            Self::Dominators(dominators) => dominators,
            Self::Tree(tree) => tree,
            Self::Path(path) => path,
            Self::Garbage(garbage) => garbage,
            #[cfg(feature = "sql")]
            Self::Sql(sql) => sql,
        })
    }

    /// Whether the answer follows from the file and the arguments alone, so that it may be kept for whoever asks the same again:
    /// nothing else is read, and nothing is done besides.
    fn may_be_kept(&self) -> bool {
        match self {
            Self::Cache(_)
            | Self::Convert(_)
            | Self::Diff(_)
            | Self::Export(_)
            | Self::Pack(_)
            | Self::Redact(_)
            | Self::Report(_)
            | Self::Schema(_)
            | Self::Shell(_)
            | Self::Source(_)
            | Self::Tui(_)
            | Self::Unpack(_) => false,
            #[cfg(feature = "sql")]
            Self::Sql(_) => false,
            #[cfg(feature = "mcp")]
            Self::Mcp(_) => false,
            Self::Suspects(suspects) => suspects.is_about_one_file(),
            Self::Info(_)
            | Self::Histogram(_)
            | Self::Instances(_)
            | Self::Inspect(_)
            | Self::Print(_)
            | Self::Find(_)
            | Self::Refs(_)
            | Self::Node(_)
            | Self::What(_)
            | Self::Functions(_)
            | Self::Scripts(_)
            | Self::Strings(_)
            | Self::Waste(_)
            | Self::Bt(_)
            | Self::Dominators(_)
            | Self::Tree(_)
            | Self::Path(_)
            | Self::Garbage(_) => true,
        }
    }

    /// Answers a question about an opened file.
    fn ask(
        &self,
        query: &dyn Query,
        session: &Session,
        output: &mut Output,
    ) -> anyhow::Result<Outcome> {
        match self.may_be_kept() {
            true => session.ask_once(query, output),
            false => query.answer(session, output),
        }
    }

    fn run(&self, output: &mut Output) -> anyhow::Result<Outcome> {
        match (self, self.query()) {
            (Self::Cache(cache), _) => cache.run(output),
            (Self::Convert(convert), _) => convert.run(output),
            (Self::Pack(pack), _) => pack.run(output),
            (Self::Unpack(unpack), _) => unpack.run(output),
            (Self::Redact(redact), _) => redact.run(output),
            (Self::Schema(schema), _) => schema.run(output),
            #[cfg(feature = "mcp")]
            (Self::Mcp(mcp), _) => mcp.run(),
            (_, Some(query)) => {
                let session = query.input().open_session()?;
                let outcome = self.ask(query, &session, output);
                // Nobody waits for what the next command will find.
                output.flush()?;
                session.keep();
                outcome
            }
            (_, None) => bail!("the command cannot be run here"),
        }
    }
}

impl Cli {
    /// The definition of the command line, of which the help texts, the shells' completions and the man pages are made.
    pub fn definition() -> clap::Command {
        Self::command()
    }

    /// Runs the command. Errors are printed; the exit status says how it went.
    pub fn run(self) -> ExitCode {
        if let Command::Shell(shell) = &self.command {
            return shell.run(self.color);
        }
        let mut output = Output::new(self.color);
        let result = self.command.run(&mut output);
        output.finish(result)
    }

    /// The names of all commands that a session has, with the first lines of their help.
    pub(crate) fn names() -> Vec<(String, String)> {
        Self::command()
            .get_subcommands()
            .filter(|command| command.get_name() != "shell")
            .map(|command| {
                let about = command.get_about().map(ToString::to_string);
                (command.get_name().to_owned(), about.unwrap_or_default())
            })
            .collect()
    }

    /// The long names of a command's options.
    pub(crate) fn options_of(name: &str) -> Vec<String> {
        let command = Self::command();
        let options = command.find_subcommand(name).into_iter();
        options
            .flat_map(clap::Command::get_opts)
            .chain(
                command
                    .find_subcommand(name)
                    .into_iter()
                    .flat_map(clap::Command::get_arguments),
            )
            .filter_map(|argument| Some(format!("--{}", argument.get_long()?)))
            .collect()
    }

    /// Whether a command is about an object: its argument is called ADDR.
    pub(crate) fn takes_object(name: &str) -> bool {
        let command = Self::command();
        let mut positionals = command
            .find_subcommand(name)
            .into_iter()
            .flat_map(clap::Command::get_positionals);
        positionals.any(|argument| {
            let names = argument.get_value_names().unwrap_or_default();
            names.iter().any(|name| name.contains("ADDR"))
        })
    }

    /// Answers a command of a session: `arguments` are what a command line has after the program's name, FILE included.
    ///
    /// # Errors
    /// As the command, and if the arguments are wrong.
    pub(crate) fn answer(
        session: &Session,
        arguments: &[impl Into<OsString> + Clone],
        output: &mut Output,
    ) -> anyhow::Result<Outcome> {
        let program = std::iter::once(OsString::from("v8mini"));
        let cli = Self::try_parse_from(program.chain(arguments.iter().cloned().map(Into::into)))?;
        match cli.command.query() {
            Some(query) => cli.command.ask(query, session, output),
            None => cli.command.run(output),
        }
    }
}
