//! Generators, and the state of async functions.

use super::{Address, FixedArray, Kind, ObjectError, Objects, Tagged};
use crate::layout::Field;

/// Registers that are looked through for the promise of an async function.
const MAX_REGISTERS: u64 = 1 << 12;

/// Where a generator stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum GeneratorState {
    /// Waiting for `next()`.
    Suspended,
    /// Running now.
    Running,
    /// Done.
    Closed,
}

/// A generator, or the state of an async function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GeneratorValue {
    /// Its function.
    pub function: Tagged,
    /// Its variables.
    pub context: Tagged,
    /// `this`.
    pub receiver: Tagged,
    /// Where it stands.
    pub state: GeneratorState,
}

impl Objects {
    /// The generator at `address`.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn read_generator(&self, address: Address) -> Result<GeneratorValue, ObjectError> {
        let bias = self.layout().number(Field::GeneratorContinuationBias)?;
        let continuation = self.field(address, Field::GeneratorContinuation)?;
        Ok(GeneratorValue {
            function: self.tagged_field(address, Field::GeneratorFunction)?,
            context: self.tagged_field(address, Field::GeneratorContext)?,
            receiver: self.tagged_field(address, Field::GeneratorReceiver)?,
            // `kGeneratorExecuting` is -2, `kGeneratorClosed` -1.
            state: match continuation.wrapping_sub(bias) as i64 {
                i64::MIN..=-2 => GeneratorState::Running,
                -1 => GeneratorState::Closed,
                0.. => GeneratorState::Suspended,
            },
        })
    }

    /// Where a suspended generator goes on, as an offset from the tagged pointer to its `BytecodeArray`; `None` if it is not
    /// suspended, or if V8 keeps that in another form (up to 5.3).
    pub fn generator_offset(&self, address: Address) -> Option<u64> {
        let value = self.read_generator(address).ok()?;
        (value.state == GeneratorState::Suspended).then_some(())?;
        let offset = self.tagged_field(address, Field::GeneratorPosition).ok()?;
        u64::try_from(offset.smi()?).ok()
    }

    /// The promise that is settled when a suspended async function returns, or when an async generator yields next. None for other
    /// generators, and if nobody waits for the async generator. Up to V8 7.1 it is one of several: there it is a
    /// variable that the program cannot name, in one of the registers.
    pub fn generator_promises(&self, address: Address) -> Vec<Address> {
        let promise = if self.has_type(address, "JS_ASYNC_FUNCTION_OBJECT_TYPE") {
            self.tagged_field(address, Field::AsyncFunctionPromise)
        } else if self.has_type(address, "JS_ASYNC_GENERATOR_OBJECT_TYPE") {
            // Undefined, where nobody waits, has no promise in this place.
            self.tagged_field(address, Field::AsyncGeneratorQueue)
                .map(|request| request.strong().unwrap_or_default())
                .and_then(|request| self.tagged_field(request, Field::AsyncGeneratorRequestPromise))
        } else {
            return self.promises_in_registers(address);
        };
        let promise = promise.ok().and_then(Tagged::strong);
        promise
            .filter(|found| self.is_promise(*found))
            .into_iter()
            .collect()
    }

    fn promises_in_registers(&self, generator: Address) -> Vec<Address> {
        // Later ones have an object of their own kind for async functions.
        if self.layout().place(Field::AsyncFunctionPromise).is_ok() {
            return Vec::new();
        }
        let registers = self.tagged_field(generator, Field::GeneratorRegisters);
        let registers = registers.ok().and_then(Tagged::strong);
        let registers = registers.and_then(|found| FixedArray::read(self, found).ok());
        let Some(registers) = registers else {
            return Vec::new();
        };
        (0..registers.length.min(MAX_REGISTERS))
            .filter_map(|index| registers.get(self, index).ok()?.strong())
            .filter(|found| self.is_promise(*found))
            .collect()
    }

    /// Whether an object is a promise.
    pub fn is_promise(&self, address: Address) -> bool {
        let found = self.instance_type(address);
        found.is_some_and(|found| self.kind(found) == Kind::Promise)
    }
}
