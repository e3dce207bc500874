//! Object views: what the words of an object mean, by the layout. A view never prints.

mod class_name;
mod extent;
mod fixed_array;
mod hash_table;
mod map;
mod name;
mod objects;
mod oddball;
mod property;
mod shared_function_info;
mod string;
mod tagged;

use thiserror::Error;
use v8mini_format::ReadError;

use crate::layout::LayoutError;

pub use fixed_array::FixedArray;
pub use map::{ElementsKind, MapInfo};
pub use name::{Name, SymbolKind, SymbolValue};
pub use objects::Objects;
pub use oddball::Oddball;
pub use property::{Attributes, Properties, Property, PropertyValue, Storage};
pub use shared_function_info::FunctionData;
pub use string::{Representation, StringValue};
pub use tagged::{Address, Tagged};

/// Why an object, or a part of it, could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ObjectError {
    /// Its memory is not in the image.
    #[error(transparent)]
    Memory(#[from] ReadError),
    /// The layout of this V8 version does not say where to look.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// There is no object at the address: its first word is no map.
    #[error(
        "there is no V8 object at {address}: its first word, {word:#x}, does not lead to a map"
    )]
    NotAnObject {
        /// The address.
        address: Address,
        /// The word that should have been a tagged pointer to a map.
        word: u64,
    },
    /// The object is of another kind than the view wants.
    #[error("the object at {address} is a {found}, not a {expected}")]
    WrongType {
        /// The address.
        address: Address,
        /// V8's name of its instance type.
        found: String,
        /// What was wanted.
        expected: &'static str,
    },
    /// A value inside the object cannot be true.
    #[error("the {what} of the object at {address} is {value}, which cannot be: {why}")]
    Implausible {
        /// The address.
        address: Address,
        /// Which value.
        what: &'static str,
        /// The value.
        value: u64,
        /// Why it cannot be.
        why: &'static str,
    },
}
