//! `v8 nodeinfo` and `v8 settings`.

use std::io::Write;

use anyhow::{Context, bail};

use super::super::settings::MAX_TREE_PADDING;
use super::super::spelling::Call;
use crate::commands::{Color, Outcome, Session};
use crate::heap::PageSelection;
use crate::inspect::property;
use crate::v8::{Address, Objects, PropertyValue};

/// Longest string of the process object that is shown.
const MAX_TEXT: usize = 1 << 16;
/// Most arguments of a command line that are shown.
const MAX_ARGUMENTS: usize = 1 << 12;

/// `v8 settings set color`
pub(super) fn set_color(call: &mut Call<'_>) -> anyhow::Result<Outcome> {
    let [word] = call.options.rest.as_slice() else {
        bail!("Available options are (always | never | auto)");
    };
    call.shell.settings.color = match word.as_str() {
        "auto" => Color::Auto,
        "always" => Color::Always,
        "never" => Color::Never,
        _ => bail!("Available options are (always | never | auto)"),
    };
    writeln!(call.output, "Color set to '{word}'")?;
    Ok(Outcome::Done)
}

/// `v8 settings set tree-padding`
pub(super) fn set_tree_padding(call: &mut Call<'_>) -> anyhow::Result<Outcome> {
    let number: i64 = call
        .options
        .rest
        .first()
        .context("v8 settings set tree-padding [1..10]")?
        .parse()
        .context("unable to convert provided value.")?;
    let padding = usize::try_from(number)
        .unwrap_or(0)
        .clamp(1, MAX_TREE_PADDING);
    call.shell.settings.tree_padding = padding;
    writeln!(call.output, "Tree padding set to {padding}")?;
    Ok(Outcome::Done)
}

/// `v8 nodeinfo`
pub(super) fn nodeinfo(call: &mut Call<'_>) -> anyhow::Result<Outcome> {
    let session = call.session();
    let found = process_objects(&session);
    if found.is_empty() {
        writeln!(call.output, "No process objects found.")?;
        return Ok(Outcome::NothingFound);
    }
    for process in found {
        let facts = Facts {
            objects: &session.objects,
            process,
        };
        facts.write(&mut *call.output)?;
    }
    Ok(session.outcome_without_walk())
}

/// The process objects: one per isolate that runs Node.js.
fn process_objects(session: &Session) -> Vec<Address> {
    let objects = &session.objects;
    let candidates = session.instances_of(PageSelection::default(), |shape| {
        shape.class.name == "process"
    });
    // An object that is about to be collected may have been one.
    let is_process =
        |object: &Address| matches!(property(objects, *object, "versions"), Ok(Some(_)));
    candidates.into_iter().filter(is_process).collect()
}

struct Facts<'a> {
    objects: &'a Objects,
    process: Address,
}

impl Facts<'_> {
    fn write(&self, out: &mut impl Write) -> anyhow::Result<()> {
        let pid = self
            .value(self.process, "pid")
            .and_then(|value| self.text(value));
        // From Node 12 on `pid` is a getter, so the process itself must say.
        let pid = pid.unwrap_or_else(|| self.objects.image().metadata.process.pid.to_string());
        writeln!(
            out,
            "Information for process id {pid} (process={})",
            self.process
        )?;
        let text = |name| {
            let value = self.value(self.process, name);
            value
                .and_then(|value| self.text(value))
                .unwrap_or_else(|| "?".to_owned())
        };
        writeln!(
            out,
            "Platform = {}, Architecture = {}, Node Version = {}",
            text("platform"),
            text("arch"),
            text("version")
        )?;
        self.table(out, "versions", "Component versions", true)?;
        self.table(out, "release", "Release Info", false)?;
        writeln!(out, "Executable Path = {}", text("execPath"))?;
        self.list(out, "argv", "Command line arguments")?;
        self.list(out, "execArgv", "Node.js Command line arguments")
    }

    fn table(
        &self,
        out: &mut impl Write,
        name: &str,
        title: &str,
        sort: bool,
    ) -> anyhow::Result<()> {
        let Some(table) = self.value(self.process, name).and_then(object_of) else {
            return Ok(());
        };
        let mut rows: Vec<(String, String)> = self
            .objects
            .properties(table)?
            .list
            .into_iter()
            .filter_map(|property| {
                let key = self.objects.read_name(property.key).ok()?;
                Some((key.to_string(), self.text(property.value)?))
            })
            .collect();
        if sort {
            rows.sort();
        }
        writeln!(out, "{title} (process.{name}={table}):")?;
        for (key, value) in rows {
            writeln!(out, "    {key} = {value}")?;
        }
        Ok(())
    }

    fn list(&self, out: &mut impl Write, name: &str, title: &str) -> anyhow::Result<()> {
        let Some(list) = self.value(self.process, name).and_then(object_of) else {
            return Ok(());
        };
        writeln!(out, "{title} (process.{name}={list}):")?;
        let map = self.objects.map_of(list)?;
        let elements = self.objects.elements(list, &map, u64::MAX, MAX_ARGUMENTS)?;
        for (index, value) in elements.list {
            if let Some(text) = self.text(value) {
                writeln!(out, "    [{index}] = '{text}'")?;
            }
        }
        Ok(())
    }

    fn value(&self, object: Address, name: &str) -> Option<PropertyValue> {
        property(self.objects, object, name).ok()?
    }

    fn text(&self, value: PropertyValue) -> Option<String> {
        let PropertyValue::Tagged(word) = value else {
            return None;
        };
        if let Some(smi) = word.smi() {
            return Some(smi.to_string());
        }
        let object = word.strong()?;
        let map = self.objects.map_of(object).ok()?;
        if self.objects.is_string_type(map.instance_type) {
            return Some(self.objects.read_string(object, MAX_TEXT).ok()?.to_text());
        }
        Some(self.objects.read_number(word).ok()??.to_string())
    }
}

fn object_of(value: PropertyValue) -> Option<Address> {
    match value {
        PropertyValue::Tagged(word) => word.strong(),
        _ => None,
    }
}
