//! The tables of `spec/layouts/` against the constants of official binaries.

use std::collections::BTreeSet;

use v8mini_capture::symbols::known_constants;
use v8mini_format::model::V8Version;

use super::table;
use super::{Field, Layout};

/// Fields that no V8 has before this version.
const FIRST_IN: &[((u32, u32), &[&str])] = &[
    (
        (4, 6),
        &["BytecodeArray.data", "FixedTypedArrayBase.external_pointer"],
    ),
    (
        (5, 4),
        &[
            "Code.source_position_table",
            "JSGeneratorObject.input_or_debug_pos",
            "JSGeneratorObject.parameters_and_registers",
        ],
    ),
    (
        (5, 0),
        &[
            "ElementsKind.fast_string_wrapper",
            "ElementsKind.slow_string_wrapper",
            "Map.new_target_is_base",
        ],
    ),
    (
        (5, 5),
        &[
            "PromiseResolveThenableJobInfo.resolve",
            "PromiseResolveThenableJobInfo.then",
        ],
    ),
    (
        (5, 8),
        &[
            "PromiseReactionJobInfo.deferred_promise",
            "PromiseReactionJobInfo.tasks",
            "JSPromise.deferred_promise",
            "JSPromise.fulfill_reactions",
            "JSPromise.has_handler",
            "JSPromise.reactions_or_result",
            "JSPromise.reject_reactions",
            "JSPromise.status",
            "String.thin_tag",
            "ThinString.actual",
        ],
    ),
    ((6, 1), &["PropertyCell.name"]),
    ((6, 2), &["SharedFunctionInfo.is_class_constructor"]),
    (
        (6, 6),
        &[
            "CallableTask.callable",
            "PromiseReactionJobTask.handler",
            "PromiseReactionJobTask.promise_or_capability",
            "PromiseResolveThenableJobTask.promise_to_resolve",
            "PromiseResolveThenableJobTask.then",
            "ElementsKind.bigint64",
            "ElementsKind.biguint64",
            "Map.in_object_start_in_words",
            "PromiseReaction.fulfill_handler",
            "PromiseReaction.next",
            "PromiseReaction.promise_or_capability",
            "PromiseReaction.reject_handler",
        ],
    ),
    ((6, 2), &["FeedbackVector.invocation_count"]),
    (
        (6, 7),
        &[
            "ScopeInfo.function_name_offset",
            "SharedFunctionInfo.name_or_scope_info",
        ],
    ),
    (
        (6, 8),
        &[
            "Context.scope_info_index",
            "ScopeInfo.inferred_name_offset",
            "ScopeInfo.position_info_offset",
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
        (7, 4),
        &["JSAsyncFunctionObject.promise", "Symbol.is_private_name"],
    ),
    (
        (7, 6),
        &[
            "JSTypedArray.base_pointer",
            "JSTypedArray.external_pointer",
            "Symbol.is_private_brand",
        ],
    ),
    ((7, 9), &["SharedFunctionInfo.function_kind"]),
    ((8, 1), &["ScopeInfo.context_header_length"]),
    (
        (9, 0),
        &[
            "CodeKind.baseline",
            "StandardFrame.argument_count_has_receiver",
            "StandardFrame.argument_count_word",
        ],
    ),
    ((9, 1), &["ScopeInfo.context_local_names_table_offset"]),
    (
        (9, 2),
        &[
            "ElementsKind.rab_gsab_distance",
            "JSArrayBuffer.is_resizable_by_js",
            "JSArrayBuffer.max_byte_length",
        ],
    ),
    (
        (10, 1),
        &["CodeKind.maglev", "JSArrayBufferView.is_length_tracking"],
    ),
    (
        (11, 3),
        &["Code.instruction_start", "InstructionStream.code"],
    ),
    ((11, 8), &["JSFunction.first_type", "JSFunction.last_type"]),
    ((12, 4), &["ElementsKind.float16"]),
    (
        (12, 9),
        &[
            "SharedFunctionInfo.trusted_function_data",
            "SharedFunctionInfo.untrusted_function_data",
        ],
    ),
    ((13, 6), &["JSFunction.dispatch_entry"]),
];

/// Fields that no V8 has from this version on.
const GONE_IN: &[((u32, u32), &[&str])] = &[
    ((6, 0), &["CodeKind.full_codegen"]),
    (
        (6, 6),
        &[
            "PromiseReactionJobInfo.deferred_promise",
            "PromiseReactionJobInfo.tasks",
            "PromiseResolveThenableJobInfo.resolve",
            "PromiseResolveThenableJobInfo.then",
            "JSPromise.deferred_promise",
            "JSPromise.fulfill_reactions",
            "JSPromise.reject_reactions",
            "Map.in_object_count",
        ],
    ),
    ((6, 7), &["SharedFunctionInfo.name"]),
    ((6, 8), &["Context.closure_index"]),
    (
        (7, 0),
        &[
            "SharedFunctionInfo.end_position",
            "SharedFunctionInfo.inferred_name",
            "SharedFunctionInfo.start_position",
        ],
    ),
    ((7, 4), &["MicrotaskQueue.is_root"]),
    (
        (7, 6),
        &[
            "FixedTypedArrayBase.base_pointer",
            "FixedTypedArrayBase.external_pointer",
        ],
    ),
    (
        (7, 9),
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
    ((11, 3), &["Code.instructions"]),
    ((13, 6), &["JSFunction.code"]),
];

/// The only field that was gone and came back: from 6.0 to 6.5, optimised code keeps no positions of calls.
fn is_in_hole(version: (u32, u32), field: Field) -> bool {
    field == Field::CodePositions && ((6, 0)..(6, 6)).contains(&version)
}

/// The layouts of all versions whose constants are known, oldest first.
fn layouts() -> Vec<Layout> {
    let versions = (4..=14).flat_map(|major| {
        (0..=11).map(move |minor| V8Version {
            major,
            minor,
            ..V8Version::default()
        })
    });
    let layouts: Vec<_> = versions
        .filter_map(|version| Some((version, known_constants(version)?)))
        .map(|(version, constants)| Layout::resolve(version, "x86_64", &constants).unwrap())
        .collect();
    assert!(layouts.len() >= 40, "{}", layouts.len());
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
                || lists(GONE_IN, field.name(), &|gone| version >= gone)
                || is_in_hole(version, *field);
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
