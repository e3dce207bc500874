//! What V8 calls the words of its objects: `class_JSFunction__context__Context = 32` says that a function's word at 32 is
//! its `context`.
//!
//! The constants of the very binary say it for nearly every class that the Torque compiler or a C++ accessor describes, and
//! so does Chrome DevTools name what an object refers to.

use std::collections::BTreeMap;

use super::table::Table;
use super::{InstanceTypes, LayoutError, Slots};

/// No class of V8 has so many ancestors.
const MAX_ANCESTORS: usize = 16;

/// Adds the names of all words to the types, and makes weak those that the table lists as `Class.field = "weak"`.
pub(super) fn add(
    constants: &BTreeMap<String, i64>,
    table: &Table,
    types: &mut InstanceTypes,
) -> Result<(), LayoutError> {
    for constant in constants.keys() {
        // type_JSFunction__JS_FUNCTION_TYPE
        let Some((class, number)) = constant
            .strip_prefix("type_")
            .and_then(|rest| rest.split_once("__"))
            .and_then(|(class, name)| Some((class, types.number(name)?)))
        else {
            continue;
        };
        let mut class = Some(class);
        for _ in 0..MAX_ANCESTORS {
            let Some(name) = class else { break };
            for (offset, member) in members(constants, name) {
                types.field(number, offset, member);
                let rule = table.raw.slots.get(&format!("{name}.{member}"));
                if rule.is_some_and(|rule| rule == "weak") {
                    make_weak(types, number, offset);
                }
            }
            class = parent(constants, name);
        }
    }
    for (name, rule) in &table.raw.slots {
        if name.contains('.') && !name.contains("..") && rule != "weak" {
            return Err(LayoutError::table(
                &table.name,
                &format!("{name}: {rule} is not weak, the only thing to say of a member"),
            ));
        }
    }
    Ok(())
}

/// Adds the name of a word that is a field of the layout, `JSPromise.reactions_or_result`.
pub(super) fn add_field(field: &str, offset: u64, types: &mut InstanceTypes) {
    let number = field
        .split_once('.')
        .and_then(|(class, member)| Some((types.number(&type_name(class))?, member)));
    if let Some((number, member)) = number {
        types.field(number, offset, member);
    }
}

/// `JSBoundFunction` becomes `JS_BOUND_FUNCTION_TYPE`.
fn type_name(class: &str) -> String {
    let mut name = String::new();
    let letters: Vec<char> = class.chars().collect();
    for (index, letter) in letters.iter().enumerate() {
        let after_lower = index > 0 && letters.get(index - 1).is_some_and(|c| !c.is_uppercase());
        let before_lower = index > 0 && letters.get(index + 1).is_some_and(|c| c.is_lowercase());
        if letter.is_uppercase() && (after_lower || before_lower) {
            name.push('_');
        }
        name.push(letter.to_ascii_uppercase());
    }
    name + "_TYPE"
}

fn make_weak(types: &mut InstanceTypes, number: u16, offset: u64) {
    let Ok(offset) = i64::try_from(offset) else {
        return;
    };
    let slots = types.slots_of(number).cloned().unwrap_or_default();
    types.slots(number, Slots::with_weak(&slots, offset));
}

/// The members of a class: `class_Script__source__Object`. Two may be said to lie at one place, of which the first counts.
fn members<'a>(
    constants: &'a BTreeMap<String, i64>,
    class: &str,
) -> impl Iterator<Item = (u64, &'a str)> {
    let prefix = format!("class_{class}__");
    constants
        .range(prefix.clone()..)
        .map_while(move |(name, offset)| Some((name.strip_prefix(&prefix)?, *offset)))
        .filter_map(|(rest, offset)| {
            let (member, _) = rest.split_once("__")?;
            let member = member.strip_prefix("raw_").unwrap_or(member);
            Some((u64::try_from(offset).ok()?, member))
        })
}

/// `parent_JSFunction__JSObject`.
fn parent<'a>(constants: &'a BTreeMap<String, i64>, class: &str) -> Option<&'a str> {
    let prefix = format!("parent_{class}__");
    let (name, _) = constants.range(prefix.clone()..).next()?;
    name.strip_prefix(&prefix)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::SlotKind;

    #[test]
    fn classes_have_types() {
        assert_eq!(type_name("JSBoundFunction"), "JS_BOUND_FUNCTION_TYPE");
        assert_eq!(type_name("Map"), "MAP_TYPE");
        assert_eq!(type_name("JSWeakRef"), "JS_WEAK_REF_TYPE");
    }

    #[test]
    fn words_are_named_by_the_class_and_its_ancestors() {
        let constants: BTreeMap<String, i64> = [
            ("class_JSFunction__context__Context", 32),
            ("class_JSFunction__raw_feedback_cell__FeedbackCell", 40),
            ("class_JSFunction__next_function_link__Object", 48),
            ("class_JSFunctionElse__other__Object", 56),
            ("class_JSObject__elements__Object", 16),
            ("parent_JSFunction__JSObject", 0),
            ("type_JSFunction__JS_FUNCTION_TYPE", 7),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
        let mut types = InstanceTypes::default();
        types.name("JS_FUNCTION_TYPE", 7);
        let table = Table {
            raw: toml::from_str("[slots]\n\"JSFunction.next_function_link\" = \"weak\"").unwrap(),
            ..Table::default()
        };
        add(&constants, &table, &mut types).unwrap();
        let names: Vec<_> = types.fields_of(7).collect();
        assert_eq!(
            names,
            [
                (16, "elements"),
                (32, "context"),
                (40, "feedback_cell"),
                (48, "next_function_link"),
            ]
        );
        let weak: Vec<_> = types
            .slots_of(7)
            .unwrap()
            .runs(64)
            .filter(|(kind, _)| *kind == SlotKind::Weak)
            .collect();
        assert_eq!(weak, [(SlotKind::Weak, 48..56)]);
    }
}
