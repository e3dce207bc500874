//! What an object holds, as a tree: built from the object views, rendered as text and as JSON.

mod describe;
mod describe_object;
mod describe_properties;
mod escape;
mod json;
mod path;
mod text;

use crate::v8::{
    Address, Attributes, BigInt, ElementValue, GeneratorState, Kind, Location, Number, Oddball,
    PromiseState, StringValue, SymbolKind, SymbolValue,
};

pub use describe::{describe, describe_property};
pub use escape::{escape_units, quote};
pub use json::to_json;
pub use path::{PathError, follow, property};
pub use text::{one_line, to_text};

/// How much of an object is described.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// How many levels of objects inside objects are opened.
    pub depth: usize,
    /// Code units of a string.
    pub string_length: usize,
    /// Elements, entries and properties of one object.
    pub array_length: usize,
    /// Whether the text shows the address of each object's map.
    pub print_map: bool,
}

impl Options {
    /// For one line: objects inside the object stay closed, and what is long is cut.
    pub const ONE_LINE: Self = Self {
        depth: 0,
        string_length: 100,
        array_length: 10,
        print_map: false,
    };
}

/// Deepest description: it is built and rendered level by level.
pub const MAX_DEPTH: usize = 64;
/// Most values of one description, whatever the options ask for: an object may be reached on very many ways.
const MAX_VALUES: usize = 1 << 17;

/// A value: a word of the heap and what it leads to.
#[derive(Debug, Clone, PartialEq)]
pub struct Description {
    /// The object; `None` for what is not an object of its own: Smis, raw doubles.
    pub address: Option<Address>,
    /// Its map.
    pub map: Option<Address>,
    /// What it is.
    pub value: Value,
}

/// What a value is.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Value {
    /// A number.
    Number(Number),
    /// An element of a typed array.
    Element(ElementValue),
    /// A string, or its beginning.
    String(StringValue),
    /// A symbol.
    Symbol(SymbolValue),
    /// A BigInt.
    BigInt(BigInt),
    /// `undefined`, `null`, a boolean, a hole.
    Oddball(Oddball),
    /// A getter, a setter, or both.
    Accessor {
        /// The getter, if there is one.
        getter: Option<Box<Description>>,
        /// The setter, if there is one.
        setter: Option<Box<Description>>,
    },
    /// A property that V8 computes when it is asked.
    Native,
    /// An object of the language.
    Object(Box<ObjectDescription>),
    /// An object that only V8 sees: the name of its type, and its words if it is an array.
    Internal {
        /// V8's name of the instance type.
        type_name: String,
        /// Elements, if it is an array of tagged words.
        elements: List<Description>,
    },
    /// A weak reference whose object is gone.
    Cleared,
    /// It cannot be read: why.
    Unreadable(String),
}

/// Why an object is not opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closed {
    /// It is deeper than the caller wanted to see.
    Depth,
    /// It is one of the objects around it.
    Circular,
    /// The description has become too long.
    Size,
}

/// An object of the language.
#[derive(Debug, Clone, PartialEq)]
pub struct ObjectDescription {
    /// Its class; `None` if it has no prototype.
    pub class: Option<String>,
    /// The class that it is the prototype of, if it is a prototype.
    pub prototype_of: Option<String>,
    /// What it is.
    pub kind: Kind,
    /// Why what is in it is left out; `None` if it is not.
    pub closed: Option<Closed>,
    /// What this kind of object has beyond properties.
    pub detail: Detail,
    /// Elements, holes left out.
    pub elements: List<(u64, Description)>,
    /// Named properties.
    pub properties: List<PropertyDescription>,
}

/// The first few of something.
#[derive(Debug, Clone, PartialEq)]
pub struct List<T> {
    /// Those that are described.
    pub items: Vec<T>,
    /// How many are left out because the caller wanted no more; `None` if there are more, but nobody has counted them.
    pub more: Option<u64>,
    /// Why others could not be read.
    pub missing: Option<String>,
}

impl<T> Default for List<T> {
    fn default() -> Self {
        Self {
            items: Vec::new(),
            more: Some(0),
            missing: None,
        }
    }
}

impl<T> List<T> {
    /// Whether it is all there is.
    pub fn is_complete(&self) -> bool {
        self.more == Some(0) && self.missing.is_none()
    }
}

/// A named property.
#[derive(Debug, Clone, PartialEq)]
pub struct PropertyDescription {
    /// The key.
    pub key: Key,
    /// The value.
    pub value: Description,
    /// Attributes.
    pub attributes: Attributes,
}

/// A property key.
#[derive(Debug, Clone, PartialEq)]
pub enum Key {
    /// A string.
    Name(StringValue),
    /// A symbol; its kind tells `#private` names from others.
    Symbol {
        /// Its description.
        description: Option<StringValue>,
        /// What it is for.
        kind: SymbolKind,
    },
    /// It cannot be read: why.
    Unreadable(String),
}

/// A scope and its variables.
#[derive(Debug, Clone, PartialEq)]
pub struct ScopeDescription {
    /// The context.
    pub context: Address,
    /// `function`, `block`, `module`, …
    pub kind: String,
    /// The variables.
    pub variables: List<(String, Description)>,
}

/// Bytes of a buffer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Contents {
    /// The first of them.
    Bytes(Vec<u8>),
    /// They are not in the image.
    NotCaptured,
}

/// What a kind of object has beyond properties. References to other objects are `None` where the object is closed.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Detail {
    /// Nothing.
    None,
    /// It could not be read: why.
    Unreadable(String),
    /// An array.
    Array {
        /// Length, holes included.
        length: u64,
    },
    /// A `Map` or `WeakMap`.
    Map {
        /// Number of entries.
        size: u64,
        /// Keys and values, in order for a `Map`.
        entries: List<(Description, Description)>,
    },
    /// A `Set` or `WeakSet`.
    Set {
        /// Number of members.
        size: u64,
        /// Members, in order for a `Set`.
        members: List<Description>,
    },
    /// A `Date`.
    Date {
        /// Milliseconds since the epoch.
        time: Number,
        /// The same in ISO 8601; `None` if it is no valid time.
        iso: Option<String>,
    },
    /// A regular expression.
    RegExp {
        /// Source.
        source: StringValue,
        /// Flags.
        flags: String,
    },
    /// An error.
    Error {
        /// Its message, if it has one of its own.
        message: Option<StringValue>,
        /// Its stack trace, if it was asked for before.
        stack: Option<StringValue>,
    },
    /// A promise.
    Promise {
        /// State.
        state: PromiseState,
        /// Value or reason.
        result: Option<Box<Description>>,
        /// Whether anybody waits or has waited for it.
        has_handler: Option<bool>,
        /// Functions that wait for it: on fulfilment, on rejection.
        reactions: List<(Description, Description)>,
    },
    /// A function.
    Function {
        /// Name, own or inferred.
        name: String,
        /// Whether it is a class.
        is_class: bool,
        /// Whether it has been compiled.
        is_compiled: bool,
        /// Where it is written.
        location: Option<Location>,
        /// What it closes over, innermost scope first; only of the object that was asked for.
        scopes: Vec<ScopeDescription>,
    },
    /// A bound function.
    BoundFunction {
        /// The function that it calls, `this`, and the first arguments.
        target: Option<Box<Description>>,
        /// `this`.
        this: Option<Box<Description>>,
        /// First arguments.
        arguments: List<Description>,
    },
    /// An `ArrayBuffer` or `SharedArrayBuffer`.
    ArrayBuffer {
        /// Length in bytes.
        byte_length: u64,
        /// Longest length, if it can be resized.
        max_byte_length: Option<u64>,
        /// Address of the bytes.
        backing_store: u64,
        /// Whether it is shared between threads.
        is_shared: bool,
        /// Whether its contents were transferred away.
        is_detached: bool,
        /// The first bytes.
        contents: Contents,
    },
    /// A typed array or `DataView`.
    View {
        /// Number of elements; `None` for a `DataView`.
        length: Option<u64>,
        /// Length in bytes.
        byte_length: u64,
        /// First byte in the buffer.
        byte_offset: u64,
        /// Its buffer.
        buffer: Option<Box<Description>>,
        /// Whether the elements lie in the heap.
        on_heap: bool,
        /// Whether the bytes are in the image.
        captured: bool,
    },
    /// A proxy; both are null if it is revoked.
    Proxy {
        /// Target.
        target: Option<Box<Description>>,
        /// Handler.
        handler: Option<Box<Description>>,
    },
    /// A boxed primitive.
    Wrapper {
        /// What it boxes.
        value: Box<Description>,
    },
    /// A generator.
    Generator {
        /// Name of its function.
        function: String,
        /// State.
        state: GeneratorState,
        /// Its variables that closures share; only of the object that was asked for.
        scopes: Vec<ScopeDescription>,
    },
    /// A `WeakRef`.
    WeakRef {
        /// What it refers to; undefined if that is gone.
        target: Option<Box<Description>>,
    },
    /// An iterator over a `Map`, `Set`, array or string.
    Iterator {
        /// What it iterates over: for a `Map` or `Set` its table.
        source: Option<Box<Description>>,
        /// Where it has got to.
        index: Option<Box<Description>>,
    },
    /// A module namespace.
    ModuleNamespace {
        /// What the module exports.
        exports: List<(String, Description)>,
    },
}
