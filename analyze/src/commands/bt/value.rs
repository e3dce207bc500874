//! A value in a few words, as llnode writes it: `0x2d1f:<Object: Foo>`.

use crate::inspect::{Detail, Options, Value, describe, escape_units, quote};
use crate::v8::{Objects, Oddball, Tagged};

/// Code units of a string that are shown.
const STRING_UNITS: usize = 16;

/// What is shown of a value: its class, or of a primitive what it is.
const OPTIONS: Options = Options {
    depth: 0,
    string_length: STRING_UNITS,
    array_length: 1,
    print_map: false,
};

/// A value in a few words.
pub(in crate::commands) fn short_value(objects: &Objects, word: Tagged) -> String {
    let description = describe(objects, word, &OPTIONS);
    let text = match &description.value {
        Value::Number(number) => match word.smi() {
            Some(smi) => format!("<Smi: {smi}>"),
            None => format!("<Number: {number}>"),
        },
        Value::String(string) => {
            let more = if string.is_complete() { "" } else { "..." };
            format!("<String: {}{more}>", quote(&string.units))
        }
        Value::Symbol(symbol) => {
            let name = symbol.description.as_ref();
            format!(
                "<Symbol: {}>",
                name.map_or_else(String::new, |name| name.to_text())
            )
        }
        Value::BigInt(_) => "<BigInt>".to_owned(),
        Value::Oddball(oddball) => match oddball {
            Oddball::Undefined => "<undefined>".to_owned(),
            Oddball::Null => "<null>".to_owned(),
            Oddball::Boolean(value) => format!("<{value}>"),
            Oddball::Hole => "<hole>".to_owned(),
            Oddball::Other(name) => format!("<{name}>"),
        },
        Value::Object(object) => {
            let class = match (&object.class, &object.prototype_of) {
                (_, Some(owner)) => format!("{owner}.prototype"),
                (Some(class), None) => escape_units(&class.encode_utf16().collect::<Vec<_>>()),
                (None, None) => "[no prototype]".to_owned(),
            };
            match &object.detail {
                Detail::Function { name, location, .. } => {
                    let name = if name.is_empty() { "(anonymous)" } else { name };
                    let place = location.as_ref().map(|place| format!(" at {place}"));
                    format!("<function: {name}{}>", place.unwrap_or_default())
                }
                Detail::Array { length } => format!("<Array: length={length}>"),
                _ => format!("<Object: {class}>"),
            }
        }
        Value::Internal { type_name, .. } => format!("<{type_name}>"),
        Value::Unreadable(_) => "<unreadable>".to_owned(),
        _ => "<?>".to_owned(),
    };
    match description.address {
        Some(address) => format!("{address}:{text}"),
        None => text,
    }
}
