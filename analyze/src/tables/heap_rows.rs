//! Rows of what is on the heap: classes, objects, references, strings.

use std::ops::Range;
use std::sync::Arc;

use v8mini_format::model::Page;

use super::{Batch, Cell, Tables};
use crate::graph::{EdgeKind, Strength, edges};
use crate::v8::{Address, Representation};

/// Of concatenations longer than this, the text is left out: a program that builds a text by `+=` leaves one of each length behind, and
/// to read them all takes time with the square of the text.
const LONG_CONCATENATION: u64 = 1024;

impl Tables<'_> {
    /// The objects of a range that can be located.
    fn each(&self, range: Range<usize>, mut see: impl FnMut(usize, Address)) {
        for id in range {
            if let Some(address) = self.source.tree.nodes().address(id) {
                see(id, address);
            }
        }
    }

    fn class(&self, id: usize) -> (Cell, Cell) {
        match (self.class_of)(id).and_then(|number| self.class_names.get(number)) {
            Some((class, kind)) => (Arc::clone(class).into(), Arc::clone(kind).into()),
            None => (Cell::Null, Cell::Null),
        }
    }

    fn space(&self, page: &Page) -> Cell {
        let space = self.spaces.iter().find(|(space, _)| *space == page.space);
        space.map(|(_, name)| Arc::clone(name)).into()
    }

    /// The number of the isolate that a page belongs to; none if all share it.
    fn isolate(&self, page: &Page) -> Option<usize> {
        let isolates = &self.source.objects.image().metadata.isolates;
        isolates
            .iter()
            .position(|isolate| page.heap != 0 && isolate.heap == page.heap)
    }

    pub(super) fn types(&self, batch: &mut Batch) {
        let nodes = self.source.tree.nodes();
        let tree = self.source.tree;
        let classes = self.classes.list();
        let mut counts = vec![[0_u64; 4]; classes.len()];
        for id in 0..nodes.len() {
            let Some([objects, bytes, live, live_bytes]) =
                (self.class_of)(id).and_then(|class| counts.get_mut(class))
            else {
                continue;
            };
            *objects += 1;
            *bytes = bytes.saturating_add(nodes.size(id));
            if tree.is_alive(id) {
                *live += 1;
                *live_bytes = live_bytes.saturating_add(nodes.size(id));
            }
        }
        let retained = tree.retained_by_group(classes.len(), &self.class_of);
        let rows = self.class_names.iter().zip(counts).zip(retained);
        for (((class, kind), [objects, bytes, live, live_bytes]), retained) in rows {
            batch.push([
                Arc::clone(class).into(),
                Arc::clone(kind).into(),
                objects.into(),
                bytes.into(),
                live.into(),
                live_bytes.into(),
                retained.into(),
            ]);
        }
    }

    pub(super) fn objects(&self, range: Range<usize>, batch: &mut Batch) {
        let tree = self.source.tree;
        let nodes = tree.nodes();
        self.each(range, |id, address| {
            let page = self.source.objects.pages().page_of(address.0);
            let (class, kind) = self.class(id);
            let is_live = tree.is_alive(id);
            let dominator = tree.dominator(id).and_then(|id| nodes.address(id));
            let shape = self.shapes.get(nodes.map(id));
            batch.push([
                address.tagged().0.into(),
                class,
                kind,
                shape.map(|shape| Arc::clone(&shape.type_name)).into(),
                page.map_or(Cell::Null, |page| self.space(page)),
                page.and_then(|page| self.isolate(page)).into(),
                nodes.size(id).into(),
                is_live.into(),
                is_live.then(|| tree.retained(id)).into(),
                dominator.map(|address| address.tagged().0).into(),
            ]);
        });
    }

    pub(super) fn edges(&self, range: Range<usize>, batch: &mut Batch) {
        let kinds: Vec<(EdgeKind, Arc<str>)> = [
            EdgeKind::Context,
            EdgeKind::Element,
            EdgeKind::Property,
            EdgeKind::Internal,
            EdgeKind::Hidden,
            EdgeKind::Shortcut,
            EdgeKind::Weak,
        ]
        .into_iter()
        .map(|kind| (kind, kind.name().into()))
        .collect();
        self.each(range, |_, address| {
            let Ok(found) = edges(
                self.source.objects,
                self.source.references,
                address,
                usize::MAX,
            ) else {
                return;
            };
            for edge in found.list {
                let Some(target) = edge.target.object() else {
                    continue;
                };
                let kind = kinds.iter().find(|(kind, _)| *kind == edge.kind);
                batch.push([
                    address.tagged().0.into(),
                    target.tagged().0.into(),
                    kind.map(|(_, name)| Arc::clone(name)).into(),
                    edge.name.to_string().into(),
                    (edge.strength == Strength::Strong).into(),
                ]);
            }
        });
    }

    pub(super) fn strings(&self, range: Range<usize>, batch: &mut Batch) {
        let objects = self.source.objects;
        let tree = self.source.tree;
        let nodes = tree.nodes();
        self.each(range, |id, address| {
            let shape = self.shapes.get(nodes.map(id));
            let Some(kind) = shape.and_then(|shape| shape.string) else {
                return;
            };
            let length = objects.string_length(address).ok();
            let outside = match length {
                Some(length) if kind.is_external() => length.saturating_mul(kind.width()),
                _ => 0,
            };
            let is_long = kind.representation == Representation::Cons
                && length.is_none_or(|length| length > LONG_CONCATENATION);
            let text = (!is_long)
                .then(|| objects.read_string(address, self.source.max_string).ok())
                .flatten();
            let is_cut = text.as_ref().is_none_or(|text| !text.is_complete());
            batch.push([
                address.tagged().0.into(),
                length.into(),
                nodes.size(id).saturating_add(outside).into(),
                kind.representation.name().into(),
                kind.internalized.into(),
                tree.is_alive(id).into(),
                text.map(|text| text.to_text()).into(),
                is_cut.into(),
            ]);
        });
    }
}
