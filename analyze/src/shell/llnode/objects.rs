//! `v8 findjsobjects`: the types of all objects.

use std::collections::BTreeMap;
use std::io::Write;

use super::super::spelling::Call;
use super::name_text;
use crate::commands::{Outcome, Session};
use crate::heap::{ClassKind, Shape};
use crate::v8::{Address, Kind, Objects};

/// So many property names stand in a row of the detailed list.
const PROPERTIES: usize = 3;

/// The type that llnode has for the objects of a shape; `None` for what it does not list: functions, prototypes, and what
/// only V8 sees.
pub(super) fn type_name(objects: &Objects, shape: &Shape) -> Option<String> {
    match shape.class.kind {
        ClassKind::Instance if objects.is_type(shape.instance_type, "JS_ARRAY_TYPE") => {
            Some(if shape.class.name == "Array" {
                "(Array)".to_owned()
            } else {
                shape.class.name.clone()
            })
        }
        ClassKind::Instance => Some(shape.class.name.clone()),
        ClassKind::Primitive if objects.is_string_type(shape.instance_type) => {
            Some("(String)".to_owned())
        }
        _ => None,
    }
}

/// Whether the objects of a shape are what the user calls `name`: a type as listed, or one of llnode's names for many.
pub(super) fn is_of_type(objects: &Objects, shape: &Shape, name: &str) -> bool {
    let kind = || objects.kind(shape.instance_type);
    match name {
        "(ArrayBufferView)" => matches!(kind(), Kind::TypedArray | Kind::DataView),
        "(ArrayBuffer)" => kind() == Kind::ArrayBuffer,
        "(RegExp)" => kind() == Kind::RegExp,
        "(Date)" => kind() == Kind::Date,
        "(Function)" => shape.class.kind == ClassKind::Function,
        "(String)" => objects.is_string_type(shape.instance_type),
        _ => {
            let listed = type_name(objects, shape);
            listed.as_deref() == Some(name) || shape.class.name == name
        }
    }
}

#[derive(Default)]
struct Row {
    sample: Option<Address>,
    count: u64,
    bytes: u64,
    properties: usize,
    elements: u64,
}

/// `v8 findjsobjects`
pub(super) fn run(call: &mut Call<'_>) -> anyhow::Result<Outcome> {
    let session = call.session();
    let detailed = call.options.has('d') || call.options.has('v');
    let rows = rows(&session, detailed);
    let count: u64 = rows.iter().map(|(_, row)| row.count).sum();
    let bytes: u64 = rows.iter().map(|(_, row)| row.bytes).sum();
    let out = &mut *call.output;
    if detailed {
        writeln!(
            out,
            "   Sample Obj.  Instances  Total Size  Properties  Elements  Name"
        )?;
        writeln!(
            out,
            " ------------- ---------- ----------- ----------- --------- -----"
        )?;
        for (name, row) in &rows {
            let sample = row.sample.unwrap_or_default().0 | 1;
            writeln!(
                out,
                " {sample:>13x} {:>10} {:>11} {:>11} {:>9} {name}",
                row.count, row.bytes, row.properties, row.elements
            )?;
        }
        writeln!(
            out,
            " ------------ ---------- ----------- ----------- ----------- ----"
        )?;
        writeln!(out, "             {count:>11} {bytes:>11} ")?;
    } else {
        writeln!(out, " Instances  Total Size Name")?;
        writeln!(out, " ---------- ---------- ----")?;
        for (name, row) in &rows {
            writeln!(out, " {:>10} {:>10} {name}", row.count, row.bytes)?;
        }
        writeln!(out, " ---------- ---------- ")?;
        writeln!(out, " {count:>10} {bytes:>10} ")?;
    }
    Ok(if rows.is_empty() {
        Outcome::NothingFound
    } else {
        session.outcome_without_walk()
    })
}

/// The rows, the most frequent last.
fn rows(session: &Session, detailed: bool) -> Vec<(String, Row)> {
    let objects = &session.objects;
    let mut rows: BTreeMap<String, (String, Row)> = BTreeMap::new();
    for shape in &session.population().shapes {
        let Some(name) = type_name(objects, shape) else {
            continue;
        };
        let (key, shown, properties, elements) = if detailed {
            describe(objects, shape, &name)
        } else {
            (name.clone(), name, 0, 0)
        };
        let (_, row) = rows.entry(key).or_insert_with(|| (shown, Row::default()));
        row.count += shape.count.count;
        row.bytes += shape.count.bytes;
        row.properties = properties;
        row.elements = row.elements.max(elements);
        // The lowest, as llnode has it.
        row.sample = match (row.sample, shape.count.ends.map(|(first, _)| first)) {
            (Some(ours), Some(theirs)) => Some(ours.min(theirs)),
            (ours, theirs) => ours.or(theirs),
        };
    }
    let mut rows: Vec<(String, Row)> = rows.into_values().collect();
    rows.sort_by(|(a, x), (b, y)| (x.count, a).cmp(&(y.count, b)));
    rows
}

/// What makes a row of the detailed list: type and all properties; and what it shows of them.
fn describe(objects: &Objects, shape: &Shape, name: &str) -> (String, String, usize, u64) {
    let sample = shape.sample.address;
    let elements = sample
        .filter(|_| objects.kind(shape.instance_type) == Kind::Array)
        .and_then(|array| objects.array_length(array).ok())
        .unwrap_or(0);
    let properties: Vec<String> = sample
        .filter(|_| shape.class.kind == ClassKind::Instance)
        .and_then(|object| objects.properties(object).ok())
        .map(|properties| {
            let names = properties.list.iter();
            names
                .filter_map(|property| objects.read_name(property.key).ok())
                .map(|name| name_text(&name))
                .collect()
        })
        .unwrap_or_default();
    let key = format!("{name}: {}", properties.join(", "));
    let mut shown = name.to_owned();
    let first = properties.get(..PROPERTIES).unwrap_or(&properties);
    if !first.is_empty() {
        shown = format!("{shown}: {}", first.join(", "));
    }
    if first.len() < properties.len() {
        shown.push_str(", ...");
    }
    (key, shown, properties.len(), elements)
}
