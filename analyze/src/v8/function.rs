//! Functions: name, place in the source, what they close over.

use super::context::Scope;
use super::{Address, FixedArray, FunctionData, Location, ObjectError, Objects, Tagged};
use crate::layout::Field;

/// Words of a function after its map, one of which refers to its feedback.
const FUNCTION_WORDS: u64 = 7;
/// Most bound arguments that are read.
const MAX_BOUND_ARGUMENTS: u64 = 1 << 16;

/// A function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionValue {
    /// What all its closures have in common.
    pub shared: Address,
    /// Its name: its own, or one that V8 inferred; empty for an anonymous function.
    pub name: String,
    /// Whether it is a class.
    pub is_class: bool,
    /// Where it begins: at its parameter list, for a class at the class or its constructor's parameter list. `None` for
    /// what is not written in JavaScript.
    pub location: Option<Location>,
    /// Whether it has never been compiled, or its code was flushed.
    pub is_compiled: bool,
}

/// What `Function.prototype.bind` made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BoundFunctionValue {
    /// The function that it calls.
    pub target: Tagged,
    /// `this`.
    pub this: Tagged,
    /// First arguments.
    pub arguments: Vec<Tagged>,
}

impl Objects {
    /// The function at `address`.
    ///
    /// # Errors
    /// [`ObjectError::WrongType`] if it is no function; other errors if it cannot be read.
    pub fn read_function(&self, address: Address) -> Result<FunctionValue, ObjectError> {
        let shared = self.shared_function_info(address)?;
        let name = self.function_debug_name(shared)?;
        Ok(FunctionValue {
            shared,
            name: name.map_or_else(String::new, |name| name.to_text()),
            is_class: self
                .field(shared, Field::SharedIsClassConstructor)
                .is_ok_and(|bit| bit != 0),
            location: self.function_location(shared)?,
            is_compiled: !matches!(self.function_data(shared)?, FunctionData::Uncompiled(_)),
        })
    }

    /// How often a function was called since V8 gave it a feedback vector, which it does when the function has run for a
    /// while: about a kilobyte of bytecode. What optimized code runs is not counted. `None` if nothing tells.
    pub fn invocations(&self, function: Address) -> Option<u64> {
        let place = self.layout().place(Field::FeedbackInvocations).ok()?;
        let cell = self.first_reference(function, FUNCTION_WORDS, "FEEDBACK_CELL_TYPE")?;
        match self.first_reference(cell, 1, "FEEDBACK_VECTOR_TYPE") {
            Some(vector) => self.load(vector, place).ok(),
            None => Some(0),
        }
    }

    /// Where a function begins; `None` for what is not written in JavaScript.
    ///
    /// # Errors
    /// If the `SharedFunctionInfo` cannot be read.
    pub fn function_location(&self, shared: Address) -> Result<Option<Location>, ObjectError> {
        let Some(script) = self.function_script(shared)? else {
            return Ok(None);
        };
        let Some((start, _)) = self.function_positions(shared)? else {
            return Ok(None);
        };
        self.location(script, start).map(Some)
    }

    /// Start and end of a function in its script, in code units from 0; `None` if nothing says it.
    ///
    /// # Errors
    /// If the `SharedFunctionInfo` cannot be read.
    pub fn function_positions(&self, shared: Address) -> Result<Option<(u64, u64)>, ObjectError> {
        if let Some(scope_info) = self.function_scope_info(shared)?
            && let Some(positions) = self.scope_positions(scope_info)?
        {
            return Ok(Some(positions));
        }
        if let FunctionData::Uncompiled(data) = self.function_data(shared)? {
            let start = self.field(data, Field::UncompiledDataStartPosition)?;
            let end = self.field(data, Field::UncompiledDataEndPosition)?;
            return Ok(Some((start, end)));
        }
        // Up to V8 6.8 the function says it itself.
        if let (Ok(start), Ok(end)) = (
            self.layout().place(Field::SharedStartPosition),
            self.layout().place(Field::SharedEndPosition),
        ) {
            return Ok(Some((self.load(shared, start)?, self.load(shared, end)?)));
        }
        Ok(None)
    }

    /// The bindings of a function, if it is a bound one of V8 4.8 or earlier, where these are functions like all others:
    /// the array holds the target where the literals of others hold no function.
    fn function_bindings(&self, function: Address) -> Option<FixedArray> {
        let place = self.layout().place(Field::FunctionBindings).ok()?;
        let bindings = Tagged(self.load(function, place).ok()?).strong()?;
        let array = FixedArray::read(self, bindings).ok()?;
        let target = array.get(self, 0).ok()?.strong()?;
        self.instance_type(target)
            .is_some_and(|found| self.is_function_type(found))
            .then_some(array)
    }

    /// Whether a function is a bound one, in the versions where the type does not tell.
    pub(super) fn is_bound_by_bindings(&self, function: Address) -> bool {
        self.function_bindings(function).is_some()
    }

    /// The bound function at `address`.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn read_bound_function(&self, address: Address) -> Result<BoundFunctionValue, ObjectError> {
        if let Some(bindings) = self.function_bindings(address) {
            return Ok(BoundFunctionValue {
                target: bindings.get(self, 0)?,
                this: bindings.get(self, 1)?,
                arguments: (2..bindings.length.min(MAX_BOUND_ARGUMENTS))
                    .map(|index| bindings.get(self, index))
                    .collect::<Result<_, _>>()?,
            });
        }
        let arguments = match self.tagged_field(address, Field::BoundArguments)?.strong() {
            None => Vec::new(),
            Some(arguments) => {
                let array = FixedArray::read(self, arguments)?;
                (0..array.length.min(MAX_BOUND_ARGUMENTS))
                    .map(|index| array.get(self, index))
                    .collect::<Result<_, _>>()?
            }
        };
        Ok(BoundFunctionValue {
            target: self.tagged_field(address, Field::BoundTarget)?,
            this: self.tagged_field(address, Field::BoundThis)?,
            arguments,
        })
    }

    /// The scopes that a function's variables live in, innermost first, those without variables left out.
    ///
    /// # Errors
    /// As [`Objects::closure_scopes`].
    pub fn closure_variables(&self, function: Address) -> Result<Vec<Scope>, ObjectError> {
        let mut scopes = self.closure_scopes(function)?;
        scopes.retain(|scope| !scope.variables.is_empty());
        Ok(scopes)
    }
}
