//! Options as getopt takes them, the way that llnode and mdb do: `-d 2`, `-d2`, `-vn0`, `--length 3`, `--length=3`.

use anyhow::{Context, bail};

/// An option that a command knows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Flag {
    /// Its letter, by which the command asks for it.
    pub(super) short: char,
    /// Its long names; a beginning of one that no other has will do.
    pub(super) long: &'static [&'static str],
    /// Whether a value follows.
    pub(super) has_value: bool,
}

/// An option without long names.
pub(super) const fn letter(short: char) -> Flag {
    Flag {
        short,
        long: &[],
        has_value: false,
    }
}

/// An option with a value and without long names.
pub(super) const fn letter_with_value(short: char) -> Flag {
    Flag {
        short,
        long: &[],
        has_value: true,
    }
}

/// The options and the other arguments of a command.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Options {
    given: Vec<(char, String)>,
    /// Arguments that are no options.
    pub(super) rest: Vec<String>,
}

impl Options {
    /// Sorts arguments into options and others. Options may follow other arguments; what follows `--` is no option.
    ///
    /// # Errors
    /// If an option is not known, or lacks its value.
    pub(super) fn parse(flags: &[Flag], arguments: &[String]) -> anyhow::Result<Self> {
        let mut options = Self::default();
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            if argument == "--" {
                options.rest.extend(arguments.by_ref().cloned());
            } else if let Some(long) = argument.strip_prefix("--") {
                let (name, value) = match long.split_once('=') {
                    Some((name, value)) => (name, Some(value.to_owned())),
                    None => (long, None),
                };
                let flag = flag_named(flags, name)?;
                let value = match value {
                    Some(_) if !flag.has_value => bail!("--{name} takes no value"),
                    Some(value) => value,
                    None if flag.has_value => arguments
                        .next()
                        .cloned()
                        .with_context(|| format!("--{name} needs a value"))?,
                    None => String::new(),
                };
                options.given.push((flag.short, value));
            } else if argument.len() > 1 && argument.starts_with('-') {
                options.letters(flags, argument, &mut arguments)?;
            } else {
                options.rest.push(argument.clone());
            }
        }
        Ok(options)
    }

    fn letters<'a>(
        &mut self,
        flags: &[Flag],
        argument: &str,
        more: &mut impl Iterator<Item = &'a String>,
    ) -> anyhow::Result<()> {
        let mut letters = argument.chars();
        letters.next();
        while let Some(letter) = letters.next() {
            let flag = flags
                .iter()
                .find(|flag| flag.short == letter)
                .with_context(|| format!("there is no option -{letter}{}", known(flags)))?;
            if !flag.has_value {
                self.given.push((letter, String::new()));
                continue;
            }
            let value = match letters.as_str() {
                "" => more
                    .next()
                    .with_context(|| format!("-{letter} needs a value"))?,
                rest => rest,
            };
            self.given.push((letter, value.to_owned()));
            break;
        }
        Ok(())
    }

    /// Whether an option was given.
    pub(super) fn has(&self, short: char) -> bool {
        self.given.iter().any(|(given, _)| *given == short)
    }

    /// The value of an option, the last one if it was given more than once.
    pub(super) fn value(&self, short: char) -> Option<&str> {
        let found = self.given.iter().rev().find(|(given, _)| *given == short);
        found.map(|(_, value)| value.as_str())
    }

    /// The value of an option as a number.
    ///
    /// # Errors
    /// If it is none.
    pub(super) fn number(&self, short: char) -> anyhow::Result<Option<usize>> {
        self.value(short)
            .map(|value| {
                value
                    .parse()
                    .with_context(|| format!("-{short}: '{value}' is no number"))
            })
            .transpose()
    }
}

fn flag_named<'a>(flags: &'a [Flag], name: &str) -> anyhow::Result<&'a Flag> {
    let exact = flags.iter().find(|flag| flag.long.contains(&name));
    if let Some(flag) = exact {
        return Ok(flag);
    }
    let mut beginning = flags
        .iter()
        .filter(|flag| flag.long.iter().any(|long| long.starts_with(name)));
    match (beginning.next(), beginning.next()) {
        (Some(flag), None) => Ok(flag),
        (Some(_), Some(_)) => bail!("--{name} may be more than one option{}", known(flags)),
        (None, _) => bail!("there is no option --{name}{}", known(flags)),
    }
}

fn known(flags: &[Flag]) -> String {
    if flags.is_empty() {
        return ": the command has none".to_owned();
    }
    let names: Vec<String> = flags
        .iter()
        .map(|flag| match flag.long.first() {
            Some(long) => format!("-{}/--{long}", flag.short),
            None => format!("-{}", flag.short),
        })
        .collect();
    format!(": expected {}", names.join(", "))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FLAGS: [Flag; 3] = [
        letter('v'),
        letter_with_value('n'),
        Flag {
            short: 'l',
            long: &["length", "string-length"],
            has_value: true,
        },
    ];

    fn parse(line: &str) -> anyhow::Result<Options> {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        Options::parse(&FLAGS, &words)
    }

    #[test]
    fn options_are_found_wherever_they_stand() {
        let options = parse("a -vn0 b --string-length=7 -- -v").unwrap();
        assert!(options.has('v'));
        assert_eq!(options.value('n'), Some("0"));
        assert_eq!(options.number('l').unwrap(), Some(7));
        assert_eq!(options.rest, ["a", "b", "-v"]);
        assert_eq!(parse("--len 3 -l 4").unwrap().value('l'), Some("4"));
        assert_eq!(parse("-").unwrap().rest, ["-"]);
    }

    #[test]
    fn what_is_not_known_is_refused() {
        let message = |line| parse(line).unwrap_err().to_string();
        assert_eq!(
            message("-x"),
            "there is no option -x: expected -v, -n, -l/--length"
        );
        assert_eq!(message("-n"), "-n needs a value");
        assert_eq!(message("--length"), "--length needs a value");
        assert!(parse("-n x").unwrap().number('n').is_err());
    }

    proptest! {
        #[test]
        fn any_words_are_taken_or_refused(words in proptest::collection::vec("[-=vnlé]{0,6}", 0..5)) {
            let _ = Options::parse(&FLAGS, &words);
        }
    }
}
