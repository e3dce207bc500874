//! The program's functions that are alive, and what their text does with a variable or a property: puts into it, takes out
//! of it, or only looks.

use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use super::alias::alias;
use super::effect::{Effect, bound, effect, is_identifier};
use super::runs::{Closures, Runs};
use super::script::{Function, Script, is_of_program, line};
use crate::graph::Graph;
use crate::layout::Field;
use crate::v8::{Address, Location, Objects, PropertyValue, Tagged};

/// Longest source that is looked through.
const MAX_SOURCE: usize = 1 << 24;
/// Bytes of text that are looked through, of all scripts together: in a hostile capture all may share one text.
const MAX_TEXT: usize = 1 << 28;
/// Most scripts that are looked through.
const MAX_SCRIPTS: usize = 1 << 12;
/// Of the closures of one function, the scopes of so many are remembered.
const CLOSURES: usize = 8;
/// A scope lies in so many others at most.
const MAX_NESTING: usize = 32;
/// Most scopes whose variables are looked at.
const MAX_SCOPES: usize = 1 << 13;
/// Shorter names are those of minified programs, where many things have the same.
const MIN_NAME: usize = 3;
/// Most places of a name that are looked at.
const MAX_PLACES: usize = 1 << 12;

/// How a name stands in the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Name {
    /// A variable, which lives in this context.
    Variable(String, Address),
    /// A property, of instances of a class from this script if that is known.
    Property(String, Option<Address>),
    /// A property of the global object, which is a variable, too.
    Global(String),
    /// A property whose key is a symbol, as it is printed.
    Symbol(String),
}

/// A function that does something with what a name stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Use {
    /// What it does.
    pub effect: Effect,
    /// What all its closures have in common.
    pub shared: Address,
    /// The function's name; empty for an anonymous one.
    pub function: String,
    /// Where the name stands.
    pub location: Option<Location>,
    /// The line, without the white space around it.
    pub line: String,
    /// How often the function has run.
    pub runs: Runs,
    /// How many things the text allows at most, where it says so in figures: `list.length < 100`.
    pub bound: Option<u64>,
}

/// The functions that are alive and the scripts that they are from, Node's own left out.
#[derive(Debug, Default)]
pub struct Code {
    scripts: FxHashMap<Address, Script>,
    dynamic: FxHashSet<Address>,
    own: FxHashSet<Address>,
    /// Bytes of text so far.
    text: usize,
}

impl Code {
    /// The functions of a graph that `is_alive`.
    pub fn of(objects: &Objects, graph: &Graph, is_alive: impl Fn(usize) -> bool) -> Self {
        let nodes = graph.nodes();
        let is_function: Vec<bool> = nodes
            .map_addresses()
            .iter()
            .map(|map| {
                objects
                    .map(*map)
                    .is_some_and(|map| objects.is_function_type(map.instance_type))
            })
            .collect();
        let mut code = Self::default();
        let mut files: FxHashMap<Address, Option<bool>> = FxHashMap::default();
        let mut known: FxHashMap<Address, Option<(Address, usize)>> = FxHashMap::default();
        for id in 0..nodes.len() {
            if !is_function.get(nodes.map(id)).copied().unwrap_or(false) || !is_alive(id) {
                continue;
            }
            let Some(address) = nodes.address(id) else {
                continue;
            };
            let Ok(shared) = objects.shared_function_info(address) else {
                continue;
            };
            let place = *known
                .entry(shared)
                .or_insert_with(|| code.add(objects, shared, &mut files));
            let Some((script, index)) = place else {
                continue;
            };
            let Some(function) = code
                .scripts
                .get_mut(&script)
                .and_then(|script| script.functions.get_mut(index))
            else {
                continue;
            };
            function.closures.add(objects, address);
            if function.contexts.len() < CLOSURES
                && let Some(context) = objects
                    .tagged_field(address, Field::JSFunctionContext)
                    .ok()
                    .and_then(Tagged::strong)
                && !function.contexts.contains(&context)
            {
                function.contexts.push(context);
            }
        }
        code
    }

    fn add(
        &mut self,
        objects: &Objects,
        shared: Address,
        files: &mut FxHashMap<Address, Option<bool>>,
    ) -> Option<(Address, usize)> {
        let script = objects.function_script(shared).ok()??;
        let is_own = *files.entry(script).or_insert_with(|| {
            let name = objects.script_name(script).ok()?;
            let name = name.map(|name| name.to_text());
            Some(name.is_none_or(|name| is_of_program(&name)))
        });
        if !is_own? {
            return None;
        }
        self.own.insert(shared);
        let name = objects.script_name(script).ok()?;
        if name.is_none_or(|name| name.length == 0) {
            // Compiled from text at run time: a script for each of them, of which there may be very many.
            self.dynamic.insert(shared);
            return None;
        }
        let (start, end) = objects.function_positions(shared).ok()??;
        if self.scripts.len() >= MAX_SCRIPTS && !self.scripts.contains_key(&script) {
            return None;
        }
        let entry = self.scripts.entry(script).or_insert_with(|| {
            let source = (self.text < MAX_TEXT)
                .then(|| objects.script_source(script, MAX_SOURCE).ok().flatten())
                .flatten();
            let source: Option<Arc<str>> = source.map(|source| source.to_text().into());
            self.text += source.as_ref().map_or(0, |source| source.len());
            Script {
                is_ascii: source.as_ref().is_some_and(|source| source.is_ascii()),
                source,
                functions: Vec::new(),
            }
        });
        entry.functions.push(Function {
            shared,
            start,
            end,
            contexts: Vec::new(),
            closures: Closures::of(objects, shared),
        });
        Some((script, entry.functions.len() - 1))
    }

    /// Whether a function was compiled from text at run time.
    pub fn is_dynamic(&self, shared: Address) -> bool {
        self.dynamic.contains(&shared)
    }

    /// Whether a function is the program's and not Node's own.
    pub fn is_of_program(&self, shared: Address) -> bool {
        self.own.contains(&shared)
    }

    /// Whether a function of the program lives in a scope.
    pub(super) fn has_scope(&self, objects: &Objects, context: Address) -> bool {
        self.scripts
            .values()
            .flat_map(|script| &script.functions)
            .flat_map(|function| &function.contexts)
            .any(|scope| is_inside(objects, *scope, context))
    }

    /// What the program's functions do with what a name stands for: those first that put something in.
    pub fn uses(&self, objects: &Objects, name: &Name) -> Vec<Use> {
        let mut found = Vec::new();
        match name {
            Name::Variable(text, context) => {
                self.search(objects, text, Place::Variable(*context), None, &mut found);
            }
            Name::Global(text) => self.search(objects, text, Place::Any, None, &mut found),
            Name::Property(text, script) => {
                // What a class does with its own property says more than what others do with one of the same name.
                if script.is_some() {
                    self.search(objects, text, Place::Property, *script, &mut found);
                }
                if found.is_empty() {
                    self.search(objects, text, Place::Property, None, &mut found);
                }
            }
            Name::Symbol(symbol) => {
                for (variable, context) in self.variables_holding(objects, symbol) {
                    let place = Place::Variable(context);
                    self.search(objects, &variable, place, None, &mut found);
                }
            }
        }
        found.sort_by_key(|found| found.effect);
        found
    }

    fn search(
        &self,
        objects: &Objects,
        text: &str,
        place: Place,
        only: Option<Address>,
        found: &mut Vec<Use>,
    ) {
        let word = text.strip_prefix('#').unwrap_or(text);
        if word.is_empty() || !word.chars().all(is_identifier) {
            return;
        }
        let mut scripts: Vec<(&Address, &Script)> = self.scripts.iter().collect();
        scripts.retain(|(address, _)| only.is_none_or(|only| only == **address));
        scripts.sort_unstable_by_key(|(address, _)| **address);
        for (address, script) in scripts {
            let Some(source) = &script.source else {
                continue;
            };
            // The place that was looked at before, in bytes and in code units.
            let mut last = (0, 0);
            for (at, _) in source.match_indices(text).take(MAX_PLACES) {
                let before = source.get(..at).unwrap_or_default();
                let after = source.get(at + text.len()..).unwrap_or_default();
                let is_property = before.ends_with('.') && !before.ends_with("..");
                let is_part = before.ends_with(is_identifier) || after.starts_with(is_identifier);
                let alias = alias(text, before, after);
                if let (Place::Property, false, Some(alias)) = (place, is_part, alias)
                    && script.is_ascii
                    && (is_property || alias.is_destructured)
                    && let Some(function) = script.around(at as u64)
                {
                    let place = (*address, source.as_ref(), self.runs(script, function));
                    self.search_alias(objects, place, function, alias.name, found);
                }
                let fits = match place {
                    Place::Variable(_) => !is_property,
                    Place::Property => is_property,
                    Place::Any => true,
                };
                if is_part || !fits {
                    continue;
                }
                let between = source.get(last.0..at).unwrap_or_default();
                let position = if script.is_ascii {
                    at as u64
                } else {
                    last.1 + between.encode_utf16().count() as u64
                };
                last = (at, position);
                let Some(function) = script.around(position) else {
                    continue;
                };
                if let Place::Variable(context) = place
                    && !function
                        .contexts
                        .iter()
                        .any(|scope| is_inside(objects, *scope, context))
                {
                    continue;
                }
                let (mut effect, is_emptied) = effect(text, before, after);
                // What the module does, or a constructor, it does once.
                let is_first = matches!(place, Place::Any) || script.is_beginning(function);
                if is_emptied {
                    effect = if is_first {
                        Effect::Uses
                    } else {
                        Effect::Shrinks
                    };
                }
                found.push(Use {
                    effect,
                    shared: function.shared,
                    function: objects
                        .function_debug_name(function.shared)
                        .ok()
                        .flatten()
                        .map_or_else(String::new, |name| name.to_text()),
                    location: objects.location(*address, position).ok(),
                    line: line(before, text, after),
                    runs: self.runs(script, function),
                    bound: bound(after),
                });
            }
        }
    }

    /// What a function does with a variable of its own in which it has what a property holds.
    fn search_alias(
        &self,
        objects: &Objects,
        (script, source, runs): (Address, &str, Runs),
        function: &Function,
        alias: &str,
        found: &mut Vec<Use>,
    ) {
        let start = usize::try_from(function.start).unwrap_or(usize::MAX);
        let end = usize::try_from(function.end).unwrap_or(usize::MAX);
        let Some(body) = source.get(start..end.min(source.len())) else {
            return;
        };
        for (at, _) in body.match_indices(alias).take(MAX_PLACES) {
            let before = body.get(..at).unwrap_or_default();
            let after = body.get(at + alias.len()..).unwrap_or_default();
            let is_part = before.ends_with(|c| is_identifier(c) || c == '.')
                || after.starts_with(is_identifier);
            let effect = effect(alias, before, after).0;
            if is_part || !matches!(effect, Effect::Grows | Effect::Shrinks) {
                continue;
            }
            let place = Use {
                effect,
                shared: function.shared,
                function: objects
                    .function_debug_name(function.shared)
                    .ok()
                    .flatten()
                    .map_or_else(String::new, |name| name.to_text()),
                location: objects.location(script, function.start + at as u64).ok(),
                line: line(before, alias, after),
                runs,
                bound: None,
            };
            if !found.contains(&place) {
                found.push(place);
            }
        }
    }

    /// How often a function has run. What only constructors call, and others that make things for the first time, has run as
    /// often as these.
    fn runs(&self, script: &Script, function: &Function) -> Runs {
        let runs = script.runs(function);
        if runs != Runs::Often {
            return runs;
        }
        let Some(source) = &script.source else {
            return runs;
        };
        let name = script.text_before(source, function.start).trim_end();
        let name = name.rsplit(|c| !is_identifier(c)).next();
        let name = name.unwrap_or_default();
        if name.len() < MIN_NAME || !self.is_only_called_once(name) {
            return runs;
        }
        Runs::Once
    }

    /// Whether all that is alive and calls methods of a name makes things for the first time, and has run once at most.
    fn is_only_called_once(&self, name: &str) -> bool {
        let mut calls = 0;
        for script in self.scripts.values() {
            let Some(source) = script.source.as_deref() else {
                continue;
            };
            for (at, _) in source.match_indices(name).take(MAX_PLACES) {
                let before = source.get(..at).unwrap_or_default();
                let after = source.get(at + name.len()..).unwrap_or_default();
                if !before.ends_with('.') || after.starts_with(is_identifier) {
                    continue;
                }
                // A name that is not called may be called by another, and where is not known if a byte is no code unit.
                if !after.trim_start().starts_with('(') || !script.is_ascii {
                    return false;
                }
                // Where no function that is alive is around it, it was the module that called: its function is
                // dead, and runs no more.
                let caller = script.around(at as u64);
                if caller.is_some_and(|caller| {
                    !script.is_beginning(caller) || script.runs(caller) != Runs::Once
                }) {
                    return false;
                }
                calls += 1;
            }
        }
        calls > 0
    }

    /// The variables of the program that hold a symbol which is printed so, and the contexts that they live in.
    fn variables_holding(&self, objects: &Objects, symbol: &str) -> Vec<(String, Address)> {
        let mut seen = FxHashSet::default();
        let mut found = Vec::new();
        let functions = self.scripts.values().flat_map(|script| &script.functions);
        for context in functions.flat_map(|function| &function.contexts) {
            if seen.len() > MAX_SCOPES || seen.contains(context) {
                continue;
            }
            for scope in objects.scopes(context.tagged()) {
                if !seen.insert(scope.context) {
                    break;
                }
                let holds = |value: &PropertyValue| match value {
                    PropertyValue::Tagged(word) => word
                        .strong()
                        .filter(|object| objects.has_type(*object, "SYMBOL_TYPE"))
                        .and_then(|object| objects.read_name(object).ok())
                        .is_some_and(|name| name.to_string() == symbol),
                    _ => false,
                };
                let variables = scope.variables.iter();
                let names = variables.filter(|(_, value)| holds(value));
                found.extend(names.map(|(name, _)| (name.clone(), scope.context)));
            }
        }
        found.sort();
        found
    }
}

/// Where in the text a name counts.
#[derive(Clone, Copy)]
enum Place {
    /// As a variable that lives in this context.
    Variable(Address),
    /// After a dot.
    Property,
    /// Anywhere.
    Any,
}

/// Whether a scope is another one, or lies in it.
fn is_inside(objects: &Objects, scope: Address, outer: Address) -> bool {
    let mut at = scope;
    for _ in 0..MAX_NESTING {
        if at == outer {
            return true;
        }
        match objects.context_previous(at) {
            Some(previous) => at = previous,
            None => return false,
        }
    }
    false
}
