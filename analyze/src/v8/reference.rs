//! Small objects that do little more than refer to others: proxies, boxed primitives, weak references, iterators.

use super::{Address, ObjectError, Objects, Tagged};
use crate::layout::Field;

impl Objects {
    /// Target of the proxy at `address`; null if it is revoked.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn proxy_target(&self, address: Address) -> Result<Tagged, ObjectError> {
        self.tagged_field(address, Field::ProxyTarget)
    }

    /// Handler of the proxy at `address`; null if it is revoked.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn proxy_handler(&self, address: Address) -> Result<Tagged, ObjectError> {
        self.tagged_field(address, Field::ProxyHandler)
    }

    /// What the wrapper at `address` boxes.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn wrapped_value(&self, address: Address) -> Result<Tagged, ObjectError> {
        self.tagged_field(address, Field::WrapperValue)
    }

    /// Target of the `WeakRef` at `address`; undefined if it is gone.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn weak_ref_target(&self, address: Address) -> Result<Tagged, ObjectError> {
        self.tagged_field(address, Field::WeakRefTarget)
    }

    /// What the iterator at `address` iterates over (for a `Map` or `Set` its table), and where it has got to.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn iterator_state(&self, address: Address) -> Result<(Tagged, Tagged), ObjectError> {
        Ok((
            self.tagged_field(address, Field::IteratorSource)?,
            self.tagged_field(address, Field::IteratorIndex)?,
        ))
    }

    /// The stack trace of an error, from what its private symbol leads to: the trace itself, or `ErrorStackData` around it
    /// (V8 9.3 and later). What is no string yet was never asked for.
    pub fn formatted_stack(&self, word: Tagged) -> Tagged {
        match word.strong() {
            Some(data) if self.has_type(data, "ERROR_STACK_DATA_TYPE") => self
                .tagged_field(data, Field::ErrorStackFormatted)
                .unwrap_or(word),
            _ => word,
        }
    }
}
