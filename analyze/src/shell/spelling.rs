//! Commands under the names and with the options that other tools gave them.

use anyhow::{Context, bail};

use super::Shell;
use super::options::{Flag, Options};
use crate::commands::{Outcome, Output, Session, object_at, value_at};
use crate::v8::{Address, PropertyValue};

/// A command as another tool spells it.
pub(super) struct Spelling {
    /// Its name.
    pub(super) name: &'static str,
    /// Other names.
    pub(super) aliases: &'static [&'static str],
    /// What follows the name, for the help.
    pub(super) usage: &'static str,
    /// What it does: the first sentence for the list, all of it for `help NAME`.
    pub(super) about: &'static str,
    /// Its options.
    pub(super) flags: &'static [Flag],
    /// What it takes from the stage before it.
    pub(super) takes: Takes,
    /// Whether its lines are objects to be numbered.
    pub(super) lists: bool,
    /// Does it.
    pub(super) run: fn(&mut Call<'_>) -> anyhow::Result<Outcome>,
}

/// What a command takes from the stage before it in a pipeline. It is run once for each line that has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Takes {
    /// Nothing: it is run once.
    Nothing,
    /// The first object of each line.
    Object,
    /// The first number of each line that may be an address.
    Address,
}

/// A command that is being run.
pub(super) struct Call<'a> {
    pub(super) shell: &'a mut Shell,
    /// The address before `::`, or the object that the stage before named; a path of properties may follow it.
    pub(super) target: Option<String>,
    pub(super) options: Options,
    pub(super) output: &'a mut Output,
}

impl Call<'_> {
    /// The session.
    pub(super) fn session(&self) -> std::rc::Rc<Session> {
        std::rc::Rc::clone(&self.shell.session)
    }

    /// What the command is about: the target, or else the arguments.
    ///
    /// # Errors
    /// If there is neither.
    pub(super) fn expression(&self) -> anyhow::Result<String> {
        match &self.target {
            Some(target) => Ok(target.clone()),
            None if self.options.rest.is_empty() => {
                bail!("an address is missing, such as 0x2a1f03c81b49, $1, or $1._events")
            }
            None => Ok(self.options.rest.concat()),
        }
    }

    /// The value that the command is about.
    ///
    /// # Errors
    /// If there is none.
    pub(super) fn value(&mut self) -> anyhow::Result<PropertyValue> {
        let value = value_at(&self.shell.session.objects, &self.expression()?)?;
        if let PropertyValue::Tagged(word) = value
            && let Some(object) = word.object()
        {
            self.shell.results.ask(object);
        }
        Ok(value)
    }

    /// The object before `::`.
    ///
    /// # Errors
    /// If there is none.
    pub(super) fn target_object(&mut self) -> anyhow::Result<Address> {
        let target = self
            .target
            .clone()
            .context("the command needs an address before its '::', or objects from a pipe")?;
        let object = object_at(&self.shell.session.objects, &target)?;
        self.shell.results.ask(object);
        Ok(object)
    }
}

/// Finds a command by its name, one of its other names, or a beginning that no other has.
///
/// # Errors
/// If more than one may be meant.
pub(super) fn find(
    table: &'static [Spelling],
    name: &str,
) -> anyhow::Result<Option<&'static Spelling>> {
    if let Some(exact) = exact(table, name) {
        return Ok(Some(exact));
    }
    let found: Vec<&Spelling> = table
        .iter()
        .filter(|spelling| !name.is_empty() && spelling.name.starts_with(name))
        .collect();
    match found.as_slice() {
        [] => Ok(None),
        [only] => Ok(Some(only)),
        several => {
            let names: Vec<&str> = several.iter().map(|spelling| spelling.name).collect();
            bail!("'{name}' may be {}", names.join(", "))
        }
    }
}

/// Finds a command by its name, or one of its other names.
pub(super) fn exact(table: &'static [Spelling], name: &str) -> Option<&'static Spelling> {
    table
        .iter()
        .find(|spelling| spelling.name == name || spelling.aliases.contains(&name))
}
