//! The `v8dbg_*` constants of official releases, for an image whose binary is not at hand.
//!
//! They describe a version of V8 as it was built by the Node.js project; another build of it may differ, so they come
//! after those of the very binary, and who uses them says so.

use std::collections::BTreeMap;

use v8mini_format::model::V8Version;

/// See the head of the file, which `cargo xtask constants` writes.
const TABLE: &str = include_str!("../../../spec/v8dbg.txt");

/// (major, minor) of V8.
type Minor = (u32, u32);

/// The constants of the official releases with this version of V8 (major and minor): the same names without prefix, and the same values, as the
/// binary has. `None` if no release with it was read.
pub fn known_constants(version: V8Version) -> Option<BTreeMap<String, i64>> {
    let wanted = (version.major, version.minor);
    let mut lines = TABLE.lines().filter(|line| !line.starts_with('#'));
    let mut versions = lines.next()?.split(' ');
    if !versions.any(|version| minor(version) == Some(wanted)) {
        return None;
    }
    Some(lines.filter_map(|line| constant(line, wanted)).collect())
}

/// `Name 4.5=16 9.0=24 12.4=-` at one version.
fn constant(line: &str, wanted: Minor) -> Option<(String, i64)> {
    let (name, changes) = line.split_once(' ')?;
    let change = |change: &str| {
        let (since, value) = change.split_once('=')?;
        Some((minor(since)?, value.parse().ok()))
    };
    let (_, value) = changes
        .split(' ')
        .filter_map(change)
        .take_while(|(since, _)| *since <= wanted)
        .last()?;
    value.map(|value| (name.to_owned(), value))
}

fn minor(text: &str) -> Option<Minor> {
    let (major, minor) = text.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(major: u32, minor: u32) -> Option<BTreeMap<String, i64>> {
        known_constants(V8Version {
            major,
            minor,
            ..V8Version::default()
        })
    }

    #[test]
    fn values_change_with_the_version() {
        let line = "Thing 4.5=16 9.0=-24 12.4=-";
        let at = |minor| constant(line, minor).map(|(_, value)| value);
        assert_eq!(at((4, 4)), None);
        assert_eq!(at((4, 5)), Some(16));
        assert_eq!(at((8, 9)), Some(16));
        assert_eq!(at((12, 3)), Some(-24));
        assert_eq!(at((12, 4)), None);
    }

    #[test]
    fn versions_of_the_table() {
        assert_eq!(known(12, 4).unwrap()["OddballUndefined"], 4);
        assert_eq!(known(4, 5).unwrap()["SmiTagMask"], 1);
        assert_eq!(known(12, 40), None);
        assert!(
            TABLE
                .lines()
                .all(|line| line.is_ascii() && line.len() < 500)
        );
    }
}
