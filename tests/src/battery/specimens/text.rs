//! Strings, as the truth and as `inspect --json` tell them, by code units.

use serde_json::Value;

/// The code units of a string in the JSON of `inspect`: `value`, where lone surrogates are escapes if `escaped` says so.
pub(super) fn units(value: &str, escaped: bool) -> Vec<u16> {
    if !escaped {
        return value.encode_utf16().collect();
    }
    let mut units = Vec::with_capacity(value.len());
    let mut rest = value;
    while let Some(at) = rest.find('\\') {
        units.extend(rest[..at].encode_utf16());
        let escape = &rest[at + 1..];
        match escape
            .strip_prefix('u')
            .and_then(|hex| u16::from_str_radix(hex.get(..4)?, 16).ok())
        {
            Some(surrogate) => {
                units.push(surrogate);
                rest = &escape[5..];
            }
            // Only the backslash itself is escaped otherwise.
            None => {
                units.push(u16::from(b'\\'));
                rest = escape.get(1..).unwrap_or("");
            }
        }
    }
    units.extend(rest.encode_utf16());
    units
}

/// How a string differs from the truth (`length`, and `units` or `fnv1a`); `None` if it does not.
pub(super) fn difference(truth: &Value, units: &[u16]) -> Option<String> {
    let length = truth["length"].as_u64();
    if length != u64::try_from(units.len()).ok() {
        return Some(format!(
            "expected {length:?} code units, found {}",
            units.len()
        ));
    }
    let (expected, found) = match truth["units"].as_str() {
        Some(expected) => (
            expected,
            units.iter().map(|unit| format!("{unit:04x}")).collect(),
        ),
        None => (truth["fnv1a"].as_str()?, format!("{:08x}", fnv1a(units))),
    };
    (expected != found).then(|| format!("expected code units {expected}, found {found}"))
}

/// The checksum of `describe.js`.
fn fnv1a(units: &[u16]) -> u32 {
    units.iter().fold(0x811c_9dc5, |hash, unit| {
        (hash ^ u32::from(*unit)).wrapping_mul(0x0100_0193)
    })
}

#[cfg(test)]
mod tests {
    use super::units;

    #[test]
    fn escapes_are_undone() {
        assert_eq!(units("a\\b", false), [0x61, 0x5c, 0x62]);
        assert_eq!(units("a\\\\\\ud800é", true), [0x61, 0x5c, 0xd800, 0xe9]);
        assert_eq!(units("\\udfff", true), [0xdfff]);
    }
}
