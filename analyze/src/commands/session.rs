//! An opened file, and what was found out about it: several commands may ask, and the costly is done once.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use v8mini_format::Integrity;
use v8mini_format::model::{Isolate, Problem};

use super::file::InputArgs;
use super::output::{Outcome, Output};
use crate::graph::References;
use crate::heap::{Functions, PageSelection, Population, Tally};
use crate::v8::Objects;

/// A question that a session answers: a command without the opening of its file.
pub(crate) trait Query {
    /// The file that it is about.
    fn input(&self) -> &InputArgs;

    /// Writes the answer.
    ///
    /// # Errors
    /// When the question makes no sense for the file, and as writing to the output.
    fn answer(&self, session: &Session, output: &mut Output) -> anyhow::Result<Outcome>;
}

/// An opened file.
pub(crate) struct Session {
    pub(crate) objects: Objects,
    pub(crate) integrity: Integrity,
    tallies: Mutex<Vec<(PageSelection, Arc<Tally>)>>,
    functions: Mutex<Vec<(PageSelection, Arc<Functions>)>>,
    population: OnceLock<Population>,
    references: OnceLock<References>,
}

impl Session {
    /// A file of which nothing was asked yet.
    pub(crate) fn new(objects: Objects, integrity: Integrity) -> Self {
        Self {
            objects,
            integrity,
            tallies: Mutex::default(),
            functions: Mutex::default(),
            population: OnceLock::new(),
            references: OnceLock::new(),
        }
    }

    /// The objects of the selected pages, counted. The first call walks the heap.
    pub(crate) fn tally(&self, selection: PageSelection) -> Arc<Tally> {
        remembered(&self.tallies, selection, || {
            Tally::count(&self.objects, selection)
        })
    }

    /// The functions and scripts of the selected pages. The first call walks the heap.
    pub(crate) fn functions(&self, selection: PageSelection) -> Arc<Functions> {
        remembered(&self.functions, selection, || {
            Functions::find(&self.objects, selection)
        })
    }

    /// The maps of the whole heap and the classes of their objects. The first call walks the heap.
    pub(crate) fn population(&self) -> &Population {
        self.population
            .get_or_init(|| Population::new(&self.objects, &self.tally(PageSelection::default())))
    }

    /// Where the objects of every type keep references.
    pub(crate) fn references(&self) -> &References {
        self.references
            .get_or_init(|| References::new(&self.objects))
    }

    /// The isolates of the process.
    pub(crate) fn isolates(&self) -> &[Isolate] {
        &self.objects.image().metadata.isolates
    }

    /// Whether nothing was cut off: neither of the file, nor of the core that it was made from.
    pub(crate) fn is_whole(&self) -> bool {
        let problems = &self.objects.image().metadata.problems;
        self.integrity.is_intact()
            && !problems
                .iter()
                .any(|problem| problem.stage == Problem::TRUNCATED)
    }

    /// How a command went that looked at single objects only.
    pub(crate) fn outcome_without_walk(&self) -> Outcome {
        if self.is_whole() {
            Outcome::Done
        } else {
            Outcome::Incomplete
        }
    }
}

/// What was found out about the selected pages: by `find`, when it is asked for the first time.
fn remembered<T>(
    known: &Mutex<Vec<(PageSelection, Arc<T>)>>,
    selection: PageSelection,
    find: impl FnOnce() -> T,
) -> Arc<T> {
    let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, found)) = known.iter().find(|(pages, _)| *pages == selection) {
        return Arc::clone(found);
    }
    let found = Arc::new(find());
    known.push((selection, Arc::clone(&found)));
    found
}
