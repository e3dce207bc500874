//! A text with addresses in it that can be followed.

use super::list::Cursor;

/// Characters by which the text is moved sideways.
const SIDEWAYS: usize = 8;

/// Lines of which one is chosen.
#[derive(Default)]
pub(super) struct TextPane {
    lines: Vec<String>,
    shown: Vec<usize>,
    pub(super) filter: String,
    pub(super) cursor: Cursor,
    /// Characters that are out of sight on the left.
    pub(super) left: usize,
}

impl TextPane {
    /// Shows another text, from its beginning.
    pub(super) fn set(&mut self, lines: Vec<String>) {
        self.lines = lines;
        self.filter.clear();
        self.cursor = Cursor::default();
        self.left = 0;
        self.apply_filter();
    }

    /// Moves the text sideways, no farther than the longest line reaches.
    pub(super) fn sideways(&mut self, right: bool) {
        let longest = self.lines.iter().map(|line| line.chars().count()).max();
        self.left = if right {
            (self.left + SIDEWAYS).min(longest.unwrap_or(0).saturating_sub(SIDEWAYS))
        } else {
            self.left.saturating_sub(SIDEWAYS)
        };
    }

    /// How many lines there are to show.
    pub(super) fn len(&self) -> usize {
        self.shown.len()
    }

    /// A line to show.
    pub(super) fn line(&self, index: usize) -> Option<&str> {
        self.lines.get(*self.shown.get(index)?).map(String::as_str)
    }

    /// The first address in the chosen line that is not `current`.
    pub(super) fn address(&self, current: &str) -> Option<String> {
        let found = addresses(self.line(self.cursor.at)?);
        found.into_iter().find(|address| address != current)
    }

    /// Shows the lines that have the filter in them.
    pub(super) fn apply_filter(&mut self) {
        let wanted = self.filter.to_lowercase();
        self.shown = (0..)
            .zip(&self.lines)
            .filter(|(_, line)| wanted.is_empty() || line.to_lowercase().contains(&wanted))
            .map(|(place, _)| place)
            .collect();
        self.cursor.at = self.cursor.at.min(self.shown.len().saturating_sub(1));
    }
}

/// The addresses of objects in a line: hexadecimal and tagged.
fn addresses(line: &str) -> Vec<String> {
    line.match_indices("0x")
        .filter_map(|(start, _)| {
            let digits = line.get(start + 2..)?;
            let length = digits
                .find(|character: char| !character.is_ascii_hexdigit())
                .unwrap_or(digits.len());
            let address = u64::from_str_radix(digits.get(..length)?, 16).ok()?;
            (address & 3 == 1).then(|| format!("{address:#x}"))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_leads_to_the_first_object_that_is_not_the_shown_one() {
        let mut pane = TextPane::default();
        pane.set(vec![
            "Session 0x950fd415d9 {".to_owned(),
            "  basket: Basket 0x950fd41691 { items: Array(1) 0x1830bbacfc91 }".to_owned(),
            "  id: 0x10, \"0x\"".to_owned(),
        ]);
        assert_eq!(pane.address("0x950fd415d9"), None);
        pane.cursor.at = 1;
        assert_eq!(
            pane.address("0x950fd415d9").as_deref(),
            Some("0x950fd41691")
        );
        pane.cursor.at = 2;
        assert_eq!(pane.address(""), None);
        pane.filter = "BASKET".to_owned();
        pane.apply_filter();
        assert_eq!((pane.len(), pane.cursor.at), (1, 0));
    }
}
