//! What is in an object of the language: properties, elements, and what its kind has beyond them.

use super::describe::Describer;
use super::{
    Closed, Contents, Description, Detail, List, ObjectDescription, ScopeDescription, Value,
};
use crate::v8::{
    Address, Entries, Kind, MapInfo, Name, ObjectError, Oddball, PropertyValue, Scope, SymbolKind,
    Tagged, iso_string,
};

impl Describer<'_> {
    pub(super) fn object_description(
        &mut self,
        address: Address,
        map: &MapInfo,
        kind: Kind,
        closed: Option<Closed>,
    ) -> ObjectDescription {
        let open = closed.is_none();
        let detail = self
            .detail(address, map, kind, open)
            .unwrap_or_else(|error| Detail::Unreadable(error.to_string()));
        let (elements, properties) = if open && kind != Kind::Proxy {
            (
                self.elements(address, map, kind, &detail),
                self.properties(self.property_holder(address, map), kind),
            )
        } else {
            (List::default(), List::default())
        };
        ObjectDescription {
            class: match kind {
                // By its own `Symbol.toStringTag`: there is no constructor.
                Kind::ModuleNamespace => Some("Module".to_owned()),
                _ => self.objects.class_name(map),
            },
            prototype_of: if self.objects.is_named_as_prototype(map) {
                self.objects.prototype_class_name(address)
            } else {
                None
            },
            kind,
            closed,
            detail,
            elements,
            properties,
        }
    }

    /// What a kind of object has beyond properties.
    fn detail(
        &mut self,
        address: Address,
        map: &MapInfo,
        kind: Kind,
        open: bool,
    ) -> Result<Detail, ObjectError> {
        let objects = self.objects;
        let limit = if open { self.options.array_length } else { 0 };
        Ok(match kind {
            Kind::Array => Detail::Array {
                length: objects.array_length(address)?,
            },
            Kind::Map => self.map_detail(objects.map_entries(address, limit)?),
            Kind::WeakMap => self.map_detail(objects.weak_entries(address, limit)?),
            Kind::Set => self.set_detail(objects.set_members(address, limit)?),
            Kind::WeakSet => self.set_detail(objects.weak_entries(address, limit)?),
            Kind::Date => {
                let time = objects.read_date(address)?;
                Detail::Date {
                    time,
                    iso: iso_string(time),
                }
            }
            Kind::RegExp => {
                let value = objects.read_regexp(address, self.options.string_length)?;
                Detail::RegExp {
                    source: value.source,
                    flags: value.flags,
                }
            }
            Kind::Error => self.error_detail(address)?,
            Kind::Promise => self.promise_detail(address, open)?,
            Kind::Function => self.function_detail(address, open)?,
            Kind::BoundFunction => self.bound_function_detail(address, open)?,
            Kind::ArrayBuffer => self.array_buffer_detail(address)?,
            Kind::TypedArray | Kind::DataView => self.view_detail(address, map, open)?,
            Kind::Generator => self.generator_detail(address, open)?,
            Kind::Proxy => {
                let target = objects.proxy_target(address)?;
                let handler = objects.proxy_handler(address)?;
                Detail::Proxy {
                    target: open.then(|| self.boxed(target)),
                    handler: open.then(|| self.boxed(handler)),
                }
            }
            Kind::Wrapper => {
                let value = objects.wrapped_value(address)?;
                Detail::Wrapper {
                    value: self.boxed(value),
                }
            }
            Kind::WeakRef => {
                let target = objects.weak_ref_target(address)?;
                Detail::WeakRef {
                    target: open.then(|| self.boxed(target)),
                }
            }
            Kind::Iterator => {
                let (source, index) = objects.iterator_state(address)?;
                Detail::Iterator {
                    source: open.then(|| self.boxed(source)),
                    index: open.then(|| self.boxed(index)),
                }
            }
            Kind::ModuleNamespace => self.module_detail(address, open)?,
            _ => Detail::None,
        })
    }

    fn map_detail(&mut self, entries: Entries) -> Detail {
        let shown = entries.list.len() as u64;
        let items = entries
            .list
            .into_iter()
            .map(|(key, value)| (self.word(key), self.word(value)))
            .collect();
        Detail::Map {
            size: entries.size,
            entries: List {
                items,
                more: Some(entries.size.saturating_sub(shown)),
                missing: entries.missing.map(|error| error.to_string()),
            },
        }
    }

    fn set_detail(&mut self, entries: Entries) -> Detail {
        let shown = entries.list.len() as u64;
        let items = entries
            .list
            .into_iter()
            .map(|(key, _)| self.word(key))
            .collect();
        Detail::Set {
            size: entries.size,
            members: List {
                items,
                more: Some(entries.size.saturating_sub(shown)),
                missing: entries.missing.map(|error| error.to_string()),
            },
        }
    }

    fn error_detail(&mut self, address: Address) -> Result<Detail, ObjectError> {
        let objects = self.objects;
        let limit = self.options.string_length;
        let string = |word: Tagged| {
            word.strong()
                .and_then(|text| objects.read_string(text, limit).ok())
        };
        let (mut message, mut own_stack, mut hidden_stack) = (None, None, None);
        for property in objects.properties(address)?.list {
            let PropertyValue::Tagged(value) = property.value else {
                continue;
            };
            match objects.read_name(property.key) {
                Ok(name) if name.is("message") => message = string(value),
                Ok(name) if name.is("stack") => own_stack = string(value),
                // `error_stack_symbol` is the first that V8 sets, `error_message_symbol` may follow. In a release build
                // internal symbols have no description.
                Ok(Name::Symbol(symbol)) if symbol.kind == SymbolKind::Internal => {
                    hidden_stack.get_or_insert(value);
                }
                _ => {}
            }
        }
        let stack = own_stack.or_else(|| string(objects.formatted_stack(hidden_stack?)));
        Ok(Detail::Error { message, stack })
    }

    fn promise_detail(&mut self, address: Address, open: bool) -> Result<Detail, ObjectError> {
        let promise = self.objects.read_promise(address)?;
        let mut reactions = List::default();
        for reaction in &promise.reactions {
            if !open || reactions.items.len() >= self.options.array_length {
                reactions.more = Some((promise.reactions.len() - reactions.items.len()) as u64);
                break;
            }
            let functions = (
                self.word(reaction.on_fulfilled),
                self.word(reaction.on_rejected),
            );
            reactions.items.push(functions);
        }
        Ok(Detail::Promise {
            state: promise.state,
            result: match promise.result {
                Some(result) if open => Some(self.boxed(result)),
                _ => None,
            },
            has_handler: promise.has_handler,
            reactions,
        })
    }

    fn function_detail(&mut self, address: Address, open: bool) -> Result<Detail, ObjectError> {
        let function = self.objects.read_function(address)?;
        let scopes = if open && self.is_root() {
            self.objects.closure_variables(address).unwrap_or_default()
        } else {
            Vec::new()
        };
        Ok(Detail::Function {
            name: function.name,
            is_class: function.is_class,
            is_compiled: function.is_compiled,
            location: function.location,
            scopes: self.scopes(scopes),
        })
    }

    fn scopes(&mut self, scopes: Vec<Scope>) -> Vec<ScopeDescription> {
        scopes
            .into_iter()
            .map(|scope| {
                let shown = scope.variables.len().min(self.options.array_length);
                let more = (scope.variables.len() - shown) as u64;
                let items = scope
                    .variables
                    .into_iter()
                    .take(shown)
                    .map(|(name, value)| (name, self.property_value(value)))
                    .collect();
                ScopeDescription {
                    context: scope.context,
                    kind: scope.kind,
                    variables: List {
                        items,
                        more: Some(more),
                        missing: None,
                    },
                }
            })
            .collect()
    }

    fn bound_function_detail(
        &mut self,
        address: Address,
        open: bool,
    ) -> Result<Detail, ObjectError> {
        let bound = self.objects.read_bound_function(address)?;
        let shown = if open {
            bound.arguments.len().min(self.options.array_length)
        } else {
            0
        };
        let more = (bound.arguments.len() - shown) as u64;
        Ok(Detail::BoundFunction {
            target: open.then(|| self.boxed(bound.target)),
            this: open.then(|| self.boxed(bound.this)),
            arguments: List {
                items: bound
                    .arguments
                    .into_iter()
                    .take(shown)
                    .map(|argument| self.word(argument))
                    .collect(),
                more: Some(more),
                missing: None,
            },
        })
    }

    fn array_buffer_detail(&mut self, address: Address) -> Result<Detail, ObjectError> {
        let buffer = self.objects.read_array_buffer(address)?;
        let shown = buffer.byte_length.min(self.options.array_length as u64);
        let contents = match self.objects.first_bytes(buffer.backing_store, shown) {
            _ if buffer.byte_length == 0 => Contents::Bytes(Vec::new()),
            Ok(bytes) => Contents::Bytes(bytes),
            Err(_) => Contents::NotCaptured,
        };
        Ok(Detail::ArrayBuffer {
            byte_length: buffer.byte_length,
            max_byte_length: buffer.max_byte_length,
            backing_store: buffer.backing_store,
            is_shared: buffer.is_shared,
            is_detached: buffer.is_detached,
            contents,
        })
    }

    fn view_detail(
        &mut self,
        address: Address,
        map: &MapInfo,
        open: bool,
    ) -> Result<Detail, ObjectError> {
        let view = self.objects.read_view(address, map)?;
        let captured = view.byte_length == 0
            || view
                .data
                .is_some_and(|data| self.objects.raw_bytes(data, 1).is_ok());
        Ok(Detail::View {
            length: view.element_type.map(|_| view.length),
            byte_length: view.byte_length,
            byte_offset: view.byte_offset,
            buffer: open.then(|| self.boxed(view.buffer)),
            on_heap: view.on_heap,
            captured,
        })
    }

    fn generator_detail(&mut self, address: Address, open: bool) -> Result<Detail, ObjectError> {
        let generator = self.objects.read_generator(address)?;
        let function = generator
            .function
            .strong()
            .and_then(|function| self.objects.read_function(function).ok())
            .map_or_else(String::new, |function| function.name);
        let mut scopes = Vec::new();
        if open && self.is_root() {
            scopes = self.objects.scopes(generator.context);
            scopes.retain(|scope| !scope.variables.is_empty());
        }
        Ok(Detail::Generator {
            function,
            state: generator.state,
            scopes: self.scopes(scopes),
        })
    }

    fn module_detail(&mut self, address: Address, open: bool) -> Result<Detail, ObjectError> {
        let mut exports = List::default();
        let mut found = Vec::new();
        for (name, value) in self.objects.module_exports(address)? {
            if let Ok(Name::String(name)) = self.objects.read_name(name) {
                found.push((name.to_text(), value));
            }
        }
        // The language lists them by name.
        found.sort();
        for (name, value) in found.iter().cloned() {
            if !open || exports.items.len() >= self.options.array_length {
                exports.more = Some((found.len() - exports.items.len()) as u64);
                break;
            }
            let value = self.word(value);
            exports.items.push((name, value));
        }
        Ok(Detail::ModuleNamespace { exports })
    }
}

impl Description {
    /// Whether it is a hole: as a variable, one that is not initialised yet.
    pub(super) fn is_hole(&self) -> bool {
        self.value == Value::Oddball(Oddball::Hole)
    }
}
