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

    /// The promise that is settled when a suspended async function returns, or when an async generator yields next. `None`
    /// for other generators, if nobody waits for the async generator, and where V8 keeps the promise in a register (up to 7.1).
    pub fn generator_promise(&self, address: Address) -> Option<Address> {
        let promise = if self.has_type(address, "JS_ASYNC_FUNCTION_OBJECT_TYPE") {
            self.tagged_field(address, Field::AsyncFunctionPromise)
        } else if self.has_type(address, "JS_ASYNC_GENERATOR_OBJECT_TYPE") {
            let request = self
                .tagged_field(address, Field::AsyncGeneratorQueue)
                .ok()?;
            // Undefined, where nobody waits, has no promise in this place.
            self.tagged_field(request.strong()?, Field::AsyncGeneratorRequestPromise)
        } else {
            return self.promise_in_registers(address);
        };
        promise
            .ok()?
            .strong()
            .filter(|found| self.is_promise(*found))
    }

    /// Up to V8 7.1, the promise of an async function is a variable that the program cannot name, in the first register that
    /// holds a promise.
    fn promise_in_registers(&self, generator: Address) -> Option<Address> {
        // Later ones have an object of their own kind for async functions.
        if self.layout().place(Field::AsyncFunctionPromise).is_ok() {
            return None;
        }
        let registers = self
            .tagged_field(generator, Field::GeneratorRegisters)
            .ok()?;
        let registers = FixedArray::read(self, registers.strong()?).ok()?;
        (0..registers.length.min(MAX_REGISTERS)).find_map(|index| {
            let found = registers.get(self, index).ok()?.strong()?;
            self.is_promise(found).then_some(found)
        })
    }

    /// Whether an object is a promise.
    pub fn is_promise(&self, address: Address) -> bool {
        let found = self.instance_type(address);
        found.is_some_and(|found| self.kind(found) == Kind::Promise)
    }
}
