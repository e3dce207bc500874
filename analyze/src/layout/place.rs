//! Where a value lies in an object, and how it is encoded: `smi@8`, `u32@16[21]`, `tagged@24`.

use std::fmt;
use std::str::FromStr;

use super::LayoutError;

/// How the bytes at a place are to be read. All are little-endian.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// Unsigned byte.
    U8,
    /// Unsigned 16-bit word.
    U16,
    /// Unsigned 32-bit word.
    U32,
    /// Signed 32-bit word, sign-extended.
    I32,
    /// Raw 64-bit word: an untagged address, a size, or the bits of a double.
    U64,
    /// Small integer: the upper half of a 64-bit word, sign-extended (V8 without pointer compression).
    Smi,
    /// Tagged word, as it is: bit 0 set for a heap object, bits 0 and 1 for a weak reference.
    Tagged,
}

impl Encoding {
    /// Bytes that a value occupies.
    pub const fn width(self) -> u64 {
        match self {
            Self::U8 => 1,
            Self::U16 => 2,
            Self::U32 | Self::I32 => 4,
            Self::U64 | Self::Smi | Self::Tagged => 8,
        }
    }

    /// The value of raw little-endian bits, zero-extended to 64: signed encodings come back sign-extended.
    pub const fn decode(self, raw: u64) -> u64 {
        match self {
            Self::I32 => (raw as u32 as i32) as i64 as u64,
            Self::Smi => ((raw as i64) >> 32) as u64,
            _ => raw,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::U8 => "u8",
            Self::U16 => "u16",
            Self::U32 => "u32",
            Self::I32 => "i32",
            Self::U64 => "u64",
            Self::Smi => "smi",
            Self::Tagged => "tagged",
        }
    }
}

impl FromStr for Encoding {
    type Err = LayoutError;

    fn from_str(text: &str) -> Result<Self, LayoutError> {
        [
            Self::U8,
            Self::U16,
            Self::U32,
            Self::I32,
            Self::U64,
            Self::Smi,
            Self::Tagged,
        ]
        .into_iter()
        .find(|encoding| encoding.name() == text)
        .ok_or_else(|| {
            LayoutError::syntax(text, "an encoding: u8, u16, u32, i32, u64, smi or tagged")
        })
    }
}

/// A range of bits inside a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Bits {
    /// Lowest bit.
    pub shift: u32,
    /// Number of bits, 1 to 64.
    pub width: u32,
}

impl Bits {
    /// The bits that a mask covers; `None` if the mask is empty or has holes.
    pub const fn from_mask(mask: u64) -> Option<Self> {
        if mask == 0 {
            return None;
        }
        let shift = mask.trailing_zeros();
        let width = (mask >> shift).trailing_ones();
        if mask.count_ones() == width {
            Some(Self { shift, width })
        } else {
            None
        }
    }

    /// The bits of `value`, moved to bit 0.
    pub const fn extract(self, value: u64) -> u64 {
        let shifted = value >> (self.shift & 63);
        if self.width >= 64 {
            shifted
        } else {
            shifted & ((1 << self.width) - 1)
        }
    }
}

/// Where a value lies relative to the start of an object (its untagged address), and how to read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Place {
    /// How the bytes are read.
    pub encoding: Encoding,
    /// Offset in bytes from the untagged address of the object.
    pub offset: u64,
    /// The part of the value that is meant; all of it if `None`.
    pub bits: Option<Bits>,
}

impl Place {
    /// The value of the raw little-endian bits found at the place.
    pub const fn decode(&self, raw: u64) -> u64 {
        let value = self.encoding.decode(raw);
        match self.bits {
            Some(bits) => bits.extract(value),
            None => value,
        }
    }

    /// Reads the value in an object's bytes; `None` if they end before it.
    pub fn load(&self, object: &[u8]) -> Option<u64> {
        load_raw(object, self.offset, self.encoding.width()).map(|raw| self.decode(raw))
    }
}

/// `width` (1 to 8) little-endian bytes at `offset`, zero-extended.
pub(super) fn load_raw(object: &[u8], offset: u64, width: u64) -> Option<u64> {
    let start = usize::try_from(offset).ok()?;
    let end = start.checked_add(usize::try_from(width).ok()?)?;
    let bytes = object.get(start..end)?;
    let mut word = [0; 8];
    word.get_mut(..bytes.len())?.copy_from_slice(bytes);
    Some(u64::from_le_bytes(word))
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.encoding.name(), self.offset)?;
        match self.bits {
            Some(Bits { shift, width: 1 }) => write!(f, "[{shift}]"),
            Some(Bits { shift, width }) => write!(f, "[{shift}..{}]", shift + width),
            None => Ok(()),
        }
    }
}

impl FromStr for Place {
    type Err = LayoutError;

    fn from_str(text: &str) -> Result<Self, LayoutError> {
        let wanted = "a place such as smi@8 or u32@16[10..20]";
        let (encoding, rest) = text
            .split_once('@')
            .ok_or(LayoutError::syntax(text, wanted))?;
        let (offset, bits) = match rest.split_once('[') {
            Some((offset, bits)) => {
                let bits = bits
                    .strip_suffix(']')
                    .ok_or(LayoutError::syntax(text, wanted))?;
                (offset, Some(parse_bits(bits)?))
            }
            None => (rest, None),
        };
        Ok(Self {
            encoding: encoding.parse()?,
            offset: parse_number(offset)?,
            bits,
        })
    }
}

/// `21` or `10..20`.
pub(super) fn parse_bits(text: &str) -> Result<Bits, LayoutError> {
    let (from, to) = match text.split_once("..") {
        Some((from, to)) => (parse_number(from)?, parse_number(to)?),
        None => {
            let bit = parse_number(text)?;
            (bit, bit.saturating_add(1))
        }
    };
    match (u32::try_from(from), u32::try_from(to)) {
        (Ok(shift), Ok(end)) if shift < end && end <= 64 => Ok(Bits {
            shift,
            width: end - shift,
        }),
        _ => Err(LayoutError::syntax(
            text,
            "a bit or a range of bits below 64",
        )),
    }
}

/// Decimal, or hexadecimal with `0x`.
pub(super) fn parse_number(text: &str) -> Result<u64, LayoutError> {
    let parsed = match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => text.parse(),
    };
    parsed.map_err(|_| LayoutError::syntax(text, "a number"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_print_as_they_are_written() {
        for text in [
            "smi@8",
            "u32@16[21]",
            "u32@16[10..20]",
            "tagged@24",
            "u8@9",
            "i32@12",
        ] {
            assert_eq!(text.parse::<Place>().unwrap().to_string(), text);
        }
        for text in [
            "",
            "smi",
            "smi@",
            "x@8",
            "u8@8[",
            "u8@8[3",
            "u8@8[9..3]",
            "u8@8[0..65]",
        ] {
            assert!(text.parse::<Place>().is_err(), "{text}");
        }
    }

    #[test]
    fn values_are_decoded_with_sign_and_bits() {
        let object = [0, 0, 0, 0, 0xfe, 0xff, 0xff, 0xff, 0b1010_0000];
        let load = |text: &str| text.parse::<Place>().unwrap().load(&object);
        assert_eq!(load("smi@0"), Some(-2_i64 as u64));
        assert_eq!(load("i32@4"), Some(-2_i64 as u64));
        assert_eq!(load("u32@4"), Some(0xffff_fffe));
        assert_eq!(load("u8@8[5]"), Some(1));
        assert_eq!(load("u8@8[4..8]"), Some(0b1010));
        assert_eq!(load("u16@8"), None);
    }

    #[test]
    fn masks_with_holes_are_no_bit_ranges() {
        assert_eq!(
            Bits::from_mask(0xff << 10),
            Some(Bits {
                shift: 10,
                width: 8
            })
        );
        assert_eq!(
            Bits::from_mask(u64::MAX),
            Some(Bits {
                shift: 0,
                width: 64
            })
        );
        assert_eq!(Bits::from_mask(0b101), None);
        assert_eq!(Bits::from_mask(0), None);
    }
}
