//! Kinds of objects: what a program can tell apart, behind V8's instance types.

use super::{Address, MapInfo, Objects};

/// What an object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// A string.
    String,
    /// A symbol.
    Symbol,
    /// A number that is no Smi.
    HeapNumber,
    /// A BigInt.
    BigInt,
    /// `undefined`, `null`, `true`, `false` or an internal marker.
    Oddball,
    /// A function, class or method.
    Function,
    /// What `Function.prototype.bind` makes.
    BoundFunction,
    /// An array.
    Array,
    /// A `Map`.
    Map,
    /// A `Set`.
    Set,
    /// A `WeakMap`.
    WeakMap,
    /// A `WeakSet`.
    WeakSet,
    /// A `Date`.
    Date,
    /// A regular expression.
    RegExp,
    /// An error.
    Error,
    /// A promise.
    Promise,
    /// An `ArrayBuffer` or `SharedArrayBuffer`.
    ArrayBuffer,
    /// A typed array, Node's `Buffer` included.
    TypedArray,
    /// A `DataView`.
    DataView,
    /// A proxy.
    Proxy,
    /// A boxed primitive.
    Wrapper,
    /// A generator, or the state of an async function.
    Generator,
    /// A `WeakRef`.
    WeakRef,
    /// An `arguments` object.
    Arguments,
    /// What iterates over a `Map`, `Set`, array or string.
    Iterator,
    /// What `import * as` gives.
    ModuleNamespace,
    /// Any other object of the language.
    Object,
    /// Something that only V8 sees: a map, code, a context, …
    Internal,
}

/// V8's names of the types, the older ones too: `JS_VALUE_TYPE` up to V8 7, `JS_REGEXP_TYPE` up to V8 8, ….
const KINDS: &[(&str, Kind)] = &[
    ("SYMBOL_TYPE", Kind::Symbol),
    ("HEAP_NUMBER_TYPE", Kind::HeapNumber),
    ("MUTABLE_HEAP_NUMBER_TYPE", Kind::HeapNumber),
    ("BIGINT_TYPE", Kind::BigInt),
    ("BIG_INT_BASE_TYPE", Kind::BigInt),
    ("ODDBALL_TYPE", Kind::Oddball),
    ("HOLE_TYPE", Kind::Oddball),
    ("JS_BOUND_FUNCTION_TYPE", Kind::BoundFunction),
    ("JS_ARRAY_TYPE", Kind::Array),
    ("JS_MAP_TYPE", Kind::Map),
    ("JS_SET_TYPE", Kind::Set),
    ("JS_WEAK_MAP_TYPE", Kind::WeakMap),
    ("JS_WEAK_SET_TYPE", Kind::WeakSet),
    ("JS_DATE_TYPE", Kind::Date),
    ("JS_REG_EXP_TYPE", Kind::RegExp),
    ("JS_REGEXP_TYPE", Kind::RegExp),
    ("JS_ERROR_TYPE", Kind::Error),
    ("JS_PROMISE_TYPE", Kind::Promise),
    ("JS_ARRAY_BUFFER_TYPE", Kind::ArrayBuffer),
    ("JS_TYPED_ARRAY_TYPE", Kind::TypedArray),
    ("JS_DATA_VIEW_TYPE", Kind::DataView),
    ("JS_RAB_GSAB_DATA_VIEW_TYPE", Kind::DataView),
    ("JS_PROXY_TYPE", Kind::Proxy),
    ("JS_FUNCTION_PROXY_TYPE", Kind::Proxy),
    ("JS_PRIMITIVE_WRAPPER_TYPE", Kind::Wrapper),
    ("JS_VALUE_TYPE", Kind::Wrapper),
    ("JS_GENERATOR_OBJECT_TYPE", Kind::Generator),
    ("JS_ASYNC_FUNCTION_OBJECT_TYPE", Kind::Generator),
    ("JS_ASYNC_GENERATOR_OBJECT_TYPE", Kind::Generator),
    ("JS_WEAK_REF_TYPE", Kind::WeakRef),
    ("JS_ARGUMENTS_OBJECT_TYPE", Kind::Arguments),
    ("JS_ARGUMENTS_TYPE", Kind::Arguments),
    ("JS_ARRAY_ITERATOR_TYPE", Kind::Iterator),
    ("JS_STRING_ITERATOR_TYPE", Kind::Iterator),
    ("JS_MAP_ITERATOR_TYPE", Kind::Iterator),
    ("JS_SET_ITERATOR_TYPE", Kind::Iterator),
    ("JS_MAP_KEY_ITERATOR_TYPE", Kind::Iterator),
    ("JS_MAP_KEY_VALUE_ITERATOR_TYPE", Kind::Iterator),
    ("JS_MAP_VALUE_ITERATOR_TYPE", Kind::Iterator),
    ("JS_SET_KEY_VALUE_ITERATOR_TYPE", Kind::Iterator),
    ("JS_SET_VALUE_ITERATOR_TYPE", Kind::Iterator),
    ("JS_MODULE_NAMESPACE_TYPE", Kind::ModuleNamespace),
];

impl Objects {
    /// What an object is.
    ///
    /// In V8 up to 5, errors and promises are objects like all others, and bound functions are functions; they are told by
    /// what is in them.
    pub fn kind_of(&self, object: Address, map: &MapInfo) -> Kind {
        let types = &self.layout().types;
        match self.kind(map.instance_type) {
            Kind::Function if self.is_bound_by_bindings(object) => Kind::BoundFunction,
            Kind::Object
                if types.number("JS_ERROR_TYPE").is_none() && self.inherits_from(map, "Error") =>
            {
                Kind::Error
            }
            Kind::Object
                if self.promises_are_plain_objects() && self.inherits_from(map, "Promise") =>
            {
                Kind::Promise
            }
            kind => kind,
        }
    }

    /// What objects of an instance type are, as far as it tells.
    pub fn kind(&self, instance_type: u16) -> Kind {
        if self.is_string_type(instance_type) {
            return Kind::String;
        }
        if self.is_function_type(instance_type) {
            return Kind::Function;
        }
        if let Some((_, kind)) = KINDS
            .iter()
            .find(|(name, _)| self.is_type(instance_type, name))
        {
            return *kind;
        }
        if self.is_receiver_type(instance_type) {
            Kind::Object
        } else {
            Kind::Internal
        }
    }
}
