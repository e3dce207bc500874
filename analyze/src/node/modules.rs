//! Loaded modules: `require.cache`, and the registries of ECMAScript modules.

use std::collections::BTreeSet;

use super::census::Census;
use crate::v8::{Address, Fields, Kind, PropertyValue};

/// Most modules that are read of one registry.
const MAX_MODULES: usize = 1 << 18;

/// A CommonJS module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Module {
    /// Its key in `require.cache`: the path of its file.
    pub key: String,
    /// The `Module`.
    pub address: Option<Address>,
    /// Whether it has run to its end.
    pub loaded: Option<bool>,
}

/// The loaded modules.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Modules {
    /// What `require.cache` holds, in its order.
    pub common_js: Vec<Module>,
    /// URLs of ECMAScript modules, in alphabetical order.
    pub ecma_script: Vec<String>,
}

/// Reads the registries.
pub(super) fn read(fields: &Fields<'_>, census: &Census) -> Modules {
    let mut found = Modules {
        common_js: common_js(fields, &census.modules),
        ..Modules::default()
    };
    let objects = fields.objects();
    let mut urls = BTreeSet::new();
    for registry in census.module_maps.iter().copied() {
        let is_map = objects
            .map_of(registry)
            .map(|map| objects.kind(map.instance_type));
        if is_map != Ok(Kind::Map) {
            continue;
        }
        let entries = objects
            .map_entries(registry, MAX_MODULES)
            .unwrap_or_default();
        urls.extend(
            entries
                .list
                .into_iter()
                .filter_map(|(key, _)| objects.text_of(key)),
        );
    }
    found.ecma_script = urls.into_iter().collect();
    found
}

/// The registry is a property of the function that makes modules.
fn common_js(fields: &Fields<'_>, modules: &[Address]) -> Vec<Module> {
    let objects = fields.objects();
    let registry = modules.iter().find_map(|module| {
        let map = objects.map_of(*module).ok()?;
        let own = objects.constructor(&map);
        let inherited = || match fields.inherited(*module, "constructor")? {
            PropertyValue::Tagged(word) => word.strong(),
            _ => None,
        };
        own.and_then(|class| fields.object(class, "_cache"))
            .or_else(|| fields.object(inherited()?, "_cache"))
    });
    let Some(registry) = registry else {
        return Vec::new();
    };
    let properties = objects.properties(registry).unwrap_or_default().list;
    properties
        .into_iter()
        .take(MAX_MODULES)
        .filter_map(|property| {
            let address = match property.value {
                PropertyValue::Tagged(word) => word.strong(),
                _ => None,
            };
            Some(Module {
                key: objects.read_name(property.key).ok()?.to_string(),
                address,
                loaded: address.and_then(|module| fields.boolean(module, "loaded")),
            })
        })
        .collect()
}
