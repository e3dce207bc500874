//! From `v8dbg` constants and tables to a [`Layout`].

use std::collections::BTreeMap;

use v8mini_format::model::V8Version;

use super::members;
use super::table::{self, FieldName, Table};
use super::type_numbers::instance_types;
use super::{
    Bits, BytecodeLengths, Encoding, Expr, Field, Layout, LayoutError, Place, Source, Value,
};

impl Layout {
    /// The layout of a V8 version on a processor (its GNU name, `x86_64`), from the `v8dbg_*` constants of its binary (names
    /// without the prefix) and the tables.
    ///
    /// # Errors
    /// [`LayoutError::Table`] or [`LayoutError::Syntax`] if a table is broken; a value that nothing gives is no error
    /// until it is asked for.
    pub fn resolve(
        version: V8Version,
        architecture: &str,
        constants: &BTreeMap<String, i64>,
    ) -> Result<Self, LayoutError> {
        let (table, within_range) = table::for_version(version, architecture)?;
        let names = table::field_names()?;
        let mut values = Vec::with_capacity(Field::ALL.len());
        for field in Field::ALL {
            values.push(resolve_field(*field, constants, &names, &table)?);
        }
        let mut types = instance_types(constants, &table)?;
        for (field, value) in Field::ALL.iter().zip(&values) {
            if let Some((Value::Place(place), _)) = value
                && place.encoding == Encoding::Tagged
            {
                members::add_field(field.name(), place.offset, &mut types);
            }
        }
        let bytecode_lengths = match &table.raw.bytecode_lengths {
            Some(raw) => BytecodeLengths::parse(&raw.single, &raw.double)?,
            None => BytecodeLengths::default(),
        };
        Ok(Self {
            version,
            table: table.name,
            within_range,
            verified: table.verified,
            types,
            bytecode_lengths,
            values,
        })
    }
}

fn resolve_field(
    field: Field,
    constants: &BTreeMap<String, i64>,
    names: &BTreeMap<String, FieldName>,
    table: &Table,
) -> Result<Option<(Value, Source)>, LayoutError> {
    if let Some(value) = table.raw.corrections.get(field.name()) {
        return Ok(Some((parse_value(&table.name, value)?, Source::Correction)));
    }
    let fallback = match table.raw.fields.get(field.name()) {
        Some(value) => Some(parse_value(&table.name, value)?),
        None => None,
    };
    if let Some(name) = names.get(field.name())
        && let Some(found) = from_v8dbg(name, fallback.as_ref(), constants)?
    {
        return Ok(Some(found));
    }
    Ok(fallback.map(|value| (value, Source::Table)))
}

/// What `v8dbg` says of a field. Where it gives the bits but not the place, or the place but not the bits, the table
/// gives the other.
fn from_v8dbg(
    name: &FieldName,
    fallback: Option<&Value>,
    constants: &BTreeMap<String, i64>,
) -> Result<Option<(Value, Source)>, LayoutError> {
    if let Some((symbol, number)) = first(&name.number, constants) {
        return Ok(Some((Value::Number(number as u64), Source::V8dbg(symbol))));
    }
    let table_place = match fallback {
        Some(Value::Place(place)) => Some(*place),
        _ => None,
    };
    let mut source = None;
    let mut place = table_place;
    for candidate in &name.offset {
        let (encoding, symbol) = candidate
            .split_once(' ')
            .ok_or_else(|| LayoutError::syntax(candidate, "ENCODING CONSTANT"))?;
        let Some((symbol, offset)) = lookup(symbol, constants) else {
            continue;
        };
        let Ok(offset) = u64::try_from(offset) else {
            continue;
        };
        let encoding: Encoding = encoding.parse()?;
        place = Some(Place {
            encoding,
            offset,
            bits: table_place.and_then(|place| place.bits),
        });
        source = Some(symbol);
        break;
    }
    let bits = match first(&name.mask, constants) {
        // Masks are exported as 32-bit ints: the sign is the top bit of a mask.
        Some((symbol, mask)) => Bits::from_mask(u64::from(mask as u32)).map(|bits| (symbol, bits)),
        None => first(&name.shift, constants).and_then(|(symbol, shift)| {
            let shift = u32::try_from(shift).ok().filter(|shift| *shift < 64)?;
            let width = table_place
                .and_then(|place| place.bits)
                .map_or(1, |bits| bits.width);
            Some((symbol, Bits { shift, width }))
        }),
    };
    if let (Some(place), Some((symbol, bits))) = (&mut place, bits) {
        place.bits = Some(bits);
        source = Some(symbol);
    }
    Ok(place
        .zip(source)
        .map(|(place, symbol)| (Value::Place(place), Source::V8dbg(symbol))))
}

fn first(names: &[String], constants: &BTreeMap<String, i64>) -> Option<(String, i64)> {
    names.iter().find_map(|name| lookup(name, constants))
}

/// The constant `name`, or `name__type` whatever the type is: since V8 10 the suffix is the member's C++ type, which
/// changes (`Map__prototype__Object`, `Map__prototype__Tagged_HeapObject_`) while the member stays.
fn lookup(name: &str, constants: &BTreeMap<String, i64>) -> Option<(String, i64)> {
    if let Some(value) = constants.get(name) {
        return Some((name.to_owned(), *value));
    }
    let prefix = format!("{name}__");
    let (symbol, value) = constants.range(prefix.clone()..).next()?;
    symbol
        .starts_with(&prefix)
        .then(|| (symbol.clone(), *value))
}

fn parse_value(table: &str, value: &toml::Value) -> Result<Value, LayoutError> {
    match value {
        toml::Value::Integer(number) => u64::try_from(*number)
            .map(Value::Number)
            .map_err(|_| LayoutError::table(table, &format!("{number} is negative"))),
        toml::Value::String(text) => match text.parse() {
            Ok(place) => Ok(Value::Place(place)),
            Err(_) => Expr::parse(text).map(Value::Expr),
        },
        other => Err(LayoutError::table(
            table,
            &format!("{other:?} is neither number nor text"),
        )),
    }
}
