//! The layout tables of `spec/layouts/`, built into the program.

use std::collections::BTreeMap;

use serde::Deserialize;
use v8mini_format::model::V8Version;

use super::{LayoutError, terms};

/// `spec/layouts/fields.toml`: what the fields are called in `v8dbg`.
const FIELD_NAMES: &str = include_str!("../../../spec/layouts/fields.toml");

/// All other files of `spec/layouts/`, by name: `(file name, text)`. The build script lists them.
const TABLES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/layout_tables.rs"));

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
    /// Instance types that `v8dbg` does not name: numbers, or places relative to a type that it does name.
    #[serde(default)]
    pub(super) types: BTreeMap<String, toml::Value>,
    /// Parts of expressions: `$name` in the values below, in sizes and in other terms stands for the text, in parentheses.
    #[serde(default)]
    pub(super) terms: BTreeMap<String, String>,
    /// Sizes of objects whose map says 0, by instance type or range of them: expressions over the object.
    #[serde(default)]
    pub(super) sizes: BTreeMap<String, String>,
    /// Which words of objects are references, by instance type or range of them; or, for a `Class.field` that `v8dbg` names,
    /// how the field refers. What is not listed has them everywhere.
    #[serde(default)]
    pub(super) slots: BTreeMap<String, String>,
    /// How long bytecodes are.
    pub(super) bytecode_lengths: Option<RawLengths>,
    /// What this table says otherwise for a processor, by its GNU name; all else is said for x86-64 and holds for all.
    #[serde(default)]
    pub(super) architectures: BTreeMap<String, Differences>,
}

/// What is different on one processor.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Differences {
    #[serde(default)]
    pub(super) corrections: BTreeMap<String, toml::Value>,
    #[serde(default)]
    pub(super) sizes: BTreeMap<String, String>,
}

impl RawTable {
    /// The table as it is for one processor.
    fn for_architecture(mut self, architecture: &str) -> Self {
        if let Some(differences) = self.architectures.remove(architecture) {
            self.corrections.extend(differences.corrections);
            self.sizes.extend(differences.sizes);
        }
        self
    }
}

/// The lengths of bytecodes, one hexadecimal digit for each.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawLengths {
    /// With operands of one byte.
    pub(super) single: String,
    /// With operands of two bytes.
    pub(super) double: String,
}

/// Which versions a table is for.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Range {
    /// First V8 version: `major.minor`, or all four numbers where a patch release changed something.
    pub(super) from: String,
    /// Last V8 version, inclusive: `13.6` stands for all of 13.6.
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
    pub(super) verified: Vec<String>,
    pub(super) raw: RawTable,
}

/// The v8dbg names of all fields.
pub(super) fn field_names() -> Result<BTreeMap<String, FieldName>, LayoutError> {
    toml::from_str(FIELD_NAMES).map_err(|error| LayoutError::table("fields.toml", &error))
}

/// The table for a version on a processor, and whether the version lies in its range. Outside all ranges it is the nearest
/// table: the last one that begins before the version, or else the first.
pub(super) fn for_version(
    version: V8Version,
    architecture: &str,
) -> Result<(Table, bool), LayoutError> {
    let version = [version.major, version.minor, version.build, version.patch];
    let files = parse_all()?;
    let ranges = ranges(&files)?;
    let nearest = ranges
        .iter()
        .rposition(|range| range.from <= version)
        .unwrap_or(0);
    let range = ranges
        .get(nearest)
        .ok_or_else(|| LayoutError::table("spec/layouts", &"no tables"))?;
    let within = range.from <= version && version <= range.to;
    Ok((load(&files, range, architecture)?, within))
}

/// The version range of one file.
struct VersionRange {
    file: &'static str,
    from: Release,
    to: Release,
}

/// Major, minor, build, patch.
type Release = [u32; 4];

pub(super) fn parse_all() -> Result<BTreeMap<&'static str, RawTable>, LayoutError> {
    let parse = |(name, text): &(&'static str, &str)| {
        toml::from_str(text)
            .map(|raw| (*name, raw))
            .map_err(|error| LayoutError::table(name, &error))
    };
    TABLES.iter().map(parse).collect()
}

/// The ranges of the files that have one (the others are only there to be extended), oldest first.
fn ranges(files: &BTreeMap<&'static str, RawTable>) -> Result<Vec<VersionRange>, LayoutError> {
    let mut ranges = Vec::with_capacity(files.len());
    for (file, raw) in files {
        if let Some(range) = &raw.v8 {
            ranges.push(VersionRange {
                file,
                from: release(file, &range.from, 0)?,
                to: release(file, &range.to, u32::MAX)?,
            });
        }
    }
    ranges.sort_by_key(|range| range.from);
    Ok(ranges)
}

/// A file with everything that it extends merged in.
fn load(
    files: &BTreeMap<&'static str, RawTable>,
    range: &VersionRange,
    architecture: &str,
) -> Result<Table, LayoutError> {
    let find = |name: &str| {
        files
            .get(name)
            .map(|table| table.clone().for_architecture(architecture))
            .ok_or_else(|| LayoutError::table(name, &"there is no such table"))
    };
    let mut raw = find(range.file)?;
    let mut chain = raw.extends.take();
    // A table extends an older one: the chain is shorter than the list of tables.
    for _ in 0..files.len() {
        let Some(base) = chain else { break };
        let base = find(&base)?;
        merge(&mut raw.fields, base.fields);
        merge(&mut raw.corrections, base.corrections);
        merge(&mut raw.types, base.types);
        merge(&mut raw.sizes, base.sizes);
        merge(&mut raw.slots, base.slots);
        merge(&mut raw.terms, base.terms);
        raw.bytecode_lengths = raw.bytecode_lengths.or(base.bytecode_lengths);
        chain = base.extends;
    }
    // `false` takes back what an extended table says.
    raw.fields.retain(|_, value| !is_withdrawn(value));
    raw.corrections.retain(|_, value| !is_withdrawn(value));
    raw.types.retain(|_, value| !is_withdrawn(value));
    terms::expand(range.file, &mut raw)?;
    Ok(Table {
        name: range.file.to_owned(),
        verified: raw.v8.take().map(|v8| v8.verified).unwrap_or_default(),
        raw,
    })
}

/// Adds what `ours` does not say itself.
fn merge<V>(ours: &mut BTreeMap<String, V>, theirs: BTreeMap<String, V>) {
    for (key, value) in theirs {
        ours.entry(key).or_insert(value);
    }
}

fn is_withdrawn(value: &toml::Value) -> bool {
    matches!(value, toml::Value::Boolean(false))
}

/// Reads `13.6` or `13.6.233.17`, with `rest` for the numbers that are not given.
fn release(table: &str, text: &str, rest: u32) -> Result<Release, LayoutError> {
    let mistake = || LayoutError::table(table, &format!("'{text}' is no version such as 13.6"));
    let mut release = [rest; 4];
    let mut given = 0;
    for number in text.split('.') {
        *release.get_mut(given).ok_or_else(mistake)? = number.parse().map_err(|_| mistake())?;
        given += 1;
    }
    if given < 2 {
        return Err(mistake());
    }
    Ok(release)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_do_not_overlap_and_every_table_loads() {
        let files = parse_all().unwrap();
        let mut last = [0; 4];
        for range in ranges(&files).unwrap() {
            assert!(range.from <= range.to, "{}", range.file);
            assert!(
                last < range.from,
                "{} overlaps the table before it",
                range.file
            );
            last = range.to;
            for architecture in ["x86_64", "aarch64"] {
                load(&files, &range, architecture).unwrap();
            }
        }
    }

    #[test]
    fn a_patch_release_may_have_a_table_of_its_own() {
        let table_for = |build, patch| {
            let version = V8Version {
                major: 13,
                minor: 6,
                build,
                patch,
            };
            for_version(version, "x86_64").unwrap().0.name
        };
        assert_eq!(table_for(233, 10), "v8-13.6.toml");
        assert_eq!(table_for(233, 17), "v8-13.6.233.17.toml");
        assert_eq!(table_for(300, 0), "v8-13.6.233.17.toml");
        assert!(release("test", "13", 0).is_err());
        assert!(release("test", "13.6.1.2.3", 0).is_err());
        assert!(release("test", "13.x", 0).is_err());
    }

    #[test]
    fn unknown_versions_take_the_nearest_table() {
        let ranges = ranges(&parse_all().unwrap()).unwrap();
        for (major, nearest) in [(99, ranges.last()), (1, ranges.first())] {
            let version = V8Version {
                major,
                minor: 0,
                build: 0,
                patch: 0,
            };
            let (table, within) = for_version(version, "x86_64").unwrap();
            assert_eq!(
                (table.name.as_str(), within),
                (nearest.unwrap().file, false)
            );
        }
    }
}
