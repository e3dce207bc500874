//! Sizes on the command line.

use std::str::FromStr;

/// A number of bytes: `512M`, `1.5G`, `1048576`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Size(pub(super) u64);

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || {
            format!(
                "{text:?} is no size: expected a number of bytes, such as 1048576, 512M or 1.5G"
            )
        };
        let plain = text.trim_end_matches(['b', 'B']).trim_end_matches('i');
        let (number, factor) = match plain.chars().last() {
            Some('k' | 'K') => (plain.get(..plain.len() - 1), 1_u64 << 10),
            Some('m' | 'M') => (plain.get(..plain.len() - 1), 1 << 20),
            Some('g' | 'G') => (plain.get(..plain.len() - 1), 1 << 30),
            Some('t' | 'T') => (plain.get(..plain.len() - 1), 1 << 40),
            _ => (Some(plain), 1),
        };
        let number: f64 = number
            .and_then(|number| number.trim().parse().ok())
            .filter(|number: &f64| number.is_finite() && *number >= 0.0)
            .ok_or_else(expected)?;
        Ok(Self((number * factor as f64) as u64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_powers_of_two() {
        for (text, bytes) in [
            ("0", 0),
            ("4096", 4096),
            ("1k", 1 << 10),
            ("1.5G", 3 << 29),
            ("512MiB", 512 << 20),
            ("2 GB", 2 << 30),
        ] {
            assert_eq!(text.parse(), Ok(Size(bytes)), "{text}");
        }
        for text in ["", "G", "-1G", "1X", "NaN", "1 2"] {
            assert!(text.parse::<Size>().is_err(), "{text}");
        }
    }
}
