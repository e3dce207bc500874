//! The `process` object.

use std::collections::BTreeMap;

use crate::v8::{Address, Fields, Objects, PropertyValue};

/// Most arguments that are read.
const MAX_ARGUMENTS: usize = 1 << 12;

/// What the `process` object says.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ProcessFacts {
    /// The object.
    pub address: Address,
    /// `process.version`.
    pub version: Option<String>,
    /// `process.versions`.
    pub versions: BTreeMap<String, String>,
    /// `process.release`, as far as it is text.
    pub release: BTreeMap<String, String>,
    /// `process.argv`.
    pub argv: Vec<String>,
    /// `process.execArgv`.
    pub exec_argv: Vec<String>,
    /// `process.execPath`.
    pub exec_path: Option<String>,
    /// `process.pid`, as the process itself sees it: in a container another than outside.
    pub pid: Option<u64>,
    /// `process.ppid`, where Node.js keeps it.
    pub ppid: Option<u64>,
    /// `process.platform`.
    pub platform: Option<String>,
    /// `process.arch`.
    pub arch: Option<String>,
    /// The working directory, if it was asked for: `process.cwd()` keeps it (Node.js 12 and later).
    pub cwd: Option<String>,
    /// `process.exitCode`, if it is set.
    pub exit_code: Option<u64>,
    /// Whether it is on its way out: `process._exiting`.
    pub exiting: Option<bool>,
}

/// Reads the process object among the objects of its class: the one that says its version.
pub(super) fn read(fields: &Fields<'_>, candidates: &[Address]) -> Option<ProcessFacts> {
    let process = candidates
        .iter()
        .copied()
        .find(|candidate| fields.object(*candidate, "versions").is_some())?;
    let objects = fields.objects();
    let texts = |name: &'static str| -> BTreeMap<String, String> {
        let object = fields.object(process, name);
        object.map_or_else(BTreeMap::new, |object| text_properties(objects, object))
    };
    let arguments = |name: &'static str| -> Vec<String> {
        let array = fields.object(process, name);
        let words = array.map_or_else(Vec::new, |array| objects.items(array, MAX_ARGUMENTS));
        words
            .into_iter()
            .filter_map(|word| objects.text_of(word))
            .collect()
    };
    let number = |name: &'static str| {
        let number = fields.number(process, name)?;
        (number >= 0.0 && number <= f64::from(u32::MAX)).then_some(number as u64)
    };
    Some(ProcessFacts {
        address: process,
        version: fields.text(process, "version"),
        versions: texts("versions"),
        release: texts("release"),
        argv: arguments("argv"),
        exec_argv: arguments("execArgv"),
        exec_path: fields.text(process, "execPath"),
        pid: number("pid"),
        ppid: number("ppid"),
        platform: fields.text(process, "platform"),
        arch: fields.text(process, "arch"),
        cwd: working_directory(fields, process),
        exit_code: number("exitCode"),
        exiting: fields.boolean(process, "_exiting"),
    })
}

/// Names and values of the properties of an object that are strings.
fn text_properties(objects: &Objects, object: Address) -> BTreeMap<String, String> {
    let properties = objects.properties(object).unwrap_or_default();
    properties
        .list
        .into_iter()
        .filter_map(|property| {
            let PropertyValue::Tagged(value) = property.value else {
                return None;
            };
            let name = objects.read_name(property.key).ok()?.to_string();
            Some((name, objects.text_of(value)?))
        })
        .collect()
}

/// What `process.cwd()` has kept from its last call: a variable of its scope.
fn working_directory(fields: &Fields<'_>, process: Address) -> Option<String> {
    let objects = fields.objects();
    let scopes = objects
        .closure_scopes(fields.object(process, "cwd")?)
        .ok()?;
    let mut variables = scopes.into_iter().flat_map(|scope| scope.variables);
    let (_, value) = variables.find(|(name, _)| name == "cachedCwd")?;
    match value {
        PropertyValue::Tagged(word) => objects.text_of(word).filter(|path| !path.is_empty()),
        _ => None,
    }
}
