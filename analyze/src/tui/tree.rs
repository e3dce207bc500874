//! The dominator tree, opened node by node.

use std::sync::Arc;

use crate::commands::{Session, class_or_function, sort_by_retained, summary};
use crate::graph::{Children, DominatorTree};
use crate::heap::PageSelection;

use super::list::Cursor;

/// So many rows are added at a time.
const PORTION: usize = 100;
/// Deepest level that is opened.
const MAX_LEVEL: usize = 512;

/// A row: an object, or what stands for those that are not shown yet.
pub(super) struct Row {
    id: Option<usize>,
    pub(super) level: usize,
    pub(super) is_open: bool,
    /// How many it dominates immediately.
    pub(super) children: usize,
    pub(super) retained: u64,
    pub(super) text: String,
    /// For a row that stands for others: whose children they are, and from which one on.
    rest: Option<(Option<usize>, usize)>,
}

/// The tree and which of its nodes are open.
pub(super) struct TreePane {
    tree: Arc<DominatorTree>,
    children: Children,
    rows: Vec<Row>,
    /// Places of the rows that the filter lets through.
    shown: Vec<usize>,
    pub(super) filter: String,
    pub(super) cursor: Cursor,
    pub(super) live_bytes: u64,
}

impl TreePane {
    /// The tree of the selected pages, its first level open.
    pub(super) fn new(session: &Session, selection: PageSelection) -> Self {
        let tree = session.dominators(selection);
        let children = tree.children();
        let live_bytes = tree.top().map(|id| tree.retained(id)).sum();
        let mut pane = Self {
            tree,
            children,
            rows: Vec::new(),
            shown: Vec::new(),
            filter: String::new(),
            cursor: Cursor::default(),
            live_bytes,
        };
        pane.rows = pane.portion(session, None, 0, 0);
        pane.apply_filter();
        pane
    }

    /// How many rows there are to show.
    pub(super) fn len(&self) -> usize {
        self.shown.len()
    }

    /// A row to show.
    pub(super) fn row(&self, index: usize) -> Option<&Row> {
        self.rows.get(*self.shown.get(index)?)
    }

    /// The address of the chosen object.
    pub(super) fn address(&self) -> Option<String> {
        let id = self.row(self.cursor.at)?.id?;
        Some(self.tree.nodes().address(id)?.to_string())
    }

    /// Opens the chosen node, or shows more of those that a row stands for.
    pub(super) fn open(&mut self, session: &Session) {
        let Some(place) = self.shown.get(self.cursor.at).copied() else {
            return;
        };
        let Some(row) = self.rows.get_mut(place) else {
            return;
        };
        let level = row.level;
        if let Some((parent, offset)) = row.rest {
            let more = self.portion(session, parent, level, offset);
            self.rows.splice(place..=place, more);
        } else if row.children > 0 && !row.is_open && level < MAX_LEVEL {
            row.is_open = true;
            let parent = row.id;
            let below = self.portion(session, parent, level + 1, 0);
            self.rows.splice(place + 1..place + 1, below);
        }
        self.apply_filter();
    }

    /// Closes the chosen node, or goes to the one that it is below.
    pub(super) fn close(&mut self) {
        let Some(place) = self.shown.get(self.cursor.at).copied() else {
            return;
        };
        let Some(row) = self.rows.get_mut(place) else {
            return;
        };
        let level = row.level;
        if row.is_open {
            row.is_open = false;
            let below = self.rows.iter().skip(place + 1);
            let count = below.take_while(|row| row.level > level).count();
            self.rows.drain(place + 1..place + 1 + count);
            self.apply_filter();
        } else {
            let above = self
                .shown
                .iter()
                .take(self.cursor.at)
                .rposition(|place| self.rows.get(*place).is_some_and(|row| row.level < level));
            self.cursor.at = above.unwrap_or(self.cursor.at);
        }
    }

    /// Whether the chosen node can be opened and is not.
    pub(super) fn is_closed(&self) -> bool {
        self.row(self.cursor.at)
            .is_some_and(|row| row.rest.is_some() || (row.children > 0 && !row.is_open))
    }

    /// Shows the rows whose text has the filter in it, and stays at the chosen one if it is among them.
    pub(super) fn apply_filter(&mut self) {
        let chosen = self.shown.get(self.cursor.at).copied().unwrap_or(0);
        let wanted = self.filter.to_lowercase();
        self.shown = (0..self.rows.len())
            .filter(|place| {
                wanted.is_empty()
                    || self
                        .rows
                        .get(*place)
                        .is_some_and(|row| row.text.to_lowercase().contains(&wanted))
            })
            .collect();
        self.cursor.at = self.shown.partition_point(|place| *place < chosen);
    }

    /// Some of what an object dominates immediately, and a row that stands for the rest.
    fn portion(
        &self,
        session: &Session,
        parent: Option<usize>,
        level: usize,
        offset: usize,
    ) -> Vec<Row> {
        let mut ids = self.children.of(parent).to_vec();
        sort_by_retained(&self.tree, &mut ids);
        let rest = ids.split_off(ids.len().min(offset + PORTION));
        let mut rows: Vec<Row> = ids
            .into_iter()
            .skip(offset)
            .map(|id| self.object(session, id, level))
            .collect();
        if !rest.is_empty() {
            rows.push(Row {
                id: None,
                level,
                is_open: false,
                children: 0,
                retained: rest.iter().map(|id| self.tree.retained(*id)).sum(),
                text: format!("… {} more", rest.len()),
                rest: Some((parent, offset + PORTION)),
            });
        }
        rows
    }

    fn object(&self, session: &Session, id: usize, level: usize) -> Row {
        let address = self.tree.nodes().address(id);
        let text = address.map_or_else(String::new, |address| {
            let text = summary(session, address);
            let text = anstream::adapter::strip_str(&text).to_string();
            // Of V8's own objects the summary has the instance type; their class says more.
            if text.starts_with('<') {
                format!("{} {address}", class_or_function(&session.objects, address))
            } else {
                text
            }
        });
        Row {
            id: Some(id),
            level,
            is_open: false,
            children: self.children.of(Some(id)).len(),
            retained: self.tree.retained(id),
            text,
            rest: None,
        }
    }
}
