//! Functions that stand still without being on a stack: generators, and async functions at an `await`.

use super::positions::position_at;
use crate::layout::Field;
use crate::v8::{Address, Location, Objects};

/// Where a suspended function goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suspended {
    /// The generator object that has its state.
    pub generator: Address,
    /// The function.
    pub function: Address,
    /// Its `SharedFunctionInfo`.
    pub shared: Address,
    /// Its name; empty for an anonymous one.
    pub name: String,
    /// Where it is: at its `yield` or `await` if `is_exact`, else where the function begins.
    pub location: Option<Location>,
    /// Whether the location is that of the `yield` or `await`.
    pub is_exact: bool,
}

/// The function that a generator object has the state of. `None` if it is none, or cannot be read.
pub fn suspended(objects: &Objects, generator: Address) -> Option<Suspended> {
    let function = objects.read_generator(generator).ok()?.function.strong()?;
    let shared = objects.shared_function_info(function).ok()?;
    let exact = position(objects, generator, shared);
    let is_exact = exact.is_some();
    let name = objects.function_debug_name(shared).ok().flatten();
    Some(Suspended {
        generator,
        function,
        shared,
        name: name.map_or_else(String::new, |name| name.to_text()),
        location: exact.or_else(|| objects.function_location(shared).ok().flatten()),
        is_exact,
    })
}

fn position(objects: &Objects, generator: Address, shared: Address) -> Option<Location> {
    let header = objects.layout().number(Field::BytecodeArrayData).ok()?;
    let offset = objects
        .generator_offset(generator)?
        .checked_sub(header.checked_sub(1)?)?;
    let bytecode = objects.bytecode_array(shared)?;
    let table = objects
        .tagged_field(bytecode, Field::BytecodeArrayPositions)
        .ok()?
        .strong()?;
    let position = position_at(objects, table, offset).ok()??;
    let script = objects.function_script(shared).ok()??;
    objects.location(script, position.script_offset).ok()
}
