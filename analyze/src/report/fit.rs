//! Making the document small enough to be sent around, and free of what shall not be.

use serde_json::Value;

/// Fields in the answers of the commands that hold contents of strings, lines of source, or arguments.
const CONTENTS: [&str; 7] = [
    "text",
    "example_text",
    "line",
    "summary",
    "detail",
    "arguments",
    "source",
];

/// How much of lists and texts is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Entries of a list.
    entries: usize,
    /// Characters of a text.
    characters: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            entries: 4000,
            characters: 300,
        }
    }
}

impl Limits {
    /// The next smaller ones, down to where nothing would be left.
    pub(super) const fn less(self) -> Option<Self> {
        if self.entries < 8 {
            return None;
        }
        Some(Self {
            entries: self.entries / 2,
            characters: if self.characters > 80 {
                self.characters * 3 / 4
            } else {
                self.characters
            },
        })
    }
}

/// Cuts the ends of lists and texts; whether there was something to cut. The answers of commands are a few levels deep,
/// whatever the heap holds.
pub(super) fn cut(value: &mut Value, limits: Limits) -> bool {
    match value {
        Value::String(text) => cut_text(text, limits.characters),
        Value::Array(list) => {
            let mut was_cut = list.len() > limits.entries;
            list.truncate(limits.entries);
            for entry in list {
                was_cut |= cut(entry, limits);
            }
            was_cut
        }
        Value::Object(fields) => {
            let mut was_cut = false;
            for field in fields.values_mut() {
                was_cut |= cut(field, limits);
            }
            was_cut
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

fn cut_text(text: &mut String, characters: usize) -> bool {
    match text.char_indices().nth(characters) {
        Some((end, _)) => {
            text.truncate(end);
            text.push('…');
            true
        }
        None => false,
    }
}

/// Keeps so many rows: those that stand for the most bytes, retained or their own.
pub(super) fn keep_largest(report: &mut Value, list: &str, rows: usize) {
    let Some(Value::Array(list)) = report.get_mut(list) else {
        return;
    };
    list.sort_by_key(|row| {
        let bytes = |name: &str| row[name].as_u64().unwrap_or(0);
        std::cmp::Reverse(bytes("retained_bytes").max(bytes("shallow_bytes")))
    });
    list.truncate(rows);
}

/// Empties what holds contents of strings.
pub(super) fn without_strings(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                if CONTENTS.contains(&name.as_str()) && !field.is_number() {
                    *field = Value::Null;
                } else {
                    without_strings(field);
                }
            }
        }
        Value::Array(list) => list.iter_mut().for_each(without_strings),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn lists_and_texts_are_cut_and_told() {
        let mut value = json!({ "list": [1, 2, 3], "text": "äöüß" });
        let limits = Limits {
            entries: 2,
            characters: 3,
        };
        assert!(cut(&mut value, limits));
        assert_eq!(value, json!({ "list": [1, 2], "text": "äöü…" }));
        let limits = Limits {
            entries: 2,
            characters: 4,
        };
        assert!(!cut(&mut value, limits));
    }

    #[test]
    fn limits_come_to_an_end() {
        let mut limits = Limits::default();
        let mut steps = 0;
        while let Some(less) = limits.less() {
            limits = less;
            steps += 1;
        }
        assert!(steps < 20);
    }

    #[test]
    fn contents_go_and_numbers_stay() {
        let mut value =
            json!({ "rows": [{ "text": "secret", "length": 6 }], "line": 7, "summary": "Foo {}" });
        without_strings(&mut value);
        let expected =
            json!({ "rows": [{ "text": null, "length": 6 }], "line": 7, "summary": null });
        assert_eq!(value, expected);
    }

    #[test]
    fn the_largest_rows_stay() {
        let mut report = json!({ "rows": [
            { "shallow_bytes": 5, "retained_bytes": 5 },
            { "shallow_bytes": 1, "retained_bytes": 9 },
            { "shallow_bytes": 7 },
        ] });
        keep_largest(&mut report, "rows", 2);
        assert_eq!(report["rows"][0]["retained_bytes"], 9);
        assert_eq!(report["rows"][1]["shallow_bytes"], 7);
        assert_eq!(report["rows"].as_array().map(Vec::len), Some(2));
    }
}
