//! What a node of a snapshot says of its object: type and name, by the rules of V8's own snapshots
//! (`V8HeapExplorer::AddEntry`), because readers sort nodes into classes by them.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::heap::{Classifier, Sample, camel_case};
use crate::v8::{Address, Kind, MapInfo, Objects, Representation, SymbolKind};

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
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NodeName {
    /// Shared by all objects of the kind.
    Shared(Arc<str>),
    /// The object's own.
    Own(String),
}

impl NodeName {
    pub(super) fn as_str(&self) -> &str {
        match self {
            Self::Shared(name) => name,
            Self::Own(name) => name,
        }
    }
}

/// What the objects of a map have in common.
#[derive(Debug, Clone)]
enum OfMap {
    All(NodeType, Arc<str>),
    Closure,
    RegExp,
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
    symbol: Arc<str>,
    private_symbol: Arc<str>,
}

impl<'a> Namer<'a> {
    pub(super) fn new(objects: &'a Objects, max_string: usize) -> Self {
        Self {
            objects,
            classifier: Classifier::new(objects),
            max_string,
            of_maps: FxHashMap::default(),
            symbol: Arc::from("symbol"),
            private_symbol: Arc::from("private symbol"),
        }
    }

    /// The type and the name of the node for an object.
    pub(super) fn describe(&mut self, object: Address, map: &MapInfo) -> (NodeType, NodeName) {
        if !self.of_maps.contains_key(&map.address) {
            let of_map = self.of_map(object, map);
            self.of_maps.insert(map.address, of_map);
        }
        let objects = self.objects;
        let own = |name: Option<String>| NodeName::Own(name.unwrap_or_default());
        match self.of_maps.get(&map.address) {
            Some(OfMap::All(node_type, name)) => (*node_type, NodeName::Shared(Arc::clone(name))),
            Some(OfMap::Closure) => (NodeType::Closure, own(self.function_name(object))),
            Some(OfMap::RegExp) => {
                let pattern = objects.read_regexp(object, self.max_string).ok();
                (
                    NodeType::RegExp,
                    own(pattern.map(|regexp| regexp.source.to_text())),
                )
            }
            Some(OfMap::String) => (NodeType::String, own(self.text(object))),
            Some(OfMap::SharedFunctionInfo) => {
                let name = objects.function_name(object).ok().flatten();
                (NodeType::Code, own(name.map(|name| name.to_text())))
            }
            Some(OfMap::Script) => {
                let name = objects.script_name(object).ok().flatten();
                (NodeType::Code, own(name.map(|name| name.to_text())))
            }
            Some(OfMap::Map) => self.map_node(object),
            Some(OfMap::Prototype) | None => (
                NodeType::Object,
                own(Some(self.prototype_name(object, map))),
            ),
            Some(OfMap::Symbol) => {
                let is_private = objects
                    .read_symbol(object)
                    .is_ok_and(|symbol| is_private(symbol.kind));
                let (node_type, name) = if is_private {
                    (NodeType::Hidden, &self.private_symbol)
                } else {
                    (NodeType::Symbol, &self.symbol)
                };
                (node_type, NodeName::Shared(Arc::clone(name)))
            }
        }
    }

    /// What the objects of a map have in common, of which `object` is one.
    fn of_map(&self, object: Address, map: &MapInfo) -> OfMap {
        let objects = self.objects;
        let all = |node_type, name: &str| OfMap::All(node_type, Arc::from(name));
        match objects.representation(map.instance_type) {
            Some(Representation::Cons) => {
                return all(NodeType::ConsString, "(concatenated string)");
            }
            Some(Representation::Sliced) => return all(NodeType::SlicedString, "(sliced string)"),
            Some(_) => return OfMap::String,
            None => {}
        }
        if objects.is_receiver_type(map.instance_type) {
            return match objects.kind(map.instance_type) {
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
                    _ if is_code(&type_name) => all(NodeType::Code, &system),
                    // DevTools shows arrays without a name as "(internal array)".
                    "(array)" => all(NodeType::Array, ""),
                    "(object shape)" => all(NodeType::ObjectShape, &system),
                    "(compiled code)" => all(NodeType::Code, &system),
                    _ => all(NodeType::Hidden, &system),
                }
            }
        }
    }

    /// The shapes of the program's objects stand apart from V8's own maps.
    fn map_node(&self, map: Address) -> (NodeType, NodeName) {
        let page = self.objects.pages().page_of(map.0);
        let is_v8s = page.is_some_and(|page| page.space == v8mini_format::model::Space::ReadOnly);
        let node_type = if is_v8s {
            NodeType::Hidden
        } else {
            NodeType::ObjectShape
        };
        (node_type, NodeName::Shared(Arc::from("system / Map")))
    }

    /// V8 asks a prototype for its own tag, and then the prototypes above it: so `B.prototype` of a class that extends `A` is
    /// named `A`, and one that extends nothing `Object`.
    fn prototype_name(&self, object: Address, map: &MapInfo) -> String {
        self.objects
            .own_tag(object)
            .or_else(|| self.objects.class_name(map))
            .unwrap_or_else(|| "Object".to_owned())
    }

    fn function_name(&self, function: Address) -> Option<String> {
        let shared = self.objects.shared_function_info(function).ok()?;
        let name = self.objects.function_debug_name(shared).ok().flatten()?;
        Some(name.to_text())
    }

    fn text(&self, string: Address) -> Option<String> {
        let value = self.objects.read_string(string, self.max_string).ok()?;
        Some(value.to_text())
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
