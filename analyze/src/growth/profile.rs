//! What a capture holds, in terms that mean the same in another: names of classes, and roles of isolates.

use std::collections::{BTreeMap, BTreeSet};

use v8mini_format::model::Metadata;

use rustc_hash::FxHashMap;

use crate::graph::DominatorTree;
use crate::heap::{Class, Classifier, Count, Coverage, PageSelection, Sample, Tally};
use crate::v8::{Address, Objects};

/// What an isolate does in its process. Isolates of several captures are compared by it, not by their addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Runs on the process's first thread.
    Main,
    /// Runs on another thread: `worker_threads`.
    Worker,
    /// Belongs to no isolate: read-only and shared pages.
    Shared,
}

impl Role {
    /// The role in one word, as JSON has it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Main => "main",
            Self::Worker => "worker",
            Self::Shared => "shared",
        }
    }

    /// The role of the isolate whose `Heap` is at this untagged address. Where no thread is known to run it, the first
    /// isolate is the main one.
    fn of(metadata: &Metadata, heap: u64) -> Self {
        let isolates = &metadata.isolates;
        let Some(index) = isolates.iter().position(|isolate| isolate.heap == heap) else {
            return Self::Shared;
        };
        let pid = metadata.process.pid;
        let main = isolates
            .iter()
            .position(|isolate| isolate.tid == pid)
            .unwrap_or(0);
        if index == main {
            Self::Main
        } else {
            Self::Worker
        }
    }
}

/// What makes a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// The class that `new` named.
    Class,
    /// The class and the names of the properties.
    Shape,
}

/// Objects that are counted together.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Group {
    /// Of isolates in which role.
    pub role: Role,
    /// Their class, or their shape.
    pub class: Class,
}

/// The objects of a capture, counted.
#[derive(Debug, Default)]
pub struct Profile {
    /// By role and class.
    pub groups: BTreeMap<Group, Count>,
    /// What the objects of a group retain together, in bytes: see [`Self::retain`].
    pub retained: Option<BTreeMap<Group, u64>>,
    /// The group of the objects of a map in a role.
    by_map: FxHashMap<(Role, Address), Group>,
    /// How much of the heap was counted.
    pub coverage: Coverage,
}

impl Profile {
    /// Counts all objects. `tally` counts those of a selection of pages.
    pub fn of(
        objects: &Objects,
        by: By,
        tally: impl Fn(PageSelection) -> std::sync::Arc<Tally>,
    ) -> Self {
        let metadata = &objects.image().metadata;
        let heaps: BTreeSet<u64> = objects
            .pages()
            .pages()
            .iter()
            .map(|page| page.heap)
            .collect();
        let mut profile = Self::default();
        if let [_] = metadata.isolates.as_slice() {
            // What is shared is nobody else's.
            profile.add(objects, by, Role::Main, &tally(PageSelection::default()));
            return profile;
        }
        for heap in heaps {
            let part = tally(PageSelection { heap: Some(heap) });
            profile.add(objects, by, Role::of(metadata, heap), &part);
        }
        profile
    }

    fn add(&mut self, objects: &Objects, by: By, role: Role, tally: &Tally) {
        let classifier = Classifier::new(objects);
        let groups = &mut self.groups;
        let mut count = |class: Class, count: &Count| {
            groups
                .entry(Group { role, class })
                .or_default()
                .merge(count);
        };
        for ((map, _), found) in &tally.by_map {
            let Some(map) = objects.map(*map) else {
                continue;
            };
            let sample: Sample = tally.sample(found);
            let class = match by {
                By::Class => classifier.class_of(&map, sample),
                By::Shape => classifier.shape_of(&map, sample),
            };
            self.by_map
                .entry((role, map.address))
                .or_insert_with(|| Group {
                    role,
                    class: class.clone(),
                });
            count(class, found);
        }
        for ((map, _), found) in &tally.boilerplates {
            if let Some(map) = objects.map(*map) {
                count(classifier.boilerplate_class_of(&map), found);
            }
        }
        self.coverage.merge(&tally.coverage);
    }

    /// Finds out what the objects of each group retain together; of those that another of the same group dominates, only the
    /// other counts. What is dead retains nothing.
    pub fn retain(&mut self, objects: &Objects, tree: &DominatorTree) {
        let numbers: FxHashMap<&Group, usize> =
            (0..).zip(self.groups.keys()).map(|(n, g)| (g, n)).collect();
        let nodes = tree.nodes();
        let metadata = &objects.image().metadata;
        let of_role = |role: Role| -> Vec<Option<usize>> {
            let maps = nodes.map_addresses().iter();
            let group = |map: &Address| self.by_map.get(&(role, *map));
            maps.map(|map| numbers.get(group(map)?).copied()).collect()
        };
        let by_role = [Role::Main, Role::Worker, Role::Shared].map(|role| (role, of_role(role)));
        let is_single = metadata.isolates.len() == 1;
        let role_of = |id: usize| -> Option<Role> {
            if is_single {
                return Some(Role::Main);
            }
            let page = objects.pages().page_of(nodes.address(id)?.0)?;
            Some(Role::of(metadata, page.heap))
        };
        let sums = tree.retained_by_group(numbers.len(), |id| {
            let role = role_of(id)?;
            let (_, groups) = by_role.iter().find(|(known, _)| *known == role)?;
            *groups.get(nodes.map(id))?
        });
        self.retained = Some(self.groups.keys().cloned().zip(sums).collect());
    }

    /// Objects and shallow bytes in all.
    pub fn total(&self) -> Count {
        let mut total = Count::default();
        for count in self.groups.values() {
            total.merge(count);
        }
        total
    }
}
