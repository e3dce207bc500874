//! Stacks as the page needs them: which functions, not at which addresses.

use serde_json::{Map, Value, json};

/// Frames that are kept at each end of a stack.
const ENDS: usize = 100;
/// What the page shows of a frame.
const FIELDS: [&str; 4] = ["kind", "is_inlined", "is_construct", "is_guess"];

/// Makes the answer of `bt` small: few fields for each frame, and of endless recursions both ends.
pub(super) fn slim(report: &mut Value) {
    let Some(threads) = report.get_mut("threads").and_then(Value::as_array_mut) else {
        return;
    };
    for thread in threads {
        let Some(frames) = thread.get_mut("frames").and_then(Value::as_array_mut) else {
            continue;
        };
        let left_out = frames.len().saturating_sub(2 * ENDS);
        if left_out > 0 {
            frames.drain(ENDS..ENDS + left_out);
        }
        frames.iter_mut().for_each(slim_frame);
        if let Some(thread) = thread.as_object_mut() {
            thread.insert("left_out".to_owned(), json!(left_out));
        }
    }
}

fn slim_frame(frame: &mut Value) {
    let mut small = Map::new();
    for name in FIELDS {
        if let Some(value) = frame
            .get(name)
            .filter(|value| **value != Value::Bool(false))
        {
            small.insert(name.to_owned(), value.clone());
        }
    }
    for (part, fields) in [
        ("function", ["name", "file", "line", "column"].as_slice()),
        ("native", &["name", "module"]),
    ] {
        if let Some(whole) = frame.get(part).and_then(Value::as_object) {
            let kept = fields
                .iter()
                .filter_map(|name| Some(((*name).to_owned(), whole.get(*name)?.clone())));
            small.insert(part.to_owned(), Value::Object(kept.collect()));
        }
    }
    *frame = Value::Object(small);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_of_a_recursion_stay() {
        let frames: Vec<Value> = (0..1000)
            .map(|line| {
                json!({ "kind": "interpreted", "pc": "0x1", "is_inlined": false,
                    "function": { "name": "f", "closure": "0x9", "file": "a.js", "line": line, "column": 1 } })
            })
            .collect();
        let mut report = json!({ "threads": [{ "tid": 1, "frames": frames }] });
        slim(&mut report);
        let thread = &report["threads"][0];
        assert_eq!(thread["left_out"], 800);
        assert_eq!(thread["frames"].as_array().map(Vec::len), Some(200));
        assert_eq!(
            thread["frames"][0],
            json!({ "kind": "interpreted",
                "function": { "name": "f", "file": "a.js", "line": 0, "column": 1 } })
        );
        assert_eq!(thread["frames"][199]["function"]["line"], 999);
    }
}
