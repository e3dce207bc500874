//! Layouts: by which offsets, bits and numbers one V8 version stores its objects.
//!
//! A layout is data. Each value comes, in this order, from a correction in the version's table (where `v8dbg` is known to
//! be wrong), the `v8dbg_*` constants of the captured binary itself, and the version's table in `spec/layouts/`; and it
//! remembers which.

mod bytecode;
mod expr;
mod field;
mod members;
mod place;
mod resolve;
mod slots;
mod table;
#[cfg(test)]
mod tables_test;
mod terms;
mod type_numbers;
mod types;

use std::fmt;

use thiserror::Error;
use v8mini_format::model::V8Version;

pub use bytecode::BytecodeLengths;
pub use expr::{Expr, Subject};
pub use field::Field;
pub use place::{Bits, Encoding, Place};
pub use slots::{SlotKind, Slots};
pub use types::InstanceTypes;

/// Where a value of the layout comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Source {
    /// A `v8dbg_*` constant of the captured binary: its name without the prefix.
    V8dbg(String),
    /// The table of the V8 version.
    Table,
    /// The table of the V8 version, against what `v8dbg` says.
    Correction,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::V8dbg(name) => write!(f, "v8dbg_{name}"),
            Self::Table => f.write_str("table"),
            Self::Correction => f.write_str("table, correcting v8dbg"),
        }
    }
}

/// The value of a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A plain number: an offset, a mask, an enum value.
    Number(u64),
    /// Where the field lies in an object.
    Place(Place),
    /// An expression over the object.
    Expr(Expr),
}

/// The layout of one V8 version.
#[derive(Debug, Clone)]
pub struct Layout {
    /// The version that it was resolved for.
    pub version: V8Version,
    /// Name of the table in `spec/layouts/`.
    pub table: String,
    /// Whether the table's range covers the version; if not, the nearest table was taken.
    pub within_range: bool,
    /// Node releases on which the table's facts were checked on a live process.
    pub verified: Vec<String>,
    /// Instance types and the sizes of their objects.
    pub types: InstanceTypes,
    /// How long bytecodes are.
    pub bytecode_lengths: BytecodeLengths,
    values: Vec<Option<(Value, Source)>>,
}

impl Layout {
    /// A field's value and where it comes from; `None` if nothing gives it for this version.
    pub fn value(&self, field: Field) -> Option<&(Value, Source)> {
        self.values.get(field as usize)?.as_ref()
    }

    /// Where a field lies in an object.
    ///
    /// # Errors
    /// [`LayoutError::Missing`] if nothing gives it for this version.
    pub fn place(&self, field: Field) -> Result<Place, LayoutError> {
        match self.value(field) {
            Some((Value::Place(place), _)) => Ok(*place),
            _ => Err(self.missing(field)),
        }
    }

    /// A field that is a number.
    ///
    /// # Errors
    /// [`LayoutError::Missing`] if nothing gives it for this version.
    pub fn number(&self, field: Field) -> Result<u64, LayoutError> {
        match self.value(field) {
            Some((Value::Number(number), _)) => Ok(*number),
            _ => Err(self.missing(field)),
        }
    }

    /// A field that is computed from the object.
    ///
    /// # Errors
    /// [`LayoutError::Missing`] if nothing gives it for this version.
    pub fn expr(&self, field: Field) -> Result<&Expr, LayoutError> {
        match self.value(field) {
            Some((Value::Expr(expr), _)) => Ok(expr),
            _ => Err(self.missing(field)),
        }
    }

    fn missing(&self, field: Field) -> LayoutError {
        LayoutError::Missing {
            field,
            version: self.version,
        }
    }
}

/// Why there is no (usable) layout.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum LayoutError {
    /// Neither the binary's constants nor the tables say it.
    #[error(
        "{field} is not known for V8 {version}: neither the captured binary's v8dbg constants nor the layout tables give it"
    )]
    Missing {
        /// What is missing.
        field: Field,
        /// For which version.
        version: V8Version,
    },
    /// A table cannot be read.
    #[error("layout table {table}: {reason}")]
    Table {
        /// File name.
        table: String,
        /// What is wrong.
        reason: String,
    },
    /// A place or an expression cannot be read.
    #[error("'{text}': expected {expected}")]
    Syntax {
        /// The text.
        text: String,
        /// What should have stood there.
        expected: String,
    },
}

impl LayoutError {
    fn syntax(text: &str, expected: &str) -> Self {
        Self::Syntax {
            text: text.to_owned(),
            expected: expected.to_owned(),
        }
    }

    fn table(table: &str, reason: &dyn fmt::Display) -> Self {
        Self::Table {
            table: table.to_owned(),
            reason: reason.to_string(),
        }
    }
}
