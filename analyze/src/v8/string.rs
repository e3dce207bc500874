//! Strings in all their representations, to the last code unit.

use v8mini_format::{MemoryExt, ReadError};

use super::{Address, ObjectError, Objects};
use crate::layout::{Field, Layout};

/// `String::kMaxLength` is below this in every 64-bit V8 from 4.5 to 14.6.
pub(super) const MAX_LENGTH: u64 = 1 << 30;
/// Characters are read in pieces, so that a claimed length allocates nothing until its bytes are found to be there.
const PIECE: u64 = 64 << 10;
/// `ExternalStringResource` of Node: a vtable, V8's cached pointer, the isolate, the data and the length lie within this.
const RESOURCE_WORDS: u64 = 6;

/// How V8 stores a string.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Representation {
    /// Characters in the object, one byte each (Latin-1).
    SeqOneByte,
    /// Characters in the object, two bytes each.
    SeqTwoByte,
    /// Concatenation of two strings.
    Cons,
    /// Part of another string.
    Sliced,
    /// Stands for an internalized string.
    Thin,
    /// Characters outside of the heap, one byte each.
    ExternalOneByte,
    /// Characters outside of the heap, two bytes each.
    ExternalTwoByte,
}

impl Representation {
    /// A name for people and JSON: `cons`, `external-one-byte`, …
    pub const fn name(self) -> &'static str {
        match self {
            Self::SeqOneByte => "one-byte",
            Self::SeqTwoByte => "two-byte",
            Self::Cons => "cons",
            Self::Sliced => "sliced",
            Self::Thin => "thin",
            Self::ExternalOneByte => "external-one-byte",
            Self::ExternalTwoByte => "external-two-byte",
        }
    }
}

/// A string's code units, or the first of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StringValue {
    /// UTF-16 code units, as the program sees them: lone surrogates are possible.
    pub units: Vec<u16>,
    /// Length of the whole string in code units.
    pub length: u64,
    /// How the string itself is stored.
    pub representation: Representation,
    /// Whether equal strings share this one object.
    pub internalized: bool,
    /// Why `units` ends before the string does, if it is not because the caller wanted no more.
    pub missing: Option<ObjectError>,
}

impl StringValue {
    /// Whether `units` is the whole string.
    pub fn is_complete(&self) -> bool {
        self.units.len() as u64 == self.length
    }

    /// The text; lone surrogates become U+FFFD.
    pub fn to_text(&self) -> String {
        String::from_utf16_lossy(&self.units)
    }

    /// Whether the text can be said in UTF-8 without loss.
    pub fn is_well_formed(&self) -> bool {
        char::decode_utf16(self.units.iter().copied()).all(|unit| unit.is_ok())
    }

    /// Whether it is the whole of `text`.
    pub fn is(&self, text: &str) -> bool {
        self.is_complete() && text.encode_utf16().eq(self.units.iter().copied())
    }
}

/// What the instance type of a string says.
#[derive(Debug, Clone, Copy)]
pub(super) struct StringShape {
    pub(super) representation: Representation,
    pub(super) internalized: bool,
    has_cached_data: bool,
}

impl StringShape {
    /// V8 5.7 and earlier have no thin strings; up to V8 5 the masks are narrower. Both are data.
    pub(super) fn of(layout: &Layout, instance_type: u16) -> Result<Option<Self>, ObjectError> {
        let bits = u64::from(instance_type);
        if bits >= layout.number(Field::FirstNonstringType)? {
            return Ok(None);
        }
        let tag = bits & layout.number(Field::StringRepresentationMask)?;
        let one_byte = bits & layout.number(Field::StringEncodingMask)? != 0;
        let is = |field| layout.number(field).ok() == Some(tag);
        let representation = if is(Field::SeqStringTag) {
            if one_byte {
                Representation::SeqOneByte
            } else {
                Representation::SeqTwoByte
            }
        } else if is(Field::ConsStringTag) {
            Representation::Cons
        } else if is(Field::SlicedStringTag) {
            Representation::Sliced
        } else if is(Field::ThinStringTag) {
            Representation::Thin
        } else if is(Field::ExternalStringTag) {
            if one_byte {
                Representation::ExternalOneByte
            } else {
                Representation::ExternalTwoByte
            }
        } else {
            return Ok(None);
        };
        let name = layout.types.name_of(instance_type).unwrap_or_default();
        Ok(Some(Self {
            representation,
            internalized: name.contains("INTERNALIZED"),
            has_cached_data: !name.contains("UNCACHED") && !name.contains("SHORT_EXTERNAL"),
        }))
    }
}

/// A string as far as its header tells.
#[derive(Debug, Clone, Copy)]
pub(super) struct Header {
    pub(super) address: Address,
    pub(super) shape: StringShape,
    pub(super) length: u64,
}

/// Part of a string that is still to be read, `start..end` in code units.
#[derive(Debug, Clone, Copy)]
struct Part {
    string: Header,
    start: u64,
    end: u64,
}

impl Objects {
    /// Whether an instance type is a string's.
    pub fn is_string_type(&self, instance_type: u16) -> bool {
        self.layout()
            .number(Field::FirstNonstringType)
            .is_ok_and(|first| u64::from(instance_type) < first)
    }

    /// How the strings of an instance type are stored; `None` if it is no string's.
    pub fn representation(&self, instance_type: u16) -> Option<Representation> {
        let shape = StringShape::of(self.layout(), instance_type).ok()??;
        Some(shape.representation)
    }

    /// The first `max_units` code units of a string.
    ///
    /// Where a part cannot be read, such as external characters that were not captured, `units` ends there and `missing`
    /// says why.
    ///
    /// # Errors
    /// [`ObjectError::WrongType`] if it is no string; other errors if its header cannot be read or believed.
    pub fn read_string(
        &self,
        address: Address,
        max_units: usize,
    ) -> Result<StringValue, ObjectError> {
        let header = self.string_header(address)?;
        let end = header.length.min(max_units as u64);
        let mut units = Vec::new();
        let missing = self.read_part(header, 0, end, &mut units).err();
        Ok(StringValue {
            units,
            length: header.length,
            representation: header.shape.representation,
            internalized: header.shape.internalized,
            missing,
        })
    }

    /// The length of a string in code units.
    ///
    /// # Errors
    /// As [`Self::read_string`].
    pub fn string_length(&self, address: Address) -> Result<u64, ObjectError> {
        self.string_header(address).map(|header| header.length)
    }

    /// Where the characters of an external string lie, outside of the heap; `None` for other strings.
    pub fn external_characters(
        &self,
        address: Address,
        instance_type: u16,
    ) -> Option<std::ops::Range<u64>> {
        let width = match self.representation(instance_type)? {
            Representation::ExternalOneByte => 1,
            Representation::ExternalTwoByte => 2,
            _ => return None,
        };
        let header = self.string_header(address).ok()?;
        let start = self.external_data(header).ok()?;
        let end = start.checked_add(header.length.checked_mul(width)?)?;
        Some(start..end)
    }

    /// The code units `start..end` of a string, fewer if it ends before.
    ///
    /// # Errors
    /// As [`Self::read_string`], and if one of the units cannot be read.
    pub fn string_units(
        &self,
        address: Address,
        start: u64,
        end: u64,
    ) -> Result<Vec<u16>, ObjectError> {
        let header = self.string_header(address)?;
        let mut units = Vec::new();
        self.read_part(header, start, end.min(header.length), &mut units)?;
        Ok(units)
    }

    pub(super) fn string_header(&self, address: Address) -> Result<Header, ObjectError> {
        let map = self.map_of(address)?;
        let shape = StringShape::of(self.layout(), map.instance_type)?.ok_or_else(|| {
            ObjectError::WrongType {
                address,
                found: self.type_name(map.instance_type),
                expected: "string",
            }
        })?;
        let length = self.field(address, Field::StringLength)?;
        if length > MAX_LENGTH {
            return Err(ObjectError::Implausible {
                address,
                what: "length",
                value: length,
                why: "no string is that long",
            });
        }
        Ok(Header {
            address,
            shape,
            length,
        })
    }

    /// Appends units `start..end` of a string, without recursion: a cons string may be as deep as it is long.
    ///
    /// It ends on any input. A part of a cons string must be shorter than the whole, and what is neither a cons string
    /// nor flat leads to a flat string, so a path down is never longer than the string and all its nodes are distinct.
    fn read_part(
        &self,
        string: Header,
        start: u64,
        end: u64,
        units: &mut Vec<u16>,
    ) -> Result<(), ObjectError> {
        let mut rest = vec![Part { string, start, end }];
        while let Some(Part { string, start, end }) = rest.pop() {
            if start >= end {
                continue;
            }
            match string.shape.representation {
                Representation::Cons => self.split_cons(string, start, end, &mut rest)?,
                Representation::Sliced => {
                    let offset = self.field(string.address, Field::SlicedStringOffset)?;
                    let parent = self.flat_part(string, Field::SlicedStringParent)?;
                    if offset.saturating_add(string.length) > parent.length {
                        return Err(implausible(
                            string.address,
                            "offset",
                            offset,
                            "the slice reaches over the end of the string it is cut from",
                        ));
                    }
                    rest.push(Part {
                        string: parent,
                        start: offset + start,
                        end: offset + end,
                    });
                }
                Representation::Thin => {
                    let actual = self.flat_part(string, Field::ThinStringActual)?;
                    if actual.length != string.length {
                        return Err(implausible(
                            string.address,
                            "length",
                            string.length,
                            "the string that it stands for has another length",
                        ));
                    }
                    rest.push(Part {
                        string: actual,
                        start,
                        end,
                    });
                }
                Representation::SeqOneByte | Representation::SeqTwoByte => {
                    let chars = self.layout().number(Field::SeqStringChars)?;
                    let one_byte = string.shape.representation == Representation::SeqOneByte;
                    let at = string.address.0.wrapping_add(chars);
                    self.append(at, one_byte, start, end, units)?;
                }
                Representation::ExternalOneByte | Representation::ExternalTwoByte => {
                    let one_byte = string.shape.representation == Representation::ExternalOneByte;
                    let at = self.external_data(string)?;
                    self.append(at, one_byte, start, end, units)?;
                }
            }
        }
        Ok(())
    }

    fn split_cons(
        &self,
        string: Header,
        start: u64,
        end: u64,
        rest: &mut Vec<Part>,
    ) -> Result<(), ObjectError> {
        let first = self.part_header(string, Field::ConsStringFirst)?;
        // Flattening leaves the whole in `first`, which is flat then, and an empty string in `second`.
        if first.length == string.length && first.shape.representation != Representation::Cons {
            rest.push(Part {
                string: first,
                start,
                end,
            });
            return Ok(());
        }
        let second = self.part_header(string, Field::ConsStringSecond)?;
        if first.length == 0
            || second.length == 0
            || first.length.saturating_add(second.length) != string.length
        {
            return Err(implausible(
                string.address,
                "length",
                string.length,
                "it is not the sum of its halves' lengths",
            ));
        }
        let middle = first.length;
        rest.push(Part {
            string: second,
            start: start.saturating_sub(middle),
            end: end.saturating_sub(middle),
        });
        rest.push(Part {
            string: first,
            start: start.min(middle),
            end: end.min(middle),
        });
        Ok(())
    }

    pub(super) fn part_header(&self, string: Header, field: Field) -> Result<Header, ObjectError> {
        let word = self.tagged_field(string.address, field)?;
        let part = word.strong().ok_or(ObjectError::NotAnObject {
            address: string.address,
            word: word.0,
        })?;
        self.string_header(part)
    }

    /// The flat string that a slice or a thin string leads to.
    pub(super) fn flat_part(&self, string: Header, field: Field) -> Result<Header, ObjectError> {
        let mut part = self.part_header(string, field)?;
        // What a slice was cut from can have become thin since, and a cons string that was flattened before has its
        // whole in the first half; both at once is the most.
        for _ in 0..3 {
            part = match part.shape.representation {
                Representation::Thin => self.part_header(part, Field::ThinStringActual)?,
                Representation::Cons => {
                    let first = self.part_header(part, Field::ConsStringFirst)?;
                    if first.length != part.length {
                        break;
                    }
                    first
                }
                Representation::Sliced => break,
                _ => return Ok(part),
            };
        }
        match part.shape.representation {
            Representation::Cons | Representation::Sliced | Representation::Thin => {
                Err(ObjectError::WrongType {
                    address: part.address,
                    found: part.shape.representation.name().to_owned() + " string",
                    expected: "flat string",
                })
            }
            _ => Ok(part),
        }
    }

    pub(super) fn external_data(&self, string: Header) -> Result<u64, ObjectError> {
        if string.shape.has_cached_data {
            let data = self.field(string.address, Field::ExternalStringData)?;
            if data != 0 {
                return Ok(data);
            }
        }
        // Uncached: the characters are where the resource object says, which is a C++ object of the embedder. Node's, like
        // any sensible one, holds the address and the length next to each other.
        let resource = self.field(string.address, Field::ExternalStringResource)?;
        for word in 1..RESOURCE_WORDS {
            let at = resource.wrapping_add(word * 8);
            let data = self.memory().read_u64(at)?;
            let length = self.memory().read_u64(at.wrapping_add(8))?;
            if length == string.length && data != 0 {
                return Ok(data);
            }
        }
        Err(ReadError::Unmapped {
            addr: resource,
            len: string.length,
        }
        .into())
    }

    fn append(
        &self,
        chars: u64,
        one_byte: bool,
        start: u64,
        end: u64,
        units: &mut Vec<u16>,
    ) -> Result<(), ObjectError> {
        let width = if one_byte { 1 } else { 2 };
        let mut at = start;
        while at < end {
            let count = (end - at).min(PIECE);
            // Neither can overflow: `at` and `count` are below `MAX_LENGTH`.
            let bytes = self
                .memory()
                .read_vec(chars.wrapping_add(at * width), (count * width) as usize)?;
            if one_byte {
                units.extend(bytes.iter().map(|byte| u16::from(*byte)));
            } else {
                let (pairs, _) = bytes.as_chunks::<2>();
                units.extend(pairs.iter().map(|pair| u16::from_le_bytes(*pair)));
            }
            at += count;
        }
        Ok(())
    }
}

fn implausible(address: Address, what: &'static str, value: u64, why: &'static str) -> ObjectError {
    ObjectError::Implausible {
        address,
        what,
        value,
        why,
    }
}
