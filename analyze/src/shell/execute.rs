//! Running a pipeline: which command a stage is, what it gets, and where its output goes.

use std::io::Write;

use anyhow::{Context, bail};

use super::options::Options;
use super::parse::{Pipeline, Stage, Word};
use super::results::{addresses_in, objects_in};
use super::spelling::{Call, Spelling, Takes, exact, find};
use super::system::Destination;
use super::{Shell, builtin, llnode, mdb, pager, system};
use crate::commands::{Cli, Outcome, Output, Text, address_number, object_at};
use crate::v8::Address;

/// Own commands whose output is about one object, or about the process: what it names is not numbered.
const NOT_LISTING: [&str; 9] = [
    "inspect", "print", "info", "what", "node", "source", "convert", "path", "verify",
];
/// So many objects of a pipe are complained about one by one.
const COMPLAINTS: usize = 3;

/// What a stage turned out to be.
enum Action {
    Builtin(&'static builtin::Builtin, Vec<String>),
    Own(String, Vec<String>),
    Spelled(&'static Spelling, Option<String>, Vec<String>),
    System(String),
}

impl Shell {
    /// Runs a pipeline and prints what its last stage writes.
    pub(super) fn pipeline(&mut self, pipeline: Pipeline) -> anyhow::Result<Outcome> {
        if let Some(outcome) = self.assignment(&pipeline)? {
            return Ok(outcome);
        }
        let mut actions = Vec::new();
        for (index, stage) in pipeline.stages.into_iter().enumerate() {
            let action = self.action(stage, index > 0)?;
            match (actions.last_mut(), action) {
                // The system's shell joins its own commands better than we do.
                (Some(Action::System(before)), Action::System(line)) => {
                    before.push_str(" | ");
                    before.push_str(&line);
                }
                (_, action) => actions.push(action),
            }
        }
        let last = actions.len().saturating_sub(1);
        let mut input: Option<Text> = None;
        let mut outcome = Outcome::Done;
        let mut lists = false;
        for (index, action) in actions.into_iter().enumerate() {
            let is_last = index == last;
            lists = match &action {
                Action::Own(name, _) => !NOT_LISTING.contains(&name.as_str()),
                Action::Spelled(spelling, ..) => spelling.lists,
                Action::Builtin(..) | Action::System(_) => false,
            };
            let mut output = Output::buffer();
            let result = match action {
                Action::System(line) => self.system(&line, input.take(), is_last, &mut output),
                Action::Builtin(builtin, arguments) => (builtin.run)(self, &arguments, &mut output),
                Action::Own(name, arguments) => self.for_each(
                    input.take(),
                    if Cli::takes_object(&name) {
                        Takes::Object
                    } else {
                        Takes::Nothing
                    },
                    &mut output,
                    |shell, target, output| shell.own(&name, target, &arguments, output),
                ),
                Action::Spelled(spelling, target, arguments) => self.for_each(
                    input.take(),
                    spelling.takes,
                    &mut output,
                    |shell, piped, output| {
                        shell.spelled(
                            spelling,
                            piped.or_else(|| target.clone()),
                            &arguments,
                            output,
                        )
                    },
                ),
            };
            let text = output.into_text();
            outcome = match result {
                Ok(outcome) => outcome,
                Err(error) => {
                    self.print(&text, lists)?;
                    return Err(error);
                }
            };
            input = Some(text);
        }
        if let Some(text) = input {
            self.print(&text, lists)?;
        }
        Ok(outcome)
    }

    /// `$name = address`.
    fn assignment(&mut self, pipeline: &Pipeline) -> anyhow::Result<Option<Outcome>> {
        let [Stage::Words { words, .. }] = pipeline.stages.as_slice() else {
            return Ok(None);
        };
        let [name, equals, value] = words.as_slice() else {
            return Ok(None);
        };
        let Some(name) = name.text.strip_prefix('$').filter(|_| equals.text == "=") else {
            return Ok(None);
        };
        let value = self.results.expand(value)?.concat();
        let object = object_at(&self.session.objects, &value)?;
        self.results.name(name, object.to_string())?;
        Ok(Some(Outcome::Done))
    }

    /// Which command a stage is.
    fn action(&self, stage: Stage, is_piped: bool) -> anyhow::Result<Action> {
        match stage {
            Stage::System(line) => Ok(Action::System(line)),
            Stage::Dcmd {
                address,
                name,
                arguments,
            } => {
                let spelling = exact(mdb::COMMANDS, &name)
                    .with_context(|| format!("there is no command ::{name}; ::dcmds lists all"))?;
                let target = address.map(|word| self.address(&word)).transpose()?;
                Ok(Action::Spelled(spelling, target, self.expand(&arguments)?))
            }
            Stage::Words { words, text } => {
                let Some((name, arguments)) = words.split_first() else {
                    bail!("there is no command");
                };
                let name = name.text.as_str();
                if name == "v8" {
                    return self.llnode(arguments);
                }
                // Names of more than one word come first: `source list` is not `source` of a script called list.
                if let Some((spelling, used)) =
                    llnode::find_without_prefix(&words).filter(|(_, used)| *used > 1)
                {
                    let rest = words.get(used..).unwrap_or_default();
                    return Ok(Action::Spelled(spelling, None, self.expand(rest)?));
                }
                let arguments = || self.expand(arguments);
                if let Some(builtin) = builtin::find(name) {
                    return Ok(Action::Builtin(builtin, arguments()?));
                }
                if Cli::names().iter().any(|(own, _)| own == name) {
                    return Ok(Action::Own(name.to_owned(), arguments()?));
                }
                if let Some((spelling, used)) = llnode::find_without_prefix(&words) {
                    let rest = words.get(used..).unwrap_or_default();
                    return Ok(Action::Spelled(spelling, None, self.expand(rest)?));
                }
                if is_piped {
                    return Ok(Action::System(text));
                }
                // An object alone asks what it holds.
                if name.starts_with('$') || name.starts_with("0x") {
                    return Ok(Action::Own("inspect".to_owned(), self.expand(&words)?));
                }
                bail!(
                    "there is no command '{name}'; help lists all, and `! {name}` asks the system's shell"
                )
            }
        }
    }

    /// llnode's commands, by what follows `v8`.
    fn llnode(&self, words: &[Word]) -> anyhow::Result<Action> {
        if let Some((name, arguments)) = words.split_first()
            && name.text == "help"
            && let Some(help) = builtin::find("help")
        {
            return Ok(Action::Builtin(help, self.expand(arguments)?));
        }
        let (spelling, used) = llnode::find(words)?;
        let rest = words.get(used..).unwrap_or_default();
        Ok(Action::Spelled(spelling, None, self.expand(rest)?))
    }

    fn expand(&self, words: &[Word]) -> anyhow::Result<Vec<String>> {
        let mut arguments = Vec::with_capacity(words.len());
        for word in words {
            arguments.extend(self.results.expand(word)?);
        }
        Ok(arguments)
    }

    /// What stands before `::`; mdb's `.` is the object asked about last.
    fn address(&self, word: &Word) -> anyhow::Result<String> {
        if word.text == "." {
            return match self.results.last() {
                Some(last) => Ok(last.to_string()),
                None => bail!("there is no '.' yet: no object was asked about"),
            };
        }
        Ok(self.results.expand(word)?.concat())
    }

    /// Runs a command once, or, if it takes something from the stage before it, for each line.
    fn for_each(
        &mut self,
        input: Option<Text>,
        takes: Takes,
        output: &mut Output,
        mut run: impl FnMut(&mut Self, Option<String>, &mut Output) -> anyhow::Result<Outcome>,
    ) -> anyhow::Result<Outcome> {
        let Some(input) = input.filter(|_| takes != Takes::Nothing) else {
            return run(self, None, output);
        };
        let text = input.plain();
        let targets: Vec<String> = match takes {
            Takes::Address => addresses_in(&text),
            _ => objects_in(&self.session.objects, &text)
                .into_iter()
                .map(|(_, object)| object.to_string())
                .collect(),
        };
        let mut seen = Outcome::NothingFound;
        let mut failed = 0;
        for target in targets {
            match run(self, Some(target.clone()), output) {
                Ok(Outcome::NothingFound) => {}
                Ok(outcome) => {
                    if seen != Outcome::Incomplete {
                        seen = outcome;
                    }
                }
                Err(error) => {
                    failed += 1;
                    if failed <= COMPLAINTS {
                        anstream::eprintln!("{target}: {error:#}");
                    }
                }
            }
        }
        if failed > COMPLAINTS {
            anstream::eprintln!(
                "… and the same or the like of {} more objects",
                failed - COMPLAINTS
            );
        }
        Ok(seen)
    }

    /// Runs a command of v8mini.
    fn own(
        &mut self,
        name: &str,
        target: Option<String>,
        arguments: &[String],
        output: &mut Output,
    ) -> anyhow::Result<Outcome> {
        let mut line = vec![name.to_owned(), self.path.display().to_string()];
        let (paths, others) = paths_of(&target, arguments);
        if let Some(target) = &target {
            line.push(format!("{target}{}", paths.concat()));
        }
        line.extend(others);
        for word in line.iter().skip(2) {
            let start = word.split(['.', '[']).next().unwrap_or_default();
            if let Ok(object) = object_at_word(self, start) {
                self.results.ask(object);
            }
        }
        let session = std::rc::Rc::clone(&self.session);
        match Cli::answer(&session, &line, output) {
            Err(error) => match error.downcast::<clap::Error>() {
                Ok(error) if !error.use_stderr() => {
                    write!(output, "{}", error.render())?;
                    Ok(Outcome::Done)
                }
                Ok(error) => {
                    // Options of llnode's command of the same name.
                    if let Some(spelling) = exact(llnode::COMMANDS, name)
                        && Options::parse(spelling.flags, arguments).is_ok()
                    {
                        return self.spelled(spelling, target, arguments, output);
                    }
                    let text = error.render().to_string();
                    bail!("{}", text.trim().trim_start_matches("error: "))
                }
                Err(error) => Err(error),
            },
            outcome => outcome,
        }
    }

    /// Runs a command as another tool spells it.
    pub(super) fn spelled(
        &mut self,
        spelling: &'static Spelling,
        target: Option<String>,
        arguments: &[String],
        output: &mut Output,
    ) -> anyhow::Result<Outcome> {
        let (paths, others) = paths_of(&target, arguments);
        let target = target.map(|target| format!("{target}{}", paths.concat()));
        let options = Options::parse(spelling.flags, &others)
            .with_context(|| format!("{} {}", spelling.name, spelling.usage))?;
        (spelling.run)(&mut Call {
            shell: self,
            target,
            options,
            output,
        })
    }

    fn system(
        &mut self,
        line: &str,
        input: Option<Text>,
        is_last: bool,
        output: &mut Output,
    ) -> anyhow::Result<Outcome> {
        let destination = if is_last {
            Destination::Shell
        } else {
            Destination::NextStage
        };
        let input = input.map(|text| {
            if text.is_json {
                text.bytes
            } else {
                text.plain().into_bytes()
            }
        });
        let (status, bytes) = system::run(line, input.as_deref(), destination)?;
        output.write_all(&bytes)?;
        match status.code() {
            Some(0) => Ok(Outcome::Done),
            Some(1) => Ok(Outcome::NothingFound),
            _ => bail!("'{line}' failed: {status}"),
        }
    }

    /// Prints what a pipeline wrote, and numbers its objects if it is a listing.
    fn print(&mut self, text: &Text, lists: bool) -> anyhow::Result<()> {
        if text.bytes.is_empty() {
            return Ok(());
        }
        let objects = objects_in(&self.session.objects, &text.plain());
        let found: Vec<Address> = objects.iter().map(|(_, object)| *object).collect();
        if !lists {
            self.results.see(&found);
        } else {
            self.results.list(found);
            if self.interactive && !text.is_json && objects.len() > 1 {
                return Ok(pager::print(
                    &numbered(text, &objects),
                    self.settings.choice(),
                )?);
            }
        }
        Ok(pager::print(text, self.settings.choice())?)
    }
}

/// The object that a word of the command line is the address of.
fn object_at_word(shell: &Shell, word: &str) -> anyhow::Result<Address> {
    let objects = &shell.session.objects;
    let address = Address(address_number(word)? & !1);
    objects.map_of(address)?;
    Ok(address)
}

/// With a target, the arguments that are paths of properties lead on from it: `print ._httpMessage`.
fn paths_of(target: &Option<String>, arguments: &[String]) -> (Vec<String>, Vec<String>) {
    let is_path = |argument: &&String| target.is_some() && argument.starts_with(['.', '[']);
    let (paths, others): (Vec<&String>, Vec<&String>) = arguments.iter().partition(is_path);
    (
        paths.into_iter().cloned().collect(),
        others.into_iter().cloned().collect(),
    )
}

/// A listing with `$1`, `$2`, … at the ends of its lines.
fn numbered(text: &Text, objects: &[(usize, Address)]) -> Text {
    const DIM: anstyle::Style = anstyle::Style::new().dimmed();
    let mut bytes = Vec::with_capacity(text.bytes.len() + objects.len() * 16);
    let mut objects = objects.iter().enumerate().peekable();
    for (number, line) in text
        .bytes
        .split_inclusive(|byte| *byte == b'\n')
        .enumerate()
    {
        match objects.next_if(|(_, (at, _))| *at == number) {
            Some((index, _)) => {
                bytes.extend_from_slice(line.strip_suffix(b"\n").unwrap_or(line));
                bytes.extend_from_slice(format!("  {DIM}${}{DIM:#}\n", index + 1).as_bytes());
            }
            None => bytes.extend_from_slice(line),
        }
    }
    Text {
        bytes,
        is_json: false,
    }
}

/// Finds a command of llnode or mdb_v8, for its help.
pub(super) fn spelling_named(name: &str) -> anyhow::Result<Option<&'static Spelling>> {
    if let Some(name) = name.strip_prefix("::") {
        return Ok(exact(mdb::COMMANDS, name));
    }
    find(llnode::COMMANDS, name)
}
