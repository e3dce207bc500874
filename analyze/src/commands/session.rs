//! An opened file, and what was found out about it: several commands may ask, and the costly is done once.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use v8mini_format::Integrity;
use v8mini_format::model::{Isolate, Problem};

use super::file::InputArgs;
use super::output::{Outcome, Output};
use crate::graph::{DominatorTree, Graph, Paths, References, TooManyObjects};
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
    tallies: Cached<Tally>,
    functions: Cached<Functions>,
    population: OnceLock<Population>,
    references: OnceLock<References>,
    graphs: Cached<Graph>,
    trees: Cached<DominatorTree>,
    paths: Cached<Paths>,
}

/// What was found out about selections of pages.
type Cached<T> = Mutex<Vec<(PageSelection, Arc<T>)>>;

/// What is known of a selection, found out by `make` when it is asked for the first time.
fn cached<T, E>(
    cache: &Cached<T>,
    selection: PageSelection,
    make: impl FnOnce() -> Result<T, E>,
) -> Result<Arc<T>, E> {
    let mut known = cache.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, value)) = known.iter().find(|(other, _)| *other == selection) {
        return Ok(Arc::clone(value));
    }
    let value = Arc::new(make()?);
    known.push((selection, Arc::clone(&value)));
    Ok(value)
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
            graphs: Mutex::default(),
            trees: Mutex::default(),
            paths: Mutex::default(),
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

    /// The graph of the selected pages, for commands that follow references. The first call builds it.
    ///
    /// # Errors
    /// If there are too many objects.
    pub(crate) fn graph(&self, selection: PageSelection) -> Result<Arc<Graph>, TooManyObjects> {
        cached(&self.graphs, selection, || {
            Graph::build(&self.objects, selection)
        })
    }

    /// The dominator tree of the selected pages. The first call builds it, from the graph if that is there already, else from one
    /// of its own: the references take as much memory as the tree, and are given back half-way.
    ///
    /// # Errors
    /// If there are too many objects.
    pub(crate) fn dominators(
        &self,
        selection: PageSelection,
    ) -> Result<Arc<DominatorTree>, TooManyObjects> {
        cached(&self.trees, selection, || {
            let graphs = self.graphs.lock().unwrap_or_else(PoisonError::into_inner);
            let known = graphs.iter().find(|(other, _)| *other == selection);
            let known = known.map(|(_, graph)| Arc::clone(graph));
            drop(graphs);
            Ok(match known {
                Some(graph) => graph.dominators(),
                None => Graph::build(&self.objects, selection)?.into_dominators(),
            })
        })
    }

    /// The shortest paths from the roots.
    ///
    /// # Errors
    /// If there are too many objects.
    pub(crate) fn paths(&self, selection: PageSelection) -> Result<Arc<Paths>, TooManyObjects> {
        cached(&self.paths, selection, || {
            Ok(Paths::search(&*self.graph(selection)?))
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
fn remembered<T>(known: &Cached<T>, selection: PageSelection, find: impl FnOnce() -> T) -> Arc<T> {
    let find = || Ok::<_, Infallible>(find());
    match cached(known, selection, find) {
        Ok(found) => found,
    }
}
