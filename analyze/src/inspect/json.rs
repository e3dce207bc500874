//! A description as JSON: `spec/json-schema.md` says what is in it.

use serde_json::{Map, Value as Json, json};

use super::escape::for_json;
use super::{
    Closed, Contents, Description, Detail, Key, List, ObjectDescription, PropertyDescription,
    ScopeDescription, Value,
};
use crate::v8::{
    Address, ElementValue, GeneratorState, Kind, Location, Number, Oddball, PromiseState,
    StringValue, SymbolKind,
};

/// A description as JSON.
pub fn to_json(description: &Description) -> Json {
    let mut object = value(&description.value);
    insert_address(&mut object, "address", description.address);
    insert_address(&mut object, "map", description.map);
    Json::Object(object)
}

fn insert_address(object: &mut Map<String, Json>, key: &str, address: Option<Address>) {
    if let Some(address) = address {
        object.insert(key.to_owned(), json!(address.to_string()));
    }
}

/// The object that starts with `kind`.
fn of_kind(kind: &str, fields: Json) -> Map<String, Json> {
    let mut object = Map::new();
    object.insert("kind".to_owned(), json!(kind));
    if let Json::Object(fields) = fields {
        object.extend(fields);
    }
    object
}

fn value(value: &Value) -> Map<String, Json> {
    match value {
        Value::Number(number) => number_json(*number),
        Value::Element(ElementValue::Number(bits)) => number_json(Number::Double(*bits)),
        Value::Element(ElementValue::BigInt(digits)) => of_kind(
            "bigint",
            json!({"value": digits.to_string(), "hex": signed_hex(*digits)}),
        ),
        Value::String(string) => {
            let mut object = of_kind("string", text(string));
            object.insert(
                "representation".to_owned(),
                json!(string.representation.name()),
            );
            object.insert("internalized".to_owned(), json!(string.internalized));
            object
        }
        Value::Symbol(symbol) => of_kind(
            "symbol",
            json!({
                "description": symbol.description.as_ref().map(text),
                "symbol_kind": symbol_kind(symbol.kind),
            }),
        ),
        Value::BigInt(digits) => of_kind(
            "bigint",
            json!({"value": digits.to_decimal(), "hex": digits.to_hex()}),
        ),
        Value::Oddball(Oddball::Undefined) => of_kind("undefined", Json::Null),
        Value::Oddball(Oddball::Null) => of_kind("null", Json::Null),
        Value::Oddball(Oddball::Boolean(value)) => of_kind("boolean", json!({"value": value})),
        Value::Oddball(Oddball::Hole) => of_kind("hole", Json::Null),
        Value::Oddball(Oddball::Other(name)) => of_kind("oddball", json!({"name": name})),
        Value::Accessor { getter, setter } => of_kind(
            "accessor",
            json!({"getter": optional(getter.as_deref()), "setter": optional(setter.as_deref())}),
        ),
        Value::Native => of_kind("native_accessor", Json::Null),
        Value::Object(description) => object(description),
        Value::Internal {
            type_name,
            elements,
        } => {
            let mut object = of_kind("internal", json!({"type": type_name}));
            if !elements.items.is_empty() {
                insert_list(&mut object, "elements", elements, to_json);
            }
            object
        }
        Value::Cleared => of_kind("cleared", Json::Null),
        Value::Unreadable(reason) => of_kind("unreadable", json!({"reason": reason})),
    }
}

/// JSON has no NaN, no infinities and, for many readers, no -0: these are strings. The bits are exact in any case.
fn number_json(number: Number) -> Map<String, Json> {
    let float = number.to_f64();
    let is_plain = float.is_finite() && !(float == 0.0 && float.is_sign_negative());
    let value = match number {
        Number::Smi(value) => json!(value),
        Number::Double(_) if is_plain => match number.to_integer() {
            Some(integer) => json!(integer),
            None => json!(float),
        },
        Number::Double(_) => json!(number.to_string()),
    };
    of_kind(
        "number",
        json!({
            "value": value,
            "bits": format!("{:016x}", number.to_bits()),
            "smi": matches!(number, Number::Smi(_)),
        }),
    )
}

fn signed_hex(value: i128) -> String {
    let sign = if value < 0 { "-" } else { "" };
    format!("{sign}{:x}", value.unsigned_abs())
}

/// The fields of a string: its text, its whole length, and what a reader must know about the text.
fn text(string: &StringValue) -> Json {
    let (value, escaped) = for_json(&string.units);
    let mut fields = json!({"length": string.length, "value": value});
    if let Json::Object(fields) = &mut fields {
        if escaped {
            fields.insert("escaped".to_owned(), json!(true));
        }
        if !string.is_complete() {
            fields.insert("truncated".to_owned(), json!(true));
        }
        if let Some(missing) = &string.missing {
            fields.insert("missing".to_owned(), json!(missing.to_string()));
        }
    }
    fields
}

fn optional(description: Option<&Description>) -> Json {
    description.map_or(Json::Null, to_json)
}

/// Inserts a list under `key`, and under `key_more` and `key_missing` what it leaves out.
fn insert_list<T>(
    object: &mut Map<String, Json>,
    key: &str,
    list: &List<T>,
    item: impl FnMut(&T) -> Json,
) {
    object.insert(key.to_owned(), list.items.iter().map(item).collect());
    match list.more {
        Some(0) => {}
        Some(more) => {
            object.insert(format!("{key}_more"), json!(more));
        }
        None => {
            object.insert(format!("{key}_more"), Json::Null);
        }
    }
    if let Some(missing) = &list.missing {
        object.insert(format!("{key}_missing"), json!(missing));
    }
}

fn object(description: &ObjectDescription) -> Map<String, Json> {
    let mut object = of_kind(kind(description), json!({"class": description.class}));
    if let Some(class) = &description.prototype_of {
        object.insert("prototype_of".to_owned(), json!(class));
    }
    if let Some(closed) = description.closed {
        let closed = match closed {
            Closed::Depth => "depth",
            Closed::Circular => "circular",
            Closed::Size => "size",
        };
        object.insert("closed".to_owned(), json!(closed));
    }
    insert_detail(&mut object, &description.detail);
    if description.closed.is_none() {
        insert_list(
            &mut object,
            "elements",
            &description.elements,
            |(index, value)| json!({"index": index, "value": to_json(value)}),
        );
        insert_list(&mut object, "properties", &description.properties, property);
    }
    object
}

fn kind(description: &ObjectDescription) -> &'static str {
    match description.kind {
        Kind::Function => "function",
        Kind::BoundFunction => "bound_function",
        Kind::Array => "array",
        Kind::Map => "map",
        Kind::Set => "set",
        Kind::WeakMap => "weak_map",
        Kind::WeakSet => "weak_set",
        Kind::Date => "date",
        Kind::RegExp => "regexp",
        Kind::Error => "error",
        Kind::Promise => "promise",
        Kind::ArrayBuffer => "array_buffer",
        Kind::TypedArray => "typed_array",
        Kind::DataView => "data_view",
        Kind::Proxy => "proxy",
        Kind::Wrapper => "boxed",
        Kind::Generator => "generator",
        Kind::WeakRef => "weak_ref",
        Kind::Arguments => "arguments",
        Kind::Iterator => "iterator",
        Kind::ModuleNamespace => "module_namespace",
        _ => "object",
    }
}

fn property(property: &PropertyDescription) -> Json {
    let mut object = Map::new();
    match &property.key {
        Key::Name(name) => {
            let (name, escaped) = for_json(&name.units);
            object.insert("name".to_owned(), json!(name));
            if escaped {
                object.insert("escaped".to_owned(), json!(true));
            }
        }
        Key::Symbol { description, kind } => {
            let description = description
                .as_ref()
                .map(|description| for_json(&description.units).0);
            object.insert(symbol_key(*kind).to_owned(), json!(description));
        }
        Key::Unreadable(reason) => {
            object.insert("unreadable".to_owned(), json!(reason));
        }
    }
    object.insert("value".to_owned(), to_json(&property.value));
    let attributes = property.attributes;
    object.insert("writable".to_owned(), json!(attributes.writable));
    object.insert("enumerable".to_owned(), json!(attributes.enumerable));
    object.insert("configurable".to_owned(), json!(attributes.configurable));
    Json::Object(object)
}

const fn symbol_key(kind: SymbolKind) -> &'static str {
    match kind {
        SymbolKind::PrivateName => "private",
        SymbolKind::PrivateBrand => "private_brand",
        SymbolKind::Internal => "internal",
        SymbolKind::Plain | SymbolKind::Registered | SymbolKind::WellKnown => "symbol",
    }
}

const fn symbol_kind(kind: SymbolKind) -> &'static str {
    match kind {
        SymbolKind::Plain => "plain",
        SymbolKind::Registered => "registered",
        SymbolKind::WellKnown => "well_known",
        SymbolKind::PrivateName => "private_name",
        SymbolKind::PrivateBrand => "private_brand",
        SymbolKind::Internal => "internal",
    }
}

fn scopes(scopes: &[ScopeDescription]) -> Json {
    scopes
        .iter()
        .map(|scope| {
            let mut object = Map::new();
            object.insert("kind".to_owned(), json!(scope.kind));
            object.insert("context".to_owned(), json!(scope.context.to_string()));
            insert_list(&mut object, "variables", &scope.variables, named);
            Json::Object(object)
        })
        .collect()
}

fn named((name, value): &(String, Description)) -> Json {
    json!({"name": name, "value": to_json(value)})
}

fn location(location: Option<&Location>) -> Json {
    location.map_or(Json::Null, |location| {
        let (line, column) = location.line_column.unzip();
        json!({
            "file": location.file,
            "line": line,
            "column": column,
            "position": location.position,
        })
    })
}

fn insert_detail(object: &mut Map<String, Json>, detail: &Detail) {
    let fields = match detail {
        Detail::None => Json::Null,
        Detail::Unreadable(reason) => json!({"detail_missing": reason}),
        Detail::Array { length } => json!({"length": length}),
        Detail::Map { size, entries } => {
            insert_list(object, "entries", entries, |(key, value)| {
                json!([to_json(key), to_json(value)])
            });
            json!({"size": size})
        }
        Detail::Set { size, members } => {
            insert_list(object, "members", members, to_json);
            json!({"size": size})
        }
        Detail::Date { time, iso } => json!({"time": number_json(*time), "iso": iso}),
        Detail::RegExp { source, flags } => json!({"source": text(source), "flags": flags}),
        Detail::Error { message, stack } => json!({
            "message": message.as_ref().map(text),
            "stack": stack.as_ref().map(text),
        }),
        Detail::Promise {
            state,
            result,
            has_handler,
            reactions,
        } => {
            insert_list(
                object,
                "reactions",
                reactions,
                |(fulfilled, rejected)| json!({"on_fulfilled": to_json(fulfilled), "on_rejected": to_json(rejected)}),
            );
            json!({
                "state": match state {
                    PromiseState::Pending => "pending",
                    PromiseState::Fulfilled => "fulfilled",
                    PromiseState::Rejected => "rejected",
                },
                "result": optional(result.as_deref()),
                "has_handler": has_handler,
            })
        }
        Detail::Function {
            name,
            is_class,
            is_compiled,
            location: place,
            scopes: around,
        } => json!({
            "name": name,
            "is_class": is_class,
            "is_compiled": is_compiled,
            "location": location(place.as_ref()),
            "scopes": scopes(around),
        }),
        Detail::BoundFunction {
            target,
            this,
            arguments,
        } => {
            insert_list(object, "arguments", arguments, to_json);
            json!({"target": optional(target.as_deref()), "this": optional(this.as_deref())})
        }
        Detail::ArrayBuffer {
            byte_length,
            max_byte_length,
            backing_store,
            is_shared,
            is_detached,
            contents,
        } => json!({
            "byte_length": byte_length,
            "max_byte_length": max_byte_length,
            "backing_store": format!("{backing_store:#x}"),
            "is_shared": is_shared,
            "is_detached": is_detached,
            "captured": matches!(contents, Contents::Bytes(_)),
            "contents": match contents {
                Contents::Bytes(bytes) => json!(hex(bytes)),
                Contents::NotCaptured => Json::Null,
            },
        }),
        Detail::View {
            length,
            byte_length,
            byte_offset,
            buffer,
            on_heap,
            captured,
        } => json!({
            "length": length,
            "byte_length": byte_length,
            "byte_offset": byte_offset,
            "buffer": optional(buffer.as_deref()),
            "on_heap": on_heap,
            "captured": captured,
        }),
        Detail::Proxy { target, handler } => json!({
            "target": optional(target.as_deref()),
            "handler": optional(handler.as_deref()),
        }),
        Detail::Wrapper { value } => json!({"value": to_json(value)}),
        Detail::Generator {
            function,
            state,
            scopes: around,
        } => json!({
            "function": function,
            "state": match state {
                GeneratorState::Suspended => "suspended",
                GeneratorState::Running => "running",
                GeneratorState::Closed => "closed",
            },
            "scopes": scopes(around),
        }),
        Detail::WeakRef { target } => json!({"target": optional(target.as_deref())}),
        Detail::Iterator { source, index } => json!({
            "source": optional(source.as_deref()),
            "index": optional(index.as_deref()),
        }),
        Detail::ModuleNamespace { exports } => {
            insert_list(object, "exports", exports, named);
            Json::Null
        }
    };
    if let Json::Object(fields) = fields {
        object.extend(fields);
    }
}

/// Bytes as two hexadecimal digits each.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
