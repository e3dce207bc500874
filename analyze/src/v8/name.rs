//! Property keys: strings, symbols, and the names of `#private` members.

use std::fmt;

use super::{Address, ObjectError, Objects, StringValue};
use crate::layout::Field;

/// Longest name that is read in full; the rest is cut. Names that programs write are far shorter.
pub(super) const MAX_NAME_UNITS: usize = 4096;

/// The symbols of the language, which V8 marks in part only: `is_well_known` is about protectors, not about all of them.
const WELL_KNOWN: [&str; 15] = [
    "Symbol.asyncDispose",
    "Symbol.asyncIterator",
    "Symbol.dispose",
    "Symbol.hasInstance",
    "Symbol.isConcatSpreadable",
    "Symbol.iterator",
    "Symbol.match",
    "Symbol.matchAll",
    "Symbol.replace",
    "Symbol.search",
    "Symbol.species",
    "Symbol.split",
    "Symbol.toPrimitive",
    "Symbol.toStringTag",
    "Symbol.unscopables",
];

/// What a symbol is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SymbolKind {
    /// Made by `Symbol()`.
    Plain,
    /// Made by `Symbol.for()`.
    Registered,
    /// One of the language's own, such as `Symbol.iterator`.
    WellKnown,
    /// The name of a `#private` member; the description begins with `#`.
    PrivateName,
    /// Marks instances of the class that it is named after, which has `#private` methods.
    PrivateBrand,
    /// V8's own, never seen by a program.
    Internal,
}

/// A symbol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SymbolValue {
    /// The object.
    pub address: Address,
    /// Description; `None` if it is undefined.
    pub description: Option<StringValue>,
    /// What it is for.
    pub kind: SymbolKind,
}

/// A property key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Name {
    /// A string.
    String(StringValue),
    /// A symbol.
    Symbol(SymbolValue),
}

impl Name {
    /// Whether it is the string `text`.
    pub fn is(&self, text: &str) -> bool {
        matches!(self, Self::String(string) if string.is(text))
    }

    /// Whether it is the well-known symbol that is described as `text`.
    pub fn is_well_known(&self, text: &str) -> bool {
        matches!(self, Self::Symbol(symbol) if symbol.kind == SymbolKind::WellKnown
            && symbol.description.as_ref().is_some_and(|description| description.is(text)))
    }
}

impl fmt::Display for Name {
    /// As it stands in a program: `name`, `#private`, `Symbol(description)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::String(string) => f.write_str(&string.to_text()),
            Self::Symbol(symbol) => {
                let description = symbol.description.as_ref().map(StringValue::to_text);
                let description = description.unwrap_or_default();
                match symbol.kind {
                    SymbolKind::PrivateName => f.write_str(&description),
                    _ => write!(f, "Symbol({description})"),
                }
            }
        }
    }
}

impl Objects {
    /// The property key at `address`.
    ///
    /// # Errors
    /// [`ObjectError::WrongType`] if it is neither string nor symbol; other errors if it cannot be read.
    pub fn read_name(&self, address: Address) -> Result<Name, ObjectError> {
        let instance_type = self.map_of(address)?.instance_type;
        if self.is_type(instance_type, "SYMBOL_TYPE") {
            return self.read_symbol(address).map(Name::Symbol);
        }
        self.read_string(address, MAX_NAME_UNITS).map(Name::String)
    }

    /// The symbol at `address`.
    ///
    /// # Errors
    /// [`ObjectError::WrongType`] if it is no symbol; other errors if it cannot be read.
    pub fn read_symbol(&self, address: Address) -> Result<SymbolValue, ObjectError> {
        let instance_type = self.map_of(address)?.instance_type;
        if !self.is_type(instance_type, "SYMBOL_TYPE") {
            return Err(ObjectError::WrongType {
                address,
                found: self.type_name(instance_type),
                expected: "symbol",
            });
        }
        let description = self
            .tagged_field(address, Field::SymbolDescription)?
            .strong()
            .and_then(|description| self.read_string(description, MAX_NAME_UNITS).ok());
        let is_described_as_well_known = || {
            description
                .as_ref()
                .is_some_and(|text| WELL_KNOWN.iter().any(|name| text.is(name)))
        };
        let flag = |field| {
            self.compute(address, field)
                .is_ok_and(|bit| bit.is_some_and(|bit| bit != 0))
        };
        let kind = if flag(Field::SymbolIsPrivateBrand) {
            SymbolKind::PrivateBrand
        } else if flag(Field::SymbolIsPrivateName) {
            SymbolKind::PrivateName
        } else if flag(Field::SymbolIsPrivate) {
            SymbolKind::Internal
        } else if flag(Field::SymbolIsRegistered) {
            SymbolKind::Registered
        } else if flag(Field::SymbolIsWellKnown) || is_described_as_well_known() {
            SymbolKind::WellKnown
        } else {
            SymbolKind::Plain
        };
        Ok(SymbolValue {
            address,
            description,
            kind,
        })
    }
}
