//! What `v8 settings set` changes.

use anstream::ColorChoice;

use crate::commands::Color;

/// Widest indentation of a level of references, as in llnode.
pub(super) const MAX_TREE_PADDING: usize = 10;

/// Settings of the session.
#[derive(Debug)]
pub(super) struct Settings {
    /// When to colour.
    pub(super) color: Color,
    /// Columns by which a level of references is indented.
    pub(super) tree_padding: usize,
    /// Whether what went wrong on the way is printed (mdb's `::v8warnings`).
    pub(super) warnings: bool,
}

impl Settings {
    /// As the session begins.
    pub(super) const fn new(color: Color) -> Self {
        Self {
            color,
            tree_padding: 2,
            warnings: true,
        }
    }

    /// When to colour what goes to standard output.
    pub(super) fn choice(&self) -> ColorChoice {
        self.color.choice()
    }
}
