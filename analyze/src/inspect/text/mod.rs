//! A description as text: the notation of JavaScript as far as it goes, with addresses.
//!
//! Styles are ANSI escapes; whoever prints strips them where they are not wanted.

mod bytes;
mod head;
mod piece;

use head::head;
use piece::{
    DIM, FUNCTION, NUMBER, PROBLEM, SHORT, SPECIAL, STRING, Text, address, fill, holes,
    is_identifier, more, push_rest, string_text, symbol_text,
};

use super::escape::quote;
use super::{
    Closed, Contents, Description, Detail, Key, ObjectDescription, PropertyDescription,
    ScopeDescription, Value,
};
use crate::v8::{ElementValue, Kind, Oddball, SymbolKind};

/// What is in braces stands on one line up to this width.
const LINE: usize = 72;
/// Columns of one level.
const INDENT: usize = 2;

/// A description as lines of text, without a newline at the end.
pub fn to_text(description: &Description, print_map: bool) -> String {
    let printer = Printer {
        print_map,
        line: LINE,
    };
    printer.value(description, 0).text
}

/// A description as one line of text.
pub fn one_line(description: &Description) -> String {
    let printer = Printer {
        print_map: false,
        line: usize::MAX,
    };
    printer.value(description, 0).text
}

struct Printer {
    print_map: bool,
    line: usize,
}

impl Printer {
    fn value(&self, description: &Description, level: usize) -> Text {
        match &description.value {
            Value::Number(number) => Text::styled(NUMBER, &number.to_string()),
            Value::Element(ElementValue::Number(bits)) => {
                Text::styled(NUMBER, &crate::v8::Number::Double(*bits).to_string())
            }
            Value::Element(ElementValue::BigInt(value)) => {
                Text::styled(NUMBER, &format!("{value}n"))
            }
            Value::String(string) => string_text(string),
            Value::Symbol(symbol) => {
                let description = symbol.description.as_ref();
                Text::styled(STRING, &symbol_text(description, symbol.kind))
            }
            Value::BigInt(value) => {
                let digits = value
                    .to_decimal()
                    .unwrap_or_else(|| format!("0x{}", value.to_hex()));
                Text::styled(NUMBER, &format!("{digits}n"))
            }
            Value::Oddball(oddball) => Text::styled(
                SPECIAL,
                match oddball {
                    Oddball::Undefined => "undefined",
                    Oddball::Null => "null",
                    Oddball::Boolean(true) => "true",
                    Oddball::Boolean(false) => "false",
                    Oddball::Hole => "<hole>",
                    Oddball::Other(name) => return Text::styled(SPECIAL, &format!("<{name}>")),
                },
            ),
            Value::Accessor { getter, setter } => {
                let name = match (getter, setter) {
                    (Some(_), Some(_)) => "[Getter/Setter]",
                    (Some(_), None) => "[Getter]",
                    (None, Some(_)) => "[Setter]",
                    (None, None) => "[Accessor without functions]",
                };
                let mut text = Text::styled(FUNCTION, name);
                if let Some(side) = getter.as_ref().or(setter.as_ref()) {
                    text.push(&address(side.address));
                }
                text
            }
            Value::Native => Text::styled(FUNCTION, "[computed by V8]"),
            Value::Object(object) => self.object(description, object, level),
            Value::Internal {
                type_name,
                elements,
            } => {
                let mut text = Text::plain(&format!("<{type_name}>"));
                text.push(&address(description.address));
                let mut parts: Vec<Text> = elements
                    .items
                    .iter()
                    .map(|element| self.value(element, level + 1))
                    .collect();
                push_rest(&mut parts, elements, "more");
                if !parts.is_empty() {
                    text.push_plain(" ");
                    text.push(&self.braces(["[", "]"], &parts, level));
                }
                text
            }
            Value::Cleared => Text::styled(SPECIAL, "<cleared>"),
            Value::Unreadable(reason) => {
                let mut text = Text::styled(PROBLEM, &format!("<{reason}>"));
                text.push(&address(description.address));
                text
            }
        }
    }

    fn object(&self, description: &Description, object: &ObjectDescription, level: usize) -> Text {
        let mut text = head(object);
        text.push(&address(description.address));
        if self.print_map
            && let Some(map) = description.map
        {
            text.push(&Text::styled(DIM, &format!("(map={map})")));
        }
        if let Some(closed) = object.closed {
            text.push(&Text::styled(
                DIM,
                match closed {
                    Closed::Depth => return text,
                    Closed::Circular => " [Circular]",
                    Closed::Size => " [not shown: the description is too long]",
                },
            ));
            return text;
        }
        let mut parts = self.detail_parts(object, level + 1);
        self.push_elements(&mut parts, object, level + 1);
        for property in &object.properties.items {
            // The stack trace and the message of an error, which are said already.
            let is_said = object.kind == Kind::Error
                && matches!(
                    property.key,
                    Key::Symbol {
                        kind: SymbolKind::Internal,
                        ..
                    }
                );
            if !is_said {
                parts.push(self.property(property, level + 1));
            }
        }
        push_rest(&mut parts, &object.properties, "more properties");
        // A date is all said in its head; an empty object shows its braces.
        let is_said = !matches!(
            object.kind,
            Kind::Object | Kind::Array | Kind::Map | Kind::Set
        );
        if parts.is_empty() && is_said {
            return text;
        }
        let is_list = matches!(
            object.kind,
            Kind::Array | Kind::TypedArray | Kind::Arguments
        );
        let braces = if is_list { ["[", "]"] } else { ["{", "}"] };
        text.push_plain(" ");
        text.push(&self.braces(braces, &parts, level));
        text
    }

    /// What is in braces: on one line if it fits, else each part on its own.
    fn braces(&self, [open, close]: [&str; 2], parts: &[Text], level: usize) -> Text {
        if parts.is_empty() {
            return Text::plain(&format!("{open}{close}"));
        }
        let width: usize = parts.iter().map(|part| part.width + 2).sum();
        if width <= self.line.saturating_sub(level * INDENT) && !parts.iter().any(|part| part.lines)
        {
            let mut text = Text::plain(&format!("{open} "));
            for (index, part) in parts.iter().enumerate() {
                if index > 0 {
                    text.push_plain(", ");
                }
                text.push(part);
            }
            text.push_plain(&format!(" {close}"));
            return text;
        }
        let (outer, inner) = (level * INDENT, (level + 1) * INDENT);
        let mut text = open.to_owned();
        if open == "[" && parts.iter().all(|part| !part.lines && part.width <= SHORT) {
            text.push_str(&fill(parts, inner, self.line));
            text.push_str(&format!("\n{:outer$}{close}", ""));
            return Text {
                text,
                width: 0,
                lines: true,
            };
        }
        for (index, part) in parts.iter().enumerate() {
            let comma = if index + 1 < parts.len() { "," } else { "" };
            text.push_str(&format!("\n{:inner$}{}{comma}", "", part.text));
        }
        text.push_str(&format!("\n{:outer$}{close}", ""));
        Text {
            text,
            width: 0,
            lines: true,
        }
    }

    fn property(&self, property: &PropertyDescription, level: usize) -> Text {
        let mut text = match &property.key {
            Key::Name(name) if is_identifier(name) => Text::plain(&name.to_text()),
            Key::Name(name) => Text::styled(STRING, &quote(&name.units)),
            Key::Symbol { description, kind } => {
                let name = symbol_text(description.as_ref(), *kind);
                match kind {
                    SymbolKind::PrivateName => Text::plain(&name),
                    SymbolKind::Internal | SymbolKind::PrivateBrand => {
                        Text::styled(DIM, &format!("[{name}]"))
                    }
                    _ => Text::styled(STRING, &format!("[{name}]")),
                }
            }
            Key::Unreadable(reason) => Text::styled(PROBLEM, &format!("<{reason}>")),
        };
        text.push_plain(": ");
        text.push(&self.value(&property.value, level));
        text
    }

    fn named(&self, name: &str, value: &Description, level: usize) -> Text {
        let mut text = Text::plain(&format!("{name}: "));
        text.push(&self.value(value, level));
        text
    }

    /// A slot that only the language's specification has a name for: `[[Target]]`.
    fn slot(&self, name: &str, value: Option<&Description>, level: usize) -> Option<Text> {
        let value = value?;
        let mut text = Text::styled(DIM, &format!("[[{name}]]"));
        text.push_plain(": ");
        text.push(&self.value(value, level));
        Some(text)
    }

    fn push_elements(&self, parts: &mut Vec<Text>, object: &ObjectDescription, level: usize) {
        let items = &object.elements.items;
        if let Some(bytes) = bytes::of_buffer(object.class.as_deref(), items)
            && !bytes.is_empty()
        {
            parts.extend(bytes::rows(&bytes));
            push_rest(parts, &object.elements, "more bytes");
            return;
        }
        let mut next = 0;
        let is_list = matches!(
            object.kind,
            Kind::Array | Kind::TypedArray | Kind::Arguments
        );
        for (index, value) in &object.elements.items {
            if is_list {
                parts.extend(holes(index.saturating_sub(next)));
                parts.push(self.value(value, level));
            } else {
                parts.push(self.named(&format!("[{index}]"), value, level));
            }
            next = index.saturating_add(1);
        }
        if let Detail::Array { length } = object.detail
            && object.elements.is_complete()
        {
            parts.extend(holes(length.saturating_sub(next)));
        }
        match (&object.detail, object.elements.more) {
            (Detail::Array { length }, None) => {
                parts.push(more(length.saturating_sub(next), "more items"));
            }
            (
                Detail::View {
                    captured: false, ..
                },
                _,
            ) => {
                parts.push(Text::styled(DIM, "contents not captured"));
            }
            _ => push_rest(parts, &object.elements, "more items"),
        }
    }

    /// What this kind of object has beyond properties, as far as the head does not say it.
    fn detail_parts(&self, object: &ObjectDescription, level: usize) -> Vec<Text> {
        let mut parts = Vec::new();
        match &object.detail {
            Detail::Map { entries, .. } => {
                for (key, value) in &entries.items {
                    let mut text = self.value(key, level);
                    text.push_plain(" => ");
                    text.push(&self.value(value, level));
                    parts.push(text);
                }
                push_rest(&mut parts, entries, "more entries");
            }
            Detail::Set { members, .. } => {
                parts.extend(members.items.iter().map(|member| self.value(member, level)));
                push_rest(&mut parts, members, "more members");
            }
            Detail::Promise {
                result, reactions, ..
            } => {
                parts.extend(self.slot("Result", result.as_deref(), level));
                for (fulfilled, rejected) in &reactions.items {
                    parts.extend(self.slot("OnFulfilled", Some(fulfilled), level));
                    parts.extend(self.slot("OnRejected", Some(rejected), level));
                }
                push_rest(&mut parts, reactions, "more reactions");
            }
            Detail::Function { scopes, .. } | Detail::Generator { scopes, .. } => {
                parts.extend(scopes.iter().map(|scope| self.scope(scope, level)));
            }
            Detail::BoundFunction {
                target,
                this,
                arguments,
            } => {
                parts.extend(self.slot("Target", target.as_deref(), level));
                parts.extend(self.slot("This", this.as_deref(), level));
                for argument in &arguments.items {
                    parts.extend(self.slot("Argument", Some(argument), level));
                }
                push_rest(&mut parts, arguments, "more arguments");
            }
            Detail::ArrayBuffer {
                backing_store,
                contents,
                byte_length,
                ..
            } => match contents {
                Contents::Bytes(bytes) if bytes.is_empty() => {}
                Contents::Bytes(bytes) => {
                    parts.extend(bytes::rows(bytes));
                    let left = byte_length.saturating_sub(bytes.len() as u64);
                    if left > 0 {
                        parts.push(more(left, "more bytes"));
                    }
                }
                Contents::NotCaptured => parts.push(Text::styled(
                    DIM,
                    &format!("contents at {backing_store:#x} not captured"),
                )),
            },
            Detail::View {
                length: None,
                buffer,
                ..
            } => parts.extend(self.slot("Buffer", buffer.as_deref(), level)),
            Detail::Proxy { target, handler } => {
                parts.extend(self.slot("Target", target.as_deref(), level));
                parts.extend(self.slot("Handler", handler.as_deref(), level));
            }
            Detail::WeakRef { target } => {
                parts.extend(self.slot("Target", target.as_deref(), level));
            }
            Detail::Iterator { source, index } => {
                parts.extend(self.slot("Source", source.as_deref(), level));
                parts.extend(self.slot("Index", index.as_deref(), level));
            }
            Detail::Error {
                stack: Some(stack), ..
            } => {
                let mut text = Text::styled(DIM, "[[Stack]]");
                text.push_plain(": ");
                text.push(&string_text(stack));
                parts.push(text);
            }
            Detail::ModuleNamespace { exports } => {
                for (name, value) in &exports.items {
                    parts.push(self.named(name, value, level));
                }
                push_rest(&mut parts, exports, "more exports");
            }
            Detail::Unreadable(reason) => {
                parts.push(Text::styled(PROBLEM, &format!("<{reason}>")));
            }
            _ => {}
        }
        parts
    }

    fn scope(&self, scope: &ScopeDescription, level: usize) -> Text {
        let mut text = Text::styled(DIM, &format!("[[{} scope]]", scope.kind));
        text.push(&address(Some(scope.context)));
        let mut parts: Vec<Text> = scope
            .variables
            .items
            .iter()
            .map(|(name, value)| {
                if value.is_hole() {
                    Text::plain(&format!("{name}: <not initialised>"))
                } else {
                    self.named(name, value, level + 1)
                }
            })
            .collect();
        push_rest(&mut parts, &scope.variables, "more variables");
        text.push_plain(" ");
        text.push(&self.braces(["{", "}"], &parts, level));
        text
    }
}
