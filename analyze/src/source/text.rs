//! The text of a script, line by line.

use thiserror::Error;
use v8mini_format::model::Redaction;

use crate::layout::Field;
use crate::v8::{Address, Objects, ScriptType, StringValue};

/// Longest source that is read; the largest bundles are a tenth of this.
const MAX_SOURCE_UNITS: usize = 1 << 26;
/// What Node.js puts before the text of a CommonJS module, up to Node.js 11. It is no part of the file.
const WRAPPER: &str = "(function (exports, require, module, __filename, __dirname) { ";

/// Why there is no text.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SourceError {
    /// It has no source: WebAssembly, or V8 dropped it.
    #[error("the script {0} has no source text: it is {1}")]
    None(String, &'static str),
    /// The source was replaced before the capture was written.
    #[error("the source of {0} was taken out of the capture: v8mini info says how it was redacted")]
    Redacted(String),
    /// The source is not in the file.
    #[error("the source of {0} is not in the file: {1}")]
    NotCaptured(String, String),
}

/// A place in a text: line and column, both from 0, the column in UTF-16 code units.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// Line, from 0.
    pub line: usize,
    /// Column in code units, from 0.
    pub column: usize,
}

/// The source text of a script.
#[derive(Debug, Clone)]
pub struct Text {
    /// Name of the script: as a rule a path or URL; empty if it has none.
    pub name: String,
    /// Lines before its first one in its file.
    pub line_offset: usize,
    units: Vec<u16>,
    /// Where each line begins.
    starts: Vec<usize>,
}

impl Text {
    /// The source of the script at `script`.
    ///
    /// # Errors
    /// [`SourceError`] if it has none, or it is not in the file.
    pub fn of_script(objects: &Objects, script: Address) -> Result<Self, SourceError> {
        let name = objects.script_name(script).ok().flatten();
        let name = name.map_or_else(String::new, |name| name.to_text());
        if objects.image().metadata.redaction >= Redaction::All {
            return Err(SourceError::Redacted(name));
        }
        let source = match objects.script_source(script, MAX_SOURCE_UNITS) {
            Ok(Some(source)) => source,
            Ok(None) => {
                let kind = objects.script_type(script);
                let why = match kind {
                    ScriptType::Wasm => "WebAssembly",
                    _ => "compiled without it",
                };
                return Err(SourceError::None(name, why));
            }
            Err(error) => return Err(SourceError::NotCaptured(name, error.to_string())),
        };
        if let Some(why) = missing(&source) {
            return Err(SourceError::NotCaptured(name, why));
        }
        let line_offset = objects.field(script, Field::ScriptLineOffset).unwrap_or(0);
        Ok(Self {
            line_offset: u32::try_from(line_offset).unwrap_or(0) as usize,
            ..Self::new(name, source.units)
        })
    }

    /// A text that is not in the heap.
    pub fn new(name: String, units: Vec<u16>) -> Self {
        let mut starts = vec![0];
        let next = units.iter().skip(1).copied().map(Some).chain([None]);
        let ends = units.iter().zip(next).enumerate();
        starts.extend(
            ends.filter(|(_, (unit, next))| is_line_end(**unit, *next))
                .map(|(index, _)| index + 1),
        );
        Self {
            name,
            line_offset: 0,
            units,
            starts,
        }
    }

    /// Number of lines.
    pub fn lines(&self) -> usize {
        self.starts.len()
    }

    /// The code units of a line, without its end; `None` after the last line.
    pub fn line_units(&self, line: usize) -> Option<&[u16]> {
        let start = *self.starts.get(line)?;
        let end = self.starts.get(line + 1).copied();
        let mut units = self.units.get(start..end.unwrap_or(self.units.len()))?;
        while let Some((last, rest)) = units.split_last()
            && end.is_some()
            && matches!(last, 0x0a | 0x0d | 0x2028 | 0x2029)
        {
            units = rest;
        }
        Some(units)
    }

    /// A line as it is in the file: what Node.js put around it is taken off.
    pub fn line(&self, line: usize) -> Option<String> {
        let units = self.line_units(line)?;
        let text = String::from_utf16_lossy(units);
        let text = match (line, text.strip_prefix(WRAPPER)) {
            (0, Some(rest)) => rest.to_owned(),
            _ => text,
        };
        let is_end_of_wrapper = line + 1 == self.lines() && text == "});" && self.is_wrapped();
        Some(if is_end_of_wrapper {
            String::new()
        } else {
            text
        })
    }

    fn is_wrapped(&self) -> bool {
        let head = self.line_units(0).unwrap_or_default();
        head.iter()
            .copied()
            .take(WRAPPER.len())
            .eq(WRAPPER.encode_utf16())
    }

    /// Line and column of an offset in code units.
    pub fn position(&self, offset: usize) -> Position {
        let line = self.starts.partition_point(|start| *start <= offset);
        let line = line.saturating_sub(1);
        let start = self.starts.get(line).copied().unwrap_or(0);
        Position {
            line,
            column: offset.saturating_sub(start),
        }
    }

    /// The code units.
    pub fn units(&self) -> &[u16] {
        &self.units
    }

    /// The number of a line in its file, from 1.
    pub fn number(&self, line: usize) -> usize {
        line.saturating_add(self.line_offset).saturating_add(1)
    }
}

/// Why characters of a string are missing, if they are.
fn missing(source: &StringValue) -> Option<String> {
    match &source.missing {
        Some(error) => Some(error.to_string()),
        None if source.is_complete() => None,
        None => Some(format!("it has {} characters, too many", source.length)),
    }
}

/// As V8 counts lines: LF, CR not before LF, line separator, paragraph separator.
fn is_line_end(unit: u16, next: Option<u16>) -> bool {
    match unit {
        0x0a | 0x2028 | 0x2029 => true,
        0x0d => next != Some(0x0a),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Text {
        Text::new("x.js".to_owned(), text.encode_utf16().collect())
    }

    #[test]
    fn lines_end_as_in_v8() {
        let found = text("a\r\nb\rc\u{2028}d\n");
        assert_eq!(found.lines(), 5);
        let lines: Vec<_> = (0..6).map(|line| found.line(line)).collect();
        let expected = ["a", "b", "c", "d", ""].map(|line| Some(line.to_owned()));
        assert_eq!(lines, [&expected[..], &[None]].concat());
        assert_eq!(found.position(4), Position { line: 1, column: 1 });
        assert_eq!(found.position(99).line, 4);
    }

    #[test]
    fn the_wrapper_of_modules_is_taken_off() {
        let found = text(&format!("{WRAPPER}'use strict';\nlet a;\n}});"));
        assert_eq!(found.line(0).as_deref(), Some("'use strict';"));
        assert_eq!(found.line(2).as_deref(), Some(""));
    }
}
