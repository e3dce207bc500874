//! Source maps that Node.js itself has read (`--enable-source-maps`), found in the heap.
//!
//! Its cache has an entry for each such module: `{ lineLengths, data, url, … }`, the payload of the map in `data`. How the
//! cache leads from a module to its entry has changed often; the lengths of all lines, which every version keeps, tell
//! whose entry it is as well.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Text;
use crate::heap::instances_with;
use crate::v8::{Address, Fields, Objects, PropertyValue};

/// Most sources and names of a map.
const MAX_ITEMS: usize = 1 << 16;
/// Longest text of a map.
const MAX_TEXT_UNITS: usize = 1 << 26;

/// The map that Node.js has of a script, as JSON, and its object.
pub(super) fn map_in_heap(objects: &Objects, text: &Text) -> Option<(Address, String)> {
    let fields = Fields::new(objects);
    let wanted = line_lengths(text);
    instances_with(objects, &["lineLengths", "data"])
        .into_iter()
        .find_map(|entry| {
            let lengths = fields.object(entry, "lineLengths")?;
            let data = fields.object(entry, "data")?;
            has_lengths(objects, lengths, &wanted).then_some(())?;
            Some((data, payload(&fields, data)?.to_string()))
        })
}

/// Length of each line, as Node.js counts: LF and the two separators of Unicode end a line.
fn line_lengths(text: &Text) -> Vec<usize> {
    text.units()
        .split(|unit| matches!(unit, 0x0a | 0x2028 | 0x2029))
        .map(<[u16]>::len)
        .collect()
}

fn has_lengths(objects: &Objects, array: Address, wanted: &[usize]) -> bool {
    if objects.array_length(array) != Ok(wanted.len() as u64) {
        return false;
    }
    let Ok(map) = objects.map_of(array) else {
        return false;
    };
    let Ok(elements) = objects.elements(array, &map, wanted.len() as u64, wanted.len()) else {
        return false;
    };
    let lengths = elements.list.iter().map(|(_, value)| match value {
        PropertyValue::Tagged(word) => word.smi().and_then(|length| usize::try_from(length).ok()),
        _ => None,
    });
    elements.list.len() == wanted.len() && lengths.eq(wanted.iter().copied().map(Some))
}

/// The payload of a map, put together again.
fn payload(fields: &Fields<'_>, data: Address) -> Option<Value> {
    let objects = fields.objects();
    let long_text = |address: Address| {
        let text = objects.read_string(address, MAX_TEXT_UNITS).ok()?;
        text.is_complete().then(|| text.to_text())
    };
    let texts = |name: &'static str| -> Vec<Value> {
        let items = fields.object(data, name);
        let items = items.map_or_else(Vec::new, |array| objects.items(array, MAX_ITEMS));
        let texts = items
            .into_iter()
            .map(|word| word.strong().and_then(long_text));
        texts
            .map(|text| text.map_or(Value::Null, Value::String))
            .collect()
    };
    let mut map = BTreeMap::from([
        ("version", json!(3)),
        (
            "mappings",
            json!(long_text(fields.object(data, "mappings")?)?),
        ),
        ("sources", json!(texts("sources"))),
        ("names", json!(texts("names"))),
        ("sourcesContent", json!(texts("sourcesContent"))),
    ]);
    if let Some(root) = fields.text(data, "sourceRoot") {
        map.insert("sourceRoot", json!(root));
    }
    Some(json!(map))
}
