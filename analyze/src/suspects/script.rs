//! A script of the program: which functions of it are alive, and what its text tells of them.

use std::sync::Arc;

use super::effect::is_identifier;
use super::runs::{Closures, Runs};
use crate::v8::Address;

/// Functions of these names make things for the first time.
const INITIAL: [&str; 6] = [
    "init",
    "initialize",
    "initialise",
    "setup",
    "create",
    "construct",
];
/// What Node.js put around the text of a module, in characters.
const WRAPPER: u64 = 80;

/// A function of the program.
#[derive(Debug)]
pub(super) struct Function {
    pub(super) shared: Address,
    pub(super) start: u64,
    pub(super) end: u64,
    pub(super) contexts: Vec<Address>,
    pub(super) closures: Closures,
}

/// A script of the program.
#[derive(Debug)]
pub(super) struct Script {
    pub(super) source: Option<Arc<str>>,
    /// Whether each character of the source is one code unit and one byte.
    pub(super) is_ascii: bool,
    pub(super) functions: Vec<Function>,
}

impl Script {
    /// Whether a function makes things for the first time: it is the module itself (what wraps the whole text), a
    /// constructor, or called as those are called that constructors call.
    pub(super) fn is_beginning(&self, function: &Function) -> bool {
        let Some(source) = &self.source else {
            return false;
        };
        // Node.js up to 11 put a few words around a module.
        if function.end - function.start >= (source.len() as u64).saturating_sub(WRAPPER) {
            return true;
        }
        // The name stands before the parameters, where V8 has a function begin.
        let before = self.text_before(source, function.start);
        let name = before.trim_end().rsplit(|c| !is_identifier(c)).next();
        let name = name.unwrap_or_default().trim_start_matches('_');
        name == "constructor" || name.starts_with(char::is_uppercase) || INITIAL.contains(&name)
    }

    /// How often a function has run itself.
    pub(super) fn runs(&self, function: &Function) -> Runs {
        let text = self.source.as_deref().map(|source| {
            let before = self.text_before(source, function.start);
            let start = before.len();
            (before, source.get(start..).unwrap_or_default())
        });
        // In pieces: each time that it goes on is no call.
        let is_in_pieces = text.is_none_or(|(before, after)| is_in_pieces(before, after));
        function.closures.runs(is_in_pieces)
    }

    pub(super) fn text_before<'s>(&self, source: &'s str, position: u64) -> &'s str {
        if self.is_ascii {
            return source
                .get(..usize::try_from(position).unwrap_or(usize::MAX))
                .unwrap_or_default();
        }
        let mut units = 0;
        let end = source.char_indices().find(|(_, letter)| {
            let is_there = units >= position;
            units += letter.len_utf16() as u64;
            is_there
        });
        source
            .get(..end.map_or(source.len(), |(at, _)| at))
            .unwrap_or_default()
    }

    /// The innermost of the functions that are alive around a position.
    pub(super) fn around(&self, position: u64) -> Option<&Function> {
        self.functions
            .iter()
            .filter(|function| (function.start..function.end).contains(&position))
            .min_by_key(|function| function.end - function.start)
    }
}

/// Whether a script is the program's. Node's own are called `node:fs`, before Node 14 `fs.js` and `internal/timers.js`.
pub(crate) fn is_of_program(name: &str) -> bool {
    let is_path = name.starts_with('/') || name.contains("://") || name.contains(":\\");
    is_path || !(name.starts_with("node:") || name.ends_with(".js"))
}

/// Whether a function between two texts is asynchronous or a generator: `async function name`, `*name`, `async x => …`.
fn is_in_pieces(before: &str, after: &str) -> bool {
    let start = before.trim_end_matches(is_identifier).trim_end();
    let start = start.strip_suffix("function").unwrap_or(start).trim_end();
    let is_async = |text: &str| {
        text.strip_suffix("async")
            .is_some_and(|rest| !rest.ends_with(|c| is_identifier(c) || c == '.'))
    };
    let is_generator = start.ends_with('*') && !start.ends_with("*/");
    // The parameter of `async x => …` begins where V8 has it begin, before or after the word.
    is_generator || is_async(start) || is_async(before.trim_end()) || {
        let rest = after.strip_prefix("async");
        rest.is_some_and(|rest| !rest.starts_with(is_identifier))
    }
}

/// The line around a name, cut to what fits: of a long one, as minified programs have, what is near the name.
pub(super) fn line(before: &str, name: &str, after: &str) -> String {
    const MAX: usize = 120;
    const BEFORE: usize = 60;
    let start = before.rsplit('\n').next().unwrap_or_default().trim_start();
    let end = after.split('\n').next().unwrap_or_default();
    let cut = start.char_indices().rev().nth(BEFORE).map(|(at, _)| at);
    let is_long = start.len() + name.len() + end.trim_end().len() > MAX;
    let line = match cut.filter(|_| is_long) {
        Some(at) => format!("…{}{name}{end}", start.get(at..).unwrap_or_default()),
        None => format!("{start}{name}{end}"),
    };
    line.trim().chars().take(MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_of_node_are_told_from_those_of_programs() {
        for name in [
            "/srv/app.js",
            "file:///srv/app.mjs",
            "C:\\app.js",
            "evalmachine.<anonymous>",
            "[eval]",
        ] {
            assert!(is_of_program(name), "{name}");
        }
        for name in [
            "node:events",
            "node:internal/timers",
            "events.js",
            "internal/bootstrap/node.js",
        ] {
            assert!(!is_of_program(name), "{name}");
        }
    }

    #[test]
    fn functions_that_run_in_pieces_are_told() {
        for (before, after) in [
            ("async function load", "() {"),
            ("function* ids", "() {"),
            ("  async load", "() {"),
            ("  *[Symbol.iterator]\n *items", "() {"),
            ("f(async ", "(x) => x"),
            ("f(", "async x => x"),
        ] {
            assert!(is_in_pieces(before, after), "{before}|{after}");
        }
        for (before, after) in [
            ("function load", "() {"),
            ("/** Loads. */ load", "() {"),
            ("f(", "asyncItem => 1"),
            ("class Pool { constructor", "(n) {"),
        ] {
            assert!(!is_in_pieces(before, after), "{before}|{after}");
        }
    }

    #[test]
    fn long_lines_are_cut_around_the_name() {
        assert_eq!(line("x;\n  a.", "items", ".push(b)\ny"), "a.items.push(b)");
        let long = line(&"f();".repeat(1000), "items", &".push(b);".repeat(1000));
        assert!(long.starts_with("…f();") || long.starts_with('…'), "{long}");
        assert!(
            long.contains("items.push(b)") && long.chars().count() <= 120,
            "{long}"
        );
    }
}
