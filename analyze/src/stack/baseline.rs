//! From instructions of baseline code (Sparkplug) to bytecodes.

use super::code::Code;
use super::positions::{VariableLength, byte_array};
use crate::layout::Field;
use crate::v8::{Address, Objects};

/// The offset of the bytecode that an instruction of baseline code was made of; `None` before the first one, or if the code
/// does not say.
///
/// The table has the number of bytes of instructions for the prologue and then for each bytecode, so finding the offset takes
/// the lengths of the bytecodes before.
pub(super) fn bytecode_offset(
    objects: &Objects,
    code: &Code,
    bytecode: Address,
    pc: u64,
) -> Option<u64> {
    let table = byte_array(objects, code.table(objects, Field::CodePositions)?).ok()?;
    let wanted = pc.checked_sub(code.start)?;
    let mut reader = VariableLength { rest: &table };
    let mut end = reader.next()?;
    if wanted < end {
        return None;
    }
    let bytes = bytecodes(objects, bytecode)?;
    let lengths = &objects.layout().bytecode_lengths;
    let mut offset = 0_usize;
    for instructions in reader {
        end = end.checked_add(instructions)?;
        if wanted < end {
            return Some(offset as u64);
        }
        offset = offset.checked_add(lengths.of(bytes.get(offset..)?)?)?;
    }
    None
}

/// The bytecodes of a `BytecodeArray`.
fn bytecodes(objects: &Objects, bytecode: Address) -> Option<Vec<u8>> {
    let layout = objects.layout();
    let length = objects.field(bytecode, Field::BytecodeArrayLength).ok()?;
    let header = layout.number(Field::BytecodeArrayData).ok()?;
    let room = objects.pages().room_at(bytecode.0)?;
    let length = length.min(room.checked_sub(header)?);
    let data = Address(bytecode.0.checked_add(header)?);
    objects.bytes(data, length as usize).ok()
}
