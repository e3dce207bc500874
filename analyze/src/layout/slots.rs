//! Which words of an object are references: `8..24, weak 24..32, 32..`.
//!
//! Like sizes, this is data. A list of runs, each a range of byte offsets from the object's start, the end left out where it
//! is that of the object; a negative offset counts from there. A run says how its words hold what they refer to:
//!
//! - nothing said: strongly, or weakly where the word itself has the tag of a weak reference (V8 6.6 and later)
//! - `weak`: never strongly, whatever the tag says
//! - `ephemeron`: pairs of words of which the second lives as long as the first (and the table) does
//! - `code`: machine code, in which references stand at any byte
//!
//! `none` stands for no references at all. Words between the runs are raw. A raw word inside of a run does no harm unless it
//! equals the tagged address of an object: readers check that an object begins there.

use std::ops::Range;

use super::LayoutError;

/// How the words of a run refer to objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SlotKind {
    /// As the tag of the word says.
    Tagged,
    /// Weakly.
    Weak,
    /// Pairs of key and value.
    Ephemeron,
    /// Machine code.
    Code,
}

impl SlotKind {
    /// Words that belong together.
    const fn words(self) -> u64 {
        match self {
            Self::Ephemeron => 2,
            Self::Tagged | Self::Weak | Self::Code => 1,
        }
    }
}

/// The words of an object that may be references, the map not among them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Slots {
    runs: Vec<Run>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Run {
    kind: SlotKind,
    from: i64,
    /// `None` for the object's end.
    to: Option<i64>,
}

impl Default for Slots {
    /// All words after the map.
    fn default() -> Self {
        Self {
            runs: vec![Run {
                kind: SlotKind::Tagged,
                from: 8,
                to: None,
            }],
        }
    }
}

impl Slots {
    /// No references.
    pub const NONE: Self = Self { runs: Vec::new() };

    /// Reads `none` or a list of runs.
    ///
    /// # Errors
    /// [`LayoutError::Syntax`] with the text and what was expected.
    pub fn parse(text: &str) -> Result<Self, LayoutError> {
        if text.trim() == "none" {
            return Ok(Self::NONE);
        }
        let runs = text.split(',').map(Run::parse).collect::<Result<_, _>>()?;
        Ok(Self { runs })
    }

    /// The same, but with the word at `offset` weak.
    pub(super) fn with_weak(&self, offset: i64) -> Self {
        let mut runs = Vec::new();
        for run in &self.runs {
            let covers = run.kind == SlotKind::Tagged
                && run.from >= 0
                && run.from <= offset
                && run.to.is_none_or(|to| to < 0 || offset < to);
            if !covers {
                runs.push(*run);
                continue;
            }
            let weak = Run {
                kind: SlotKind::Weak,
                from: offset,
                to: Some(offset.saturating_add(8)),
            };
            let before = Run {
                to: Some(offset),
                ..*run
            };
            let after = Run {
                from: offset.saturating_add(8),
                ..*run
            };
            runs.extend([before, weak, after]);
        }
        Self { runs }
    }

    /// Whether objects have no references but that to their map.
    pub fn is_none(&self) -> bool {
        self.runs.is_empty()
    }

    /// The runs of an object of `size` bytes: byte offsets, within the object, multiples of 8 from their start on.
    pub fn runs(&self, size: u64) -> impl Iterator<Item = (SlotKind, Range<u64>)> {
        self.runs.iter().filter_map(move |run| {
            let at = |offset: i64| {
                let offset = match offset {
                    0.. => offset.unsigned_abs(),
                    _ => size.checked_sub(offset.unsigned_abs())?,
                };
                Some(offset.min(size))
            };
            let from = at(run.from)?;
            let to = run.to.map_or(Some(size), at)?;
            let unit = 8 * run.kind.words();
            let len = to.checked_sub(from)? / unit * unit;
            (len > 0).then(|| (run.kind, from..from + len))
        })
    }
}

impl Run {
    fn parse(text: &str) -> Result<Self, LayoutError> {
        let mistake = || {
            LayoutError::syntax(
                text,
                "FROM..TO or FROM.., in multiples of 8, after weak, ephemeron, code or nothing",
            )
        };
        let mut words = text.split_whitespace();
        let first = words.next().ok_or_else(mistake)?;
        let (kind, range) = match words.next() {
            None => (SlotKind::Tagged, first),
            Some(range) => match first {
                "weak" => (SlotKind::Weak, range),
                "ephemeron" => (SlotKind::Ephemeron, range),
                "code" => (SlotKind::Code, range),
                _ => return Err(mistake()),
            },
        };
        let (from, to) = range.split_once("..").ok_or_else(mistake)?;
        let offset = |text: &str| match text.parse::<i64>() {
            Ok(offset) if offset % 8 == 0 => Ok(offset),
            _ => Err(mistake()),
        };
        let run = Self {
            kind,
            from: offset(from)?,
            to: match to {
                "" => None,
                to => Some(offset(to)?),
            },
        };
        match words.next() {
            None => Ok(run),
            Some(_) => Err(mistake()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(text: &str, size: u64) -> Vec<(SlotKind, Range<u64>)> {
        Slots::parse(text).unwrap().runs(size).collect()
    }

    #[test]
    fn runs_lie_within_the_object() {
        use SlotKind::{Ephemeron, Tagged, Weak};
        assert_eq!(runs("none", 64), []);
        assert_eq!(runs("8..", 24), [(Tagged, 8..24)]);
        assert_eq!(runs("8..48", 24), [(Tagged, 8..24)]);
        assert_eq!(runs("8..", 8), []);
        assert_eq!(
            runs("8..-16, weak -16..-8", 64),
            [(Tagged, 8..48), (Weak, 48..56)]
        );
        assert_eq!(runs("8..-16", 8), []);
        assert_eq!(runs("ephemeron 40..", 64), [(Ephemeron, 40..56)]);
    }

    #[test]
    fn one_word_can_be_made_weak() {
        use SlotKind::{Tagged, Weak};
        let slots = Slots::default().with_weak(24);
        let runs: Vec<_> = slots.runs(40).collect();
        assert_eq!(runs, [(Tagged, 8..24), (Weak, 24..32), (Tagged, 32..40)]);
        let slots = Slots::parse("8..24").unwrap();
        assert_eq!(slots.with_weak(24), slots);
    }

    #[test]
    fn mistakes_are_told() {
        for text in ["", "8", "8..9", "strong 8..", "weak 8.. 9", "8..,", "a..b"] {
            assert!(Slots::parse(text).is_err(), "{text}");
        }
    }
}
