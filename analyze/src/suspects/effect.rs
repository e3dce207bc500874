//! What a piece of the program's text does with what a name in it stands for: told by the words around the name.

/// What a place in the text does with what a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Effect {
    /// Puts something in.
    Grows,
    /// Adds to a number or a text: `+=`. A text grows so.
    Appends,
    /// Takes something out.
    Shrinks,
    /// Compares its size with something: `list.length < max`.
    Bounds,
    /// Puts another value in its place: a list that is a chain of objects grows so, anything else begins anew.
    Replaces,
    /// Anything else.
    Uses,
}

pub(super) fn is_identifier(character: char) -> bool {
    character.is_alphanumeric() || character == '_' || character == '$'
}

/// The methods of the language and of Node that put something into an object…
const GROWING: &[&str] = &[
    "push",
    "unshift",
    "add",
    "set",
    "append",
    "enqueue",
    "on",
    "once",
    "addListener",
    "prependListener",
    "addEventListener",
    "then",
    "register",
    "write",
    "insert",
    "put",
    "pipe",
    "use",
    "subscribe",
    "observe",
    "attach",
    "track",
];
/// …and those that take something out.
const SHRINKING: &[&str] = &[
    "delete",
    "clear",
    "shift",
    "pop",
    "splice",
    "off",
    "removeListener",
    "removeAllListeners",
    "removeEventListener",
    "unregister",
    "remove",
    "dequeue",
    "evict",
    "prune",
    "unpipe",
    "unsubscribe",
    "unobserve",
    "detach",
    "untrack",
    "release",
];
/// What an empty one looks like.
const EMPTY: &[&str] = &[
    "[]",
    "{}",
    "{ }",
    "new Map()",
    "new Set()",
    "new WeakMap()",
    "new WeakSet()",
    "new Array()",
    "Object.create(null)",
    "null",
    "undefined",
    "void 0",
];
/// So far before a name a condition is looked for under which an empty one is put there for the first time.
const CONDITION: usize = 80;

/// What the text around a name does with what it stands for.
///
/// Returns also whether an empty one is put in its place, which takes everything out unless it is done for the first time.
pub(super) fn effect(name: &str, before: &str, after: &str) -> (Effect, bool) {
    let mut effect = effect_of(before, after);
    let value = after.trim_start().strip_prefix('=').map(str::trim_start);
    let is_empty = effect == Effect::Replaces
        && value.is_some_and(|value| EMPTY.iter().any(|empty| is_whole(value, empty)));
    if effect == Effect::Replaces && value.is_some_and(|value| is_part(name, value)) {
        effect = Effect::Shrinks;
    }
    let near = before.char_indices().rev().nth(CONDITION);
    let near = before
        .get(near.map_or(0, |(at, _)| at)..)
        .unwrap_or_default();
    // `if (!cache) cache = {}`, `if (cache === undefined)`, `if (typeof cache …)`.
    let is_conditional = near.match_indices(name).any(|(at, _)| {
        let start = near.get(..at).unwrap_or_default();
        let start = start.trim_end_matches(|c: char| is_identifier(c) || c == '.');
        let end = near.get(at + name.len()..).unwrap_or_default().trim_start();
        start.trim_end().ends_with('!')
            || start.trim_end().ends_with("typeof")
            || end.starts_with("==")
    });
    (effect, is_empty && !is_conditional)
}

/// Whether a value is what is left of what a name stands for: `list.filter(…)`.
fn is_part(name: &str, value: &str) -> bool {
    let end = value
        .find(|c: char| !(is_identifier(c) || matches!(c, '.' | '#')))
        .unwrap_or(value.len());
    let (path, call) = value.split_at(end);
    let of = ["filter", "slice"]
        .iter()
        .find_map(|method| path.strip_suffix(method)?.strip_suffix('.'));
    call.starts_with('(') && of.is_some_and(|of| of.rsplit('.').next() == name.rsplit('.').next())
}

/// Whether a text begins with a word or sign that ends there.
fn is_whole(text: &str, word: &str) -> bool {
    text.strip_prefix(word)
        .is_some_and(|rest| !rest.starts_with(|c: char| is_identifier(c) || c == '.' || c == '('))
}

fn effect_of(before: &str, after: &str) -> Effect {
    // `delete registry[key]`, also of a path that the name ends.
    let start = before.trim_end_matches(|c: char| is_identifier(c) || c == '.');
    if start.trim_end().ends_with("delete") && after.trim_start().starts_with(['[', '.']) {
        return Effect::Shrinks;
    }
    let rest = after.trim_start();
    // The name is itself an index, as a symbol is.
    let rest = rest.strip_prefix(']').unwrap_or(rest).trim_start();
    let rest = rest.strip_prefix('?').unwrap_or(rest);
    if let Some(method) = rest.strip_prefix('.') {
        let method = method.trim_start();
        let end = method.find(|c| !is_identifier(c)).unwrap_or(method.len());
        let (method, call) = method.split_at(end);
        let call = call.trim_start();
        if method == "length" && is_assignment(call) {
            return Effect::Shrinks;
        }
        if call.starts_with('(') {
            if GROWING.contains(&method) {
                return Effect::Grows;
            }
            if SHRINKING.contains(&method) {
                return Effect::Shrinks;
            }
        } else if matches!(method, "length" | "size") && compared(call).is_some() {
            return Effect::Bounds;
        } else if is_assignment(call) {
            return Effect::Grows;
        } else if call.starts_with("+=") {
            return Effect::Appends;
        }
        return Effect::Uses;
    }
    if let Some(index) = rest.strip_prefix('[') {
        return match end_of_index(index) {
            // `ring[at % size]`: in the place of another.
            Some(tail) if is_assignment(tail.trim_start()) => match is_bounded(index, tail) {
                true => Effect::Replaces,
                false => Effect::Grows,
            },
            Some(tail) => match effect_of("", tail) {
                Effect::Grows if tail.trim_start().starts_with(['[', '.']) => Effect::Grows,
                _ => Effect::Uses,
            },
            None => Effect::Uses,
        };
    }
    if rest.starts_with("+=") {
        return Effect::Appends;
    }
    if is_assignment(rest) {
        let is_declared = ["var", "let", "const"]
            .iter()
            .any(|word| start.trim_end().ends_with(word));
        return if is_declared {
            Effect::Uses
        } else {
            Effect::Replaces
        };
    }
    Effect::Uses
}

/// What a size is compared with; nothing if that only tells whether there is anything.
fn compared(text: &str) -> Option<&str> {
    let signs = [">=", "<=", "===", "==", ">", "<"];
    let value = signs.iter().find_map(|sign| text.strip_prefix(sign))?;
    let value = value.trim_start();
    let is_small = ["0", "1"].iter().any(|small| is_whole(value, small));
    (!is_small && !value.starts_with(['<', '>', '='])).then_some(value)
}

/// How many things a comparison after a name allows, if it says that in figures: `list.length < 10_000`.
pub(super) fn bound(after: &str) -> Option<u64> {
    let call = after
        .trim_start()
        .trim_start_matches('?')
        .strip_prefix('.')?;
    let call = ["length", "size"]
        .iter()
        .find_map(|size| call.strip_prefix(size))?;
    let value = compared(call.trim_start())?;
    let end = value
        .find(|c: char| !is_identifier(c))
        .unwrap_or(value.len());
    let figures = value.get(..end)?.replace('_', "");
    (!value.get(end..)?.starts_with('.'))
        .then(|| figures.parse().ok())
        .flatten()
}

/// `= value`, and not `== value` or `=> value`.
fn is_assignment(text: &str) -> bool {
    text.strip_prefix('=')
        .is_some_and(|rest| !rest.starts_with(['=', '>']))
        || ["||=", "??=", "&&="]
            .iter()
            .any(|sign| text.starts_with(sign))
}

/// Whether an index, which ends where `tail` begins, cannot grow without bound.
fn is_bounded(index: &str, tail: &str) -> bool {
    let len = index.len().saturating_sub(tail.len());
    index.get(..len).is_some_and(|index| index.contains('%'))
}

/// What comes after the bracket that ends an index.
fn end_of_index(text: &str) -> Option<&str> {
    let mut depth = 1_usize;
    for (at, character) in text.char_indices().take(400) {
        match character {
            '[' => depth += 1,
            ']' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return text.get(at + 1..);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn effect_in(text: &str) -> Effect {
        let (before, after) = text.split_once("cache").expect("the name");
        effect("cache", before, after).0
    }

    #[test]
    fn what_a_line_does_is_told() {
        for line in [
            "cache.push(value)",
            "cache[key] = value",
            "cache[keys[0]].push(value)",
            "this.cache.set(key, value)",
            "cache['page-' + i] = new Page()",
            "cache[key] ??= load()",
            "cache.last = value",
        ] {
            assert_eq!(effect_in(line), Effect::Grows, "{line}");
        }
        for line in [
            "cache.delete(key)",
            "delete cache[key]",
            "delete this.cache[key]",
            "cache.length = 0",
            "cache.clear()",
            "cache = cache.filter(isAlive)",
            "this.cache = this.cache.slice(-100)",
        ] {
            assert_eq!(effect_in(line), Effect::Shrinks, "{line}");
        }
        for line in ["cache = []", "this.cache = { next: last }"] {
            assert_eq!(effect_in(line), Effect::Replaces, "{line}");
        }
        for line in [
            "var cache = new Map()",
            "cache[key]",
            "cache.get(key)",
            "if (cache == null)",
            "x => cache.size",
            "cache[key] === 1",
        ] {
            assert_eq!(effect_in(line), Effect::Uses, "{line}");
        }
    }

    #[test]
    fn what_bounds_an_accumulation_is_told() {
        assert_eq!(
            effect_in("cache[at++ % cache.length] = value"),
            Effect::Replaces
        );
        assert_eq!(effect_in("this.cache += line"), Effect::Appends);
        assert_eq!(effect_in("cache.pipe(sink)"), Effect::Grows);
        for (line, expected) in [
            ("if (cache.size >= this.max)", None),
            ("while (this.cache.length > 10_000) {", Some(10_000)),
            ("cache.length === 500", Some(500)),
        ] {
            assert_eq!(effect_in(line), Effect::Bounds, "{line}");
            let (_, after) = line.split_once("cache").expect("the name");
            assert_eq!(bound(after), expected, "{line}");
        }
        for line in [
            "cache.length > 0",
            "cache.size",
            "cache.size << 2",
            "i < cache.length",
        ] {
            assert_eq!(effect_in(line), Effect::Uses, "{line}");
        }
        for (line, empties) in [
            ("this.cache = [];", true),
            ("cache = new Map()", true),
            ("cache = null;", true),
            ("cache = nullable", false),
            ("cache = new Map(entries)", false),
            ("cache = {}.x", false),
            ("let cache = []", false),
            ("cache = []", true),
        ] {
            let (before, after) = line.split_once("cache").expect("the name");
            assert_eq!(effect("cache", before, after).1, empties, "{line}");
        }
        for line in [
            "if (!this.cache) this.",
            "if (cache === undefined) ",
            "typeof cache ",
        ] {
            assert!(!effect("cache", line, " = {};").1, "{line}");
        }
    }
}
