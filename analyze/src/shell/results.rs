//! What was listed before, under names that can be typed: `$1`, `$_`, `$*`, `$name`.

use std::collections::{BTreeMap, VecDeque};

use anyhow::{Context, bail};

use super::parse::Word;
use crate::v8::{Address, Objects};

/// So many addresses are remembered for completion.
const SEEN: usize = 2000;
/// So many objects of a listing are numbered.
const NUMBERED: usize = 1 << 20;

/// Objects that can be named without their address.
#[derive(Debug, Default)]
pub(super) struct Results {
    /// `$1` and on: the objects of the last listing.
    listed: Vec<Address>,
    /// `$_`: the object that was asked about last.
    last: Option<Address>,
    /// What the user gave a name.
    named: BTreeMap<String, String>,
    /// Addresses that were shown, the latest first.
    seen: VecDeque<Address>,
    /// `$?`: the exit status of the line before.
    pub(super) status: u8,
}

impl Results {
    /// Takes note of a listing: from now on its objects are `$1` and on. One without objects changes nothing.
    pub(super) fn list(&mut self, objects: Vec<Address>) {
        if !objects.is_empty() {
            self.see(&objects);
            self.listed = objects;
            self.listed.truncate(NUMBERED);
        }
    }

    /// Takes note of an object that was asked about.
    pub(super) fn ask(&mut self, object: Address) {
        self.see(&[object]);
        self.last = Some(object);
    }

    /// Takes note of addresses that were shown.
    pub(super) fn see(&mut self, objects: &[Address]) {
        for object in objects.iter().take(SEEN).rev() {
            self.seen.push_front(*object);
        }
        self.seen.truncate(SEEN);
    }

    /// The object that was asked about last.
    pub(super) const fn last(&self) -> Option<Address> {
        self.last
    }

    /// What can be typed for an object, and its address: names, and addresses that were shown.
    pub(super) fn known(&self) -> Vec<(String, String)> {
        let seen = self.seen.iter().map(ToString::to_string);
        let mut known = self.describe();
        known.truncate(SEEN);
        known.extend(seen.map(|address| (address.clone(), address)));
        known
    }

    /// The names, and what they stand for.
    pub(super) fn describe(&self) -> Vec<(String, String)> {
        let listed = self.listed.iter().enumerate();
        let mut lines: Vec<(String, String)> = self
            .last
            .iter()
            .map(|last| ("$_".to_owned(), last.to_string()))
            .collect();
        let named = self.named.iter();
        lines.extend(named.map(|(name, value)| (format!("${name}"), value.clone())));
        lines.extend(listed.map(|(index, object)| (format!("${}", index + 1), object.to_string())));
        lines
    }

    /// Gives a value the name `name`, which the user typed without its dollar.
    ///
    /// # Errors
    /// If it is no name that can be given.
    pub(super) fn name(&mut self, name: &str, value: String) -> anyhow::Result<()> {
        let fits = name.starts_with(|first: char| first.is_alphabetic())
            && name
                .chars()
                .all(|char| char.is_alphanumeric() || char == '_');
        if !fits {
            bail!(
                "${name} is no name that can be given: expected a letter, then letters and digits"
            );
        }
        self.named.insert(name.to_owned(), value);
        Ok(())
    }

    /// The arguments that a word stands for: itself, or, if it begins with a name of objects, their addresses, with what
    /// follows the name behind each.
    ///
    /// # Errors
    /// If there is no such name.
    pub(super) fn expand(&self, word: &Word) -> anyhow::Result<Vec<String>> {
        let Some(name) = word.text.strip_prefix('$').filter(|_| !word.quoted) else {
            return Ok(vec![word.text.clone()]);
        };
        if let Some(path) = name.strip_prefix('*') {
            let each = self.listed.iter().map(|object| format!("{object}{path}"));
            return Ok(each.collect());
        }
        if name == "?" {
            return Ok(vec![self.status.to_string()]);
        }
        let end = name
            .find(|char: char| !char.is_alphanumeric() && char != '_')
            .unwrap_or(name.len());
        let (name, path) = name.split_at(end);
        let value = match name {
            "" => return Ok(vec![word.text.clone()]),
            "_" => self
                .last
                .context("there is no $_: no object was asked about yet")?
                .to_string(),
            _ => match name.parse::<usize>() {
                Ok(number) => number
                    .checked_sub(1)
                    .and_then(|index| self.listed.get(index))
                    .with_context(|| {
                        format!(
                            "there is no ${name}: the last listing had {} objects",
                            self.listed.len()
                        )
                    })?
                    .to_string(),
                Err(_) => self
                    .named
                    .get(name)
                    .with_context(|| {
                        format!("there is no ${name}; `$name = ADDRESS` gives a name")
                    })?
                    .clone(),
            },
        };
        Ok(vec![format!("{value}{path}")])
    }
}

/// The first object that each line of a text names, with the number of the line. A word is the name of an object if it is a
/// tagged address at which there is one: after `0x` anywhere, without it only at the beginning of the line.
pub(super) fn objects_in(objects: &Objects, text: &str) -> Vec<(usize, Address)> {
    let lines = text.lines().enumerate();
    lines
        .filter_map(|(number, line)| Some((number, first_object(objects, line)?)))
        .collect()
}

/// The first number of each line of a text that may be an address.
pub(super) fn addresses_in(text: &str) -> Vec<String> {
    text.lines()
        .filter_map(|line| candidates(line).next())
        .map(|number| format!("{number:#x}"))
        .collect()
}

fn first_object(objects: &Objects, line: &str) -> Option<Address> {
    let is_object = |number: &u64| number & 7 == 1 && objects.map_of(Address(number & !1)).is_ok();
    candidates(line)
        .find(is_object)
        .map(|number| Address(number & !1))
}

/// The numbers in a line that may be addresses.
fn candidates(line: &str) -> impl Iterator<Item = u64> {
    let words = line.split(|char: char| !char.is_ascii_alphanumeric());
    words
        .filter(|word| !word.is_empty())
        .enumerate()
        .filter_map(|(index, word)| {
            let digits = match word.strip_prefix("0x") {
                Some(digits) => digits,
                None if index == 0 => word,
                None => return None,
            };
            if !(6..=16).contains(&digits.len()) {
                return None;
            }
            u64::from_str_radix(digits, 16).ok()
        })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn word(text: &str) -> Word {
        Word {
            text: text.to_owned(),
            quoted: false,
        }
    }

    #[test]
    fn names_stand_for_objects() {
        let mut results = Results::default();
        assert!(results.expand(&word("$1")).is_err());
        results.list(vec![Address(0x1000), Address(0x2000)]);
        results.ask(Address(0x3000));
        results.name("sock", "0x2001".to_owned()).unwrap();
        let expand = |text| results.expand(&word(text)).unwrap();
        assert_eq!(expand("$2._events[1]"), ["0x2001._events[1]"]);
        assert_eq!(expand("$_"), ["0x3001"]);
        assert_eq!(expand("$*.x"), ["0x1001.x", "0x2001.x"]);
        assert_eq!(expand("$sock"), ["0x2001"]);
        assert_eq!(expand("cost$"), ["cost$"]);
        assert_eq!(expand("$"), ["$"]);
        let missing = results.expand(&word("$3")).unwrap_err();
        assert_eq!(
            missing.to_string(),
            "there is no $3: the last listing had 2 objects"
        );
        assert!(results.name("1", String::new()).is_err());
        results.list(Vec::new());
        assert!(results.expand(&word("$2")).is_ok());
    }

    #[test]
    fn addresses_are_found_in_lines() {
        let found = |line| candidates(line).collect::<Vec<_>>();
        assert_eq!(found("0x29f5aec777a9:<Object: Foo>"), [0x29f5_aec7_77a9]);
        assert_eq!(
            found("  29f5aec777a9      20000  deadbeef01"),
            [0x29f5_aec7_77a9]
        );
        assert_eq!(found("b3710b15: \"GET\""), [0xb371_0b15]);
        assert!(found("(no 0x1 address)").is_empty());
    }

    proptest! {
        #[test]
        fn any_line_and_any_word_are_taken(line in ".*") {
            let _ = candidates(&line).count();
            let _ = Results::default().expand(&word(&line));
        }
    }
}
