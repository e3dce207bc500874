//! Numbers: Smis and doubles, and how JavaScript prints them.

use super::{Address, ObjectError, Objects, Tagged};
use crate::layout::Field;

/// A number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Number {
    /// A small integer.
    Smi(i32),
    /// The bits of a double: NaN payloads and -0 survive.
    Double(u64),
}

impl Number {
    /// The value.
    pub fn to_f64(self) -> f64 {
        match self {
            Self::Smi(value) => f64::from(value),
            Self::Double(bits) => f64::from_bits(bits),
        }
    }

    /// The bits of the double that it is equal to.
    pub fn to_bits(self) -> u64 {
        match self {
            Self::Smi(value) => f64::from(value).to_bits(),
            Self::Double(bits) => bits,
        }
    }

    /// The integer that it is, if it is one that every such number says exactly.
    pub fn to_integer(self) -> Option<i64> {
        const MAX_SAFE_INTEGER: f64 = 9_007_199_254_740_991.0;
        let value = self.to_f64();
        // The cast cannot saturate: the range is checked.
        (value.fract() == 0.0 && value.abs() <= MAX_SAFE_INTEGER).then_some(value as i64)
    }
}

impl std::fmt::Display for Number {
    /// As JavaScript prints it, the shortest text that reads back as the same double; but -0 with its sign.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Smi(value) => write!(f, "{value}"),
            Self::Double(bits) => {
                let value = f64::from_bits(*bits);
                if value == 0.0 && value.is_sign_negative() {
                    return f.write_str("-0");
                }
                f.write_str(ryu_js::Buffer::new().format(value))
            }
        }
    }
}

impl Objects {
    /// The number that a word is or points at; `None` if it is no number.
    ///
    /// # Errors
    /// If the object cannot be read.
    pub fn read_number(&self, word: Tagged) -> Result<Option<Number>, ObjectError> {
        if let Some(smi) = word.smi() {
            return Ok(Some(Number::Smi(smi)));
        }
        let Some(object) = word.strong() else {
            return Ok(None);
        };
        if self.kind(self.map_of(object)?.instance_type) != super::Kind::HeapNumber {
            return Ok(None);
        }
        self.read_heap_number(object).map(Some)
    }

    /// The number in the `HeapNumber` at `address`.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn read_heap_number(&self, address: Address) -> Result<Number, ObjectError> {
        self.field(address, Field::HeapNumberValue)
            .map(Number::Double)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_print_as_javascript_prints_them() {
        for (value, text) in [
            (0.1, "0.1"),
            (-0.0, "-0"),
            (1e21, "1e+21"),
            (1e-7, "1e-7"),
            (123_456_789.125, "123456789.125"),
            (5e-324, "5e-324"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-Infinity"),
            (9_007_199_254_740_992.0, "9007199254740992"),
        ] {
            assert_eq!(Number::Double(f64::to_bits(value)).to_string(), text);
        }
        assert_eq!(Number::Smi(-7).to_string(), "-7");
        assert_eq!(Number::Smi(-7).to_bits(), (-7.0_f64).to_bits());
    }

    #[test]
    fn only_exact_integers_are_integers() {
        assert_eq!(Number::Double(3.0_f64.to_bits()).to_integer(), Some(3));
        assert_eq!(Number::Double(3.5_f64.to_bits()).to_integer(), None);
        assert_eq!(Number::Double(1e300_f64.to_bits()).to_integer(), None);
        assert_eq!(Number::Double(f64::NAN.to_bits()).to_integer(), None);
    }
}
