//! Tables of source positions: from offsets in bytecode or machine code to positions in the script.

use crate::layout::{Field, Value};
use crate::v8::{Address, ObjectError, Objects};

/// Longest table that is read, in bytes.
const MAX_TABLE_BYTES: u64 = 16 << 20;

/// A place in the source as a table gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SourcePosition {
    /// Position in the script, in code units from 0.
    pub(super) script_offset: u64,
    /// Number of the inlined function that the position is in; `None` for the function itself.
    pub(super) inlining_id: Option<usize>,
}

impl SourcePosition {
    /// From the word that V8 stores. `None` where it stands for no position, or for one in V8's own source.
    pub(super) fn from_raw(objects: &Objects, raw: u64) -> Option<Self> {
        let layout = objects.layout();
        let script_offset = layout.place(Field::PositionScriptOffset).ok()?;
        if script_offset.bits.is_some_and(|bits| bits.shift == 1) && raw & 1 != 0 {
            return None;
        }
        let inlining_id = match layout.value(Field::PositionInliningId) {
            Some((Value::Place(place), _)) => place.decode(raw),
            _ => 0,
        };
        Some(Self {
            script_offset: script_offset.decode(raw).checked_sub(1)?,
            inlining_id: inlining_id.checked_sub(1).map(|id| id as usize),
        })
    }
}

/// The position of the instruction at `offset` by the table at `table`: that of the last entry at or before it.
pub(super) fn position_at(
    objects: &Objects,
    table: Address,
    offset: u64,
) -> Result<Option<SourcePosition>, ObjectError> {
    let layout = objects.layout();
    let bytes = byte_array(objects, table)?;
    let flag_bits = layout.number(Field::PositionTableFlagBits)?;
    let mut code_offset = 0_i64.wrapping_sub(layout.number(Field::PositionTableBias)? as i64);
    let mut position = 0_i64;
    let mut found = None;
    let mut reader = VariableLength { rest: &bytes };
    while let (Some(first), Some(delta)) = (reader.next(), reader.next()) {
        let advance = if flag_bits == 0 {
            // The sign says whether it is a statement.
            let signed = zigzag(first);
            if signed >= 0 {
                signed
            } else {
                -(signed.wrapping_add(1))
            }
        } else {
            (first >> flag_bits) as i64
        };
        code_offset = code_offset.wrapping_add(advance);
        position = position.wrapping_add(zigzag(delta));
        if code_offset > offset as i64 {
            break;
        }
        if let Some(known) = SourcePosition::from_raw(objects, position as u64) {
            found = Some(known);
        }
    }
    Ok(found)
}

/// The bytes of a `ByteArray`, or of the one in a `SourcePositionTableWithFrameCache`.
pub(super) fn byte_array(objects: &Objects, address: Address) -> Result<Vec<u8>, ObjectError> {
    let array = positions_without_cache(objects, address);
    let found = objects.map_of(array)?.instance_type;
    let name = objects.type_name(found);
    if !name.ends_with("BYTE_ARRAY_TYPE") {
        return Err(ObjectError::WrongType {
            address: array,
            found: name,
            expected: "byte array",
        });
    }
    let length = objects.field(array, Field::FixedArrayLength)?;
    let header = objects.layout().number(Field::FixedArrayData)?;
    let length = length.min(MAX_TABLE_BYTES);
    let data = Address(array.0.wrapping_add(header));
    objects.bytes(data, length as usize)
}

/// Up to V8 8 a table may come in a pair with a cache of the frames that were made of it.
fn positions_without_cache(objects: &Objects, address: Address) -> Address {
    if objects.has_type(address, "TUPLE2_TYPE")
        && let Ok(table) = objects.tagged_field(address, Field::Tuple2Value1)
    {
        return table.strong().unwrap_or(address);
    }
    address
}

/// Numbers of seven bits a byte, least significant first; the eighth bit says that more follow.
pub(super) struct VariableLength<'a> {
    pub(super) rest: &'a [u8],
}

impl Iterator for VariableLength<'_> {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        let mut shift = 0_u32;
        loop {
            let (byte, rest) = self.rest.split_first()?;
            self.rest = rest;
            value |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
            if byte & 0x80 == 0 {
                return Some(value);
            }
            shift = shift.saturating_add(7);
        }
    }
}

/// A signed number: 0, -1, 1, -2, … are stored as 0, 1, 2, 3, …
const fn zigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_variable_length_are_read() {
        let numbers: Vec<u64> = VariableLength {
            rest: &[5, 0x80, 1, 0xff, 0x7f, 0x80],
        }
        .collect();
        assert_eq!(numbers, [5, 128, 16383]);
        assert_eq!([0, 1, 2, 3].map(zigzag), [0, -1, 1, -2]);
        // Longer than any number: no panic.
        let endless = [0xff; 40];
        assert_eq!(VariableLength { rest: &endless }.next(), None);
    }
}
