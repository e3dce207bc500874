//! What `find` and `refs` look for: a regular expression, a property and its value, a range of sizes.

use anyhow::bail;
use regex::Regex;

use crate::inspect::{Value, describe_property, property};
use crate::v8::{Address, Number, Objects, Oddball, PropertyValue};

/// Longest string that is looked through.
const MAX_UNITS: usize = 1 << 26;

/// A property that objects shall have, and, perhaps, its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PropertyPattern {
    pub(crate) name: String,
    value: Option<String>,
}

impl PropertyPattern {
    /// `NAME` or `NAME=VALUE`.
    pub(crate) fn parse(text: &str) -> Self {
        match text.split_once('=') {
            Some((name, value)) => Self {
                name: name.to_owned(),
                value: Some(value.to_owned()),
            },
            None => Self {
                name: text.to_owned(),
                value: None,
            },
        }
    }

    /// The value of the property, if the object has it and it is as wanted.
    pub(crate) fn of(&self, objects: &Objects, object: Address) -> Option<PropertyValue> {
        let found = property(objects, object, &self.name).ok()??;
        match &self.value {
            Some(wanted) if !is_value(objects, found, wanted) => None,
            _ => Some(found),
        }
    }
}

/// Whether a value is what was typed: a string with or without quotes, a number, `true`, `null`, …, or an address.
fn is_value(objects: &Objects, value: PropertyValue, wanted: &str) -> bool {
    let options = crate::inspect::Options {
        string_length: MAX_UNITS,
        array_length: 0,
        ..crate::inspect::Options::ONE_LINE
    };
    let description = describe_property(objects, value, &options);
    match &description.value {
        Value::String(string) => string.is(wanted) || string.is(wanted.trim_matches(['"', '\''])),
        Value::Number(number) => wanted
            .parse::<f64>()
            .is_ok_and(|wanted| Number::Double(wanted.to_bits()).to_f64() == number.to_f64()),
        Value::Oddball(oddball) => match oddball {
            Oddball::Undefined => wanted == "undefined",
            Oddball::Null => wanted == "null",
            Oddball::Boolean(value) => wanted == value.to_string(),
            _ => false,
        },
        Value::BigInt(value) => value
            .to_decimal()
            .is_some_and(|digits| digits == wanted.trim_end_matches('n')),
        _ => description
            .address
            .is_some_and(|address| address.to_string() == wanted),
    }
}

/// Whether a string matches a pattern.
pub(crate) fn string_matches(objects: &Objects, string: Address, pattern: &Regex) -> bool {
    objects
        .read_string(string, MAX_UNITS)
        .is_ok_and(|string| pattern.is_match(&string.to_text()))
}

/// A range of sizes in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SizeRange {
    min: u64,
    max: u64,
}

impl SizeRange {
    /// `>1M`, `>=4096`, `<2k`, `<=10`, `=24`, `1k..1M`; a number alone is `>=`.
    ///
    /// # Errors
    /// If it is none of these.
    pub(crate) fn parse(text: &str) -> anyhow::Result<Self> {
        let (min, max) = if let Some((min, max)) = text.split_once("..") {
            (bytes(min)?, bytes(max)?)
        } else if let Some(min) = text.strip_prefix(">=") {
            (bytes(min)?, u64::MAX)
        } else if let Some(max) = text.strip_prefix("<=") {
            (0, bytes(max)?)
        } else if let Some(min) = text.strip_prefix('>') {
            (bytes(min)?.saturating_add(1), u64::MAX)
        } else if let Some(max) = text.strip_prefix('<') {
            match bytes(max)?.checked_sub(1) {
                Some(max) => (0, max),
                None => bail!("nothing is smaller than '{text}'"),
            }
        } else if let Some(size) = text.strip_prefix('=') {
            (bytes(size)?, bytes(size)?)
        } else {
            (bytes(text)?, u64::MAX)
        };
        Ok(Self { min, max })
    }

    /// Whether a size is in the range.
    pub(crate) const fn contains(self, size: u64) -> bool {
        self.min <= size && size <= self.max
    }
}

fn bytes(text: &str) -> anyhow::Result<u64> {
    super::size::parse(text).map_err(anyhow::Error::msg)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sizes_are_ranges() {
        let range = |text| SizeRange::parse(text).unwrap();
        let of = |min, max| SizeRange { min, max };
        assert_eq!(range(">1M"), of((1 << 20) + 1, u64::MAX));
        assert_eq!(range(">= 1.5kB"), of(1536, u64::MAX));
        assert_eq!(range("<64"), of(0, 63));
        assert_eq!(range("=24"), of(24, 24));
        assert_eq!(range("1k..2GiB"), of(1024, 2 << 30));
        assert_eq!(range("100"), of(100, u64::MAX));
        assert!(SizeRange::parse(">x").is_err() && SizeRange::parse("<0").is_err());
        assert!(SizeRange::parse("-5").is_err() && SizeRange::parse("nan").is_err());
    }

    proptest! {
        #[test]
        fn any_size_is_a_range_or_an_error(text in ".*") {
            let _ = SizeRange::parse(&text);
        }
    }
}
