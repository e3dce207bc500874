//! From `v8dbg` constants and a table to the instance types of a version and the sizes of their objects.
//!
//! V8 renumbers its instance types nearly every release, and `v8dbg` leaves some out, always the same ones: those between
//! two that it names. So the tables say where they lie relative to a named one (`FEEDBACK_VECTOR_TYPE + 1`), which survives
//! the renumbering.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use super::table::Table;
use super::{Expr, InstanceTypes, LayoutError, Slots, members};

/// No V8 has had more instance types of one kind in a row: a longer range is a mistake in a table.
const MAX_RANGE: u16 = 128;

/// The instance types of a version and the sizes of those whose maps do not tell.
pub(super) fn instance_types(
    constants: &BTreeMap<String, i64>,
    table: &Table,
) -> Result<InstanceTypes, LayoutError> {
    let mut types = InstanceTypes::default();
    for (name, number) in constants {
        // type_JSMap__JS_MAP_TYPE = 2110
        let Some((_, name)) = name
            .strip_prefix("type_")
            .and_then(|rest| rest.split_once("__"))
        else {
            continue;
        };
        if let Ok(number) = u16::try_from(*number) {
            types.name(name, number);
        }
    }
    let named = Named {
        constants,
        types: types.clone(),
    };
    for (name, value) in &table.raw.types {
        // What the binary itself says wins.
        if named.types.number(name).is_some() {
            continue;
        }
        match value {
            toml::Value::Integer(number) => {
                let number = u16::try_from(*number).map_err(|_| {
                    LayoutError::table(&table.name, &format!("{name}: {number} is no type"))
                })?;
                types.name(name, number);
            }
            toml::Value::String(text) => {
                // The anchor may be missing in some releases of the table's range.
                if let Some(number) = named.number(&Reference::parse(text)?) {
                    types.name(name, number);
                }
            }
            other => {
                return Err(LayoutError::table(
                    &table.name,
                    &format!("{name}: {other:?} is neither a number nor relative to a type"),
                ));
            }
        }
    }
    for (name, size) in ranges(&table.raw.sizes) {
        let size = Expr::parse(size)?;
        for number in named.range(&table.name, name)?.into_iter().flatten() {
            types.size(number, size.clone());
        }
    }
    for (name, size) in &table.raw.sizes {
        // A table may give sizes for types that only some releases in its range have.
        if let Some(number) = types.number(name) {
            types.size(number, Expr::parse(size)?);
        }
    }
    add_slots(table, &named, &mut types)?;
    members::add(constants, table, &mut types)?;
    Ok(types)
}

/// Which words are references, by type or by range of types.
fn add_slots(
    table: &Table,
    named: &Named<'_>,
    types: &mut InstanceTypes,
) -> Result<(), LayoutError> {
    for (name, slots) in ranges(&table.raw.slots) {
        let slots = Slots::parse(slots)?;
        for number in named.range(&table.name, name)?.into_iter().flatten() {
            types.slots(number, slots.clone());
        }
    }
    for (name, slots) in &table.raw.slots {
        if let Some(number) = types.number(name) {
            types.slots(number, Slots::parse(slots)?);
        }
    }
    Ok(())
}

/// What is for a range of types; what is for a single type overrides it.
fn ranges(rules: &BTreeMap<String, String>) -> impl Iterator<Item = (&str, &str)> {
    rules
        .iter()
        .map(|(name, rule)| (name.as_str(), rule.as_str()))
        .filter(|(name, _)| name.contains(".."))
}

/// What the binary names.
struct Named<'a> {
    constants: &'a BTreeMap<String, i64>,
    types: InstanceTypes,
}

impl Named<'_> {
    fn number(&self, reference: &Reference<'_>) -> Option<u16> {
        let anchor = match self.types.number(reference.anchor) {
            Some(number) => i64::from(number),
            // FirstContextType and its like.
            None => *self.constants.get(reference.anchor)?,
        };
        u16::try_from(anchor.checked_add(reference.distance)?).ok()
    }

    /// `FIXED_ARRAY_TYPE + 1 .. BYTE_ARRAY_TYPE - 1`, both ends included; `None` if an anchor is not there.
    fn range(&self, table: &str, text: &str) -> Result<Option<RangeInclusive<u16>>, LayoutError> {
        let (first, last) = text
            .split_once("..")
            .ok_or_else(|| LayoutError::syntax(text, "TYPE .. TYPE"))?;
        let (first, last) = (Reference::parse(first)?, Reference::parse(last)?);
        let Some((first, last)) = self.number(&first).zip(self.number(&last)) else {
            return Ok(None);
        };
        if last.saturating_sub(first) > MAX_RANGE {
            return Err(LayoutError::table(
                table,
                &format!("{text} is {first} to {last}: more than {MAX_RANGE} types"),
            ));
        }
        Ok(Some(first..=last))
    }
}

/// A type by its distance from a named one: `FEEDBACK_VECTOR_TYPE + 1`.
#[derive(Debug, PartialEq, Eq)]
struct Reference<'a> {
    anchor: &'a str,
    distance: i64,
}

impl<'a> Reference<'a> {
    fn parse(text: &'a str) -> Result<Self, LayoutError> {
        let wanted = "TYPE, TYPE + n or TYPE - n";
        let mut words = text.split_whitespace();
        let anchor = words
            .next()
            .ok_or_else(|| LayoutError::syntax(text, wanted))?;
        let distance = match (words.next(), words.next()) {
            (None, None) => Some(0),
            (Some("+"), Some(n)) => n.parse::<u16>().ok().map(i64::from),
            (Some("-"), Some(n)) => n.parse::<u16>().ok().map(|n| -i64::from(n)),
            _ => None,
        };
        match (distance, words.next()) {
            (Some(distance), None) => Ok(Self { anchor, distance }),
            _ => Err(LayoutError::syntax(text, wanted)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(table: &str) -> Result<InstanceTypes, LayoutError> {
        let constants = [
            ("type_FixedArray__FIXED_ARRAY_TYPE", 100),
            ("type_ByteArray__BYTE_ARRAY_TYPE", 104),
            ("type_JSObject__JS_OBJECT_TYPE", 2061),
            ("FirstContextType", 200),
        ];
        let table = Table {
            raw: toml::from_str(table).unwrap(),
            ..Table::default()
        };
        let constants = constants
            .into_iter()
            .map(|(name, number)| (name.to_owned(), number))
            .collect();
        instance_types(&constants, &table)
    }

    #[test]
    fn types_lie_relative_to_named_ones() {
        let types = resolve(
            r#"
            [types]
            HASH_TABLE_TYPE = "FIXED_ARRAY_TYPE + 1"
            FILLER_TYPE = "NO_SUCH_TYPE + 1"
            NATIVE_CONTEXT_TYPE = "FirstContextType + 7"
            FIXED_ARRAY_TYPE = 7
            BIGINT_TYPE = 129
            "#,
        )
        .unwrap();
        assert_eq!(types.number("HASH_TABLE_TYPE"), Some(101));
        assert_eq!(types.number("FILLER_TYPE"), None);
        assert_eq!(types.number("NATIVE_CONTEXT_TYPE"), Some(207));
        assert_eq!(types.name_of(207), Some("NATIVE_CONTEXT_TYPE"));
        assert_eq!(types.number("FIXED_ARRAY_TYPE"), Some(100), "v8dbg wins");
        assert_eq!(types.number("BIGINT_TYPE"), Some(129));
    }

    #[test]
    fn a_size_for_a_type_overrides_that_of_a_range() {
        let types = resolve(
            r#"
            [types]
            HASH_TABLE_TYPE = "FIXED_ARRAY_TYPE + 2"
            [sizes]
            "FIXED_ARRAY_TYPE .. BYTE_ARRAY_TYPE - 1" = "16 + 8 * smi@8"
            "NO_SUCH_TYPE .. BYTE_ARRAY_TYPE" = "8"
            HASH_TABLE_TYPE = "24"
            "#,
        )
        .unwrap();
        let array = Expr::parse("16 + 8 * smi@8").unwrap();
        assert_eq!(types.size_of(100), Some(&array));
        assert_eq!(types.size_of(102), Some(&Expr::parse("24").unwrap()));
        assert_eq!(types.size_of(103), Some(&array));
        assert_eq!(types.size_of(104), None);
    }

    #[test]
    fn mistakes_are_told() {
        for table in [
            "[types]\nX = \"FIXED_ARRAY_TYPE +1\"",
            "[types]\nX = \"\"",
            "[types]\nX = -1",
            "[types]\nX = true",
            "[sizes]\n\"FIXED_ARRAY_TYPE .. JS_OBJECT_TYPE\" = \"8\"",
        ] {
            assert!(resolve(table).is_err(), "{table}");
        }
    }
}
