//! An opened file, and what was found out about it: several commands may ask, and the costly is done once.

use std::fmt::Debug;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Instant;

use rustc_hash::FxHashSet;
use v8mini_format::Integrity;
use v8mini_format::model::{Isolate, Problem};

use super::answers::{Answer, Answers};
use super::file::InputArgs;
use super::knowledge::{Keeper, Known};
use super::output::{Outcome, Output};
use crate::graph::{DominatorTree, Graph, Nodes, Paths, References, Width};
use crate::heap::{Functions, PageSelection, Population, Shape, Tally};
use crate::node::{Census, Environment};
use crate::strings::{self, Order, StringReport};
use crate::v8::{Address, Objects};

/// A question that a session answers: a command without the opening of its file.
pub(crate) trait Query: Debug {
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
    keeper: Keeper,
    answers: Answers,
    tallies: Known<Tally>,
    functions: Known<Functions>,
    censuses: Known<Census>,
    population: OnceLock<Population>,
    references: OnceLock<References>,
    nodes: Known<Nodes>,
    graphs: Known<Graph>,
    trees: Known<DominatorTree>,
    paths: Known<Paths>,
    strings: Mutex<Option<KnownStrings>>,
}

/// What is known of all strings: of which pages, and how many rows of each finding.
type KnownStrings = (PageSelection, usize, Arc<StringReport>);

impl Session {
    /// A file of which nothing was asked yet, at least by this process: `keeper` has what earlier ones found out.
    pub(super) fn new(objects: Objects, integrity: Integrity, keeper: Keeper) -> Self {
        Self {
            objects,
            integrity,
            keeper,
            answers: Answers::default(),
            tallies: Known::default(),
            functions: Known::default(),
            censuses: Known::default(),
            population: OnceLock::new(),
            references: OnceLock::new(),
            nodes: Known::default(),
            graphs: Known::default(),
            trees: Known::default(),
            paths: Known::default(),
            strings: Mutex::default(),
        }
    }

    /// Writes the answer to a question whose answer follows from the file and the arguments alone, as it was given before if it
    /// was.
    ///
    /// # Errors
    /// As [`Query::answer`].
    pub(super) fn ask_once(
        &self,
        query: &dyn Query,
        output: &mut Output,
    ) -> anyhow::Result<Outcome> {
        let question = format!("{query:?}");
        let kept = self.answers.get(&question).or_else(|| {
            let bytes = self.keeper.get(Answer::key(&question))?;
            let answer = Arc::new(Answer::read(&bytes, &question)?);
            self.answers.add(Arc::clone(&answer), false);
            Some(answer)
        });
        if let Some(answer) = kept {
            output.replay(&answer.text)?;
            return Ok(answer.outcome);
        }
        let start = Instant::now();
        output.start_copy();
        let result = query.answer(self, output);
        let copy = output.end_copy();
        // Where nothing was found, hints may have gone to standard error.
        if let (Ok(outcome), Some(text)) = (&result, copy)
            && *outcome != Outcome::NothingFound
            && self.keeper.is_worth_keeping(start.elapsed())
        {
            self.answers
                .add(Arc::new(Answer::new(question, text, *outcome)), true);
        }
        result
    }

    /// The objects of the selected pages, counted. The first call walks the heap.
    pub(crate) fn tally(&self, selection: PageSelection) -> Arc<Tally> {
        self.tallies.find_plain(&self.keeper, selection, || {
            Tally::count(&self.objects, selection)
        })
    }

    /// What all strings of the selected pages take, ranked by what is wasted: `limit` rows of each finding, or as many as were asked for
    /// before if that number suits.
    ///
    /// The last answer is kept: a report asks for it twice.
    pub(crate) fn strings(
        &self,
        selection: PageSelection,
        limit: usize,
        suits: impl Fn(usize) -> bool,
    ) -> Arc<StringReport> {
        let mut known = (self.strings.lock()).unwrap_or_else(PoisonError::into_inner);
        if let Some((pages, rows, found)) = &*known
            && *pages == selection
            && suits(*rows)
        {
            return Arc::clone(found);
        }
        let options = strings::Options {
            filter: None,
            limit,
            order: Order::Wasted,
        };
        let found = Arc::new(StringReport::of(&self.objects, selection, &options));
        *known = Some((selection, limit, Arc::clone(&found)));
        found
    }

    /// The functions and scripts of the selected pages. The first call walks the heap.
    pub(crate) fn functions(&self, selection: PageSelection) -> Arc<Functions> {
        self.functions.find_plain(&self.keeper, selection, || {
            Functions::find(&self.objects, selection)
        })
    }

    /// What Node.js knows of one isolate. The first call walks its heap.
    pub(crate) fn environment(&self, selection: PageSelection) -> Environment<'_> {
        let census = self.censuses.find_plain(&self.keeper, selection, || {
            Census::take(&self.objects, selection)
        });
        Environment::of(&self.objects, census)
    }

    /// The objects of the selected pages, by number. The first call walks the heap.
    fn nodes(&self, selection: PageSelection) -> Arc<Nodes> {
        self.nodes.find_plain(&self.keeper, selection, || {
            Nodes::collect(&self.objects, selection, Width::Narrow)
        })
    }

    /// The graph of the selected pages, for commands that follow references. The first call builds it.
    pub(crate) fn graph(&self, selection: PageSelection) -> Arc<Graph> {
        let nodes = || self.nodes(selection);
        self.graphs.find(&self.keeper, selection, nodes, || {
            Graph::of_nodes(&self.objects, selection, nodes())
        })
    }

    /// The dominator tree of the selected pages. The first call builds it, from the graph if that is there already, else from one
    /// of its own: the references take as much memory as the tree, and are given back half-way.
    pub(crate) fn dominators(&self, selection: PageSelection) -> Arc<DominatorTree> {
        let nodes = || self.nodes(selection);
        self.trees.find(&self.keeper, selection, nodes, || {
            Graph::of_nodes(&self.objects, selection, nodes()).into_dominators()
        })
    }

    /// The shortest paths from the roots.
    pub(crate) fn paths(&self, selection: PageSelection) -> Arc<Paths> {
        let nodes = || self.nodes(selection);
        self.paths.find(&self.keeper, selection, nodes, || {
            Paths::search(&self.objects, &self.graph(selection))
        })
    }

    /// The objects of some maps, literal boilerplates among them, with their sizes in bytes, in address order. The first call
    /// walks the heap.
    pub(crate) fn objects_of(
        &self,
        selection: PageSelection,
        maps: &FxHashSet<Address>,
    ) -> Vec<(Address, u64)> {
        if maps.is_empty() {
            return Vec::new();
        }
        (self.nodes(selection)).with_maps(|map| maps.contains(&map))
    }

    /// The objects of the shapes that `wanted` picks, literal boilerplates left out, in address order.
    pub(crate) fn instances_of(
        &self,
        selection: PageSelection,
        wanted: impl Fn(&Shape) -> bool,
    ) -> Vec<Address> {
        let tally = self.tally(selection);
        let objects = self.objects_of(selection, &self.population().maps_of(wanted));
        let addresses = objects.into_iter().map(|(address, _)| address);
        addresses
            .filter(|address| !tally.boilerplate_addresses.contains(address))
            .collect()
    }

    /// Writes down what took long to find out, for the next command.
    pub(crate) fn keep(&self) {
        if !self.keeper.is_some() {
            return;
        }
        let mut sections = Vec::new();
        self.answers.to_keep(&mut sections);
        self.tallies.to_keep(&[], &mut sections);
        self.functions.to_keep(&[], &mut sections);
        self.censuses.to_keep(&[], &mut sections);
        let mut refer_to_nodes = self.trees.to_keep(&[], &mut sections);
        refer_to_nodes.extend(self.paths.to_keep(&[], &mut sections));
        refer_to_nodes.extend(self.graphs.to_keep(&[], &mut sections));
        refer_to_nodes.retain(|selection| !self.keeper.has::<Nodes>(*selection));
        self.nodes.to_keep(&refer_to_nodes, &mut sections);
        self.keeper.write(&sections);
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
        Outcome::of(self.is_whole())
    }
}
