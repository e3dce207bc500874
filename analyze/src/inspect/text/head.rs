//! What stands before the braces of an object: its class, and what this kind of object is known by.

use super::Printer;
use super::piece::{FUNCTION, SPECIAL, STRING, Text, string_text};
use crate::inspect::escape::escape_units;
use crate::inspect::{Detail, ObjectDescription};
use crate::v8::{GeneratorState, PromiseState};

/// Class, and what this kind of object is known by.
pub(super) fn head(object: &ObjectDescription) -> Text {
    let class = match (&object.class, &object.prototype_of) {
        (_, Some(owner)) => format!("{owner}.prototype"),
        (Some(class), None) => escape_units(&class.encode_utf16().collect::<Vec<_>>()),
        (None, None) => "[no prototype]".to_owned(),
    };
    match &object.detail {
        Detail::Array { length } => Text::plain(&format!("{class}({length})")),
        Detail::Map { size, .. } | Detail::Set { size, .. } => {
            Text::plain(&format!("{class}({size})"))
        }
        Detail::Date { time, iso } => {
            let time = iso
                .clone()
                .unwrap_or_else(|| format!("Invalid Date ({time})"));
            let mut text = Text::plain(&format!("{class} "));
            text.push(&Text::styled(SPECIAL, &time));
            text
        }
        Detail::RegExp { source, flags } => {
            let source = escape_units(&source.units);
            // A backslash in a pattern is one, not an escape of ours.
            let source = source.replace("\\\\", "\\");
            Text::styled(STRING, &format!("/{source}/{flags}"))
        }
        Detail::Error {
            message: Some(message),
            ..
        } => {
            let mut text = Text::plain(&format!("{class}: "));
            text.push(&string_text(message));
            text
        }
        Detail::Promise { state, .. } => {
            let state = match state {
                PromiseState::Pending => "pending",
                PromiseState::Fulfilled => "fulfilled",
                PromiseState::Rejected => "rejected",
            };
            let mut text = Text::plain(&format!("{class} "));
            text.push(&Text::styled(SPECIAL, state));
            text
        }
        Detail::Function {
            name,
            is_class,
            location,
            ..
        } => {
            let what = if *is_class { "class" } else { "function" };
            let name = if name.is_empty() { "(anonymous)" } else { name };
            let mut text = Text::styled(FUNCTION, &format!("{what} {name}"));
            if let Some(location) = location {
                text.push_plain(&format!(" at {location}"));
            }
            text
        }
        Detail::BoundFunction { .. } => Text::styled(FUNCTION, "bound function"),
        Detail::ArrayBuffer {
            byte_length,
            is_shared,
            is_detached,
            ..
        } => {
            let class = if *is_shared && class == "ArrayBuffer" {
                "SharedArrayBuffer".to_owned()
            } else {
                class
            };
            let detached = if *is_detached { ", detached" } else { "" };
            Text::plain(&format!("{class}({byte_length} bytes{detached})"))
        }
        Detail::View {
            length,
            byte_length,
            byte_offset,
            ..
        } => {
            let length = length.map_or_else(|| format!("{byte_length} bytes"), |n| n.to_string());
            let offset = match byte_offset {
                0 => String::new(),
                offset => format!(" at byte {offset}"),
            };
            Text::plain(&format!("{class}({length}{offset})"))
        }
        Detail::Wrapper { value } => {
            let mut text = Text::plain(&format!("{class} "));
            let printer = Printer {
                print_map: false,
                line: usize::MAX,
            };
            let value = printer.value(value, 0);
            text.push_plain("(");
            text.push(&value);
            text.push_plain(")");
            text
        }
        Detail::Generator {
            function, state, ..
        } => {
            let state = match state {
                GeneratorState::Suspended => "suspended",
                GeneratorState::Running => "running",
                GeneratorState::Closed => "closed",
            };
            // V8 names a generator's class after its function.
            let mut text = Text::plain(&format!("Generator of {function} "));
            text.push(&Text::styled(SPECIAL, state));
            text
        }
        Detail::Proxy { .. } => Text::plain("Proxy"),
        _ => Text::plain(&class),
    }
}
