//! Regular expressions.

use super::{Address, ObjectError, Objects, StringValue};
use crate::layout::Field;

/// `JSRegExp::Flag` by bit, in the order in which the language lists them: the bits are the same from V8 4.5 to 14.6.
const FLAGS: [(u64, char); 9] = [
    (1 << 7, 'd'),
    (1 << 0, 'g'),
    (1 << 1, 'i'),
    (1 << 6, 'l'),
    (1 << 2, 'm'),
    (1 << 5, 's'),
    (1 << 4, 'u'),
    (1 << 8, 'v'),
    (1 << 3, 'y'),
];

/// A regular expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegExpValue {
    /// What stands between the slashes.
    pub source: StringValue,
    /// What stands behind them.
    pub flags: String,
}

impl Objects {
    /// The regular expression at `address`, with the first `max_units` code units of its source. `lastIndex` is one of its
    /// properties.
    ///
    /// # Errors
    /// If it cannot be read, as one whose construction failed.
    pub fn read_regexp(
        &self,
        address: Address,
        max_units: usize,
    ) -> Result<RegExpValue, ObjectError> {
        let word = self.tagged_field(address, Field::RegExpSource)?;
        let source = word.strong().ok_or(ObjectError::NotAnObject {
            address,
            word: word.0,
        })?;
        let bits = self.compute(address, Field::RegExpFlags)?.unwrap_or(0);
        Ok(RegExpValue {
            source: self.read_string(source, max_units)?,
            flags: FLAGS
                .iter()
                .filter(|(bit, _)| bits & bit != 0)
                .map(|(_, flag)| flag)
                .collect(),
        })
    }
}
