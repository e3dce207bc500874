//! The class of an object: what `new` named, by the rules of V8's `JSReceiver::GetConstructorName`.

use super::{Address, MapInfo, Objects, PropertyValue, Tagged};
use crate::layout::Field;

/// Longest chain of transitions that is followed. A map has at most 1020 properties, and few transitions more.
const MAX_TRANSITIONS: usize = 4096;
/// So many properties of a prototype are looked at.
const MAX_PROTOTYPE_PROPERTIES: usize = 4096;
/// Longest prototype chain that is followed; real ones are a handful long.
const MAX_PROTOTYPES: usize = 256;

impl Objects {
    /// The class name of a map's instances; `None` if nothing names it, which for an object of the language means that it
    /// has no prototype.
    ///
    /// The constructor in the map is the one that made the object only if `new` was called on it itself. An instance of a
    /// derived class has the base class there, so the prototype chain is asked: `Symbol.toStringTag`, then `constructor`.
    /// A prototype object has lost its constructor to `Object`; see [`Objects::prototype_class_name`] for those.
    ///
    /// The global object has `Object` for a constructor; it is `global` here, as in V8's own heap snapshots.
    pub fn class_name(&self, map: &MapInfo) -> Option<String> {
        if self.is_global(map) {
            return Some("global".to_owned());
        }
        let constructor = self.constructor(map);
        let named = constructor.and_then(|constructor| self.constructor_name(constructor));
        // V8 up to 4.6 does not record how `new` was called.
        let trusted = map.new_target_is_base == Some(true) && !map.is_prototype;
        if let Some(name) = &named
            && trusted
            && name != "Object"
        {
            return named;
        }
        self.name_from_prototypes(map.prototype).or(named)
    }

    /// Whether a map is that of a global object.
    pub fn is_global(&self, map: &MapInfo) -> bool {
        self.is_type(map.instance_type, "JS_GLOBAL_OBJECT_TYPE")
    }

    /// Whether a map is that of an object that V8 has marked as a prototype, and that is named by what it is the prototype of: the global
    /// object is marked, too, and is nobody's.
    pub fn is_named_as_prototype(&self, map: &MapInfo) -> bool {
        map.is_prototype && !self.is_global(map)
    }

    /// The function that is the class of a map's instances: the `constructor` of their prototype, else the one that the map
    /// names.
    pub fn class_function(&self, map: &MapInfo) -> Option<Address> {
        let of_prototype = || {
            let property =
                self.find_property(map.prototype.strong()?, |name| name.is("constructor"))?;
            match property.value {
                PropertyValue::Tagged(constructor) => constructor.strong(),
                _ => None,
            }
        };
        self.is_receiver_type(map.instance_type)
            .then(|| of_prototype().or_else(|| self.constructor(map)))
            .flatten()
    }

    /// The class whose prototype an object is: the name of its own `constructor`.
    pub fn prototype_class_name(&self, prototype: Address) -> Option<String> {
        let property = self.find_property(prototype, |name| name.is("constructor"))?;
        let PropertyValue::Tagged(constructor) = property.value else {
            return None;
        };
        self.constructor_name(constructor.strong()?)
    }

    /// An object's own `Symbol.toStringTag`, if it is a string.
    pub fn own_tag(&self, object: Address) -> Option<String> {
        let tag = self.find_property(object, |name| name.is_well_known("Symbol.toStringTag"))?;
        match tag.value {
            PropertyValue::Tagged(value) => Some(self.string_at(value)?.to_text()),
            _ => None,
        }
    }

    /// Whether an object has a property `constructor` of its own, be it an accessor.
    pub fn has_own_constructor(&self, object: Address) -> bool {
        self.find_property(object, |name| name.is("constructor"))
            .is_some()
    }

    /// Whether an object is the `prototype` of the function that is its own `constructor`.
    pub fn is_prototype_object(&self, object: Address) -> bool {
        let constructor = self
            .find_property(object, |name| name.is("constructor"))
            .and_then(|property| match property.value {
                PropertyValue::Tagged(constructor) => constructor.strong(),
                _ => None,
            })
            .filter(|constructor| {
                self.instance_type(*constructor)
                    .is_some_and(|found| self.is_function_type(found))
            });
        // A function that `new` was called on has the map of its instances there, which has the prototype.
        let prototype = constructor
            .and_then(|function| {
                self.prototype_or_initial_map(function, &*self.map_of(function).ok()?)
            })
            .and_then(Tagged::strong)
            .and_then(|found| match self.map(found) {
                Some(initial_map) => initial_map.prototype.strong(),
                None => Some(found),
            });
        prototype == Some(object)
    }

    /// What a function keeps of its instances: their prototype, or the map that `new` gives them. Functions that are no
    /// constructors have no such field; what is behind them is something else.
    pub fn prototype_or_initial_map(&self, function: Address, map: &MapInfo) -> Option<Tagged> {
        let field = Field::JSFunctionPrototypeOrInitialMap;
        let place = self.layout().place(field).ok()?;
        if place.offset >= map.in_object_start {
            return None;
        }
        self.tagged_field(function, field).ok()
    }

    /// The constructor that a map names: the root of its chain of transitions holds it.
    pub fn constructor(&self, map: &MapInfo) -> Option<Address> {
        let mut word = map.constructor_or_back_pointer;
        for _ in 0..MAX_TRANSITIONS {
            let object = word.strong()?;
            let Some(back) = self.map(object) else {
                // A function whose `prototype` is no object keeps both in a tuple.
                if self.has_type(object, "TUPLE2_TYPE") {
                    return self
                        .tagged_field(object, Field::Tuple2Value1)
                        .ok()?
                        .strong();
                }
                return Some(object);
            };
            word = back.constructor_or_back_pointer;
        }
        None
    }

    /// The name of a function or template that makes objects; `None` if it has none, or is something else.
    fn constructor_name(&self, constructor: Address) -> Option<String> {
        let name = if self.has_type(constructor, "FUNCTION_TEMPLATE_INFO_TYPE") {
            self.template_class_name(constructor)?
        } else {
            let shared = self.shared_function_info(constructor).ok()?;
            self.function_debug_name(shared).ok()??
        };
        (name.length > 0).then(|| name.to_text())
    }

    fn name_from_prototypes(&self, first: Tagged) -> Option<String> {
        let mut prototype = first;
        let mut last = None;
        for _ in 0..MAX_PROTOTYPES {
            let Some(object) = prototype.strong() else {
                break;
            };
            let Ok(map) = self.map_of(object) else { break };
            if !self.is_receiver_type(map.instance_type) {
                break;
            }
            let name = self.prototype_name(object, || self.name_from_prototype(object));
            if let Some(name) = name {
                if &*name != "Object" {
                    return Some(name.as_ref().to_owned());
                }
                last = Some(name);
            }
            prototype = map.prototype;
        }
        last.map(|name| name.as_ref().to_owned())
    }

    fn name_from_prototype(&self, prototype: Address) -> Option<String> {
        let mut constructor = None;
        let properties = self.properties(prototype).ok()?.list;
        for property in properties.into_iter().take(MAX_PROTOTYPE_PROPERTIES) {
            let PropertyValue::Tagged(value) = property.value else {
                continue;
            };
            let Ok(name) = self.read_name(property.key) else {
                continue;
            };
            if name.is_well_known("Symbol.toStringTag") {
                if let Some(tag) = self.string_at(value) {
                    return Some(tag.to_text());
                }
            } else if name.is("constructor") {
                constructor = value.strong();
            }
        }
        self.constructor_name(constructor?)
    }

    /// Whether the prototype of a class is in a map's prototype chain.
    pub fn inherits_from(&self, map: &MapInfo, class: &str) -> bool {
        let mut prototype = map.prototype;
        for _ in 0..MAX_PROTOTYPES {
            let Some(object) = prototype.strong() else {
                return false;
            };
            let Ok(map) = self.map_of(object) else {
                return false;
            };
            if self.prototype_class_name(object).as_deref() == Some(class) {
                return true;
            }
            prototype = map.prototype;
        }
        false
    }

    /// Whether an instance type is that of an object of the language: everything from proxies up.
    pub fn is_receiver_type(&self, instance_type: u16) -> bool {
        [
            "JS_PROXY_TYPE",
            "JS_FUNCTION_PROXY_TYPE",
            "JS_GLOBAL_OBJECT_TYPE",
        ]
        .iter()
        .filter_map(|name| self.layout().types.number(name))
        .min()
        .is_some_and(|first| instance_type >= first)
    }
}
