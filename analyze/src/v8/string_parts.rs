//! Strings by the million: what their type alone tells, their characters without a copy, and the strings that they are
//! made of.

use v8mini_format::MemoryExt;

use super::string::{MAX_LENGTH, StringShape};
use super::{Address, ObjectError, Objects, Representation};
use crate::layout::{Field, Place};

/// Characters come in pieces of so many code units, always cut at the same places: what is computed piece by piece is the
/// same for equal strings.
const PIECE: u64 = 64 << 10;

/// What the instance type of a string says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StringType {
    /// How it is stored.
    pub representation: Representation,
    /// Whether equal strings share this one object.
    pub internalized: bool,
}

impl StringType {
    /// Whether the characters belong to the string itself, in the heap or outside.
    pub const fn has_characters(self) -> bool {
        !matches!(
            self.representation,
            Representation::Cons | Representation::Sliced | Representation::Thin
        )
    }

    /// Whether the characters lie outside of the heap.
    pub const fn is_external(self) -> bool {
        matches!(
            self.representation,
            Representation::ExternalOneByte | Representation::ExternalTwoByte
        )
    }

    /// Bytes of a code unit, of a string that has characters of its own.
    pub const fn width(self) -> u64 {
        match self.representation {
            Representation::SeqTwoByte | Representation::ExternalTwoByte => 2,
            _ => 1,
        }
    }
}

/// Some characters of a string, as they are stored.
#[derive(Debug, Clone, Copy)]
pub enum Characters<'a> {
    /// Latin-1.
    OneByte(&'a [u8]),
    /// UTF-16, little-endian: an even number of bytes.
    TwoByte(&'a [u8]),
}

/// Where the strings of a type have their length and their characters, if these lie in the object and take a byte each: so their text
/// can be read without a second look at the map.
#[derive(Debug, Clone, Copy)]
pub struct OneByteText {
    length: Place,
    characters: u64,
}

impl Objects {
    /// Where the strings of an instance type have their text; `None` if they are no strings, or have it elsewhere or in two-byte characters.
    pub fn one_byte_text(&self, instance_type: u16) -> Option<OneByteText> {
        match self.representation(instance_type)? {
            Representation::SeqOneByte => Some(OneByteText {
                length: self.layout().place(Field::StringLength).ok()?,
                characters: self.layout().number(Field::SeqStringChars).ok()?,
            }),
            _ => None,
        }
    }

    /// Appends the first `max_units` characters of a string, the same that [`Objects::read_string`] would give, to `text`, by way of
    /// `buffer`, whose contents do not matter. `false` if the string is longer than what is read in one piece, or is not to be believed:
    /// nothing is appended then.
    pub fn push_one_byte_text(
        &self,
        string: Address,
        place: OneByteText,
        max_units: usize,
        buffer: &mut Vec<u8>,
        text: &mut String,
    ) -> bool {
        let length = self.load(string, place.length).unwrap_or(u64::MAX);
        let len = length.min(max_units as u64);
        if length > MAX_LENGTH || len > PIECE {
            return false;
        }
        buffer.resize(len as usize, 0);
        let at = string.0.wrapping_add(place.characters);
        if self.memory().read_at(at, buffer).is_err() {
            return false;
        }
        match std::str::from_utf8(buffer) {
            // What is not ASCII might be UTF-8 by chance.
            Ok(ascii) if buffer.is_ascii() => text.push_str(ascii),
            _ => text.extend(buffer.iter().map(|byte| char::from(*byte))),
        }
        true
    }

    /// What an instance type says of its strings; `None` if it is no string's.
    pub fn string_type(&self, instance_type: u16) -> Option<StringType> {
        let shape = StringShape::of(self.layout(), instance_type).ok()??;
        Some(StringType {
            representation: shape.representation,
            internalized: shape.internalized,
        })
    }

    /// Calls `visit` with the characters of a string that has its own, piece after piece. `known` are the first bytes of the
    /// object, as far as the caller has them: what lies in them is not read again.
    ///
    /// # Errors
    /// [`ObjectError::WrongType`] if it is made of other strings, or none; [`ObjectError::Memory`] if characters are not in
    /// the image: those before them were visited.
    pub fn for_each_piece(
        &self,
        string: Address,
        known: &[u8],
        mut visit: impl FnMut(Characters<'_>),
    ) -> Result<(), ObjectError> {
        let header = self.string_header(string)?;
        let (width, external) = match header.shape.representation {
            Representation::SeqOneByte => (1, false),
            Representation::SeqTwoByte => (2, false),
            Representation::ExternalOneByte => (1, true),
            Representation::ExternalTwoByte => (2, true),
            other => {
                return Err(ObjectError::WrongType {
                    address: string,
                    found: other.name().to_owned() + " string",
                    expected: "string with characters of its own",
                });
            }
        };
        let mut show = |bytes: &[u8]| {
            visit(if width == 1 {
                Characters::OneByte(bytes)
            } else {
                Characters::TwoByte(bytes)
            });
        };
        // The length is below 2^30: nothing here overflows.
        let size = header.length * width;
        let piece = PIECE * width;
        let mut at = if external {
            self.external_data(header)?
        } else {
            let start = self.layout().number(Field::SeqStringChars)?;
            let end = (start + size) as usize;
            if let Some(characters) = known.get(start as usize..end) {
                characters.chunks(piece as usize).for_each(show);
                return Ok(());
            }
            string.0.wrapping_add(start)
        };
        let mut rest = size;
        while rest > 0 {
            let len = rest.min(piece);
            show(&self.memory().read_vec(at, len as usize)?);
            at = at.wrapping_add(len);
            rest -= len;
        }
        Ok(())
    }

    /// The halves of a concatenation; `None` if it was flattened: then the first half is the whole.
    ///
    /// # Errors
    /// If it is no concatenation, or a half is no string.
    pub fn cons_halves(&self, string: Address) -> Result<Option<(Address, Address)>, ObjectError> {
        let header = self.string_header(string)?;
        let first = self.part_header(header, Field::ConsStringFirst)?;
        let second = self.part_header(header, Field::ConsStringSecond)?;
        Ok((second.length > 0).then_some((first.address, second.address)))
    }

    /// The flat string that a slice was cut from.
    ///
    /// # Errors
    /// If it is no slice, or leads to no flat string.
    pub fn slice_parent(&self, string: Address) -> Result<Address, ObjectError> {
        let header = self.string_header(string)?;
        let parent = self.flat_part(header, Field::SlicedStringParent)?;
        Ok(parent.address)
    }

    /// What a string takes: its object, and its characters if they lie outside of the heap. 0 if it is no string.
    pub fn string_size(&self, string: Address) -> u64 {
        let Ok(header) = self.string_header(string) else {
            return 0;
        };
        let object = |chars: u64| {
            let start = self.layout().number(Field::SeqStringChars).unwrap_or(0);
            (start + chars).next_multiple_of(8)
        };
        let fixed = || {
            self.map_of(string)
                .map_or(0, |map| map.instance_size.next_multiple_of(8))
        };
        match header.shape.representation {
            Representation::SeqOneByte => object(header.length),
            Representation::SeqTwoByte => object(header.length * 2),
            Representation::ExternalOneByte => fixed() + header.length,
            Representation::ExternalTwoByte => fixed() + header.length * 2,
            _ => fixed(),
        }
    }
}
