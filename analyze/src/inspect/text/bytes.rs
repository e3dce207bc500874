//! Bytes as text: rows of sixteen, in hexadecimal and as the characters that they may be.

use super::piece::{NUMBER, Text};
use crate::inspect::{Description, Value};
use crate::v8::ElementValue;

/// Bytes in a row.
const ROW: usize = 16;
/// Classes whose elements are bytes to people, not numbers.
const BYTE_CLASSES: [&str; 2] = ["Buffer", "FastBuffer"];

/// A row for each sixteen bytes: `68 65 6c 6c 6f  |hello|`.
pub(super) fn rows(bytes: &[u8]) -> Vec<Text> {
    bytes.chunks(ROW).map(row).collect()
}

fn row(bytes: &[u8]) -> Text {
    let hex: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let characters: String = bytes
        .iter()
        .map(|&byte| match byte {
            b' '..=b'~' => char::from(byte),
            _ => '.',
        })
        .collect();
    let mut text = Text::styled(NUMBER, &hex.join(" "));
    text.push_plain(&format!("  |{characters}|"));
    text
}

/// The bytes of a Node.js `Buffer` from its elements; `None` if it is none, or an element is missing.
pub(super) fn of_buffer(class: Option<&str>, elements: &[(u64, Description)]) -> Option<Vec<u8>> {
    if !class.is_some_and(|class| BYTE_CLASSES.contains(&class)) {
        return None;
    }
    let byte = |(at, (index, element)): (u64, &(u64, Description))| match element.value {
        Value::Element(ElementValue::Number(bits)) if *index == at => {
            let number = f64::from_bits(bits);
            (number.fract() == 0.0 && (0.0..256.0).contains(&number)).then_some(number as u8)
        }
        _ => None,
    };
    (0..).zip(elements).map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn element(index: u64, value: f64) -> (u64, Description) {
        let value = Value::Element(ElementValue::Number(value.to_bits()));
        let description = Description {
            address: None,
            map: None,
            value,
        };
        (index, description)
    }

    #[test]
    fn bytes_are_shown_as_what_they_may_be() {
        let rows = rows(b"hello, world\n\0\xff~|");
        let plain: Vec<String> = rows
            .iter()
            .map(|row| anstream::adapter::strip_str(&row.text).to_string())
            .collect();
        assert_eq!(
            plain,
            [
                "68 65 6c 6c 6f 2c 20 77 6f 72 6c 64 0a 00 ff 7e  |hello, world...~|",
                "7c  |||"
            ]
        );
    }

    #[test]
    fn only_whole_bytes_of_buffers() {
        let elements = [element(0, 104.0), element(1, 255.0)];
        assert_eq!(
            of_buffer(Some("FastBuffer"), &elements),
            Some(vec![104, 255])
        );
        assert_eq!(of_buffer(Some("Uint8Array"), &elements), None);
        assert_eq!(of_buffer(Some("Buffer"), &[element(0, 256.0)]), None);
        assert_eq!(of_buffer(Some("Buffer"), &[element(1, 1.0)]), None);
    }
}
