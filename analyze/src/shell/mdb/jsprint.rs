//! `::jsprint`: values the way mdb_v8 prints them, like JSON but not quite.

use std::io::Write;

use super::super::spelling::Call;
use crate::commands::Outcome;
use crate::inspect::{
    Description, Detail, Key, MAX_DEPTH, ObjectDescription, Options, PathError, Value,
    describe_property, follow, quote,
};
use crate::v8::{
    Address, ElementValue, Kind, Number, Objects, Oddball, PropertyValue, StringValue,
};

/// Levels of objects that are shown if nobody asks for more.
pub(super) const DEPTH: usize = 2;
/// Most properties and elements of an object.
const MAX_SHOWN: usize = 1 << 16;
/// Longest string.
const MAX_STRING: usize = 1 << 12;

/// How a value is printed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Printer {
    /// Levels that are opened.
    pub(super) depth: usize,
    /// Whether the address of every value stands before it.
    pub(super) addresses: bool,
}

/// `::jsprint`
pub(super) fn run(call: &mut Call<'_>) -> anyhow::Result<Outcome> {
    let printer = Printer {
        depth: call.options.number('d')?.unwrap_or(DEPTH),
        addresses: call.options.has('a'),
    };
    let base = if call.options.has('b') || !call.options.rest.is_empty() {
        Some(call.target_object()?)
    } else {
        None
    };
    let session = call.session();
    let objects = &session.objects;
    let mut texts = Vec::new();
    match (base, call.options.rest.as_slice()) {
        (Some(base), members) if !members.is_empty() => {
            for member in members {
                let path = match member.starts_with(['.', '[']) {
                    true => member.clone(),
                    false => format!(".{member}"),
                };
                texts.push(match follow(objects, base.tagged(), &path) {
                    Ok(value) => printer.value(objects, value),
                    Err(PathError::NoProperty { .. } | PathError::NotAnObject { .. }) => {
                        "undefined".to_owned()
                    }
                    Err(error) => return Err(error.into()),
                });
            }
        }
        _ => {
            let target = call.target.clone();
            let value = match target {
                Some(_) => call.value()?,
                None => PropertyValue::Tagged(call.target_object()?.tagged()),
            };
            texts.push(printer.value(objects, value));
        }
    }
    let base = base.filter(|_| call.options.has('b'));
    let prefix = base.map_or_else(String::new, |base| format!("{}: ", bare(base)));
    writeln!(call.output, "{prefix}{}", texts.join(" "))?;
    Ok(session.outcome_without_walk())
}

/// An address without `0x`.
pub(super) fn bare(address: Address) -> String {
    format!("{:x}", address.0 | 1)
}

impl Printer {
    /// A value, without a newline at the end.
    pub(super) fn value(&self, objects: &Objects, value: PropertyValue) -> String {
        let options = Options {
            depth: self.depth.saturating_sub(1).min(MAX_DEPTH),
            string_length: MAX_STRING,
            array_length: MAX_SHOWN,
            print_map: false,
        };
        self.text(&describe_property(objects, value, &options), 0)
    }

    fn text(&self, description: &Description, level: usize) -> String {
        let text = self.bare_text(description, level);
        match description.address {
            _ if !self.addresses => text,
            Some(address) => format!("{}: {text}", bare(address)),
            None => match description.value {
                // The word as V8 stores it.
                Value::Number(Number::Smi(smi)) => {
                    format!("{:x}: {text}", (i64::from(smi) << 32) as u64)
                }
                _ => text,
            },
        }
    }

    fn bare_text(&self, description: &Description, level: usize) -> String {
        match &description.value {
            Value::Number(number) => number.to_string(),
            Value::Element(ElementValue::Number(bits)) => Number::Double(*bits).to_string(),
            Value::Element(ElementValue::BigInt(value)) => value.to_string(),
            Value::String(string) => quoted(string),
            Value::Symbol(symbol) => {
                let text = symbol
                    .description
                    .as_ref()
                    .map_or_else(String::new, StringValue::to_text);
                format!("Symbol({text})")
            }
            Value::BigInt(value) => value
                .to_decimal()
                .unwrap_or_else(|| format!("0x{}", value.to_hex())),
            Value::Oddball(oddball) => match oddball {
                Oddball::Undefined => "undefined".to_owned(),
                Oddball::Null => "null".to_owned(),
                Oddball::Boolean(value) => value.to_string(),
                Oddball::Hole => "hole".to_owned(),
                Oddball::Other(name) => name.to_string(),
            },
            Value::Accessor { .. } => "<accessor>".to_owned(),
            Value::Native => "<unknown JavaScript object type \"AccessorInfo\">".to_owned(),
            Value::Object(object) => self.object(object, level),
            Value::Internal { type_name, .. } => {
                format!(
                    "<unknown JavaScript object type \"{}\">",
                    class_of(type_name)
                )
            }
            Value::Cleared => "<cleared>".to_owned(),
            Value::Unreadable(reason) => format!("<{reason}>"),
        }
    }

    fn object(&self, object: &ObjectDescription, level: usize) -> String {
        match &object.detail {
            Detail::Function { name, .. } => return format!("function {}", function_name(name)),
            Detail::BoundFunction { .. } => return "function <bound function>".to_owned(),
            Detail::Date { time, iso } => {
                return iso.clone().unwrap_or_else(|| format!("{time}"));
            }
            Detail::RegExp { source, flags } => {
                return format!("/{}/{flags}", source.to_text());
            }
            _ => {}
        }
        if object.closed.is_some() || level >= self.depth {
            return "[...]".to_owned();
        }
        let indent = " ".repeat((level + 1) * 4);
        let mut lines = Vec::new();
        let is_list = matches!(object.kind, Kind::Array | Kind::TypedArray);
        let mut next = 0;
        for (index, element) in &object.elements.items {
            if is_list {
                // A long row of holes is not worth a line each.
                for _ in next..(*index).min(next + 16) {
                    lines.push(format!("{indent}hole,"));
                }
                lines.push(format!("{indent}{},", self.text(element, level + 1)));
            } else {
                lines.push(format!(
                    "{indent}\"{index}\": {},",
                    self.text(element, level + 1)
                ));
            }
            next = index.saturating_add(1);
        }
        for property in &object.properties.items {
            let value = self.text(&property.value, level + 1);
            lines.push(format!("{indent}\"{}\": {value},", key(&property.key)));
        }
        self.entries(object, level, &indent, &mut lines);
        let (open, close) = if is_list { ("[", "]") } else { ("{", "}") };
        if lines.is_empty() {
            return format!("{open}{close}");
        }
        format!(
            "{open}\n{}\n{}{close}",
            lines.join("\n"),
            " ".repeat(level * 4)
        )
    }

    /// What maps, sets and promises hold, which mdb_v8 does not know.
    fn entries(
        &self,
        object: &ObjectDescription,
        level: usize,
        indent: &str,
        lines: &mut Vec<String>,
    ) {
        match &object.detail {
            Detail::Map { entries, .. } => {
                for (key, value) in &entries.items {
                    let (key, value) = (self.text(key, level + 1), self.text(value, level + 1));
                    lines.push(format!("{indent}{key} => {value},"));
                }
            }
            Detail::Set { members, .. } => {
                for member in &members.items {
                    lines.push(format!("{indent}{},", self.text(member, level + 1)));
                }
            }
            Detail::Promise {
                result: Some(result),
                ..
            } => {
                lines.push(format!(
                    "{indent}<result>: {},",
                    self.text(result, level + 1)
                ));
            }
            Detail::Wrapper { value } => {
                lines.push(format!("{indent}<value>: {},", self.text(value, level + 1)));
            }
            _ => {}
        }
    }
}

/// A function's name as mdb_v8 has it.
pub(super) fn function_name(name: &str) -> String {
    if name.is_empty() {
        "<anonymous> (as <anon>)".to_owned()
    } else {
        name.to_owned()
    }
}

/// `FIXED_ARRAY_TYPE` as V8's class.
pub(super) fn class_of(type_name: &str) -> String {
    type_name
        .trim_end_matches("_TYPE")
        .split('_')
        .map(|word| match word {
            "JS" => "JS".to_owned(),
            word => {
                let mut letters = word.chars();
                let first = letters.next().map(String::from).unwrap_or_default();
                first + &letters.as_str().to_ascii_lowercase()
            }
        })
        .collect()
}

fn key(key: &Key) -> String {
    match key {
        Key::Name(name) => name.to_text(),
        Key::Symbol { description, .. } => format!(
            "Symbol({})",
            description
                .as_ref()
                .map_or_else(String::new, StringValue::to_text)
        ),
        Key::Unreadable(_) => "???".to_owned(),
    }
}

fn quoted(string: &StringValue) -> String {
    let more = if string.is_complete() { "" } else { "[...]" };
    format!("{}{more}", quote(&string.units))
}
