//! Classes: the names under which people look for objects.
//!
//! JavaScript objects are found under the class that `new` named. What V8 allocates for itself stands in parentheses or
//! after `system /`, as in the Chrome DevTools, so that it cannot be mistaken for a class of the program.

use std::fmt;

use super::Sample;
use crate::v8::{Address, MapInfo, Objects, Representation};

/// What sort of thing the objects of a class are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ClassKind {
    /// Objects of the program.
    Instance,
    /// Prototype objects: the one `Foo.prototype` of a class `Foo`.
    Prototype,
    /// Literal boilerplates: what V8 copies when it evaluates `{…}` or `[…]`.
    Boilerplate,
    /// Functions and classes, as values.
    Function,
    /// Strings, numbers and other primitive values.
    Primitive,
    /// What V8 needs for itself: backing stores, maps, code, feedback, …
    Internal,
}

impl ClassKind {
    /// The kind in one word, as JSON has it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Instance => "instance",
            Self::Prototype => "prototype",
            Self::Boilerplate => "boilerplate",
            Self::Function => "function",
            Self::Primitive => "primitive",
            Self::Internal => "internal",
        }
    }
}

/// A class of objects.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Class {
    /// What the objects are.
    pub kind: ClassKind,
    /// The name to look for, such as `Foo`, `Foo.prototype`, `(string)`, `system / Context`.
    pub name: String,
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// Finds the classes of maps.
#[derive(Debug, Clone, Copy)]
pub struct Classifier<'a> {
    objects: &'a Objects,
}

impl<'a> Classifier<'a> {
    /// A classifier for an image.
    pub const fn new(objects: &'a Objects) -> Self {
        Self { objects }
    }

    /// The class of a map's instances, of which `sample` is one.
    pub fn class_of(&self, map: &MapInfo, sample: Sample) -> Class {
        let objects = self.objects;
        if objects.is_function_type(map.instance_type) {
            return Class {
                kind: ClassKind::Function,
                name: "(function)".to_owned(),
            };
        }
        if objects.is_type(map.instance_type, "JS_BOUND_FUNCTION_TYPE") {
            return Class {
                kind: ClassKind::Function,
                name: "(bound function)".to_owned(),
            };
        }
        if !objects.is_receiver_type(map.instance_type) {
            return match objects.representation(map.instance_type) {
                Some(representation) => string_class(representation),
                None => internal_class(&objects.type_name(map.instance_type)),
            };
        }
        let by_type = || self.receiver_type_name(map.instance_type);
        // V8 up to 5.x marks a prototype object only when it is first looked up.
        let is_prototype = objects.is_named_as_prototype(map)
            || sample.is_the_only
                && sample
                    .address
                    .is_some_and(|object| objects.is_prototype_object(object));
        if is_prototype {
            // The map of a prototype object names Object; the object itself names the class.
            let owner = sample
                .address
                .and_then(|prototype| objects.prototype_class_name(prototype));
            let class = objects.class_name(map);
            // One that no class owns may be an instance that serves as a prototype; and V8 up to 6 also marks objects whose
            // properties its inline caches have looked up. But a class may have a getter for its `constructor`, as Node's
            // own errors have.
            let is_instance = owner.is_none()
                && sample
                    .address
                    .is_some_and(|object| !objects.has_own_constructor(object))
                && class.as_deref().is_some_and(|class| class != "Object");
            if !is_instance {
                let name = owner.or(class).unwrap_or_else(by_type);
                return Class {
                    kind: ClassKind::Prototype,
                    name: format!("{name}.prototype"),
                };
            }
        }
        let name = objects.class_name(map).unwrap_or_else(by_type);
        Class {
            kind: ClassKind::Instance,
            name,
        }
    }

    /// The class of a map's instances that are literal boilerplates.
    pub fn boilerplate_class_of(&self, map: &MapInfo) -> Class {
        let name = format!(
            "{} (literal boilerplate)",
            self.class_of(map, Sample::default()).name
        );
        Class {
            kind: ClassKind::Boilerplate,
            name,
        }
    }

    /// The class and the property names of a map's instances, of which `sample` is one: `Foo {a, b}`. It tells apart the
    /// shapes of one class.
    pub fn shape_of(&self, map: &MapInfo, sample: Sample) -> Class {
        let class = self.class_of(map, sample);
        if !matches!(class.kind, ClassKind::Instance | ClassKind::Prototype) {
            return class;
        }
        let properties = if map.is_dictionary {
            "(dictionary)".to_owned()
        } else {
            let names = sample
                .address
                .and_then(|object| self.property_names(object));
            names.map_or_else(|| "?".to_owned(), |names| names.join(", "))
        };
        Class {
            kind: class.kind,
            name: format!("{} {{{properties}}}", class.name),
        }
    }

    /// The instance type of a map's instances, under V8's name.
    pub fn type_of(&self, map: &MapInfo) -> Class {
        let kind = match self.class_of(map, Sample::default()).kind {
            // Prototype objects and instances are of the same types.
            ClassKind::Prototype => ClassKind::Instance,
            kind => kind,
        };
        Class {
            kind,
            name: self.objects.type_name(map.instance_type),
        }
    }

    fn property_names(&self, object: Address) -> Option<Vec<String>> {
        let properties = self.objects.properties(object).ok()?;
        let names = properties.list.iter().map(|property| {
            self.objects
                .read_name(property.key)
                .map_or_else(|_| "?".to_owned(), |name| name.to_string())
        });
        Some(names.collect())
    }

    /// What has no constructor is named by its type: `JS_ARRAY_ITERATOR_TYPE` is an `ArrayIterator`. Plain objects are those
    /// without a prototype.
    fn receiver_type_name(&self, instance_type: u16) -> String {
        let name = camel_case(&self.objects.type_name(instance_type));
        name.strip_prefix("Js").unwrap_or(&name).to_owned()
    }
}

fn string_class(representation: Representation) -> Class {
    let name = match representation {
        Representation::Cons => "(concatenated string)",
        Representation::Sliced => "(sliced string)",
        Representation::Thin => "(thin string)",
        Representation::ExternalOneByte | Representation::ExternalTwoByte => "(external string)",
        _ => "(string)",
    };
    Class {
        kind: ClassKind::Primitive,
        name: name.to_owned(),
    }
}

/// The class of what is no JavaScript object and no string, by V8's name of its instance type.
fn internal_class(type_name: &str) -> Class {
    let (kind, name) = match type_name {
        "HEAP_NUMBER_TYPE" | "MUTABLE_HEAP_NUMBER_TYPE" => (ClassKind::Primitive, "(number)"),
        "BIGINT_TYPE" | "BIG_INT_BASE_TYPE" => (ClassKind::Primitive, "(bigint)"),
        "SYMBOL_TYPE" => (ClassKind::Primitive, "(symbol)"),
        "ODDBALL_TYPE" | "HOLE_TYPE" => (ClassKind::Primitive, "(oddball)"),
        "MAP_TYPE"
        | "DESCRIPTOR_ARRAY_TYPE"
        | "STRONG_DESCRIPTOR_ARRAY_TYPE"
        | "TRANSITION_ARRAY_TYPE"
        | "ENUM_CACHE_TYPE" => (ClassKind::Internal, "(object shape)"),
        "CODE_TYPE"
        | "INSTRUCTION_STREAM_TYPE"
        | "BYTECODE_ARRAY_TYPE"
        | "SCRIPT_TYPE"
        | "SHARED_FUNCTION_INFO_TYPE"
        | "CODE_DATA_CONTAINER_TYPE" => (ClassKind::Internal, "(compiled code)"),
        _ if is_array(type_name) => (ClassKind::Internal, "(array)"),
        _ => {
            let name = format!("system / {}", camel_case(type_name));
            return Class {
                kind: ClassKind::Internal,
                name,
            };
        }
    };
    Class {
        kind,
        name: name.to_owned(),
    }
}

/// Backing stores: what holds the properties and elements of objects, and the tables of collections.
fn is_array(type_name: &str) -> bool {
    matches!(
        type_name,
        "FIXED_ARRAY_TYPE"
            | "FIXED_DOUBLE_ARRAY_TYPE"
            | "PROPERTY_ARRAY_TYPE"
            | "BYTE_ARRAY_TYPE"
            | "WEAK_FIXED_ARRAY_TYPE"
            | "WEAK_ARRAY_LIST_TYPE"
            | "ARRAY_LIST_TYPE"
            | "EMBEDDER_DATA_ARRAY_TYPE"
    ) || type_name.ends_with("_DICTIONARY_TYPE")
        || type_name.ends_with("HASH_TABLE_TYPE")
        || type_name.ends_with("ORDERED_HASH_MAP_TYPE")
        || type_name.ends_with("ORDERED_HASH_SET_TYPE")
        || (type_name.starts_with("FIXED_") && type_name.ends_with("_ARRAY_TYPE"))
}

/// `FEEDBACK_VECTOR_TYPE` becomes `FeedbackVector`.
pub(crate) fn camel_case(type_name: &str) -> String {
    if !type_name.ends_with("_TYPE") {
        return type_name.to_owned();
    }
    type_name
        .trim_end_matches("_TYPE")
        .split('_')
        .map(|word| {
            let mut letters = word.chars();
            let first = letters.next().map(String::from).unwrap_or_default();
            first + &letters.as_str().to_ascii_lowercase()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn internal_types_have_clear_names() {
        let name = |type_name| internal_class(type_name).name;
        assert_eq!(name("FEEDBACK_VECTOR_TYPE"), "system / FeedbackVector");
        assert_eq!(name("NAME_DICTIONARY_TYPE"), "(array)");
        assert_eq!(name("MAP_TYPE"), "(object shape)");
        assert_eq!(name("instance type 77"), "system / instance type 77");
    }
}
