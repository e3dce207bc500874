//! `v8mini schema`: the JSON Schemas of what the commands answer with `--json`.
//!
//! They are derived from the very types that are serialized, so they cannot say anything else than what is written.

use std::borrow::Cow;
use std::io::Write;

use anyhow::Context;
use clap::Args;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;

use super::output::{Outcome, Output};
#[cfg(feature = "sql")]
use super::sql;
use super::{
    bt, cache, convert, diff, dominators, export, find, functions, garbage, histogram, info,
    inspect, instances, node, pack, path, redact, refs, report, scripts, source, strings, suspects,
    tree, unpack, waste, what,
};

/// Number of the version of all that is printed with `--json`; `spec/json-schema.md` says when it changes.
pub(crate) const JSON_VERSION: u32 = 1;

/// Prints the JSON Schema of what a command answers with --json
///
/// The schema (draft 2020-12) is that of the program's own types. It says what this version writes; readers should expect more fields,
/// missing fields and other values of enumerations from later ones: spec/json-schema.md has the rules.
#[derive(Debug, Args)]
pub(super) struct SchemaOf {
    /// The command.
    #[arg(value_name = "COMMAND", required_unless_present = "list")]
    command: Option<String>,

    /// List the commands that have one.
    #[arg(long)]
    list: bool,
}

/// The schema of a command's answer.
type Make = fn() -> Schema;

/// The commands that answer with JSON.
const SCHEMAS: &[(&str, Make)] = &[
    ("bt", of::<bt::Report>),
    ("cache", of::<cache::Report<'static>>),
    ("convert", of::<convert::Report<'static>>),
    ("diff", of::<diff::report::Report<'static>>),
    ("dominators", of::<dominators::Report<'static>>),
    ("export", of::<export::Report<'static>>),
    ("find", of::<find::Report<'static>>),
    ("functions", of::<functions::Report<'static>>),
    ("garbage", of::<garbage::Report<'static>>),
    ("histogram", of::<histogram::Report<'static>>),
    ("info", of::<info::Report<'static>>),
    ("inspect", of::<inspect::Report>),
    ("instances", of::<instances::Report<'static>>),
    ("node", of::<node::Report>),
    ("pack", of::<pack::Report>),
    ("path", of::<path::Report<'static>>),
    ("redact", of::<redact::Report>),
    ("refs", of::<refs::Report<'static>>),
    ("report", of::<report::Written>),
    ("scripts", of::<scripts::Report<'static>>),
    ("source", of::<source::Report<'static>>),
    #[cfg(feature = "sql")]
    ("sql", of::<sql::Report<'static>>),
    ("strings", of::<strings::Report<'static>>),
    ("suspects", of::<suspects::Report<'static>>),
    ("tree", of::<tree::Report<'static>>),
    ("unpack", of::<unpack::Report>),
    ("waste", of::<waste::Report<'static>>),
    ("what", of::<what::Report>),
];

/// An answer as it is printed: with the number of the version before all else.
#[derive(Serialize, JsonSchema)]
pub(super) struct Versioned<T> {
    /// Changes when a reader that followed the rules of spec/json-schema.md could be misled.
    json_version: u32,
    #[serde(flatten)]
    answer: T,
}

impl<T> Versioned<T> {
    pub(super) const fn new(answer: T) -> Self {
        Self {
            json_version: JSON_VERSION,
            answer,
        }
    }
}

/// An address, or another number that JSON's would lose bits of: a string with its hexadecimal digits behind `0x`.
pub(crate) struct Hex;

impl JsonSchema for Hex {
    fn schema_name() -> Cow<'static, str> {
        "Hex".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": "^0x[0-9a-f]+$",
            "description": "An address or another large number: hexadecimal digits behind 0x.",
        })
    }
}

fn of<T: JsonSchema>() -> Schema {
    SchemaSettings::draft2020_12()
        .for_serialize()
        .into_generator()
        .into_root_schema_for::<Versioned<T>>()
}

impl SchemaOf {
    pub(super) fn run(&self, output: &mut Output) -> anyhow::Result<Outcome> {
        if self.list {
            for (name, _) in SCHEMAS {
                writeln!(output, "{name}")?;
            }
            return Ok(Outcome::Done);
        }
        let command = self.command.as_deref().unwrap_or_default();
        let (name, make) = SCHEMAS
            .iter()
            .find(|(name, _)| *name == command)
            .with_context(|| {
                format!(
                    "the command '{command}' has no JSON; v8mini schema --list names those that have"
                )
            })?;
        let mut schema = make();
        schema.insert("title".to_owned(), format!("v8mini {name} --json").into());
        output.json_as_it_is(&schema)?;
        Ok(Outcome::Done)
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::commands::Cli;

    #[test]
    fn every_command_with_json_has_a_schema_and_no_other() {
        let with_json: Vec<String> = Cli::command()
            .get_subcommands()
            .filter(|command| {
                command
                    .get_arguments()
                    .any(|argument| argument.get_long() == Some("json"))
            })
            .map(|command| command.get_name().to_owned())
            .collect();
        let mut sorted = with_json.clone();
        sorted.sort();
        let listed: Vec<&str> = SCHEMAS.iter().map(|(name, _)| *name).collect();
        assert_eq!(
            sorted, listed,
            "SCHEMAS must list what has --json, in the order of the alphabet"
        );
    }

    /// The section of a command in the page for people. Some have one together.
    fn section<'a>(page: &'a str, command: &str) -> Option<&'a str> {
        let quoted = format!("`{command}`");
        page.split("\n## ").skip(1).find(|section| {
            let heading = section.lines().next().unwrap_or_default();
            heading.split(", ").any(|name| name == quoted)
        })
    }

    fn property_names(value: &serde_json::Value, names: &mut Vec<String>) {
        match value {
            serde_json::Value::Object(object) => {
                for (key, value) in object {
                    match value.as_object().filter(|_| key == "properties") {
                        // One of the properties may be called `properties`.
                        Some(properties) => {
                            for (name, schema) in properties {
                                names.push(name.clone());
                                property_names(schema, names);
                            }
                        }
                        None => property_names(value, names),
                    }
                }
            }
            serde_json::Value::Array(array) => {
                array.iter().for_each(|value| property_names(value, names));
            }
            _ => {}
        }
    }

    #[test]
    fn the_page_for_people_has_every_field() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../spec/json-schema.md");
        let page = std::fs::read_to_string(path).unwrap();
        let common = page.split("\n## `").next().unwrap_or_default();
        let mut missing = Vec::new();
        for (command, make) in SCHEMAS {
            let Some(section) = section(&page, command) else {
                missing.push(format!("a section `{command}`"));
                continue;
            };
            let mut names = Vec::new();
            property_names(make().as_value(), &mut names);
            // What lists leave out is told once for all lists.
            names.retain(|name| !name.ends_with("_more") && !name.ends_with("_missing"));
            for name in names {
                let quoted = format!("`{name}`");
                if !section.contains(&quoted) && !common.contains(&quoted) {
                    missing.push(format!("{command}: {name}"));
                }
            }
        }
        assert!(missing.is_empty(), "spec/json-schema.md lacks {missing:#?}");
    }
}
