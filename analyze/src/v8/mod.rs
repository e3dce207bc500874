//! Object views: what the words of an object mean, by the layout. A view never prints.

mod bigint;
mod buffer;
mod class_name;
mod code;
mod collection;
mod context;
mod date;
mod dispatch;
mod element;
mod extent;
mod fields;
mod fixed_array;
mod function;
mod generator;
mod hash_table;
mod kind;
mod map;
mod module;
mod name;
mod number;
mod objects;
mod oddball;
mod promise;
mod property;
mod reference;
mod regexp;
mod scope_info;
mod script;
mod shared_function_info;
mod string;
mod string_parts;
mod tagged;

use thiserror::Error;
use v8mini_format::ReadError;

use crate::layout::LayoutError;

pub use bigint::BigInt;
pub use buffer::{ArrayBufferValue, ElementType, ElementValue, ViewValue};
pub use code::Tier;
pub use collection::Entries;
pub use context::{Scope, SlotUse};
pub use date::iso_string;
pub use element::Elements;
pub use fields::Fields;
pub use fixed_array::FixedArray;
pub use function::{BoundFunctionValue, FunctionValue};
pub use generator::{GeneratorState, GeneratorValue};
pub use kind::Kind;
pub use map::{ElementsKind, MapInfo};
pub use name::{Name, SymbolKind, SymbolValue};
pub use number::Number;
pub use objects::Objects;
pub use oddball::Oddball;
pub use promise::{PromiseState, PromiseValue, Reaction};
pub use property::{
    Attributes, FieldPlace, MapField, Properties, Property, PropertyValue, Storage,
};
pub use regexp::RegExpValue;
pub use script::{Location, ScriptType};
pub use shared_function_info::FunctionData;
pub use string::{Representation, StringValue};
pub use string_parts::{Characters, OneByteText, StringType};
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
