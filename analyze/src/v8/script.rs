//! Scripts, and from a position in a script to line and column.

use super::{Address, FixedArray, ObjectError, Objects, StringValue, Tagged};
use crate::layout::Field;

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
            None => self.line_by_source(script, position)?,
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

    /// Line and column, from 0, by counting the line ends in the source.
    fn line_by_source(
        &self,
        script: Address,
        position: u64,
    ) -> Result<Option<(u64, u64)>, ObjectError> {
        let Ok(wanted) = usize::try_from(position) else {
            return Ok(None);
        };
        // One more unit, for a CR before an LF.
        let source = self.script_source(script, wanted.saturating_add(1))?;
        let Some(before) = source
            .as_ref()
            .and_then(|source| source.units.get(..wanted))
        else {
            return Ok(None);
        };
        let (mut line, mut start) = (0, 0);
        for (at, unit) in before.iter().enumerate() {
            let next = source.as_ref().and_then(|source| source.units.get(at + 1));
            if is_line_end(*unit, next.copied()) {
                line += 1;
                start = at + 1;
            }
        }
        Ok(Some((line, (wanted - start) as u64)))
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
