//! Completion: what may be typed at the end of a line.

use crate::commands::Cli;

use super::builtin::BUILTINS;
use super::spelling::exact;
use super::{llnode, mdb};

/// Most candidates that are offered.
const MAX_CANDIDATES: usize = 200;

/// What a session knows that can be typed.
pub(super) trait Vocabulary {
    /// Types of objects.
    fn types(&self) -> Vec<String>;
    /// Names of properties.
    fn properties(&self) -> Vec<String>;
    /// The properties that the object has which an expression leads to.
    fn properties_of(&self, expression: &str) -> Vec<String>;
    /// Addresses that were shown, and names for objects.
    fn addresses(&self) -> Vec<String>;
}

/// What may replace the end of a line, from the returned byte on.
pub(super) fn complete(line: &str, vocabulary: &dyn Vocabulary) -> (usize, Vec<String>) {
    // The stage that is being typed, and its words.
    let stage_start = line.rfind(['|', ';']).map_or(0, |at| at + 1);
    let stage = line.get(stage_start..).unwrap_or_default();
    let word_start = stage_start
        + stage.rfind(char::is_whitespace).map_or(0, |at| {
            at + stage
                .get(at..)
                .and_then(|rest| rest.chars().next())
                .map_or(1, char::len_utf8)
        });
    let word = line.get(word_start..).unwrap_or_default();
    let before: Vec<&str> = line
        .get(stage_start..word_start)
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    let (start, mut candidates) = candidates(&before, word, word_start, vocabulary);
    let typed = line.get(start..).unwrap_or_default();
    candidates.retain(|candidate| candidate.starts_with(typed));
    candidates.sort();
    candidates.dedup();
    candidates.truncate(MAX_CANDIDATES);
    (start, candidates)
}

fn candidates(
    before: &[&str],
    word: &str,
    start: usize,
    vocabulary: &dyn Vocabulary,
) -> (usize, Vec<String>) {
    if let Some(at) = word.find("::") {
        let names = mdb::COMMANDS.iter().map(|command| command.name.to_owned());
        return (start + at + 2, names.collect());
    }
    match before {
        [] => {
            let mut names = command_names();
            if word.starts_with(['$', '0']) {
                names.extend(vocabulary.addresses());
            }
            return (start, names);
        }
        ["v8"] => return (start, llnode_names()),
        ["help"] => {
            let mut names = command_names();
            names.extend(
                mdb::COMMANDS
                    .iter()
                    .map(|command| format!("::{}", command.name)),
            );
            return (start, names);
        }
        _ => {}
    }
    if word.starts_with('-') {
        return (start, options(before));
    }
    if let Some(dot) = word.rfind('.') {
        let (expression, _) = word.split_at(dot);
        let names = if expression.is_empty() {
            vocabulary.properties()
        } else {
            vocabulary.properties_of(expression)
        };
        return (start + dot + 1, names);
    }
    if word.starts_with(['$', '0']) {
        return (start, vocabulary.addresses());
    }
    let wants_property = matches!(
        before.last(),
        Some(&("-n" | "-p" | "--name" | "--property"))
    );
    if wants_property {
        return (start, vocabulary.properties());
    }
    let mut names = vocabulary.types();
    if before.first().is_some_and(|first| first.contains("::")) {
        names = vocabulary.properties();
    }
    (start, names)
}

fn command_names() -> Vec<String> {
    let own = Cli::names().into_iter().map(|(name, _)| name);
    let builtins = BUILTINS
        .iter()
        .flat_map(|builtin| builtin.names.iter().map(|name| (*name).to_owned()));
    own.chain(builtins)
        .chain(llnode_names())
        .chain(["v8".to_owned()])
        .collect()
}

fn llnode_names() -> Vec<String> {
    llnode::COMMANDS
        .iter()
        .map(|command| command.name.to_owned())
        .collect()
}

/// The long options of a command.
fn options(before: &[&str]) -> Vec<String> {
    let name = match before {
        ["v8", name, ..] | [name, ..] => *name,
        [] => return Vec::new(),
    };
    let flags = exact(llnode::COMMANDS, name).map(|spelling| spelling.flags);
    let spelled = flags
        .unwrap_or_default()
        .iter()
        .flat_map(|flag| flag.long.iter().map(|long| format!("--{long}")));
    Cli::options_of(name).into_iter().chain(spelled).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    struct Words;

    impl Vocabulary for Words {
        fn types(&self) -> Vec<String> {
            ["Socket", "SocketAddress", "Server"]
                .map(str::to_owned)
                .to_vec()
        }

        fn properties(&self) -> Vec<String> {
            ["_events", "_handle"].map(str::to_owned).to_vec()
        }

        fn properties_of(&self, expression: &str) -> Vec<String> {
            vec![format!("of_{expression}")]
        }

        fn addresses(&self) -> Vec<String> {
            ["$1", "$_", "0x1001"].map(str::to_owned).to_vec()
        }
    }

    fn completed(line: &str) -> Vec<String> {
        let (start, candidates) = complete(line, &Words);
        let before = line.get(..start).unwrap();
        candidates
            .into_iter()
            .map(|candidate| format!("{before}{candidate}"))
            .collect()
    }

    #[test]
    fn what_fits_is_offered() {
        assert_eq!(completed("histog"), ["histogram"]);
        assert_eq!(completed("v8 findjsi"), ["v8 findjsinstances"]);
        assert_eq!(
            completed("findjsinstances Sock"),
            ["findjsinstances Socket", "findjsinstances SocketAddress"]
        );
        assert_eq!(
            completed("findjsinstances Socket | print ._h"),
            ["findjsinstances Socket | print ._handle"]
        );
        assert_eq!(completed("inspect $1.of"), ["inspect $1.of_$1"]);
        assert_eq!(completed("v8 i 0x"), ["v8 i 0x1001"]);
        assert_eq!(completed("$1::jsp"), ["$1::jsprint"]);
        assert_eq!(
            completed("::findjsobjects -p _e"),
            ["::findjsobjects -p _events"]
        );
        assert_eq!(completed("histogram --li"), ["histogram --limit"]);
        assert_eq!(completed("v8 inspect --full"), ["v8 inspect --full-string"]);
    }

    proptest! {
        #[test]
        fn any_line_is_completed(line in ".{0,40}") {
            let (start, _) = complete(&line, &Words);
            prop_assert!(line.is_char_boundary(start));
        }
    }
}
