//! How long the bytecodes of the interpreter are.

use super::LayoutError;

/// The first bytecodes: the operands of the one that follows are twice, or four times, as wide.
const WIDE: u8 = 0;
const EXTRA_WIDE: u8 = 1;

/// The lengths of bytecodes, operands included.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BytecodeLengths {
    single: Vec<u8>,
    double: Vec<u8>,
}

impl BytecodeLengths {
    /// From two strings with a hexadecimal digit for each bytecode: with operands of one byte, and of two.
    ///
    /// # Errors
    /// [`LayoutError::Syntax`] if that is not what they are.
    pub fn parse(single: &str, double: &str) -> Result<Self, LayoutError> {
        let digits = |text: &str| -> Result<Vec<u8>, LayoutError> {
            let digit = |digit: char| {
                digit
                    .to_digit(16)
                    .and_then(|digit| u8::try_from(digit).ok())
            };
            let digits: Option<Vec<u8>> = text.chars().map(digit).collect();
            digits.ok_or_else(|| LayoutError::syntax(text, "hexadecimal digits"))
        };
        let (single, double) = (digits(single)?, digits(double)?);
        let fit = |(short, long): (&u8, &u8)| (1..=*long).contains(short);
        if single.len() != double.len() || !single.iter().zip(&double).all(fit) {
            return Err(LayoutError::Syntax {
                text: "bytecode_lengths".to_owned(),
                expected: "as many lengths with operands of two bytes, none of them shorter"
                    .to_owned(),
            });
        }
        Ok(Self { single, double })
    }

    /// The length of the bytecode that `bytes` begin with, its prefix included; `None` if there is no such bytecode.
    pub fn of(&self, bytes: &[u8]) -> Option<usize> {
        let (single, double) = (&self.single, &self.double);
        let length = |lengths: &[u8], bytecode: u8| lengths.get(usize::from(bytecode)).copied();
        let length = match *bytes {
            [WIDE, bytecode, ..] => 1 + length(double, bytecode)?,
            [EXTRA_WIDE, bytecode, ..] => {
                let short = length(single, bytecode)?;
                // Each doubling adds the bytes of the operands that grow; operands of fixed width do not.
                1 + short + 3 * (length(double, bytecode)? - short)
            }
            [bytecode, ..] => length(single, bytecode)?,
            [] => return None,
        };
        Some(usize::from(length))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_widen_operands() {
        // Wide, ExtraWide, one without operands, one with an operand that grows, one with a second that does not.
        let lengths = BytecodeLengths::parse("11123", "11134").unwrap();
        assert_eq!(lengths.of(&[2]), Some(1));
        assert_eq!(lengths.of(&[3, 9]), Some(2));
        assert_eq!(lengths.of(&[0, 3]), Some(1 + 3));
        assert_eq!(lengths.of(&[1, 3]), Some(1 + 5));
        assert_eq!(lengths.of(&[1, 4]), Some(1 + 6));
        assert_eq!(lengths.of(&[5]), None);
        assert_eq!(lengths.of(&[]), None);
        assert!(BytecodeLengths::parse("12", "1").is_err());
        assert!(BytecodeLengths::parse("2", "1").is_err());
        assert!(BytecodeLengths::parse("x", "1").is_err());
    }
}
