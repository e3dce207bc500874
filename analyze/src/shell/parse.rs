//! The grammar of a line: pipelines, stages, words.
//!
//! ```text
//! line     = pipeline { ";" pipeline }
//! pipeline = stage { "|" stage } [ "!" anything ]
//! stage    = word { word } | [ word ] "::" word { word }
//! ```
//!
//! A word is taken as in a shell of Unix: `'…'` keeps everything, `"…"` and `\` keep what they quote. What follows `!` is for
//! the system's shell, and so is a stage after a `|` that no command has the name of.

use thiserror::Error;

/// Longest line that is taken: more was not typed but pasted by mistake.
const MAX_LINE: usize = 1 << 20;

/// Why a line cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(super) enum ParseError {
    /// A quote without its end.
    #[error("the quote {0} is not closed")]
    OpenQuote(char),
    /// Nothing where there should be a command.
    #[error("there is no command {0}")]
    EmptyStage(&'static str),
    /// Far too long.
    #[error("the line is longer than {MAX_LINE} bytes")]
    TooLong,
}

/// Commands, each of which gets what the one before it wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pipeline {
    /// At least one.
    pub(super) stages: Vec<Stage>,
}

/// A command of a pipeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Stage {
    /// A command and its arguments; the text is as it was typed.
    Words { words: Vec<Word>, text: String },
    /// mdb's way: `address::name arguments`.
    Dcmd {
        address: Option<Word>,
        name: String,
        arguments: Vec<Word>,
    },
    /// For the system's shell.
    System(String),
}

/// A word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Word {
    /// Without quotes.
    pub(super) text: String,
    /// Whether any of it was quoted: then `$1` in it is only a dollar and a digit.
    pub(super) quoted: bool,
}

/// Takes a line apart. A comment, `#` at the beginning, is an empty line.
///
/// # Errors
/// If the line makes no sense.
pub(super) fn parse(line: &str) -> Result<Vec<Pipeline>, ParseError> {
    if line.len() > MAX_LINE {
        return Err(ParseError::TooLong);
    }
    if line.trim_start().starts_with('#') {
        return Ok(Vec::new());
    }
    let mut lexer = Lexer {
        rest: line,
        pipelines: Vec::new(),
        stages: Vec::new(),
    };
    lexer.run()?;
    Ok(lexer.pipelines)
}

struct Lexer<'a> {
    rest: &'a str,
    pipelines: Vec<Pipeline>,
    stages: Vec<Stage>,
}

impl Lexer<'_> {
    fn run(&mut self) -> Result<(), ParseError> {
        loop {
            let start = self.rest;
            let mut words = Vec::new();
            let end = loop {
                self.rest = self.rest.trim_start();
                match self.rest.chars().next() {
                    None => break None,
                    Some(end @ ('|' | ';' | '!')) => break Some(end),
                    Some(_) => words.push(self.word()?),
                }
            };
            let typed = start.strip_suffix(self.rest).unwrap_or(start).trim();
            let is_first = self.stages.is_empty();
            match stage(words, typed) {
                Some(stage) => self.stages.push(stage),
                None if end == Some('|') => return Err(ParseError::EmptyStage("before '|'")),
                None if !is_first && end != Some('!') => {
                    return Err(ParseError::EmptyStage("after '|'"));
                }
                None => {}
            }
            let after = self.rest.get(1..).unwrap_or_default();
            match end {
                Some('|') => self.rest = after,
                Some('!') => {
                    if after.trim().is_empty() {
                        return Err(ParseError::EmptyStage("after '!'"));
                    }
                    self.stages.push(Stage::System(after.trim().to_owned()));
                    self.end_pipeline();
                    return Ok(());
                }
                Some(_) => {
                    self.end_pipeline();
                    self.rest = after;
                }
                None => {
                    self.end_pipeline();
                    return Ok(());
                }
            }
        }
    }

    fn end_pipeline(&mut self) {
        let stages = std::mem::take(&mut self.stages);
        if !stages.is_empty() {
            self.pipelines.push(Pipeline { stages });
        }
    }

    /// Takes a word off the line, which begins with one.
    fn word(&mut self) -> Result<Word, ParseError> {
        let mut word = Word {
            text: String::new(),
            quoted: false,
        };
        let mut quote = None;
        let mut chars = self.rest.char_indices();
        while let Some((at, char)) = chars.next() {
            match (quote, char) {
                (Some(open), _) if open == char => quote = None,
                (Some('\''), _) => word.text.push(char),
                (None, '\'' | '"') => {
                    quote = Some(char);
                    word.quoted = true;
                }
                (None, '|' | ';') => {
                    self.rest = self.rest.get(at..).unwrap_or_default();
                    return Ok(word);
                }
                (None, _) if char.is_whitespace() => {
                    self.rest = self.rest.get(at..).unwrap_or_default();
                    return Ok(word);
                }
                // Inside double quotes a backslash quotes only what would end them: regular expressions are typed there.
                (_, '\\') => match (quote, chars.clone().next()) {
                    (None, Some((_, next))) | (Some(_), Some((_, next @ ('"' | '\\')))) => {
                        word.text.push(next);
                        word.quoted = true;
                        chars.next();
                    }
                    _ => word.text.push('\\'),
                },
                _ => word.text.push(char),
            }
        }
        match quote {
            Some(quote) => Err(ParseError::OpenQuote(quote)),
            None => {
                self.rest = "";
                Ok(word)
            }
        }
    }
}

/// What the words of a stage say; `None` if there are none.
fn stage(mut words: Vec<Word>, typed: &str) -> Option<Stage> {
    let first = words.first()?;
    let split = |word: &Word| {
        let (address, name) = word.text.split_once("::").filter(|_| !word.quoted)?;
        Some((address.to_owned(), name.to_owned()))
    };
    if let Some((address, name)) = split(first) {
        let arguments = words.split_off(1);
        return Some(Stage::Dcmd {
            address: (!address.is_empty()).then_some(Word {
                text: address,
                quoted: false,
            }),
            name,
            arguments,
        });
    }
    // `address ::name`, which mdb takes too.
    if let Some((empty, name)) = words.get(1).and_then(split)
        && empty.is_empty()
    {
        let arguments = words.split_off(2);
        return Some(Stage::Dcmd {
            address: words.into_iter().next(),
            name,
            arguments,
        });
    }
    Some(Stage::Words {
        words,
        text: typed.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn words(texts: &[&str]) -> Vec<Word> {
        texts
            .iter()
            .map(|text| Word {
                text: (*text).to_owned(),
                quoted: false,
            })
            .collect()
    }

    fn only(line: &str) -> Vec<Stage> {
        let mut pipelines = parse(line).unwrap();
        assert_eq!(pipelines.len(), 1, "{line}");
        pipelines.remove(0).stages
    }

    #[test]
    fn words_are_quoted_as_in_a_shell() {
        let Stage::Words { words, text } =
            only(r#" find  --string 'a|b "c"' "x\"\d"  y\ z"#).remove(0)
        else {
            panic!()
        };
        let texts: Vec<&str> = words.iter().map(|word| word.text.as_str()).collect();
        assert_eq!(texts, ["find", "--string", r#"a|b "c""#, r#"x"\d"#, "y z"]);
        assert!(text.starts_with("find  --string"));
        assert_eq!(parse("print 'x"), Err(ParseError::OpenQuote('\'')));
    }

    #[test]
    fn pipelines_are_split() {
        assert_eq!(
            only("histogram | grep Foo | head -3"),
            [
                ("histogram", &["histogram"][..]),
                ("grep Foo", &["grep", "Foo"]),
                ("head -3", &["head", "-3"])
            ]
            .map(|(text, parts)| Stage::Words {
                words: words(parts),
                text: text.to_owned()
            })
        );
        assert_eq!(parse("a; b;; # c").unwrap().len(), 3);
        assert_eq!(parse("  ").unwrap(), []);
        assert_eq!(parse("# ' |").unwrap(), []);
        assert_eq!(parse("| a"), Err(ParseError::EmptyStage("before '|'")));
        assert_eq!(parse("a |"), Err(ParseError::EmptyStage("after '|'")));
        assert_eq!(parse("a | ; b"), Err(ParseError::EmptyStage("after '|'")));
        assert_eq!(parse("a ! "), Err(ParseError::EmptyStage("after '!'")));
    }

    #[test]
    fn the_rest_after_an_exclamation_mark_is_for_the_system() {
        let stages =
            only("::findjsobjects -p method | ::jsprint -b method ! grep 'GET' | wc -l; date");
        assert_eq!(stages.len(), 3);
        assert_eq!(
            stages[2],
            Stage::System("grep 'GET' | wc -l; date".to_owned())
        );
        assert_eq!(only("! ls"), [Stage::System("ls".to_owned())]);
    }

    #[test]
    fn dcmds_are_known_by_their_colons() {
        let dcmd = |address: Option<&str>, name: &str, arguments: &[&str]| Stage::Dcmd {
            address: address.map(|address| words(&[address]).remove(0)),
            name: name.to_owned(),
            arguments: words(arguments),
        };
        assert_eq!(
            only("8f912f09::jsprint -d1 x"),
            [dcmd(Some("8f912f09"), "jsprint", &["-d1", "x"])]
        );
        assert_eq!(only("::jsstack"), [dcmd(None, "jsstack", &[])]);
        assert_eq!(
            only("$1 ::walk jsprop"),
            [dcmd(Some("$1"), "walk", &["jsprop"])]
        );
    }

    proptest! {
        #[test]
        fn any_line_is_understood_or_refused(line in r#"[ -~|;!'"\\:$é]{0,60}"#) {
            if let Ok(pipelines) = parse(&line) {
                for pipeline in pipelines {
                    prop_assert!(!pipeline.stages.is_empty());
                }
            }
        }

        #[test]
        fn quoted_words_come_back(text in "[^']*") {
            let line = format!("x '{text}'");
            prop_assume!(line.len() < MAX_LINE);
            let stages = only(&line);
            prop_assert!(
                matches!(&stages[0], Stage::Words { words, .. } if words[1].text == text),
                "{stages:?}"
            );
        }
    }
}
