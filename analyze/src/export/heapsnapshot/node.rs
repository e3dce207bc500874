//! What a node of a snapshot says of its object: type and name, by the rules of V8's own snapshots
//! (`V8HeapExplorer::AddEntry`), because readers sort nodes into classes by them.

use rustc_hash::FxHashMap;
use smol_str::SmolStr;

use super::release::is_code_wrapper;
use crate::heap::{Classifier, Sample, camel_case};
use crate::layout::Field;
use crate::v8::{
    Address, Kind, MapInfo, Objects, OneByteText, Representation, StringValue, SymbolKind,
};

/// The names of so many functions are remembered…
const FUNCTIONS: usize = 1 << 14;
/// …if they are not longer than this, in bytes.
const FUNCTION_NAME: usize = 256;

/// The types of nodes, in V8's order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NodeType {
    Hidden,
    Array,
    String,
    Object,
    Code,
    Closure,
    RegExp,
    Number,
    Native,
    Synthetic,
    ConsString,
    SlicedString,
    Symbol,
    BigInt,
    ObjectShape,
}

impl NodeType {
    pub(super) const ALL: [Self; 15] = [
        Self::Hidden,
        Self::Array,
        Self::String,
        Self::Object,
        Self::Code,
        Self::Closure,
        Self::RegExp,
        Self::Number,
        Self::Native,
        Self::Synthetic,
        Self::ConsString,
        Self::SlicedString,
        Self::Symbol,
        Self::BigInt,
        Self::ObjectShape,
    ];

    /// V8's name of the type.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Hidden => "hidden",
            Self::Array => "array",
            Self::String => "string",
            Self::Object => "object",
            Self::Code => "code",
            Self::Closure => "closure",
            Self::RegExp => "regexp",
            Self::Number => "number",
            Self::Native => "native",
            Self::Synthetic => "synthetic",
            Self::ConsString => "concatenated string",
            Self::SlicedString => "sliced string",
            Self::Symbol => "symbol",
            Self::BigInt => "bigint",
            Self::ObjectShape => "object shape",
        }
    }
}

/// The name of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NodeName<'n> {
    /// That of all objects of the map.
    Shared(&'n str),
    /// The object's own.
    Own(&'n str),
}

impl<'n> NodeName<'n> {
    pub(super) const fn as_str(self) -> &'n str {
        match self {
            Self::Shared(name) | Self::Own(name) => name,
        }
    }
}

/// What the objects of a map have in common.
#[derive(Debug, Clone)]
enum OfMap {
    All(NodeType, SmolStr),
    Closure,
    RegExp,
    OneByteString(OneByteText),
    String,
    SharedFunctionInfo,
    Script,
    Map,
    Symbol,
    Prototype,
}

/// Names nodes; remembers what it found out about maps.
pub(super) struct Namer<'a> {
    objects: &'a Objects,
    classifier: Classifier<'a>,
    /// Most UTF-16 code units of a string's content.
    max_string: usize,
    of_maps: FxHashMap<Address, OfMap>,
    /// What functions are called, by what all their closures have in common.
    of_functions: FxHashMap<Address, SmolStr>,
    /// The last name that was an object's own.
    own: String,
    /// Characters on their way there.
    characters: Vec<u8>,
}

impl<'a> Namer<'a> {
    pub(super) fn new(objects: &'a Objects, max_string: usize) -> Self {
        Self {
            objects,
            classifier: Classifier::new(objects),
            max_string,
            of_maps: FxHashMap::default(),
            of_functions: FxHashMap::default(),
            own: String::new(),
            characters: Vec::new(),
        }
    }

    /// The type and the name of the node for an object.
    pub(super) fn describe(&mut self, object: Address, map: &MapInfo) -> (NodeType, NodeName<'_>) {
        if !self.of_maps.contains_key(&map.address) {
            let of_map = self.of_map(object, map);
            self.of_maps.insert(map.address, of_map);
        }
        let (objects, max) = (self.objects, self.max_string);
        let own = &mut self.own;
        own.clear();
        let node_type = match self.of_maps.get(&map.address) {
            Some(OfMap::All(node_type, name)) => return (*node_type, NodeName::Shared(name)),
            Some(OfMap::Map) => {
                return (map_type(objects, object), NodeName::Shared("system / Map"));
            }
            Some(OfMap::OneByteString(place))
                if objects.push_one_byte_text(object, *place, max, &mut self.characters, own) =>
            {
                NodeType::String
            }
            Some(OfMap::OneByteString(_) | OfMap::String) => {
                own.push_str(&text_of(objects.read_string(object, max).ok()));
                NodeType::String
            }
            Some(OfMap::Closure) => {
                push_function_name(objects, object, &mut self.of_functions, own);
                NodeType::Closure
            }
            Some(OfMap::RegExp) => {
                let pattern = objects.read_regexp(object, max).ok();
                own.push_str(&text_of(pattern.map(|regexp| regexp.source)));
                NodeType::RegExp
            }
            Some(OfMap::SharedFunctionInfo) => {
                own.push_str(&text_of(objects.function_name(object).ok().flatten()));
                NodeType::Code
            }
            Some(OfMap::Script) => {
                own.push_str(&text_of(objects.script_name(object).ok().flatten()));
                NodeType::Code
            }
            Some(OfMap::Prototype) | None => {
                own.push_str(&prototype_name(objects, object, map));
                NodeType::Object
            }
            Some(OfMap::Symbol) => {
                let symbol = objects.read_symbol(object);
                if symbol.is_ok_and(|symbol| is_private(symbol.kind)) {
                    own.push_str("private symbol");
                    NodeType::Hidden
                } else {
                    own.push_str("symbol");
                    NodeType::Symbol
                }
            }
        };
        (node_type, NodeName::Own(&self.own))
    }

    /// What the objects of a map have in common, of which `object` is one.
    fn of_map(&self, object: Address, map: &MapInfo) -> OfMap {
        let objects = self.objects;
        let all = |node_type, name: &str| OfMap::All(node_type, SmolStr::from(name));
        match objects.representation(map.instance_type) {
            Some(Representation::Cons) => {
                return all(NodeType::ConsString, "(concatenated string)");
            }
            Some(Representation::Sliced) => return all(NodeType::SlicedString, "(sliced string)"),
            Some(_) => {
                let text = objects.one_byte_text(map.instance_type);
                return text.map_or(OfMap::String, OfMap::OneByteString);
            }
            None => {}
        }
        if objects.is_receiver_type(map.instance_type) {
            return match objects.kind(map.instance_type) {
                // All that is called a function has the type of one, so that its name depends on nothing but what it shares.
                Kind::Function => OfMap::Closure,
                Kind::BoundFunction => all(NodeType::Closure, "native_bind"),
                Kind::RegExp => OfMap::RegExp,
                _ if ["JS_GLOBAL_OBJECT_TYPE", "JS_GLOBAL_PROXY_TYPE"]
                    .iter()
                    .any(|name| objects.is_type(map.instance_type, name)) =>
                {
                    all(NodeType::Object, "global")
                }
                _ if map.is_prototype => OfMap::Prototype,
                _ => {
                    let class = self.classifier.class_of(map, Sample::default());
                    all(NodeType::Object, &class.name)
                }
            };
        }
        let type_name = objects.type_name(map.instance_type);
        match type_name.as_str() {
            "MAP_TYPE" => OfMap::Map,
            "SHARED_FUNCTION_INFO_TYPE" => OfMap::SharedFunctionInfo,
            "SCRIPT_TYPE" => OfMap::Script,
            "NATIVE_CONTEXT_TYPE" => all(NodeType::Hidden, "system / NativeContext"),
            "SYMBOL_TYPE" => OfMap::Symbol,
            "HEAP_NUMBER_TYPE" | "MUTABLE_HEAP_NUMBER_TYPE" => all(NodeType::Number, "heap number"),
            "BIGINT_TYPE" | "BIG_INT_BASE_TYPE" => all(NodeType::BigInt, "bigint"),
            "CODE_TYPE" | "INSTRUCTION_STREAM_TYPE" => all(NodeType::Code, ""),
            // Contexts have maps of their own, even where they have the type of arrays (V8 up to 6.2).
            _ if objects.is_context(object, map) => all(NodeType::Object, "system / Context"),
            _ => {
                let class = self.classifier.class_of(map, Sample::default()).name;
                let system = format!("system / {}", camel_case(&type_name));
                if is_shape(&type_name) {
                    return all(NodeType::ObjectShape, &system);
                }
                if is_hidden_array(&type_name) {
                    return all(NodeType::Hidden, &system);
                }
                match class.as_str() {
                    _ if is_code(&type_name) || is_code_wrapper(objects, &type_name) => {
                        all(NodeType::Code, &system)
                    }
                    // DevTools shows arrays without a name as "(internal array)".
                    "(array)" => all(NodeType::Array, ""),
                    "(object shape)" => all(NodeType::ObjectShape, &system),
                    "(compiled code)" => all(NodeType::Code, &system),
                    _ => all(NodeType::Hidden, &system),
                }
            }
        }
    }
}

fn text_of(string: Option<StringValue>) -> String {
    string.map_or_else(String::new, |string| string.to_text())
}

/// The shapes of the program's objects stand apart from V8's own maps.
fn map_type(objects: &Objects, map: Address) -> NodeType {
    let page = objects.pages().page_of(map.0);
    if page.is_some_and(|page| page.space == v8mini_format::model::Space::ReadOnly) {
        NodeType::Hidden
    } else {
        NodeType::ObjectShape
    }
}

/// V8 asks a prototype for its own tag, and then the prototypes above it: so `B.prototype` of a class that extends `A` is
/// named `A`, and one that extends nothing `Object`.
fn prototype_name(objects: &Objects, object: Address, map: &MapInfo) -> String {
    let tag = objects.own_tag(object);
    tag.or_else(|| objects.class_name(map))
        .unwrap_or_else(|| "Object".to_owned())
}

/// Appends the name of a closure, which follows from what it shares with others: that is looked at once.
fn push_function_name(
    objects: &Objects,
    function: Address,
    known: &mut FxHashMap<Address, SmolStr>,
    to: &mut String,
) {
    let shared = objects.tagged_field(function, Field::JSFunctionShared);
    let shared = shared.map_or(Address::default(), |word| Address(word.0));
    if let Some(name) = known.get(&shared) {
        return to.push_str(name);
    }
    let name = || {
        let shared = objects.shared_function_info(function).ok()?;
        objects.function_debug_name(shared).ok().flatten()
    };
    let name = text_of(name());
    to.push_str(&name);
    if known.len() < FUNCTIONS && name.len() <= FUNCTION_NAME {
        known.insert(shared, name.into());
    }
}

fn is_private(kind: SymbolKind) -> bool {
    matches!(
        kind,
        SymbolKind::PrivateName | SymbolKind::PrivateBrand | SymbolKind::Internal
    )
}

/// What V8 files under the shapes of objects besides maps and their arrays.
fn is_shape(type_name: &str) -> bool {
    ["PROTOTYPE_INFO_TYPE", "ENUM_CACHE_TYPE", "CELL_TYPE"].contains(&type_name)
}

/// Arrays that are hidden, unless something that V8 knows holds them.
fn is_hidden_array(type_name: &str) -> bool {
    [
        "PROPERTY_ARRAY_TYPE",
        "WEAK_ARRAY_LIST_TYPE",
        "ARRAY_LIST_TYPE",
    ]
    .contains(&type_name)
}

/// What else V8 files under code (`V8HeapExplorer::GetSystemEntryType`).
fn is_code(type_name: &str) -> bool {
    const CODE: [&str; 18] = [
        "ALLOCATION_SITE_TYPE",
        "ARRAY_BOILERPLATE_DESCRIPTION_TYPE",
        "CLOSURE_FEEDBACK_CELL_ARRAY_TYPE",
        "FEEDBACK_CELL_TYPE",
        "FEEDBACK_METADATA_TYPE",
        "FEEDBACK_VECTOR_TYPE",
        "INTERPRETER_DATA_TYPE",
        "LOAD_HANDLER_TYPE",
        "OBJECT_BOILERPLATE_DESCRIPTION_TYPE",
        "PREPARSE_DATA_TYPE",
        "REG_EXP_BOILERPLATE_DESCRIPTION_TYPE",
        "SCOPE_INFO_TYPE",
        "STORE_HANDLER_TYPE",
        "TEMPLATE_OBJECT_DESCRIPTION_TYPE",
        // Of these V8 knows which function they belong to, and all but a few belong to one.
        "TRUSTED_BYTE_ARRAY_TYPE",
        "TRUSTED_FIXED_ARRAY_TYPE",
        "TRUSTED_WEAK_FIXED_ARRAY_TYPE",
        "WEAK_FIXED_ARRAY_TYPE",
    ];
    CODE.contains(&type_name) || type_name.starts_with("UNCOMPILED_DATA")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_is_recognised() {
        assert!(is_code("SCOPE_INFO_TYPE"));
        assert!(is_code("UNCOMPILED_DATA_WITH_PREPARSE_DATA_TYPE"));
        assert!(!is_code("CELL_TYPE"));
    }
}
