//! `::jsarray`, `::nodebuffer`, `::walk`.

use std::io::Write;

use anyhow::bail;

use super::super::spelling::Call;
use crate::commands::Outcome;
use crate::v8::{ObjectError, Objects, PropertyValue};

/// Most elements that are walked.
const MAX_ELEMENTS: usize = 1 << 24;

/// `::jsarray`
pub(super) fn jsarray(call: &mut Call<'_>) -> anyhow::Result<Outcome> {
    let array = call.target_object()?;
    let session = call.session();
    let map = session.objects.map_of(array)?;
    let end = session.objects.array_length(array).unwrap_or(u64::MAX);
    let elements = session.objects.elements(array, &map, end, MAX_ELEMENTS)?;
    let with_index = call.options.has('i');
    for (index, value) in elements.list {
        if with_index {
            write!(call.output, "{index} ")?;
        }
        writeln!(call.output, "{}", word(value))?;
    }
    Ok(session.outcome_without_walk())
}

/// `::walk`
pub(super) fn walk(call: &mut Call<'_>) -> anyhow::Result<Outcome> {
    match call.options.rest.first().map(String::as_str) {
        Some("jselement") => jsarray(call),
        Some("jsprop") => jsprop(call),
        Some("jsframe") => super::stack::walk(call),
        Some(other) => bail!("there is no walker '{other}'; ::walkers lists all"),
        None => bail!("a walker is missing; ::walkers lists all"),
    }
}

fn jsprop(call: &mut Call<'_>) -> anyhow::Result<Outcome> {
    let object = call.target_object()?;
    let session = call.session();
    for property in session.objects.properties(object)?.list {
        writeln!(call.output, "{}", word(property.value))?;
    }
    Ok(session.outcome_without_walk())
}

/// `::walkers`
pub(super) fn walkers(call: &mut Call<'_>) -> anyhow::Result<Outcome> {
    writeln!(
        call.output,
        "jselement  - walk elements of a JavaScript array"
    )?;
    writeln!(
        call.output,
        "jsprop     - walk property values for an object"
    )?;
    Ok(Outcome::Done)
}

/// A value as a word of the heap; a raw double in decimal, because it has no word that would mean the same.
fn word(value: PropertyValue) -> String {
    match value {
        PropertyValue::Tagged(word) => format!("{:x}", word.0),
        PropertyValue::Double(bits) => f64::from_bits(bits).to_string(),
        PropertyValue::Accessor { getter, .. } => format!("{:x}", getter.0),
        PropertyValue::Native(info) => format!("{:x}", info.0 | 1),
    }
}

/// `::nodebuffer`
pub(super) fn nodebuffer(call: &mut Call<'_>) -> anyhow::Result<Outcome> {
    let buffer = call.target_object()?;
    let session = call.session();
    match bytes_of(&session.objects, buffer)? {
        Some(data) => writeln!(call.output, "{data:x}")?,
        None => bail!("{buffer} has no bytes"),
    }
    Ok(session.outcome_without_walk())
}

fn bytes_of(objects: &Objects, buffer: crate::v8::Address) -> Result<Option<u64>, ObjectError> {
    let map = objects.map_of(buffer)?;
    if let Ok(view) = objects.read_view(buffer, &map) {
        return Ok(view.data);
    }
    Ok(Some(objects.read_array_buffer(buffer)?.backing_store))
}
