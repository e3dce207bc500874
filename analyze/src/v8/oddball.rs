//! `undefined`, `null`, `true`, `false`, and the values that only V8 sees.

use super::{Address, ObjectError, Objects, Tagged};
use crate::layout::Field;

/// An oddball, or a hole (V8 12 and later, where holes have a type of their own).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Oddball {
    /// `undefined`
    Undefined,
    /// `null`
    Null,
    /// `true` or `false`
    Boolean(bool),
    /// A hole: no value.
    Hole,
    /// Another internal marker: how V8 prints it.
    Other(String),
}

/// `Oddball::kFalse`, `kTrue`, `kTheHole`, `kNull`: the same from V8 4.5 to 14.6.
const FALSE: u64 = 0;
const TRUE: u64 = 1;
const THE_HOLE: u64 = 2;
const NULL: u64 = 3;

impl Objects {
    /// The oddball at `address`.
    ///
    /// # Errors
    /// [`ObjectError::WrongType`] if it is none; other errors if it cannot be read.
    pub fn read_oddball(&self, address: Address) -> Result<Oddball, ObjectError> {
        let instance_type = self.map_of(address)?.instance_type;
        if self.is_type(instance_type, "HOLE_TYPE") {
            return Ok(Oddball::Hole);
        }
        if !self.is_type(instance_type, "ODDBALL_TYPE") {
            return Err(ObjectError::WrongType {
                address,
                found: self.type_name(instance_type),
                expected: "oddball",
            });
        }
        let kind = self.field(address, Field::OddballKind)?;
        if self.layout().number(Field::OddballUndefined).ok() == Some(kind) {
            return Ok(Oddball::Undefined);
        }
        Ok(match kind {
            FALSE => Oddball::Boolean(false),
            TRUE => Oddball::Boolean(true),
            THE_HOLE => Oddball::Hole,
            NULL => Oddball::Null,
            _ => {
                let text = self
                    .tagged_field(address, Field::OddballToString)?
                    .strong()
                    .and_then(|text| self.read_string(text, 64).ok());
                Oddball::Other(
                    text.map_or_else(|| format!("oddball {kind}"), |text| text.to_text()),
                )
            }
        })
    }

    /// Whether a word is a hole: no value.
    pub fn is_hole(&self, word: Tagged) -> bool {
        self.is_oddball(word, &Oddball::Hole)
    }

    /// Whether a word is `undefined`.
    pub fn is_undefined(&self, word: Tagged) -> bool {
        self.is_oddball(word, &Oddball::Undefined)
    }

    /// Whether a word is `null`.
    pub fn is_null(&self, word: Tagged) -> bool {
        self.is_oddball(word, &Oddball::Null)
    }

    fn is_oddball(&self, word: Tagged, wanted: &Oddball) -> bool {
        word.strong().is_some_and(|object| {
            self.read_oddball(object)
                .is_ok_and(|found| found == *wanted)
        })
    }
}
