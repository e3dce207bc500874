//! A value as `describe.js` tells it, next to the value as `inspect --json` reads it.

use serde_json::Value;

use super::text;

/// A comparison under way: where it is, and what it found to differ.
#[derive(Debug, Default)]
pub(super) struct Comparison {
    path: Vec<String>,
    differences: Vec<String>,
}

impl Comparison {
    /// How a value differs from the truth.
    pub(super) fn of(truth: &Value, found: &Value) -> Vec<String> {
        let mut comparison = Self::default();
        comparison.value(truth, found);
        comparison.differences
    }

    fn differ(&mut self, what: &str) {
        let place = self.path.concat();
        self.differences
            .push(format!("{place} {what}").trim_start().to_owned());
    }

    fn at(&mut self, step: String, compare: impl FnOnce(&mut Self)) {
        self.path.push(step);
        compare(self);
        self.path.pop();
    }

    fn value_at(&mut self, step: String, truth: &Value, found: &Value) {
        self.at(step, |at| at.value(truth, found));
    }

    /// Two plain JSON values that must be the same.
    fn same(&mut self, what: &str, truth: &Value, found: &Value) {
        if truth != found {
            self.differ(&format!("{what}: expected {truth}, found {found}"));
        }
    }

    fn value(&mut self, truth: &Value, found: &Value) {
        let kind = truth["kind"].as_str().unwrap_or("?");
        let found_kind = found["kind"].as_str().unwrap_or("?");
        // V8 up to 5.1 has no type of its own for `arguments`.
        let is_untyped = kind == "arguments" && found_kind == "object";
        if expected_kind(kind) != found_kind && !is_untyped {
            let mut found = found.to_string();
            found.truncate(
                found
                    .char_indices()
                    .nth(200)
                    .map_or(found.len(), |(at, _)| at),
            );
            return self.differ(&format!("expected {kind}, found {found}"));
        }
        match kind {
            "boolean" => self.same("value", &truth["value"], &found["value"]),
            "number" => self.same("bits", &truth["bits"], &found["bits"]),
            "bigint" => self.same("digits", &truth["hex"], &found["hex"]),
            "string" => self.string(truth, found),
            "symbol" => self.string(&truth["description"], &found["description"]),
            "accessor" => {
                self.same(
                    "getter",
                    &truth["get"],
                    &Value::Bool(!found["getter"].is_null()),
                );
                self.same(
                    "setter",
                    &truth["set"],
                    &Value::Bool(!found["setter"].is_null()),
                );
            }
            "function" => self.function(truth, found),
            "bound" => {
                self.value_at(".target".into(), &truth["target"], &found["target"]);
                self.value_at(".this".into(), &truth["boundThis"], &found["this"]);
                self.list(
                    "argument",
                    &truth["boundArguments"],
                    &found["arguments"],
                    Self::value,
                );
            }
            _ => self.object(kind, truth, found),
        }
    }

    fn string(&mut self, truth: &Value, found: &Value) {
        let text = found["value"].as_str().unwrap_or("");
        let units = text::units(text, found["escaped"] == true);
        if let Some(difference) = text::difference(truth, &units) {
            self.differ(&difference);
        }
        self.same("length", &truth["length"], &found["length"]);
    }

    /// A name, which the truth tells as a string and `inspect` as text.
    fn name(&mut self, what: &str, truth: &Value, found: &Value) {
        let units: Vec<u16> = found.as_str().unwrap_or("").encode_utf16().collect();
        if let Some(difference) = text::difference(truth, &units) {
            self.differ(&format!("{what}: {difference}"));
        }
    }

    fn function(&mut self, truth: &Value, found: &Value) {
        // A function without a name of its own may be shown by the name that V8 infers from where it is written.
        if truth["name"]["length"] != 0 {
            self.name("name", &truth["name"], &found["name"]);
        }
        if !truth["file"].is_null() {
            let location = &found["location"];
            self.same("file", &truth["file"], &location["file"]);
            self.same("line", &truth["position"]["line"], &location["line"]);
            self.same("column", &truth["position"]["column"], &location["column"]);
        }
        for (name, value) in truth["context"].as_object().into_iter().flatten() {
            let scopes = found["scopes"].as_array().into_iter().flatten();
            let mut variables = scopes
                .filter_map(|scope| scope["variables"].as_array())
                .flatten();
            match variables.find(|variable| variable["name"] == name.as_str()) {
                Some(variable) => self.value_at(format!(".{name}"), value, &variable["value"]),
                None => self.differ(&format!("closes over no {name}")),
            }
        }
    }

    fn object(&mut self, kind: &str, truth: &Value, found: &Value) {
        if let Some(class) = truth["class"].as_str() {
            self.same("class", &Value::from(class), &found["class"]);
        }
        match kind {
            "array" => self.same("length", &truth["length"], &found["length"]),
            "map" | "weakmap" => self.list(
                "entry",
                &truth["entries"],
                &found["entries"],
                |at, truth, found| {
                    at.value(&truth[0], &found[0]);
                    at.value(&truth[1], &found[1]);
                },
            ),
            "set" | "weakset" => {
                self.list("member", &truth["members"], &found["members"], Self::value);
            }
            "date" => self.same("time", &truth["bits"], &found["time"]["bits"]),
            "regexp" => {
                self.string(&truth["source"], &found["source"]);
                self.same("flags", &truth["flags"], &found["flags"]);
            }
            // An error without a message has none of its own.
            "error" if truth["message"]["length"] == 0 && found["message"].is_null() => {}
            "error" => self.string(&truth["message"], &found["message"]),
            "promise" => {
                self.same("state", &truth["state"], &found["state"]);
                if !truth["result"].is_null() {
                    self.value_at(".result".into(), &truth["result"], &found["result"]);
                }
            }
            "generator" => {
                self.same("state", &truth["state"], &found["state"]);
                self.name("function", &truth["function"], &found["function"]);
            }
            "proxy" => {
                self.value_at(".target".into(), &truth["target"], &found["target"]);
                self.value_at(".handler".into(), &truth["handler"], &found["handler"]);
            }
            "boxed" => self.value(&truth["value"], &found["value"]),
            "arraybuffer" => self.same("byte length", &truth["byteLength"], &found["byte_length"]),
            "typedarray" | "dataview" => {
                self.same("byte length", &truth["byteLength"], &found["byte_length"]);
                self.same("byte offset", &truth["byteOffset"], &found["byte_offset"]);
                if kind == "typedarray" {
                    self.same("length", &truth["length"], &found["length"]);
                }
            }
            "arguments" => self.list(
                "argument",
                &truth["arguments"],
                &found["elements"],
                |at, truth, found| {
                    at.value(truth, &found["value"]);
                },
            ),
            _ => {}
        }
        if truth["elements"].is_array() {
            self.list(
                "element",
                &truth["elements"],
                &found["elements"],
                |at, truth, found| {
                    at.same("index", &truth["index"], &found["index"]);
                    at.value(&truth["value"], &found["value"]);
                },
            );
        }
        for property in truth["properties"].as_array().into_iter().flatten() {
            let key = if property["name"].is_null() {
                "symbol"
            } else {
                "name"
            };
            self.property(key, property, found);
        }
        for property in truth["privates"].as_array().into_iter().flatten() {
            self.property("private", property, found);
        }
        self.no_other_properties(truth, found);
    }

    /// A property, whose key is a `name`, a `symbol`, or a `private` name.
    fn property(&mut self, key: &str, truth: &Value, object: &Value) {
        let wanted = if key == "symbol" {
            &truth["symbol"]
        } else {
            &truth["name"]
        };
        let properties = object["properties"].as_array().into_iter().flatten();
        let found = properties
            .filter(|property| property[key].is_string())
            .find(|property| {
                let name = property[key].as_str().unwrap_or("");
                text::difference(wanted, &text::units(name, property["escaped"] == true)).is_none()
            });
        match found {
            Some(found) => {
                self.value_at(format!(".{}", found[key]), &truth["value"], &found["value"]);
            }
            None => self.differ(&format!("has no {key} {wanted}")),
        }
    }

    /// What is found besides the truth must be what V8 itself keeps as properties, and the truth tells otherwise.
    fn no_other_properties(&mut self, truth: &Value, found: &Value) {
        let Some(expected) = truth["properties"].as_array() else {
            return;
        };
        let own = found["properties"]
            .as_array()
            .into_iter()
            .flatten()
            .filter(|property| {
                let of_v8 = [
                    "length",
                    "lastIndex",
                    "stack",
                    "message",
                    "captureStackTrace",
                ];
                let is_symbol = property["symbol"].is_string();
                is_symbol
                    || property["name"]
                        .as_str()
                        .is_some_and(|name| !of_v8.contains(&name))
            });
        let own = own.count();
        if own != expected.len() {
            self.differ(&format!(
                "expected {} properties, found {own}",
                expected.len()
            ));
        }
    }

    fn list(
        &mut self,
        what: &str,
        truth: &Value,
        found: &Value,
        mut compare: impl FnMut(&mut Self, &Value, &Value),
    ) {
        let truth = truth.as_array().map_or(&[][..], Vec::as_slice);
        let found = found.as_array().map_or(&[][..], Vec::as_slice);
        if truth.len() != found.len() {
            self.differ(&format!(
                "expected {} {what}s, found {}",
                truth.len(),
                found.len()
            ));
        }
        for (number, (truth, found)) in truth.iter().zip(found).enumerate() {
            self.at(format!(" {what} {number}"), |at| compare(at, truth, found));
        }
    }
}

/// The kind as `inspect` calls it.
fn expected_kind(kind: &str) -> &str {
    match kind {
        "bound" => "bound_function",
        "weakmap" => "weak_map",
        "weakset" => "weak_set",
        "arraybuffer" => "array_buffer",
        "typedarray" => "typed_array",
        "dataview" => "data_view",
        same => same,
    }
}
