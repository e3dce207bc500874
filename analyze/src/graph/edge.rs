//! An edge: that one object refers to another, and by what name.

use std::fmt;

use smol_str::SmolStr;

use super::Strength;
use crate::v8::Address;

/// What sort of reference an edge is, as Chrome DevTools sorts them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EdgeKind {
    /// A named property.
    Property,
    /// A property whose key is an array index.
    Element,
    /// A variable that closures share.
    Context,
    /// A field of V8's own that has a name.
    Internal,
    /// A field of V8's own without one.
    Hidden,
    /// What an object holds by way of others that only V8 sees: an argument of a bound function, an entry of a `Map`.
    Shortcut,
    /// A reference that keeps nothing alive.
    Weak,
}

impl EdgeKind {
    /// The kind in one word, as DevTools and JSON have it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Property => "property",
            Self::Element => "element",
            Self::Context => "context",
            Self::Internal => "internal",
            Self::Hidden => "hidden",
            Self::Shortcut => "shortcut",
            Self::Weak => "weak",
        }
    }
}

/// The name of an edge.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EdgeName {
    /// A name: of a property, a variable, a field. There are very many of them, and most are short.
    Name(SmolStr),
    /// A number: an array index, or the place of a word that has no name.
    Index(u64),
}

impl fmt::Display for EdgeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Index(index) => write!(f, "{index}"),
        }
    }
}

impl From<&str> for EdgeName {
    fn from(name: &str) -> Self {
        Self::Name(name.into())
    }
}

impl From<String> for EdgeName {
    fn from(name: String) -> Self {
        Self::Name(name.into())
    }
}

impl From<SmolStr> for EdgeName {
    fn from(name: SmolStr) -> Self {
        Self::Name(name)
    }
}

impl From<u64> for EdgeName {
    fn from(index: u64) -> Self {
        Self::Index(index)
    }
}

/// What an edge leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Target {
    /// An object.
    Object(Address),
    /// Memory outside of the V8 heap.
    Native {
        /// Where it begins, untagged.
        address: u64,
        /// Its size in bytes.
        bytes: u64,
    },
}

impl Target {
    /// The object that it is.
    pub const fn object(self) -> Option<Address> {
        match self {
            Self::Object(address) => Some(address),
            Self::Native { .. } => None,
        }
    }
}

/// That an object refers to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edge {
    /// What sort of reference it is.
    pub kind: EdgeKind,
    /// By what name.
    pub name: EdgeName,
    /// To what.
    pub target: Target,
    /// Whether it keeps the target alive.
    pub strength: Strength,
    /// Which word of the object it is, in bytes from its start; `None` if it is kept elsewhere: in the property array, the
    /// elements, the map.
    pub offset: Option<u64>,
}
