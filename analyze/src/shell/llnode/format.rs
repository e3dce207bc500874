//! Values as llnode prints them: `0x2a1f03c81b49:<Object: Socket>`.

use anstyle::{AnsiColor, Style};

use crate::inspect::{
    Contents, Description, Detail, Key, ObjectDescription, PropertyDescription, Value, describe,
    describe_property,
};
use crate::v8::{
    Address, ElementValue, Kind, Name, Number, Objects, Oddball, PropertyValue, StringValue,
    SymbolKind, iso_string,
};

pub(super) const ADDRESS: Style = AnsiColor::Cyan.on_default();
pub(super) const VALUE: Style = AnsiColor::Yellow.on_default();
pub(super) const HEADING: Style = AnsiColor::Magenta.on_default();
pub(super) const KEY: Style = AnsiColor::Yellow.on_default().bold();

/// Characters of a string and elements of an array that are shown if nobody asks for more.
const LENGTH: usize = 16;
/// Most properties or elements that are shown of one object, whatever was asked for.
pub(super) const MAX_SHOWN: usize = 1 << 20;

/// What is shown of a value: the options of `v8 inspect`.
#[derive(Debug, Clone, Copy)]
pub(in crate::shell) struct Format {
    /// Whether what is in the object is shown.
    pub(in crate::shell) detailed: bool,
    /// Whether the address of the map is shown.
    pub(in crate::shell) print_map: bool,
    /// Whether the source of a function is shown.
    pub(in crate::shell) print_source: bool,
    /// Characters of a string, elements of an array; 0 for all.
    pub(in crate::shell) length: usize,
}

impl Default for Format {
    fn default() -> Self {
        Self {
            detailed: false,
            print_map: false,
            print_source: false,
            length: LENGTH,
        }
    }
}

impl Format {
    /// A value as text, without a newline at the end.
    pub(in crate::shell) fn value(&self, objects: &Objects, value: PropertyValue) -> String {
        let limit = |asked: usize| match asked {
            0 => MAX_SHOWN,
            asked => asked.min(MAX_SHOWN),
        };
        let options = crate::inspect::Options {
            depth: 0,
            string_length: limit(self.length),
            // Properties are always shown whole; arrays are cut below.
            array_length: MAX_SHOWN,
            print_map: self.print_map,
        };
        let closed = crate::inspect::Options {
            array_length: 0,
            ..options
        };
        let options = if self.detailed { options } else { closed };
        let description = describe_property(objects, value, &options);
        let printer = Printer {
            objects,
            format: *self,
            elements: limit(self.length),
        };
        printer.top(&description)
    }

    /// An object as text.
    pub(in crate::shell) fn object(&self, objects: &Objects, object: Address) -> String {
        self.value(objects, PropertyValue::Tagged(object.tagged()))
    }
}

pub(super) struct Printer<'a> {
    pub(super) objects: &'a Objects,
    pub(super) format: Format,
    /// Elements of an array that are shown.
    pub(super) elements: usize,
}

impl Printer<'_> {
    /// The value that was asked for: opened, if the format says so.
    fn top(&self, description: &Description) -> String {
        let prefix = self.prefix(description);
        if !self.format.detailed {
            return prefix + &self.short(description);
        }
        let Value::Object(object) = &description.value else {
            return prefix + &self.internal(description);
        };
        let address = description.address.unwrap_or_default();
        let body = match &object.detail {
            Detail::Array { length } => {
                let elements = self.element_lines(object, self.elements);
                let head = format!("{HEADING}<Array: length={length}{HEADING:#}");
                if elements.is_empty() {
                    format!("{head}>")
                } else {
                    format!("{head} {{\n{elements}}}>")
                }
            }
            Detail::Function { scopes, .. } => self.function(address, object, scopes),
            Detail::ArrayBuffer {
                contents,
                byte_length,
                ..
            } => {
                let bytes = match contents {
                    Contents::Bytes(bytes) => self.bytes(bytes, *byte_length),
                    Contents::NotCaptured => "not captured".to_owned(),
                };
                format!(
                    "{HEADING}{}{HEADING:#}:{VALUE} [\n  {bytes}\n]{VALUE:#}>",
                    open(&self.plain(object))
                )
            }
            Detail::View { byte_length, .. } => {
                let bytes = self.view_bytes(address, *byte_length);
                format!(
                    "{HEADING}{}{HEADING:#}:{VALUE} [\n  {bytes}\n]{VALUE:#}>",
                    open(&self.plain(object))
                )
            }
            Detail::RegExp { .. } => {
                let head = open(&self.plain(object)).to_owned();
                format!(
                    "{HEADING}{head}{HEADING:#} {}>",
                    self.fields(address, object)
                )
            }
            Detail::Date { .. } => format!("{VALUE}{}{VALUE:#}", self.plain(object)),
            _ => {
                let head = open(&self.plain(object)).to_owned();
                format!(
                    "{VALUE}{head}{VALUE:#} {}{VALUE}>{VALUE:#}",
                    self.fields(address, object)
                )
            }
        };
        prefix + &body
    }

    /// `0x…:`, if it has an address.
    fn prefix(&self, description: &Description) -> String {
        match (description.address, description.map) {
            (Some(address), Some(map)) if self.format.print_map => {
                format!("0x{:016x}(map=0x{:016x}):", address.0 | 1, map.0 | 1)
            }
            (Some(address), _) => format!("{ADDRESS}{address}{ADDRESS:#}:"),
            (None, _) => String::new(),
        }
    }

    /// A value inside another one.
    pub(super) fn inner(&self, description: &Description) -> String {
        let address = match description.address {
            Some(address) => format!("{ADDRESS}{address}{ADDRESS:#}:"),
            None => String::new(),
        };
        address + &self.short(description)
    }

    /// A value that stays closed.
    pub(super) fn short(&self, description: &Description) -> String {
        let text = match &description.value {
            Value::Number(Number::Smi(smi)) => format!("<Smi: {smi}>"),
            Value::Number(number @ Number::Double(_)) if description.address.is_some() => {
                format!("<Number: {:.6}>", number.to_f64())
            }
            Value::Number(number @ Number::Double(_)) => return format!("{:.6}", number.to_f64()),
            Value::Element(ElementValue::Number(bits)) => return f64::from_bits(*bits).to_string(),
            Value::Element(ElementValue::BigInt(value)) => return value.to_string(),
            Value::String(string) => format!("<String: \"{}\">", self.cut(string)),
            Value::Symbol(symbol) => {
                let description = symbol.description.as_ref();
                format!(
                    "<Symbol: {}>",
                    description.map_or_else(String::new, StringValue::to_text)
                )
            }
            Value::BigInt(value) => format!(
                "<BigInt: {}>",
                value
                    .to_decimal()
                    .unwrap_or_else(|| format!("0x{}", value.to_hex()))
            ),
            Value::Oddball(oddball) => match oddball {
                Oddball::Undefined => "<undefined>".to_owned(),
                Oddball::Null => "<null>".to_owned(),
                Oddball::Boolean(value) => format!("<{value}>"),
                Oddball::Hole => "<hole>".to_owned(),
                Oddball::Other(name) => format!("<{name}>"),
            },
            Value::Accessor { getter, setter } => {
                let side = |name, side: &Option<Box<Description>>| {
                    side.as_ref()
                        .and_then(|side| side.address)
                        .map(|address| format!(" {name}={address}"))
                        .unwrap_or_default()
                };
                format!("<Accessor{}{}>", side("get", getter), side("set", setter))
            }
            Value::Native => "<AccessorInfo>".to_owned(),
            Value::Object(object) => self.plain(object),
            Value::Internal { .. } => {
                let address = description.address.unwrap_or_default();
                self.internal_name(address)
            }
            Value::Cleared => "<cleared>".to_owned(),
            Value::Unreadable(reason) => format!("<{reason}>"),
        };
        format!("{VALUE}{text}{VALUE:#}")
    }

    /// An object of the language, closed, without styles.
    pub(super) fn plain(&self, object: &ObjectDescription) -> String {
        let class = object.class.as_deref().unwrap_or("(Object)");
        match &object.detail {
            Detail::Array { length } => format!("<Array: length={length}>"),
            Detail::Function { name, location, .. } => {
                let name = if name.is_empty() { "(anonymous)" } else { name };
                match location {
                    Some(location) => format!("<function: {name} at {location}>"),
                    None => format!("<function: {name} at (native)>"),
                }
            }
            Detail::Date { time, iso } => {
                let iso = iso.clone().or_else(|| iso_string(*time));
                format!(
                    "<JSDate: {time}{}>",
                    iso.map(|iso| format!(" {iso}")).unwrap_or_default()
                )
            }
            Detail::RegExp { source, flags } => {
                format!("<JSRegExp source=/{}/{flags}>", source.to_text())
            }
            Detail::ArrayBuffer {
                is_detached: true, ..
            } => "<ArrayBuffer [neutered]>".to_owned(),
            Detail::ArrayBuffer {
                backing_store,
                byte_length,
                ..
            } => format!(
                "<ArrayBuffer: backingStore=0x{backing_store:016x}, byteLength={byte_length}>"
            ),
            Detail::View {
                byte_length,
                byte_offset,
                ..
            } => {
                format!(
                    "<ArrayBufferView: {class} byteOffset={byte_offset}, byteLength={byte_length}>"
                )
            }
            _ => match object.kind {
                Kind::BoundFunction => "<function: bound>".to_owned(),
                _ => format!("<Object: {class}>"),
            },
        }
    }

    fn cut(&self, string: &StringValue) -> String {
        let mut text = string.to_text();
        if !string.is_complete() {
            text.push_str("...");
        }
        text
    }

    fn view_bytes(&self, view: Address, byte_length: u64) -> String {
        let objects = self.objects;
        let shown = usize::try_from(byte_length)
            .unwrap_or(usize::MAX)
            .min(self.elements);
        let bytes = objects
            .map_of(view)
            .and_then(|map| objects.read_view(view, &map))
            .ok()
            .and_then(|view| view.data)
            .and_then(|data| objects.raw_bytes(data, shown).ok());
        match bytes {
            Some(bytes) => self.bytes(&bytes, byte_length),
            None => "not captured".to_owned(),
        }
    }

    fn bytes(&self, bytes: &[u8], length: u64) -> String {
        let shown = bytes.get(..self.elements).unwrap_or(bytes);
        let hex: Vec<String> = shown.iter().map(|byte| format!("{byte:02x}")).collect();
        let more = if (shown.len() as u64) < length {
            " ..."
        } else {
            ""
        };
        hex.join(" ") + more
    }
}

/// `<…>` without its end.
pub(super) fn open(text: &str) -> &str {
    text.strip_suffix('>').unwrap_or(text)
}

pub(super) fn key(property: &PropertyDescription) -> String {
    match &property.key {
        Key::Name(name) => name.to_text(),
        Key::Symbol { description, kind } => {
            let text = description
                .as_ref()
                .map_or_else(String::new, StringValue::to_text);
            match kind {
                SymbolKind::PrivateName => text,
                _ => format!("Symbol('{text}')"),
            }
        }
        Key::Unreadable(_) => "???".to_owned(),
    }
}

/// A property name as llnode prints it.
pub(in crate::shell) fn name_text(name: &Name) -> String {
    match name {
        Name::String(name) => name.to_text(),
        Name::Symbol(symbol) => {
            let text = symbol
                .description
                .as_ref()
                .map_or_else(String::new, StringValue::to_text);
            format!("Symbol('{text}')")
        }
    }
}

/// A value in a few words, for lists: no address, closed.
pub(in crate::shell) fn in_short(objects: &Objects, object: Address) -> String {
    let options = crate::inspect::Options {
        depth: 0,
        string_length: LENGTH,
        array_length: 0,
        print_map: false,
    };
    let printer = Printer {
        objects,
        format: Format::default(),
        elements: LENGTH,
    };
    printer.short(&describe(objects, object.tagged(), &options))
}
