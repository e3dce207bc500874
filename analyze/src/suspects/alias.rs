//! Variables to which a declaration gives what a property holds: `const list = this.items`, `const { items } = state`.

use super::effect::is_identifier;

/// A variable in which a function has what a property holds.
pub(super) struct Alias<'a> {
    pub(super) name: &'a str,
    /// `const { name } = object`, and not `const name = object.name`.
    pub(super) is_destructured: bool,
}

/// So far around a name the braces of a pattern are looked for.
const PATTERN: usize = 200;

/// The variable that a declaration around the name of a property gives what it holds.
pub(super) fn alias<'a>(text: &'a str, before: &'a str, after: &'a str) -> Option<Alias<'a>> {
    let is_declaration = |text: &str| {
        let text = text.trim_end();
        ["const", "let", "var"].iter().any(|word| {
            text.strip_suffix(word)
                .is_some_and(|rest| !rest.ends_with(is_identifier))
        })
    };
    if before.ends_with('.') {
        if !after
            .trim_start_matches(' ')
            .starts_with([';', ',', '\n', '\r'])
        {
            return None;
        }
        let start = before.trim_end_matches(|c: char| is_identifier(c) || c == '.');
        let start = start.trim_end().strip_suffix('=')?.trim_end();
        let name = start.rsplit(|c| !is_identifier(c)).next()?;
        let start = start.strip_suffix(name)?;
        return (!name.is_empty() && is_declaration(start)).then_some(Alias {
            name,
            is_destructured: false,
        });
    }
    let open = before
        .rfind(['{', '}', ';', '('])
        .filter(|at| before.len() - at < PATTERN)?;
    let start = before.get(..open)?;
    let close = after
        .find(['{', '}', ';', '('])
        .filter(|at| *at < PATTERN)?;
    let rest = after.get(close..)?.strip_prefix('}')?.trim_start();
    if !before.get(open..)?.starts_with('{') || !rest.starts_with('=') || !is_declaration(start) {
        return None;
    }
    let name = match after.trim_start().strip_prefix(':') {
        Some(renamed) => renamed.trim_start().split(|c| !is_identifier(c)).next()?,
        None => text,
    };
    (!name.is_empty()).then_some(Alias {
        name,
        is_destructured: true,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_that_hold_a_property_are_told() {
        for (text, expected) in [
            ("const list = this.items;", Some("list")),
            ("let q = a.b.items, n = 1", Some("q")),
            ("var { items } = state.audit;", Some("items")),
            ("const { a, items: list, b } = this", Some("list")),
            ("list = this.items;", None),
            ("const n = this.items.length", None),
            ("f({ items })", None),
            ("const { size } = items", None),
            ("({ items }) => 1", None),
        ] {
            let (before, after) = text.split_once("items").expect("the name");
            let found = alias("items", before, after);
            assert_eq!(found.map(|alias| alias.name), expected, "{text}");
        }
    }
}
