//! Properties and elements of an object.

use super::describe::Describer;
use super::{Description, Detail, Key, List, PropertyDescription, Value};
use crate::v8::{Address, Kind, MapInfo, Name, PropertyValue, SymbolKind};

impl Describer<'_> {
    /// The object whose properties a program sees as an object's own: those of `globalThis`, which is a proxy without any, are
    /// in the global object behind it.
    pub(super) fn property_holder(&self, address: Address, map: &MapInfo) -> Address {
        if self
            .objects
            .is_type(map.instance_type, "JS_GLOBAL_PROXY_TYPE")
        {
            map.prototype.strong().unwrap_or(address)
        } else {
            address
        }
    }

    pub(super) fn properties(&mut self, address: Address, kind: Kind) -> List<PropertyDescription> {
        let found = match self.objects.properties(address) {
            Ok(found) => found,
            Err(error) => return List::missing(&error),
        };
        let mut described = List::default();
        let total = found.list.len();
        // Reading them has cost as much as describing so many values, shown or not.
        self.spend(total);
        for property in found.list {
            // What V8 computes is said by the object's kind: `length` of arrays, `name` of functions, ….
            let is_implied = matches!(property.value, PropertyValue::Native(_))
                && matches!(
                    kind,
                    Kind::Array
                        | Kind::Function
                        | Kind::BoundFunction
                        | Kind::Wrapper
                        | Kind::ModuleNamespace
                );
            if is_implied {
                continue;
            }
            if described.items.len() >= self.options.array_length {
                described.more = Some((total - described.items.len()) as u64);
                break;
            }
            let key = match self.objects.read_name(property.key) {
                Ok(Name::String(name)) => Key::Name(name),
                Ok(Name::Symbol(symbol)) => Key::Symbol {
                    description: symbol.description,
                    kind: symbol.kind,
                },
                Err(error) => Key::Unreadable(error.to_string()),
            };
            let mut value = self.property_value(property.value);
            if let (
                Key::Symbol {
                    kind: SymbolKind::Internal,
                    ..
                },
                Value::Internal { elements, .. },
            ) = (&key, &mut value.value)
            {
                // V8's own business, such as the raw frames of an error's stack trace.
                *elements = List::default();
            }
            described.items.push(PropertyDescription {
                key,
                value,
                attributes: property.attributes,
            });
        }
        described.missing = found
            .missing
            .map(|(error, count)| format!("{count} could not be read; the first: {error}"));
        described
    }

    pub(super) fn elements(
        &mut self,
        address: Address,
        map: &MapInfo,
        kind: Kind,
        detail: &Detail,
    ) -> List<(u64, Description)> {
        if kind == Kind::TypedArray {
            return self.typed_elements(address, map);
        }
        let end = match detail {
            Detail::Array { length } => *length,
            _ => u64::MAX,
        };
        let found = self
            .objects
            .elements(address, map, end, self.options.array_length);
        let found = match found {
            Ok(found) => found,
            Err(error) => return List::missing(&error),
        };
        List {
            items: found
                .list
                .into_iter()
                .map(|(index, value)| (index, self.property_value(value)))
                .collect(),
            more: if found.truncated { None } else { Some(0) },
            missing: found.missing.map(|error| error.to_string()),
        }
    }

    fn typed_elements(&mut self, address: Address, map: &MapInfo) -> List<(u64, Description)> {
        let view = match self.objects.read_view(address, map) {
            Ok(view) => view,
            Err(error) => return List::missing(&error),
        };
        match self
            .objects
            .typed_array_elements(&view, self.options.array_length)
        {
            Ok(values) => List {
                more: Some(view.length - values.len() as u64),
                items: (0..)
                    .zip(values)
                    .map(|(index, value)| (index, Description::bare(Value::Element(value))))
                    .collect(),
                missing: None,
            },
            // The detail says that the contents were not captured.
            Err(_) => List {
                more: Some(view.length),
                ..List::default()
            },
        }
    }
}
