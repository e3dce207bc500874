//! An opened file, and what was found out about it: several commands may ask, and the costly is done once.

use std::sync::{Arc, Mutex, PoisonError};

use v8mini_format::Integrity;
use v8mini_format::model::{Isolate, Problem};

use super::file::InputArgs;
use super::output::{Outcome, Output};
use crate::heap::{PageSelection, Tally};
use crate::v8::Objects;

/// A question that a session answers: a command without the opening of its file.
pub(super) trait Query {
    /// The file that it is about.
    fn input(&self) -> &InputArgs;

    /// Writes the answer.
    ///
    /// # Errors
    /// When the question makes no sense for the file, and as writing to the output.
    fn answer(&self, session: &Session, output: &mut Output) -> anyhow::Result<Outcome>;
}

/// An opened file.
pub(super) struct Session {
    pub(super) objects: Objects,
    pub(super) integrity: Integrity,
    tallies: Mutex<Vec<(PageSelection, Arc<Tally>)>>,
}

impl Session {
    /// A file of which nothing was asked yet.
    pub(super) fn new(objects: Objects, integrity: Integrity) -> Self {
        Self {
            objects,
            integrity,
            tallies: Mutex::default(),
        }
    }

    /// The objects of the selected pages, counted. The first call walks the heap.
    pub(super) fn tally(&self, selection: PageSelection) -> Arc<Tally> {
        let mut tallies = self.tallies.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, tally)) = tallies.iter().find(|(known, _)| *known == selection) {
            return Arc::clone(tally);
        }
        let tally = Arc::new(Tally::count(&self.objects, selection));
        tallies.push((selection, Arc::clone(&tally)));
        tally
    }

    /// The isolates of the process.
    pub(super) fn isolates(&self) -> &[Isolate] {
        &self.objects.image().metadata.isolates
    }

    /// Whether nothing was cut off: neither of the file, nor of the core that it was made from.
    pub(super) fn is_whole(&self) -> bool {
        let problems = &self.objects.image().metadata.problems;
        self.integrity.is_intact()
            && !problems
                .iter()
                .any(|problem| problem.stage == Problem::TRUNCATED)
    }

    /// How a command went that looked at single objects only.
    pub(super) fn outcome_without_walk(&self) -> Outcome {
        if self.is_whole() {
            Outcome::Done
        } else {
            Outcome::Incomplete
        }
    }
}
