//! A command as a tool: its arguments as a JSON Schema, and a call's arguments as a command line. Both are made from the
//! command's own definition, so that a tool cannot differ from its command.

use std::any::TypeId;

use anyhow::{Context, bail, ensure};
use clap::{Arg, ArgAction};
use serde_json::{Map, Value, json};

/// Number of the part of a long answer.
const PAGE: &str = "page";

/// Options that are none of a tool's business: which files are read and written, and how a terminal is served.
const HIDDEN: [&str; 16] = [
    "csv",
    "host",
    "service",
    "cache",
    "include",
    "no_cache",
    "path",
    "exe",
    "force",
    "json",
    "color",
    "help",
    "version",
    "later",
    "output",
    "as_loaded",
];

/// A command that is offered as a tool.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tool {
    /// Its name.
    pub(super) command: &'static str,
    /// Options that are always given.
    pub(super) always: &'static [&'static str],
    /// Whether it compares FILE with later ones; `Some(true)` if it cannot do without.
    pub(super) later: Option<bool>,
    /// What to do with the answer, for who reads it.
    pub(super) next: &'static str,
}

const fn tool(command: &'static str, next: &'static str) -> Tool {
    Tool {
        command,
        always: &[],
        later: None,
        next,
    }
}

/// The commands that are offered: those that only read the FILE.
pub(super) const TOOLS: [Tool; 22] = [
    tool(
        "info",
        "suspects names what looks like a leak; histogram shows what fills the heap; bt where the threads are",
    ),
    Tool {
        later: Some(false),
        ..tool(
            "suspects",
            "inspect the object that accumulates by its address; path shows all that keeps it alive; source its code",
        )
    },
    tool(
        "histogram",
        "instances lists the objects of a class; path with type shows what keeps a class alive; retained true adds what each class retains",
    ),
    tool(
        "instances",
        "inspect an address; path shows what keeps it alive; refs who refers to it",
    ),
    tool(
        "inspect",
        "any address in the answer can be inspected in turn; path shows what keeps the object alive; refs who refers to it",
    ),
    tool(
        "path",
        "inspect the objects on the path by their addresses; source shows the code of a function",
    ),
    tool("refs", "inspect who refers to it; path leads to a root"),
    tool(
        "dominators",
        "tree with node shows what an object keeps; inspect opens it",
    ),
    tool(
        "tree",
        "inspect an address; tree with node goes further down",
    ),
    Tool {
        later: Some(true),
        ..tool(
            "diff",
            "instances lists the objects of a class that grows, of the first capture; suspects says what holds them",
        )
    },
    tool("find", "inspect an address; path shows what keeps it alive"),
    tool(
        "strings",
        "find with string finds the strings of a text; refs who refers to one",
    ),
    tool(
        "waste",
        "inspect an example by its address; instances lists the objects of a class",
    ),
    tool("garbage", "histogram counts what is dead, too"),
    tool(
        "bt",
        "source shows the code of a frame: what '#3'; args true shows arguments, whose addresses can be inspected",
    ),
    Tool {
        always: &["--as-loaded"],
        ..tool("source", "functions counts the closures of a function")
    },
    tool(
        "functions",
        "source shows a function by its address; instances lists its closures",
    ),
    tool("scripts", "source shows a script by its name or address"),
    tool("node", "inspect a handle, timer or emitter by its address"),
    tool("what", "inspect the object that the address lies in"),
    tool("print", "inspect shows all of it"),
    tool(
        "sql",
        "without query, sql names the tables and their columns; printf('0x%x', address) is what inspect takes",
    ),
];

impl Tool {
    /// What of the command's arguments can be given.
    fn arguments(command: &clap::Command) -> impl Iterator<Item = &Arg> {
        command
            .get_arguments()
            .filter(|argument| !HIDDEN.contains(&argument.get_id().as_str()))
    }

    /// What it does, in the words of its help.
    pub(super) fn description(command: &clap::Command) -> String {
        let about = command.get_long_about().or_else(|| command.get_about());
        about.map(ToString::to_string).unwrap_or_default()
    }

    /// Its arguments as a JSON Schema.
    pub(super) fn input_schema(command: &clap::Command) -> Map<String, Value> {
        let mut properties = Map::new();
        let mut required = Vec::new();
        for argument in Self::arguments(command) {
            let name = argument.get_id().to_string();
            if argument.is_required_set() {
                required.push(json!(name));
            }
            properties.insert(name, property(argument));
        }
        properties.insert(
            PAGE.to_owned(),
            json!({"type": "integer", "minimum": 1, "default": 1, "description": "Which part of a long answer."}),
        );
        let schema = json!({
            "type": "object",
            "properties": properties,
            "required": required,
            "additionalProperties": false,
        });
        match schema {
            Value::Object(schema) => schema,
            _ => Map::new(),
        }
    }

    /// The command line of a call, and the number of the page.
    ///
    /// # Errors
    /// If an argument is not one of the tool's, or of another type.
    pub(super) fn command_line(
        &self,
        command: &clap::Command,
        mut given: Map<String, Value>,
        files: &[String],
    ) -> anyhow::Result<(Vec<String>, usize)> {
        let page = match given.remove(PAGE) {
            None | Some(Value::Null) => 1,
            Some(page) => page
                .as_u64()
                .and_then(|page| usize::try_from(page).ok())
                .filter(|page| *page > 0)
                .context("page: expected a whole number from 1")?,
        };
        let (file, later) = files.split_first().context("there is no file")?;
        let mut line = vec![self.command.to_owned()];
        line.extend(self.always.iter().map(|option| (*option).to_owned()));
        let mut positionals = vec![file.clone()];
        for argument in Self::arguments(command) {
            let Some(value) = given.remove(argument.get_id().as_str()) else {
                continue;
            };
            let values = texts(argument, value)?;
            match argument.get_long() {
                // Whatever a value begins with, it is one: it stands behind `=` or `--`.
                Some(long) if takes_value(argument) => {
                    line.extend(values.iter().map(|value| format!("--{long}={value}")));
                }
                Some(long) => {
                    line.extend(
                        values
                            .iter()
                            .filter(|it| *it == "true")
                            .map(|_| format!("--{long}")),
                    );
                }
                None => positionals.extend(values),
            }
        }
        if let Some(unknown) = given.keys().next() {
            let known: Vec<&str> = Self::arguments(command)
                .map(|argument| argument.get_id().as_str())
                .collect();
            bail!(
                "{} has no argument '{unknown}'; it has {}",
                self.command,
                [known.as_slice(), &[PAGE]].concat().join(", ")
            );
        }
        if self.later.is_some() {
            positionals.extend_from_slice(later);
        }
        line.push("--".to_owned());
        line.extend(positionals);
        Ok((line, page))
    }
}

fn takes_value(argument: &Arg) -> bool {
    matches!(argument.get_action(), ArgAction::Set | ArgAction::Append)
}

/// An argument as a JSON Schema.
fn property(argument: &Arg) -> Value {
    let help = argument.get_long_help().or_else(|| argument.get_help());
    let mut property = Map::new();
    property.insert(
        "description".to_owned(),
        json!(help.map(ToString::to_string).unwrap_or_default()),
    );
    if !takes_value(argument) {
        property.insert("type".to_owned(), json!("boolean"));
        return Value::Object(property);
    }
    let is_number = is_number(argument);
    let mut one = json!({"type": if is_number { "integer" } else { "string" }});
    let possible: Vec<String> = argument
        .get_possible_values()
        .iter()
        .map(|value| value.get_name().to_owned())
        .collect();
    if !possible.is_empty() {
        one["enum"] = json!(possible);
    }
    if is_many(argument) {
        property.insert("type".to_owned(), json!("array"));
        property.insert("items".to_owned(), one);
        return Value::Object(property);
    }
    if let Some(default) = argument.get_default_values().first() {
        let text = default.to_string_lossy();
        one["default"] = match text.parse::<u64>() {
            Ok(number) if is_number => json!(number),
            _ => json!(text),
        };
    }
    if let Value::Object(one) = one {
        property.extend(one);
    }
    Value::Object(property)
}

fn is_number(argument: &Arg) -> bool {
    let id = argument.get_value_parser().type_id();
    [
        TypeId::of::<usize>(),
        TypeId::of::<u64>(),
        TypeId::of::<u32>(),
    ]
    .iter()
    .any(|number| id == *number)
}

fn is_many(argument: &Arg) -> bool {
    matches!(argument.get_action(), ArgAction::Append)
}

/// What a command line would have for a value.
fn texts(argument: &Arg, value: Value) -> anyhow::Result<Vec<String>> {
    let name = argument.get_id();
    Ok(match value {
        Value::Null => Vec::new(),
        Value::String(text) => {
            ensure!(!text.contains('\0'), "{name}: a NUL in a text");
            vec![text]
        }
        Value::Number(number) => vec![number.to_string()],
        Value::Bool(value) => {
            ensure!(
                !takes_value(argument),
                "{name}: expected a value, found {value}"
            );
            vec![value.to_string()]
        }
        Value::Array(values) if is_many(argument) => {
            let parts: anyhow::Result<Vec<Vec<String>>> = values
                .into_iter()
                .map(|value| {
                    ensure!(!value.is_array(), "{name}: an array in an array");
                    texts(argument, value)
                })
                .collect();
            parts?.concat()
        }
        other => bail!("{name}: expected a plain value, found {other}"),
    })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::commands::Cli;

    fn command(name: &str) -> clap::Command {
        let mut cli = Cli::command();
        cli.build();
        cli.find_subcommand(name).unwrap().clone()
    }

    fn given(value: &Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn every_tool_is_a_command_and_names_no_file() {
        for tool in TOOLS {
            let command = command(tool.command);
            let schema = Tool::input_schema(&command);
            let text = serde_json::to_string(&schema).unwrap();
            for (name, property) in schema["properties"].as_object().unwrap() {
                assert!(
                    !property["description"].as_str().unwrap().is_empty(),
                    "{name}"
                );
            }
            assert!(!text.contains("\"path\""), "{text}");
            assert!(!Tool::description(&command).is_empty());
        }
    }

    #[test]
    fn the_schema_knows_types_defaults_and_choices() {
        let schema = Tool::input_schema(&command("histogram"));
        let properties = &schema["properties"];
        assert_eq!(properties["limit"]["type"], "integer");
        assert_eq!(properties["limit"]["default"], 30);
        assert_eq!(properties["retained"]["type"], "boolean");
        assert_eq!(properties["by"]["enum"][0], "constructor");
        let schema = Tool::input_schema(&command("inspect"));
        assert_eq!(schema["required"], json!(["address"]));
    }

    #[test]
    fn a_call_is_a_command_line() {
        let files = ["a.v8mini".to_owned(), "b.v8mini".to_owned()];
        let histogram = TOOLS.iter().find(|it| it.command == "histogram").unwrap();
        let line =
            |tool: &Tool, value| tool.command_line(&command(tool.command), given(&value), &files);
        let (found, page) = line(
            histogram,
            json!({"filter": "--exe=x", "retained": true, "limit": 3, "page": 2}),
        )
        .unwrap();
        assert_eq!(page, 2);
        assert_eq!(
            found,
            [
                "histogram",
                "--limit=3",
                "--retained",
                "--filter=--exe=x",
                "--",
                "a.v8mini"
            ]
        );
        let diff = TOOLS.iter().find(|it| it.command == "diff").unwrap();
        let (found, _) = line(diff, json!({})).unwrap();
        assert_eq!(found, ["diff", "--", "a.v8mini", "b.v8mini"]);
        for wrong in [
            json!({"path": "/etc/passwd"}),
            json!({"exe": "/bin/sh"}),
            json!({"page": 0}),
            json!({"filter": {}}),
            json!({"limit": true}),
        ] {
            assert!(line(histogram, wrong.clone()).is_err(), "{wrong}");
        }
    }
}
