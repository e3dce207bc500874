//! `ScopeInfo`: which variables a scope keeps in its context, and where it lies in the source.

use super::hash_table::for_each_entry;
use super::{Address, Name, ObjectError, Objects, Tagged};
use crate::layout::Field;

/// More variables than any scope of a real program has in its context.
const MAX_LOCALS: u64 = 1 << 16;

impl Objects {
    /// Names of the variables that a scope keeps in its context, in the order of the slots.
    ///
    /// # Errors
    /// If the `ScopeInfo` cannot be read or believed.
    pub fn context_local_names(&self, scope_info: Address) -> Result<Vec<String>, ObjectError> {
        let count = self
            .compute(scope_info, Field::ScopeInfoLocalCount)?
            .unwrap_or(0);
        if count > MAX_LOCALS {
            return Err(ObjectError::Implausible {
                address: scope_info,
                what: "number of variables",
                value: count,
                why: "no scope has that many",
            });
        }
        let names = self.compute(scope_info, Field::ScopeInfoLocalNames)?;
        if let Some(offset) = names.filter(|offset| *offset > 0) {
            self.check_extent(scope_info, "number of variables", offset + count * 8)?;
            return (0..count)
                .map(|index| {
                    let name = self.tagged(scope_info, offset + index * 8)?;
                    Ok(self.variable_name(name))
                })
                .collect();
        }
        // Scopes with many variables have a table instead (V8 10 and later).
        let mut names = vec![String::new(); count as usize];
        if let Some(offset) = self.compute(scope_info, Field::ScopeInfoLocalNamesTable)?
            && offset > 0
            && let Some(table) = self.tagged(scope_info, offset)?.strong()
        {
            for_each_entry(self, table, 0, 2, |_, words| {
                if let &[name, index] = words
                    && let Some(index) = Tagged(index).smi()
                    && let Some(slot) = usize::try_from(index).ok().and_then(|i| names.get_mut(i))
                {
                    *slot = self.variable_name(Tagged(name));
                }
                true
            })?;
        }
        Ok(names)
    }

    fn variable_name(&self, word: Tagged) -> String {
        let name = word.strong().and_then(|name| self.read_name(name).ok());
        match name {
            Some(Name::String(name)) => name.to_text(),
            Some(Name::Symbol(symbol)) => symbol
                .description
                .map_or_else(String::new, |name| name.to_text()),
            None => String::new(),
        }
    }

    /// Start and end of a scope in its script, in code units from 0; `None` if the scope does not say.
    ///
    /// # Errors
    /// If the `ScopeInfo` cannot be read.
    pub fn scope_positions(&self, scope_info: Address) -> Result<Option<(u64, u64)>, ObjectError> {
        let offset = match self.compute(scope_info, Field::ScopeInfoPositions) {
            Ok(Some(offset)) if offset > 0 => offset,
            Ok(_) | Err(ObjectError::Layout(_)) => return Ok(None),
            Err(error) => return Err(error),
        };
        let position = |offset| {
            let word = self.tagged(scope_info, offset)?;
            Ok::<_, ObjectError>(word.smi().and_then(|position| u64::try_from(position).ok()))
        };
        Ok(position(offset)?.zip(position(offset.wrapping_add(8))?))
    }
}
