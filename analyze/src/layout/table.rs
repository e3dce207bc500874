//! The layout tables of `spec/layouts/`, built into the program.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::LayoutError;

/// `spec/layouts/fields.toml`: what the fields are called in `v8dbg`.
const FIELD_NAMES: &str = include_str!("../../../spec/layouts/fields.toml");

/// What the tables extend, then one table per range of V8 versions, oldest first: `(file name, text)`.
const TABLES: &[(&str, &str)] = &[
    ("base.toml", include_str!("../../../spec/layouts/base.toml")),
    (
        "v8-12.4.toml",
        include_str!("../../../spec/layouts/v8-12.4.toml"),
    ),
];

/// How one field is found among a binary's `v8dbg` constants. Names are tried in order; a name also matches with a
/// `__type` suffix, since V8 10 and later spell the C++ type there.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FieldName {
    /// `ENCODING CONSTANT`: the constant is the offset of a value of that encoding.
    #[serde(default)]
    pub(super) offset: Vec<String>,
    /// Constants that give the lowest bit of the field.
    #[serde(default)]
    pub(super) shift: Vec<String>,
    /// Constants that give the field's bits as a mask.
    #[serde(default)]
    pub(super) mask: Vec<String>,
    /// Constants that are the value itself.
    #[serde(default)]
    pub(super) number: Vec<String>,
}

/// A table as it is written.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawTable {
    /// The table that this one adds to and overrides: its file name.
    pub(super) extends: Option<String>,
    pub(super) v8: Option<Range>,
    /// Values for fields that `v8dbg` does not give.
    #[serde(default)]
    pub(super) fields: BTreeMap<String, toml::Value>,
    /// Values for fields that `v8dbg` gives wrongly: these win over it.
    #[serde(default)]
    pub(super) corrections: BTreeMap<String, toml::Value>,
    /// Instance types that `v8dbg` does not name.
    #[serde(default)]
    pub(super) types: BTreeMap<String, u16>,
    /// Sizes of objects whose map says 0, by instance type: expressions over the object.
    #[serde(default)]
    pub(super) sizes: BTreeMap<String, String>,
}

/// Which versions a table is for.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Range {
    /// First V8 version, `major.minor`.
    pub(super) from: String,
    /// Last V8 version, `major.minor`, inclusive.
    pub(super) to: String,
    /// Node releases on which every fact of the table was checked on a live process.
    #[serde(default)]
    pub(super) verified: Vec<String>,
}

/// A table with everything that it extends merged in.
#[derive(Debug, Clone, Default)]
pub(super) struct Table {
    /// File name in `spec/layouts/`.
    pub(super) name: String,
    pub(super) from: (u32, u32),
    pub(super) to: (u32, u32),
    pub(super) verified: Vec<String>,
    pub(super) raw: RawTable,
}

/// The v8dbg names of all fields.
pub(super) fn field_names() -> Result<BTreeMap<String, FieldName>, LayoutError> {
    toml::from_str(FIELD_NAMES).map_err(|error| LayoutError::table("fields.toml", &error))
}

/// The table for a version, and whether the version lies in its range. Outside all ranges it is the nearest table: the
/// last one that begins before the version, or else the first.
pub(super) fn for_version(version: (u32, u32)) -> Result<(Table, bool), LayoutError> {
    let mut best: Option<Table> = None;
    for (name, _) in TABLES {
        let Some(table) = load(name)? else { continue };
        if best.is_none() || table.from <= version {
            best = Some(table);
        }
    }
    let table = best.ok_or_else(|| LayoutError::table("spec/layouts", &"no tables"))?;
    let within = table.from <= version && version <= table.to;
    Ok((table, within))
}

/// A table for a range of versions, or `None` if it is only there to be extended.
fn load(name: &str) -> Result<Option<Table>, LayoutError> {
    let mut raw = parse(name)?;
    let Some(range) = raw.v8.take() else {
        return Ok(None);
    };
    let (from, to) = (minor(name, &range.from)?, minor(name, &range.to)?);
    let mut chain = raw.extends.take();
    // A table extends an older one: the chain is shorter than the list of tables.
    for _ in 0..TABLES.len() {
        let Some(base) = chain else { break };
        let base = parse(&base)?;
        merge(&mut raw.fields, base.fields);
        merge(&mut raw.corrections, base.corrections);
        merge(&mut raw.types, base.types);
        merge(&mut raw.sizes, base.sizes);
        chain = base.extends;
    }
    Ok(Some(Table {
        name: name.to_owned(),
        from,
        to,
        verified: range.verified,
        raw,
    }))
}

fn parse(name: &str) -> Result<RawTable, LayoutError> {
    let (_, text) = TABLES
        .iter()
        .find(|(file, _)| *file == name)
        .ok_or_else(|| LayoutError::table(name, &"there is no such table"))?;
    toml::from_str(text).map_err(|error| LayoutError::table(name, &error))
}

/// Adds what `ours` does not say itself.
fn merge<V>(ours: &mut BTreeMap<String, V>, theirs: BTreeMap<String, V>) {
    for (key, value) in theirs {
        ours.entry(key).or_insert(value);
    }
}

fn minor(table: &str, text: &str) -> Result<(u32, u32), LayoutError> {
    text.split_once('.')
        .and_then(|(major, minor)| Some((major.parse().ok()?, minor.parse().ok()?)))
        .ok_or_else(|| LayoutError::table(table, &format!("'{text}' is no major.minor version")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_loads_and_ranges_are_in_order() {
        let mut last = (0, 0);
        for (name, _) in TABLES {
            let Some(table) = load(name).unwrap() else {
                continue;
            };
            assert!(table.from <= table.to, "{name}");
            assert!(last < table.from, "{name} overlaps the table before it");
            last = table.to;
        }
    }

    #[test]
    fn unknown_versions_take_the_nearest_table() {
        let newest = TABLES.last().unwrap().0;
        let (table, within) = for_version((99, 0)).unwrap();
        assert_eq!((table.name.as_str(), within), (newest, false));
        let oldest = TABLES
            .iter()
            .find(|(name, _)| load(name).unwrap().is_some())
            .unwrap()
            .0;
        let (table, within) = for_version((1, 0)).unwrap();
        assert_eq!((table.name.as_str(), within), (oldest, false));
    }
}
