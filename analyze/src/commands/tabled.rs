//! The tables of a capture, for the commands that write or ask them.

use std::sync::Arc;

use super::session::Session;
use super::verdict::Verdict;
use crate::graph::DominatorTree;
use crate::heap::{PageSelection, Tally};
use crate::tables::{Source, Tables};

/// What tables are made of.
pub(super) struct Tabled {
    tally: Arc<Tally>,
    tree: Arc<DominatorTree>,
    /// How far the tables can be believed.
    pub(super) verdict: Verdict,
}

impl Tabled {
    /// Finds out all that the tables of the selected pages are made of.
    pub(super) fn find(session: &Session, selection: PageSelection) -> Self {
        let tally = session.tally(selection);
        let tree = session.dominators(selection);
        let verdict = Verdict::of_tree(session, selection, &tree);
        Self {
            tally,
            tree,
            verdict,
        }
    }

    /// The tables, with so many UTF-16 code units of a string.
    pub(super) fn tables<'a>(&'a self, session: &'a Session, max_string: usize) -> Tables<'a> {
        Tables::new(Source {
            objects: &session.objects,
            tree: &self.tree,
            tally: &self.tally,
            references: session.references(),
            max_string,
            warnings: &self.verdict.warnings,
            complete: self.verdict.is_complete(),
        })
    }
}
