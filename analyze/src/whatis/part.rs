//! What a word of an object is: a property, an element, a variable, a field of V8's.

use crate::layout::{Field, Value};
use crate::v8::{Address, FixedArray, Objects, Representation, Storage};

/// What lies at `offset` bytes from the beginning of an object; `None` if nothing names it.
pub fn part_of(objects: &Objects, object: Address, offset: u64) -> Option<String> {
    let map = objects.map_of(object).ok()?;
    let word = offset & !7;
    if word == 0 {
        return Some("map".to_owned());
    }
    if let Some(representation) = objects.representation(map.instance_type) {
        return character(objects, representation, offset);
    }
    if objects.is_receiver_type(map.instance_type) {
        let properties = objects.properties(object).ok()?;
        let own = properties
            .list
            .iter()
            .find(|property| property.storage == Storage::InObject(word));
        if let Some(own) = own {
            return Some(format!(".{}", objects.read_name(own.key).ok()?));
        }
        return receiver_field(objects, &objects.type_name(map.instance_type), word);
    }
    let name = objects.type_name(map.instance_type);
    if name.ends_with("CONTEXT_TYPE") {
        return context_slot(objects, object, word);
    }
    if name.ends_with("ARRAY_TYPE")
        || name.ends_with("TABLE_TYPE")
        || name.ends_with("DICTIONARY_TYPE")
    {
        let array = FixedArray::read(objects, object).ok()?;
        let index = object.0.wrapping_add(word).checked_sub(array.data)? / 8;
        return (index < array.length).then(|| format!("[{index}]"));
    }
    field_of(objects, &name, word)
}

fn character(objects: &Objects, representation: Representation, offset: u64) -> Option<String> {
    let width = match representation {
        Representation::SeqOneByte => 1,
        Representation::SeqTwoByte => 2,
        _ => return None,
    };
    let start = objects.layout().number(Field::SeqStringChars).ok()?;
    let index = offset.checked_sub(start)? / width;
    Some(format!("character {index}"))
}

fn context_slot(objects: &Objects, context: Address, word: u64) -> Option<String> {
    let slots = FixedArray::read(objects, context).ok()?;
    let slot = context.0.wrapping_add(word).checked_sub(slots.data)? / 8;
    let scope = objects.scopes(context.tagged()).into_iter().next();
    let first = objects.layout().number(Field::ContextMinSlots).ok()?;
    let variable = scope
        .filter(|scope| scope.context == context)
        .and_then(|scope| {
            let index = usize::try_from(slot.checked_sub(first)?).ok()?;
            scope.variables.into_iter().nth(index)
        });
    Some(match variable {
        Some((name, _)) => format!("variable {name}"),
        None => format!("slot {slot}"),
    })
}

/// A field that all objects of the language have, or that those of a type have.
fn receiver_field(objects: &Objects, type_name: &str, word: u64) -> Option<String> {
    [Field::JSReceiverProperties, Field::JSObjectElements]
        .into_iter()
        .find(|field| offset_of(objects, *field) == Some(word))
        .map(member)
        .or_else(|| field_of(objects, type_name, word))
}

/// The field of a type of V8's, as far as the layout has it.
fn field_of(objects: &Objects, type_name: &str, word: u64) -> Option<String> {
    let wanted = type_name.trim_end_matches("_TYPE").replace('_', "");
    Field::ALL
        .iter()
        .copied()
        .filter(|field| {
            let class = field.name().split('.').next().unwrap_or_default();
            class.eq_ignore_ascii_case(&wanted)
        })
        .find(|field| offset_of(objects, *field) == Some(word))
        .map(member)
}

/// The word that a field lies in.
fn offset_of(objects: &Objects, field: Field) -> Option<u64> {
    match objects.layout().value(field)? {
        (Value::Place(place), _) => Some(place.offset & !7),
        _ => None,
    }
}

/// `elements` of `JSObject.elements`.
fn member(field: Field) -> String {
    let name = field.name();
    name.rsplit('.').next().unwrap_or(name).to_owned()
}
