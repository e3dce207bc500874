//! Scripts, and from a position in a script to line and column.

use std::sync::Arc;

use super::{Address, FixedArray, ObjectError, Objects, StringValue, Tagged};
use crate::layout::Field;

/// Longest source whose lines are counted; the largest bundles are a tenth of this.
const MAX_SOURCE_UNITS: usize = 1 << 26;
/// Most lines that are remembered, of all scripts together. A hostile image can claim more than it holds.
const MAX_LINES: usize = 1 << 24;

/// A place in a source file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// The script's name: as a rule a path or URL.
    pub file: String,
    /// Position in the script in code units, from 0.
    pub position: u64,
    /// Line and column, both from 1, column in code units; `None` if neither the source nor its line ends are in the
    /// image.
    pub line_column: Option<(u64, u64)>,
}

/// What kind of script it is: `Script::Type`, the same numbers since V8 4.5.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ScriptType {
    /// V8's own.
    Native,
    /// A V8 extension, such as the `gc` of `--expose-gc`.
    Extension,
    /// JavaScript of the program or of its embedder.
    Normal,
    /// WebAssembly.
    Wasm,
    /// Made by the inspector.
    Inspector,
    /// Something else.
    Unknown,
}

impl ScriptType {
    /// As it is shown: `normal`, `wasm`, …
    pub const fn name(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Extension => "extension",
            Self::Normal => "normal",
            Self::Wasm => "wasm",
            Self::Inspector => "inspector",
            Self::Unknown => "unknown",
        }
    }
}

impl std::fmt::Display for Location {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.line_column {
            Some((line, column)) => write!(f, "{}:{line}:{column}", self.file),
            None => write!(f, "{}@{}", self.file, self.position),
        }
    }
}

impl Objects {
    /// The name of a script; `None` if it has none.
    ///
    /// # Errors
    /// If the script cannot be read.
    pub fn script_name(&self, script: Address) -> Result<Option<StringValue>, ObjectError> {
        let name = self.tagged_field(script, Field::ScriptName)?;
        Ok(self.string_at(name))
    }

    /// The number that the inspector knows a script by.
    pub fn script_id(&self, script: Address) -> Option<u64> {
        let id = self.field(script, Field::ScriptId).ok()?;
        u32::try_from(id).ok().map(u64::from)
    }

    /// What kind of script it is.
    pub fn script_type(&self, script: Address) -> ScriptType {
        match self.field(script, Field::ScriptType) {
            Ok(0) => ScriptType::Native,
            Ok(1) => ScriptType::Extension,
            Ok(2) => ScriptType::Normal,
            Ok(3) => ScriptType::Wasm,
            Ok(4) => ScriptType::Inspector,
            _ => ScriptType::Unknown,
        }
    }

    /// The first `max_units` code units of a script's source; `None` if it has none.
    ///
    /// # Errors
    /// If the script cannot be read.
    pub fn script_source(
        &self,
        script: Address,
        max_units: usize,
    ) -> Result<Option<StringValue>, ObjectError> {
        let source = self.tagged_field(script, Field::ScriptSource)?;
        match source.strong() {
            Some(source) if self.is_string(source) => self.read_string(source, max_units).map(Some),
            _ => Ok(None),
        }
    }

    /// The place of a position in a script.
    ///
    /// # Errors
    /// If the script cannot be read.
    pub fn location(&self, script: Address, position: u64) -> Result<Location, ObjectError> {
        let file = self
            .script_name(script)?
            .map_or_else(|| "<anonymous>".to_owned(), |name| name.to_text());
        let found = match self.line_by_line_ends(script, position) {
            Some(found) => Some(found),
            None => self.line_by_source(script, position),
        };
        let offset = |field| self.field(script, field).unwrap_or(0);
        let line_column = found.map(|(line, column)| {
            // A script may begin in the middle of its file; that moves columns in its first line only.
            let column_offset = if line == 0 {
                offset(Field::ScriptColumnOffset)
            } else {
                0
            };
            (
                line.wrapping_add(offset(Field::ScriptLineOffset))
                    .wrapping_add(1),
                column.wrapping_add(column_offset).wrapping_add(1),
            )
        });
        Ok(Location {
            file,
            position,
            line_column,
        })
    }

    /// Line and column, from 0, by the table of line ends, if V8 has made it.
    fn line_by_line_ends(&self, script: Address, position: u64) -> Option<(u64, u64)> {
        let ends = self.tagged_field(script, Field::ScriptLineEnds).ok()?;
        let ends = ends.strong().filter(|ends| {
            // Until it is made, it is a Smi or undefined.
            self.has_type(*ends, "FIXED_ARRAY_TYPE")
        })?;
        let ends = FixedArray::read(self, ends).ok()?;
        let end_of = |line| {
            let end = ends.get(self, line).ok()?.smi()?;
            u64::try_from(end).ok()
        };
        let (mut low, mut high) = (0, ends.length);
        while low < high {
            let middle = low + (high - low) / 2;
            if end_of(middle)? < position {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        if low >= ends.length {
            return None;
        }
        let start = match low.checked_sub(1) {
            Some(before) => end_of(before)?.checked_add(1)?,
            None => 0,
        };
        Some((low, position.checked_sub(start)?))
    }

    /// Line and column, from 0, by the line ends in the source.
    fn line_by_source(&self, script: Address, position: u64) -> Option<(u64, u64)> {
        let starts = self.line_starts(script)?;
        let position = u32::try_from(position).ok()?;
        let after = starts.partition_point(|start| *start <= position);
        let line = after.checked_sub(1)?;
        let column = position.checked_sub(*starts.get(line)?)?;
        Some((line as u64, u64::from(column)))
    }

    /// Where each line of a script's source begins; `None` if the source is not in the image as a whole. It is read once.
    fn line_starts(&self, script: Address) -> Option<Arc<[u32]>> {
        // A poisoned lock means that a reader panicked between two whole insertions: the cache is still sound.
        let known = self.line_starts.read().unwrap_or_else(|e| e.into_inner());
        if let Some(starts) = known.get(&script) {
            return starts.clone();
        }
        drop(known);
        let starts = self.read_line_starts(script);
        let mut known = self.line_starts.write().unwrap_or_else(|e| e.into_inner());
        let lines: usize = known.values().flatten().map(|starts| starts.len()).sum();
        let new = starts.as_ref().map_or(0, |starts| starts.len());
        if lines.saturating_add(new) <= MAX_LINES {
            known.insert(script, starts.clone());
        }
        starts
    }

    fn read_line_starts(&self, script: Address) -> Option<Arc<[u32]>> {
        let source = self.script_source(script, MAX_SOURCE_UNITS).ok()??;
        if !source.is_complete() {
            return None;
        }
        let next = source.units.iter().skip(1).copied().map(Some).chain([None]);
        let ends = (1..)
            .zip(source.units.iter().zip(next))
            .filter(|(_, (unit, next))| is_line_end(**unit, *next))
            .map(|(after, _)| after);
        Some([0].into_iter().chain(ends).collect())
    }

    /// A line of a script's source, counted from 1 as in [`Location::line_column`], without its end; `None` if it is not in the
    /// image.
    ///
    /// # Errors
    /// If the script cannot be read.
    pub fn script_line(&self, script: Address, line: u64) -> Result<Option<String>, ObjectError> {
        let offset = self.field(script, Field::ScriptLineOffset).unwrap_or(0);
        let Some(starts) = self.line_starts(script) else {
            return Ok(None);
        };
        let line = line.wrapping_sub(1).wrapping_sub(offset) as usize;
        let (Some(start), end) = (starts.get(line), starts.get(line.saturating_add(1))) else {
            return Ok(None);
        };
        let end = end.map_or(MAX_SOURCE_UNITS, |end| *end as usize);
        let Some(source) = self.script_source(script, end)? else {
            return Ok(None);
        };
        let units = source.units.get(*start as usize..).unwrap_or_default();
        let text = String::from_utf16_lossy(units);
        Ok(Some(
            text.trim_end_matches(['\n', '\r', '\u{2028}', '\u{2029}'])
                .to_owned(),
        ))
    }

    /// The text of a function, from its parameters on; `None` if it is not written in JavaScript, or its script has no source. Nothing
    /// else of the source is read.
    ///
    /// # Errors
    /// If the function, its script or that part of the source cannot be read.
    pub fn function_text(&self, function: Address) -> Result<Option<String>, ObjectError> {
        let shared = self.shared_function_info(function)?;
        let (Some((start, end)), Some(script)) = (
            self.function_positions(shared)?,
            self.function_script(shared)?,
        ) else {
            return Ok(None);
        };
        let source = self.tagged_field(script, Field::ScriptSource)?.strong();
        let Some(source) = source.filter(|source| self.is_string(*source)) else {
            return Ok(None);
        };
        let units = self.string_units(source, start, end)?;
        Ok(Some(String::from_utf16_lossy(&units)))
    }

    /// Whether there is a string at `address`.
    pub fn is_string(&self, address: Address) -> bool {
        self.instance_type(address)
            .is_some_and(|found| self.is_string_type(found))
    }

    /// The script of a `SharedFunctionInfo`; `None` for builtins.
    ///
    /// # Errors
    /// If the `SharedFunctionInfo` cannot be read.
    pub fn function_script(&self, shared: Address) -> Result<Option<Address>, ObjectError> {
        let script: Tagged = self.tagged_field(shared, Field::SharedScript)?;
        Ok(script
            .strong()
            .filter(|script| self.has_type(*script, "SCRIPT_TYPE")))
    }
}

/// `IsLineTerminatorSequence`: LF, CR not before LF, line separator, paragraph separator.
fn is_line_end(unit: u16, next: Option<u16>) -> bool {
    const LF: u16 = 0x0a;
    const CR: u16 = 0x0d;
    match unit {
        LF | 0x2028 | 0x2029 => true,
        CR => next != Some(LF),
        _ => false,
    }
}
