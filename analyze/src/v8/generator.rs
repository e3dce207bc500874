//! Generators, and the state of async functions.

use super::{Address, ObjectError, Objects, Tagged};
use crate::layout::Field;

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
}
