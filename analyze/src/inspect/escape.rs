//! Code units as text, without loss.

/// Code units as text in which everything that a terminal could not show stands as an escape of JavaScript: control
/// characters, `\`, and lone surrogates.
pub fn escape_units(units: &[u16]) -> String {
    escape(units, None)
}

/// Code units as a string literal of JavaScript, in double quotes.
pub fn quote(units: &[u16]) -> String {
    format!("\"{}\"", escape(units, Some('"')))
}

fn escape(units: &[u16], quotes: Option<char>) -> String {
    let mut text = String::with_capacity(units.len());
    for decoded in char::decode_utf16(units.iter().copied()) {
        match decoded {
            Ok('\n') => text.push_str("\\n"),
            Ok('\r') => text.push_str("\\r"),
            Ok('\t') => text.push_str("\\t"),
            Ok('\\') => text.push_str("\\\\"),
            Ok(character) if Some(character) == quotes => {
                text.push('\\');
                text.push(character);
            }
            // U+2028 and U+2029 end lines; U+FEFF and the bidirectional controls show as nothing, or as a lie.
            Ok(
                character @ ('\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2066}'..='\u{2069}'
                | '\u{feff}'),
            ) => text.push_str(&format!("\\u{:04x}", u32::from(character))),
            Ok(character) if character.is_control() => {
                text.push_str(&format!("\\x{:02x}", u32::from(character)));
            }
            Ok(character) => text.push(character),
            Err(lone) => text.push_str(&format!("\\u{:04x}", lone.unpaired_surrogate())),
        }
    }
    text
}

/// Code units for JSON: the text itself if it is well-formed; otherwise lone surrogates as `\uXXXX`, `\` as `\\`, and
/// `true`.
pub(super) fn for_json(units: &[u16]) -> (String, bool) {
    if let Ok(text) = String::from_utf16(units) {
        return (text, false);
    }
    let mut text = String::with_capacity(units.len());
    for decoded in char::decode_utf16(units.iter().copied()) {
        match decoded {
            Ok('\\') => text.push_str("\\\\"),
            Ok(character) => text.push(character),
            Err(lone) => text.push_str(&format!("\\u{:04x}", lone.unpaired_surrogate())),
        }
    }
    (text, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_lost() {
        let units: Vec<u16> = "a\"\\\n\u{1}é😀\u{202e}".encode_utf16().collect();
        assert_eq!(quote(&units), r#""a\"\\\n\x01é😀\u202e""#);
        assert_eq!(quote(&[0xd83d, 0x41, 0xde00]), r#""\ud83dA\ude00""#);
        assert_eq!(escape_units(&[0x22, 0x7f]), "\"\\x7f");
        assert_eq!(for_json(&[0x5c, 0x41]), ("\\A".to_owned(), false));
        assert_eq!(for_json(&[0x5c, 0xd800]), ("\\\\\\ud800".to_owned(), true));
    }
}
