//! The functions that an optimising compiler has put into another one.

use v8mini_format::MemoryExt;

use super::code::Code;
use super::positions::{self, SourcePosition};
use crate::layout::Field;
use crate::v8::{Address, FixedArray, Objects, Tagged};

/// Deepest nesting of inlined functions that is followed; V8 stops far before.
const MAX_DEPTH: usize = 64;
/// `InliningPosition`: a source position and the number of a function, padded.
const INLINING_POSITION_BYTES: usize = 16;

/// A call in progress in optimised code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct InlinedCall {
    /// The function; `None` for the one that the code was compiled for.
    pub(super) shared: Option<Address>,
    /// Position in its script.
    pub(super) position: u64,
}

/// The calls that are in progress at an instruction of optimised code, innermost first; the last one is that of the function
/// itself. Empty if the code does not say.
pub(super) fn calls_at(objects: &Objects, code: &Code, pc: u64) -> Vec<InlinedCall> {
    let position = code.table(objects, Field::CodePositions).and_then(|table| {
        positions::position_at(objects, table, pc.wrapping_sub(code.start)).ok()?
    });
    let Some(mut position) = position else {
        return Vec::new();
    };
    let mut calls = Vec::new();
    while let Some(id) = position.inlining_id.filter(|_| calls.len() < MAX_DEPTH) {
        // The position is one in the inlined function: it must not pass for one in the outer.
        let Some((outer, function)) = inlining_position(objects, code, id) else {
            return Vec::new();
        };
        calls.push(InlinedCall {
            shared: inlined_function(objects, code, function),
            position: position.script_offset,
        });
        position = outer;
    }
    calls.push(InlinedCall {
        shared: None,
        position: position.script_offset,
    });
    calls
}

/// Where a function was inlined, and the number of the function among the literals.
fn inlining_position(objects: &Objects, code: &Code, id: usize) -> Option<(SourcePosition, u64)> {
    let array = code
        .deoptimization_element(objects, Field::DeoptimizationInliningPositions)?
        .strong()?;
    // A `PodArray`.
    let found = objects.instance_type(array)?;
    if !objects.type_name(found).ends_with("BYTE_ARRAY_TYPE") {
        return None;
    }
    let length = objects.field(array, Field::FixedArrayLength).ok()?;
    let at = id.checked_mul(INLINING_POSITION_BYTES)? as u64;
    if at.checked_add(INLINING_POSITION_BYTES as u64)? > length {
        return None;
    }
    let header = objects.layout().number(Field::FixedArrayData).ok()?;
    let entry = array.0.checked_add(header)?.checked_add(at)?;
    let raw = objects.memory().read_u64(entry).ok()?;
    let function = objects.memory().read_u32(entry.checked_add(8)?).ok()?;
    Some((SourcePosition::from_raw(objects, raw)?, u64::from(function)))
}

fn inlined_function(objects: &Objects, code: &Code, number: u64) -> Option<Address> {
    literal(objects, code, number)?
        .object()
        .filter(|shared| objects.has_type(*shared, "SHARED_FUNCTION_INFO_TYPE"))
}

/// A literal of optimised code, which it may hold weakly.
fn literal(objects: &Objects, code: &Code, number: u64) -> Option<Tagged> {
    let literals = code
        .deoptimization_element(objects, Field::DeoptimizationLiterals)?
        .strong()?;
    FixedArray::read(objects, literals)
        .ok()?
        .get(objects, number)
        .ok()
}
