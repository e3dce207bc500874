//! `spec/file-format.md` as data: its sections and tables.

use std::path::{Path, PathBuf};

/// Where the specification is.
pub(crate) fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../spec/file-format.md")
}

/// The whole text.
pub(crate) fn text() -> String {
    std::fs::read_to_string(path()).expect("spec/file-format.md is part of the repository")
}

/// What is under a heading, up to the next heading of any level.
pub(crate) fn section<'a>(text: &'a str, heading: &str) -> &'a str {
    let mut offset = 0;
    let mut start = None;
    for line in text.split_inclusive('\n') {
        if let Some(title) = line.strip_prefix('#') {
            if let Some(start) = start {
                return &text[start..offset];
            }
            if title.trim_start_matches('#').trim() == heading {
                start = Some(offset + line.len());
            }
        }
        offset += line.len();
    }
    &text[start.unwrap_or_else(|| panic!("the specification has no section \"{heading}\""))..]
}

/// The rows of the first table under a heading, cells without backticks.
pub(crate) fn table(text: &str, heading: &str) -> Vec<Vec<String>> {
    let lines = section(text, heading).lines();
    let table = lines
        .skip_while(|line| !line.starts_with('|'))
        .take_while(|line| line.starts_with('|'));
    let cells = |line: &str| {
        let cells = line.trim_matches('|').split('|');
        cells
            .map(|cell| cell.trim().trim_matches('`').to_owned())
            .collect()
    };
    let rows: Vec<Vec<String>> = table.skip(2).map(cells).collect();
    assert!(!rows.is_empty(), "section \"{heading}\" has no table");
    rows
}

/// A line of a table of fixed offsets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FixedField {
    pub(crate) offset: usize,
    pub(crate) size: usize,
    pub(crate) ty: String,
    pub(crate) name: String,
}

/// A table of fixed offsets.
pub(crate) fn fixed_layout(text: &str, heading: &str) -> Vec<FixedField> {
    let field = |row: Vec<String>| FixedField {
        offset: row[0].parse().unwrap(),
        size: row[1].parse().unwrap(),
        ty: row[2].clone(),
        name: row[3].clone(),
    };
    table(text, heading).into_iter().map(field).collect()
}

/// A table of the fields of a record: type and name. The heading is the record's name, with or
/// without its chunk kind.
pub(crate) fn record(text: &str, name: &str) -> Vec<(String, String)> {
    let heading = text
        .lines()
        .filter_map(|line| line.strip_prefix("#### "))
        .find(|heading| {
            *heading == name
                || heading
                    .split_once(": ")
                    .is_some_and(|(_, title)| title == name)
        });
    let heading = heading.unwrap_or_else(|| panic!("the specification has no record \"{name}\""));
    table(text, heading)
        .into_iter()
        .map(|row| (row[0].clone(), row[1].clone()))
        .collect()
}
