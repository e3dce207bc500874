//! Which objects of the rows that grew are new, and what holds them.

use rustc_hash::FxHashSet;

use super::report::{ObjectsReport, held_report, objects_report};
use crate::commands::session::Session;
use crate::growth::{
    By, Row, holders_by_path, holders_by_reference, holders_of, match_objects, newcomers,
};
use crate::heap::{Class, ClassKind, Classifier, PageSelection, Sample};
use crate::v8::{Address, Objects};

/// Heaps with more bytes are large: to put the objects of two of them side by side takes longer than people like to wait.
pub(super) const LARGE_BYTES: u64 = 256 << 20;

/// Two captures.
pub(super) struct Comparison<'a> {
    pub(super) before: &'a Session,
    pub(super) after: &'a Session,
    pub(super) by: By,
    /// Whether addresses can be compared.
    pub(super) same_process: bool,
}

impl Comparison<'_> {
    /// Puts the objects of some rows side by side, and tells the ways to the new ones from the roots.
    pub(super) fn matched(&self, rows: &[Row], count: usize) -> Vec<ObjectsReport> {
        let all = PageSelection::default();
        let rows = grown(rows, count);
        if rows.is_empty() {
            return Vec::new();
        }
        let (tally_before, tally_after) = (self.before.tally(all), self.after.tally(all));
        let graph = self.after.graph(all);
        let paths = self.after.paths(all);
        let reports = rows.into_iter().map(|row| {
            let matched = match_objects(
                (&self.before.objects, &tally_before),
                (&self.after.objects, &tally_after),
                &row.group.class,
                self.by,
                self.same_process,
            );
            let holders = holders_by_path(
                &self.after.objects,
                self.after.references(),
                (&graph, &paths),
                &matched.new,
                |object| self.was_there(object),
            );
            let held = held_report(&holders, true);
            objects_report(&self.after.objects, row, Some(&matched), &matched.new, held)
        });
        reports.collect()
    }

    /// Takes some new objects of some rows, and tells who refers to them: in a few walks, without a graph.
    pub(super) fn sampled(&self, rows: &[Row], count: usize) -> Vec<ObjectsReport> {
        let tally = self.after.tally(PageSelection::default());
        let objects = &self.after.objects;
        let new: Vec<(&Row, Vec<Address>)> = grown(rows, count)
            .into_iter()
            .map(|row| {
                let class = &row.group.class;
                let was_there = |object| self.was_there(object);
                (row, newcomers(objects, &tally, class, self.by, was_there))
            })
            .collect();
        let targets: FxHashSet<Address> = new
            .iter()
            .flat_map(|(_, list)| list.iter().copied())
            .collect();
        if targets.is_empty() {
            return Vec::new();
        }
        let was_there = |object| self.was_there(object);
        let found = holders_by_reference(objects, self.after.references(), &targets, was_there);
        let reports = new.iter().map(|(row, list)| {
            let held = held_report(&holders_of(&found, list), false);
            objects_report(objects, row, None, list, held)
        });
        reports.collect()
    }

    /// Whether the earlier capture has an object of the same class at the same address.
    fn was_there(&self, object: Address) -> bool {
        self.same_process
            && class_at(&self.after.objects, object)
                .is_some_and(|class| class_at(&self.before.objects, object) == Some(class))
    }
}

/// The first rows that grew, of classes that a program knows.
fn grown(rows: &[Row], count: usize) -> Vec<&Row> {
    let mut known: Vec<&Class> = Vec::new();
    let mut found = Vec::new();
    for row in rows {
        let class = &row.group.class;
        let is_known_to_programs = matches!(
            class.kind,
            ClassKind::Instance | ClassKind::Function | ClassKind::Primitive
        );
        if found.len() < count
            && row.growth_count() > 0
            && is_known_to_programs
            && !known.contains(&class)
        {
            known.push(class);
            found.push(row);
        }
    }
    found
}

fn class_at(objects: &Objects, object: Address) -> Option<String> {
    let map = objects.map_of(object).ok()?;
    let sample = Sample {
        address: Some(object),
        is_the_only: false,
    };
    Some(Classifier::new(objects).class_of(&map, sample).name)
}
