//! A place in a list of which a window is shown.

use std::ops::Range;

/// Which row is chosen, and from which one on rows are shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Cursor {
    /// The chosen row.
    pub(super) at: usize,
    top: usize,
}

/// How far to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// So many rows, up if negative.
    Rows(isize),
    /// So many windows, up if negative.
    Pages(isize),
    /// To the first row.
    First,
    /// To the last row.
    Last,
}

impl Cursor {
    /// Goes to another of `len` rows, of which `height` are shown at once.
    pub(super) fn go(&mut self, step: Step, len: usize, height: usize) {
        let last = len.saturating_sub(1);
        // One row of the window before stays in sight.
        let page = height.saturating_sub(1).max(1) as isize;
        self.at = match step {
            Step::Rows(rows) => self.at.saturating_add_signed(rows),
            Step::Pages(pages) => self.at.saturating_add_signed(pages.saturating_mul(page)),
            Step::First => 0,
            Step::Last => last,
        }
        .min(last);
    }

    /// The rows to show: the window moves no farther than the chosen row needs.
    pub(super) fn window(&mut self, len: usize, height: usize) -> Range<usize> {
        self.at = self.at.min(len.saturating_sub(1));
        let lowest = (self.at + 1).saturating_sub(height);
        self.top = self
            .top
            .clamp(lowest, self.at.max(lowest))
            .min(len.saturating_sub(height));
        self.top..len.min(self.top + height)
    }

    /// Which of the shown rows is chosen.
    pub(super) const fn shown_at(&self) -> usize {
        self.at.saturating_sub(self.top)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_follows_the_chosen_row() {
        let mut cursor = Cursor::default();
        assert_eq!(cursor.window(10, 4), 0..4);
        cursor.go(Step::Rows(5), 10, 4);
        assert_eq!(cursor.window(10, 4), 2..6);
        assert_eq!(cursor.shown_at(), 3);
        cursor.go(Step::Rows(-2), 10, 4);
        assert_eq!(cursor.window(10, 4), 2..6);
        cursor.go(Step::Last, 10, 4);
        assert_eq!(cursor.window(10, 4), 6..10);
        cursor.go(Step::Pages(-1), 10, 4);
        assert_eq!((cursor.at, cursor.window(10, 4)), (6, 6..10));
        cursor.go(Step::Rows(-99), 10, 4);
        assert_eq!((cursor.at, cursor.window(10, 4)), (0, 0..4));
    }

    #[test]
    fn there_may_be_nothing_to_show() {
        let mut cursor = Cursor { at: 7, top: 5 };
        assert_eq!(cursor.window(0, 4), 0..0);
        cursor.go(Step::Last, 0, 4);
        assert_eq!(cursor.at, 0);
        cursor.go(Step::Pages(1), 3, 0);
        assert_eq!(cursor.window(3, 0), 1..1);
    }
}
