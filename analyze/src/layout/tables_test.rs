//! The tables of `spec/layouts/` against the constants of real binaries.

use std::collections::{BTreeMap, BTreeSet};

use v8mini_format::model::V8Version;

use super::table;
use super::{Field, Layout};

/// `[V8 version]` lines, each followed by `NAME VALUE` lines.
const CONSTANTS: &str = include_str!("testdata/v8dbg.txt");

/// Fields that no version below has before this one.
const FIRST_IN: &[((u32, u32), &[&str])] = &[
    (
        (5, 1),
        &[
            "ElementsKind.fast_string_wrapper",
            "ElementsKind.slow_string_wrapper",
            "Map.new_target_is_base",
        ],
    ),
    (
        (6, 2),
        &[
            "FixedTypedArrayBase.external_pointer",
            "JSPromise.has_handler",
            "JSPromise.reactions_or_result",
            "JSPromise.status",
            "PropertyCell.name",
            "SharedFunctionInfo.is_class_constructor",
            "String.thin_tag",
            "ThinString.actual",
        ],
    ),
    (
        (6, 8),
        &[
            "Context.scope_info_index",
            "ElementsKind.bigint64",
            "ElementsKind.biguint64",
            "Map.in_object_start_in_words",
            "PromiseReaction.fulfill_handler",
            "PromiseReaction.next",
            "PromiseReaction.promise_or_capability",
            "PromiseReaction.reject_handler",
            "ScopeInfo.function_name_offset",
            "ScopeInfo.inferred_name_offset",
            "ScopeInfo.position_info_offset",
            "SharedFunctionInfo.name_or_scope_info",
        ],
    ),
    (
        (7, 0),
        &[
            "UncompiledData.end_position",
            "UncompiledData.inferred_name",
            "UncompiledData.start_position",
        ],
    ),
    (
        (7, 8),
        &[
            "JSTypedArray.base_pointer",
            "JSTypedArray.external_pointer",
            "Symbol.is_private_brand",
            "Symbol.is_private_name",
        ],
    ),
    (
        (8, 4),
        &[
            "ScopeInfo.context_header_length",
            "SharedFunctionInfo.function_kind",
        ],
    ),
    (
        (9, 4),
        &[
            "ElementsKind.rab_gsab_distance",
            "JSArrayBuffer.is_resizable_by_js",
            "JSArrayBuffer.max_byte_length",
            "ScopeInfo.context_local_names_table_offset",
        ],
    ),
    ((10, 2), &["JSArrayBufferView.is_length_tracking"]),
    (
        (12, 4),
        &[
            "ElementsKind.float16",
            "JSFunction.first_type",
            "JSFunction.last_type",
        ],
    ),
    (
        (13, 6),
        &[
            "SharedFunctionInfo.trusted_function_data",
            "SharedFunctionInfo.untrusted_function_data",
        ],
    ),
];

/// Fields that no version below has from this one on.
const GONE_IN: &[((u32, u32), &[&str])] = &[
    (
        (6, 8),
        &[
            "Context.closure_index",
            "Map.in_object_count",
            "SharedFunctionInfo.name",
        ],
    ),
    (
        (7, 0),
        &[
            "SharedFunctionInfo.end_position",
            "SharedFunctionInfo.inferred_name",
            "SharedFunctionInfo.start_position",
        ],
    ),
    (
        (7, 8),
        &[
            "FixedTypedArrayBase.base_pointer",
            "FixedTypedArrayBase.external_pointer",
        ],
    ),
    (
        (8, 4),
        &[
            "ElementsKind.external_float32",
            "ElementsKind.external_float64",
            "ElementsKind.external_int16",
            "ElementsKind.external_int32",
            "ElementsKind.external_int8",
            "ElementsKind.external_uint16",
            "ElementsKind.external_uint32",
            "ElementsKind.external_uint8",
            "ElementsKind.external_uint8_clamped",
            "JSFunction.bindings",
            "SharedFunctionInfo.scope_info",
        ],
    ),
];

fn constants() -> Vec<(V8Version, BTreeMap<String, i64>)> {
    let mut versions: Vec<(V8Version, BTreeMap<String, i64>)> = Vec::new();
    for line in CONSTANTS.lines() {
        if let Some(rest) = line.strip_prefix('[') {
            let mut numbers = rest
                .split(']')
                .next()
                .unwrap()
                .split('.')
                .map(|n| n.parse().unwrap());
            let mut next = || numbers.next().unwrap();
            let version = V8Version {
                major: next(),
                minor: next(),
                build: next(),
                patch: next(),
            };
            versions.push((version, BTreeMap::new()));
        } else if !line.is_empty() && !line.starts_with('#') {
            let (name, value) = line.split_once(' ').unwrap();
            let (_, constants) = versions.last_mut().unwrap();
            constants.insert(name.to_owned(), value.parse().unwrap());
        }
    }
    versions
}

fn layouts() -> Vec<Layout> {
    let layouts: Vec<_> = constants()
        .iter()
        .map(|(version, constants)| Layout::resolve(*version, constants).unwrap())
        .collect();
    assert!(layouts.len() >= 12);
    layouts
}

#[test]
fn every_version_has_a_table_of_its_own_that_was_checked() {
    for layout in layouts() {
        assert!(layout.within_range, "{}: {}", layout.version, layout.table);
        assert!(!layout.verified.is_empty(), "{}", layout.table);
    }
}

#[test]
fn every_field_resolves_where_it_exists() {
    let lists =
        |list: &[((u32, u32), &[&str])], field: &str, absent: &dyn Fn((u32, u32)) -> bool| {
            list.iter()
                .any(|(version, fields)| absent(*version) && fields.contains(&field))
        };
    let mut wrong = Vec::new();
    for layout in layouts() {
        let version = (layout.version.major, layout.version.minor);
        for field in Field::ALL {
            let expected_absent = lists(FIRST_IN, field.name(), &|first| version < first)
                || lists(GONE_IN, field.name(), &|gone| version >= gone);
            if layout.value(*field).is_none() != expected_absent {
                wrong.push(format!("{field} in {}", layout.version));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn tables_speak_of_fields_that_exist() {
    for raw in table::parse_all().unwrap().values() {
        for name in raw.fields.keys().chain(raw.corrections.keys()) {
            assert!(Field::named(name).is_some(), "{name}");
        }
    }
    for name in table::field_names().unwrap().keys() {
        assert!(Field::named(name).is_some(), "{name}");
    }
}

#[test]
fn every_size_is_for_a_type_that_some_version_has() {
    let layouts = layouts();
    let known = |name: &str| {
        layouts
            .iter()
            .any(|layout| layout.types.number(name).is_some())
    };
    let files = table::parse_all().unwrap();
    let named: BTreeSet<&str> = files
        .values()
        .flat_map(|raw| raw.types.keys().map(String::as_str))
        .collect();
    for (file, raw) in &files {
        for name in raw.sizes.keys().filter(|name| !name.contains("..")) {
            assert!(
                named.contains(name.as_str()) || known(name),
                "{file}: {name}"
            );
        }
    }
}

#[test]
fn whatever_differs_in_size_has_a_size() {
    // Types that every heap has, and whose maps do not tell their instances' size.
    for layout in layouts() {
        for name in [
            "FIXED_ARRAY_TYPE",
            "FIXED_DOUBLE_ARRAY_TYPE",
            "BYTE_ARRAY_TYPE",
            "FREE_SPACE_TYPE",
            "SCOPE_INFO_TYPE",
            "NATIVE_CONTEXT_TYPE",
            "DESCRIPTOR_ARRAY_TYPE",
            "FEEDBACK_METADATA_TYPE",
            "TRANSITION_ARRAY_TYPE",
            "FILLER_TYPE",
        ] {
            let Some(number) = layout.types.number(name) else {
                // Up to V8 6.6 scope infos, contexts and descriptors are fixed arrays by type too.
                let version = (layout.version.major, layout.version.minor);
                assert!(version < (7, 0), "{name} in {}", layout.version);
                continue;
            };
            // A filler's size is in its map.
            if name != "FILLER_TYPE" {
                assert!(
                    layout.types.size_of(number).is_some(),
                    "{name} in {}",
                    layout.version
                );
            }
        }
    }
}
