//! BigInts.

use super::{Address, ObjectError, Objects};
use crate::layout::Field;
use v8mini_format::MemoryExt;

/// Digits up to which a BigInt is printed in decimal, which takes quadratic time: 19,000 decimal places.
const MAX_DECIMAL_DIGITS: usize = 1 << 10;
/// `BigInt::kMaxLengthBits` is 2^30 in every V8 from 6.2 to 14.6.
const MAX_DIGITS: u64 = (1 << 30) / 64;

/// A BigInt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BigInt {
    /// Whether it is below zero.
    pub negative: bool,
    /// Digits of 64 bits, least significant first, without leading zeros.
    pub digits: Vec<u64>,
}

impl BigInt {
    /// Hexadecimal, as `toString(16)`.
    pub fn to_hex(&self) -> String {
        let mut text = String::from(if self.negative { "-" } else { "" });
        match self.digits.split_last() {
            None => text.push('0'),
            Some((first, rest)) => {
                text.push_str(&format!("{first:x}"));
                for digit in rest.iter().rev() {
                    text.push_str(&format!("{digit:016x}"));
                }
            }
        }
        text
    }

    /// Decimal, as `toString()`; `None` if it is too long to convert.
    pub fn to_decimal(&self) -> Option<String> {
        const CHUNK: u128 = 10_u128.pow(19);
        if self.digits.len() > MAX_DECIMAL_DIGITS {
            return None;
        }
        let mut rest = self.digits.clone();
        let mut chunks = Vec::new();
        while !rest.is_empty() {
            let mut remainder = 0;
            for digit in rest.iter_mut().rev() {
                let value = remainder << 64 | u128::from(*digit);
                // The remainder is below the divisor, so the quotient fits a digit.
                *digit = (value / CHUNK) as u64;
                remainder = value % CHUNK;
            }
            chunks.push(remainder);
            while rest.last() == Some(&0) {
                rest.pop();
            }
        }
        let mut text = String::from(if self.negative { "-" } else { "" });
        match chunks.split_last() {
            None => text.push('0'),
            Some((first, rest)) => {
                text.push_str(&first.to_string());
                for chunk in rest.iter().rev() {
                    text.push_str(&format!("{chunk:019}"));
                }
            }
        }
        Some(text)
    }
}

impl Objects {
    /// The BigInt at `address`.
    ///
    /// # Errors
    /// [`ObjectError::Implausible`] if its length cannot be; other errors if it cannot be read.
    pub fn read_bigint(&self, address: Address) -> Result<BigInt, ObjectError> {
        let length = self.field(address, Field::BigIntLength)?;
        let start = self.layout().number(Field::BigIntDigits)?;
        if length > MAX_DIGITS {
            return Err(ObjectError::Implausible {
                address,
                what: "length",
                value: length,
                why: "no BigInt is that long",
            });
        }
        self.check_extent(address, "size", start.saturating_add(length * 8))?;
        let bytes = self
            .memory()
            .read_vec(address.0.wrapping_add(start), (length * 8) as usize)?;
        let mut digits: Vec<u64> = bytes
            .as_chunks::<8>()
            .0
            .iter()
            .map(|digit| u64::from_le_bytes(*digit))
            .collect();
        while digits.last() == Some(&0) {
            digits.pop();
        }
        Ok(BigInt {
            negative: self.field(address, Field::BigIntSign)? != 0 && !digits.is_empty(),
            digits,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bigints_print_in_both_bases() {
        let value = |negative, digits: &[u64]| BigInt {
            negative,
            digits: digits.to_vec(),
        };
        assert_eq!(value(false, &[]).to_decimal().as_deref(), Some("0"));
        assert_eq!(value(false, &[]).to_hex(), "0");
        assert_eq!(
            value(false, &[0, 1]).to_decimal().as_deref(),
            Some("18446744073709551616")
        );
        assert_eq!(value(true, &[5, 1]).to_hex(), "-10000000000000005");
        // 10^38: the chunks in the middle are all zeros.
        let power = 10_u128.pow(38);
        assert_eq!(
            value(true, &[power as u64, (power >> 64) as u64]).to_decimal(),
            Some(format!("-1{}", "0".repeat(38)))
        );
        assert_eq!(
            value(false, &[1; MAX_DECIMAL_DIGITS + 1]).to_decimal(),
            None
        );
    }
}
