//! The shape of a description as JSON, as `inspect/json.rs` writes it; only for its JSON Schema.
//!
//! A description is written field by field, because which fields there are depends on what could be read. The tests hold
//! this against the real output for every kind of value.
#![expect(dead_code, reason = "the types exist for their schema")]

use schemars::transform::RecursiveTransform;
use schemars::{JsonSchema, Schema};
use serde_json::{Value, json};

use super::schema::Hex;

/// A value, and where it is.
#[derive(JsonSchema)]
#[schemars(transform = RecursiveTransform(only_kind_is_required))]
pub(super) struct ValueSchema {
    /// Of the object; absent for a value that is none.
    address: Hex,
    /// Of the object's map.
    map: Hex,
    #[serde(flatten)]
    value: AnyValue,
}

/// Which fields there are depends on what could be read.
fn only_kind_is_required(schema: &mut Schema) {
    if let Some(required) = schema.get_mut("required").and_then(|it| it.as_array_mut()) {
        required.retain(|name| name == "kind");
        if required.is_empty() {
            schema.remove("required");
        }
    }
}

/// Makes it quick to hold a value against the schema: of 36 kinds, validators try one after the other, and what is inside of a value before
/// its kind, so that each level of depth takes 36 times as long. What is in `allOf` they look at first.
fn kind_comes_first(schema: &mut Schema) {
    let kinds = schema.get_mut("oneOf").and_then(Value::as_array_mut);
    for kind in kinds.into_iter().flatten() {
        let Some(kind) = kind.as_object_mut() else {
            continue;
        };
        let properties = kind.get_mut("properties").and_then(Value::as_object_mut);
        let Some(tag) = properties.and_then(|properties| properties.remove("kind")) else {
            continue;
        };
        kind.remove("required");
        let mut all =
            vec![json!({"type": "object", "properties": {"kind": tag}, "required": ["kind"]})];
        all.extend(kind.remove("$ref").map(|shape| json!({"$ref": shape})));
        kind.insert("allOf".to_owned(), all.into());
    }
}

/// What is known of every object of the language.
#[derive(JsonSchema)]
#[schemars(transform = RecursiveTransform(only_kind_is_required))]
struct Object {
    /// The class that `new` named; null if the object has no prototype.
    class: Option<String>,
    /// The class whose prototype it is.
    prototype_of: String,
    /// Why it is not opened: `depth`, `circular`, `size`.
    closed: String,
    elements: Vec<Element>,
    /// How many are left out; null if nobody has counted them. So with all names that end in `_more`.
    elements_more: Option<u64>,
    /// Why the list ends early. So with all names that end in `_missing`.
    elements_missing: String,
    properties: Vec<Property>,
    properties_more: Option<u64>,
    properties_missing: String,
    /// Why what is particular to the kind is not there.
    detail_missing: String,
}

#[derive(JsonSchema)]
struct Element {
    index: u64,
    value: Box<ValueSchema>,
}

#[derive(JsonSchema)]
#[schemars(transform = RecursiveTransform(only_kind_is_required))]
struct Property {
    name: String,
    /// Whether `name` has escapes, as strings have.
    escaped: bool,
    symbol: Option<String>,
    private: Option<String>,
    private_brand: Option<String>,
    internal: Option<String>,
    /// Why the key could not be read.
    unreadable: String,
    value: Box<ValueSchema>,
    writable: bool,
    enumerable: bool,
    configurable: bool,
}

/// The fields of a text.
#[derive(JsonSchema)]
#[schemars(transform = RecursiveTransform(only_kind_is_required))]
struct Text {
    /// In UTF-16 code units.
    length: u64,
    value: String,
    /// Whether `value` has `\udXXX` for lone surrogates, and `\\` for backslashes.
    escaped: bool,
    /// Whether `value` ends before the text does.
    truncated: bool,
    missing: String,
}

/// The value of a number: JSON has no -0, NaN and infinities, which are strings.
#[derive(JsonSchema)]
#[serde(untagged)]
enum NumberValue {
    Number(f64),
    Special(String),
}

#[derive(JsonSchema)]
struct Number {
    value: NumberValue,
    /// The double as 16 hexadecimal digits.
    #[schemars(regex(pattern = r"^[0-9a-f]{16}$"))]
    bits: String,
    smi: bool,
}

/// A number as it stands in a `date`.
#[derive(JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Time {
    Number(Number),
}

#[derive(JsonSchema)]
struct Location {
    file: String,
    /// From 1.
    line: Option<u64>,
    column: Option<u64>,
    /// In code units, from 0.
    position: u64,
}

#[derive(JsonSchema)]
#[schemars(transform = RecursiveTransform(only_kind_is_required))]
struct Scope {
    kind: String,
    context: Hex,
    variables: Vec<Named>,
    variables_more: Option<u64>,
    variables_missing: String,
}

#[derive(JsonSchema)]
struct Named {
    name: String,
    value: Box<ValueSchema>,
}

#[derive(JsonSchema)]
struct Reaction {
    on_fulfilled: Box<ValueSchema>,
    on_rejected: Box<ValueSchema>,
}

#[derive(JsonSchema)]
#[schemars(transform = RecursiveTransform(only_kind_is_required))]
struct Entries {
    #[serde(flatten)]
    object: Object,
    size: u64,
    entries: Vec<(ValueSchema, ValueSchema)>,
    entries_more: Option<u64>,
    entries_missing: String,
}

#[derive(JsonSchema)]
#[schemars(transform = RecursiveTransform(only_kind_is_required))]
struct Members {
    #[serde(flatten)]
    object: Object,
    size: u64,
    members: Vec<ValueSchema>,
    members_more: Option<u64>,
    members_missing: String,
}

#[derive(JsonSchema)]
#[schemars(transform = RecursiveTransform(only_kind_is_required))]
struct View {
    #[serde(flatten)]
    object: Object,
    /// Null for a `data_view`.
    length: Option<u64>,
    byte_length: u64,
    byte_offset: u64,
    buffer: Option<Box<ValueSchema>>,
    on_heap: bool,
    captured: bool,
}

/// A value by its kind.
#[derive(JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[schemars(transform = RecursiveTransform(only_kind_is_required), transform = kind_comes_first)]
enum AnyValue {
    Number(Number),
    Bigint {
        /// In decimal; null if it has more than 65,536 bits.
        value: Option<String>,
        /// In hexadecimal, with `-` if negative.
        hex: String,
    },
    String {
        #[serde(flatten)]
        text: Text,
        representation: String,
        internalized: bool,
    },
    Symbol {
        description: Option<Text>,
        symbol_kind: String,
    },
    Boolean {
        value: bool,
    },
    Undefined,
    Null,
    Hole,
    Oddball {
        name: String,
    },
    Accessor {
        getter: Option<Box<ValueSchema>>,
        setter: Option<Box<ValueSchema>>,
    },
    NativeAccessor,
    Internal {
        /// V8's name of the instance type.
        r#type: String,
        elements: Vec<ValueSchema>,
        elements_more: Option<u64>,
        elements_missing: String,
    },
    Cleared,
    Unreadable {
        reason: String,
    },
    Object(Object),
    Array {
        #[serde(flatten)]
        object: Object,
        length: Option<u64>,
    },
    Map(Entries),
    WeakMap(Entries),
    Set(Members),
    WeakSet(Members),
    Date {
        #[serde(flatten)]
        object: Object,
        time: Time,
        iso: Option<String>,
    },
    Regexp {
        #[serde(flatten)]
        object: Object,
        source: Text,
        flags: String,
    },
    Error {
        #[serde(flatten)]
        object: Object,
        message: Option<Text>,
        stack: Option<Text>,
    },
    Promise {
        #[serde(flatten)]
        object: Object,
        state: String,
        result: Option<Box<ValueSchema>>,
        has_handler: bool,
        reactions: Vec<Reaction>,
        reactions_more: Option<u64>,
        reactions_missing: String,
    },
    Function {
        #[serde(flatten)]
        object: Object,
        name: String,
        is_class: bool,
        is_compiled: bool,
        location: Option<Location>,
        scopes: Vec<Scope>,
    },
    BoundFunction {
        #[serde(flatten)]
        object: Object,
        target: Option<Box<ValueSchema>>,
        this: Option<Box<ValueSchema>>,
        arguments: Vec<ValueSchema>,
        arguments_more: Option<u64>,
        arguments_missing: String,
    },
    ArrayBuffer {
        #[serde(flatten)]
        object: Object,
        byte_length: u64,
        /// Null if it cannot be resized.
        max_byte_length: Option<u64>,
        backing_store: Hex,
        is_shared: bool,
        is_detached: bool,
        captured: bool,
        /// The first bytes, two hexadecimal digits each.
        contents: Option<String>,
    },
    TypedArray(View),
    DataView(View),
    Proxy {
        #[serde(flatten)]
        object: Object,
        target: Option<Box<ValueSchema>>,
        handler: Option<Box<ValueSchema>>,
    },
    Boxed {
        #[serde(flatten)]
        object: Object,
        value: Box<ValueSchema>,
    },
    Generator {
        #[serde(flatten)]
        object: Object,
        function: String,
        state: String,
        scopes: Vec<Scope>,
    },
    WeakRef {
        #[serde(flatten)]
        object: Object,
        target: Option<Box<ValueSchema>>,
    },
    Arguments(Object),
    Iterator {
        #[serde(flatten)]
        object: Object,
        source: Option<Box<ValueSchema>>,
        index: Option<Box<ValueSchema>>,
    },
    ModuleNamespace {
        #[serde(flatten)]
        object: Object,
        exports: Vec<Named>,
        exports_more: Option<u64>,
        exports_missing: String,
    },
}
