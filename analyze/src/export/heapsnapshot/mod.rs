//! Heap snapshots as V8 itself writes them, for Chrome DevTools, VS Code, memlab and whatever else reads them.
//!
//! The format has no specification: it is what `HeapSnapshotJSONSerializer` writes and what the heap-snapshot worker of DevTools
//! reads. A snapshot says first how many nodes and edges it has, and last what they are called; so edges, packed, and
//! strings go to temporary files, nodes too unless the snapshot is a file, and memory is needed for the graph and the strings'
//! fingerprints alone.
//!
//! Nodes are the objects that are alive, in address order, behind a synthetic root, `(GC roots)` and one node for each
//! kind of root. Types, names and edges follow V8's (`V8HeapExplorer`), because readers tell classes by them.

mod batch;
mod edges;
mod ids;
mod json;
mod names;
mod node;
mod pipeline;
mod places;
mod plan;
mod recent;
mod release;
mod spool;
mod strings;

use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};

use rustc_hash::FxHashMap;

pub use ids::ObjectIds;
pub use spool::Out;

use self::batch::{Batch, Scribe, Text};
use self::edges::EdgeSpool;
use self::pipeline::Steps;
use self::plan::Plan;
use self::spool::{Front, Spool};
use self::strings::Strings;
use crate::graph::{
    DominatorTree, EdgeKind, EdgeName, Ephemeron, Nodes, Reachable, References, RootKind,
};
use crate::v8::Objects;

/// Objects of a batch: enough that the text of one is written in one go, few enough that several fit in the caches.
const BATCH: usize = 8192;
/// About so many edges has a node: the first guess of how many digits their number has.
const EDGES_PER_NODE: u64 = 5;

/// What goes into a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Most UTF-16 code units of a string's content.
    pub max_string: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            // As much as V8 keeps (`--heap-snapshot-string-limit`).
            max_string: 1024,
        }
    }
}

/// What was written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Written {
    /// Nodes, those included that stand for no object.
    pub nodes: u64,
    /// Edges.
    pub edges: u64,
    /// Different names.
    pub strings: u64,
    /// Bytes.
    pub bytes: u64,
}

/// What is alive, and which of it is written.
#[derive(Debug, Clone, Copy)]
pub enum Alive<'a> {
    /// All.
    All(&'a Reachable),
    /// What retains enough.
    Retaining {
        /// How much each object retains.
        tree: &'a DominatorTree,
        /// Objects that retain fewer bytes are left out; their sizes are added to those of the objects that dominate them, or of
        /// the roots.
        at_least: u64,
    },
}

impl<'a> Alive<'a> {
    fn nodes(self) -> &'a Nodes {
        match self {
            Self::All(reachable) => reachable.nodes(),
            Self::Retaining { tree, .. } => tree.nodes(),
        }
    }

    /// How many objects are alive.
    pub fn count(self) -> u64 {
        match self {
            Self::All(reachable) => reachable.alive().count() as u64,
            Self::Retaining { tree, .. } => tree.alive().count() as u64,
        }
    }
}

/// Where the objects come from, and why they are alive.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// The heap.
    pub objects: &'a Objects,
    /// What is alive in it.
    pub alive: Alive<'a>,
    /// The roots, sorted by kind.
    pub roots: &'a [(usize, RootKind)],
    /// The pairs of weak collections.
    pub ephemerons: &'a [Ephemeron],
}

/// Writes a snapshot. `progress` is told from time to time how many objects are done.
///
/// # Errors
/// As writing to `out` and to temporary files.
pub fn write(
    source: Source<'_>,
    options: &Options,
    mut out: Out<'_>,
    progress: &mut dyn FnMut(u64),
) -> io::Result<Written> {
    let references = References::new(source.objects);
    let mut kinds: Vec<RootKind> = source.roots.iter().map(|(_, kind)| *kind).collect();
    kinds.dedup();
    // The root, (GC roots), and one node a kind.
    let first = 2 + kinds.len() as u64;
    let plan = Plan::new(&source, &references, first, options);
    let mut writer = Writer::new(&out, first + plan.kept_count())?;
    writer.add(roots(source.roots, &kinds, &plan))?;

    let kept = plan.kept_count();
    let batches = (kept as usize).div_ceil(BATCH);
    // What one batch has needed, the next can use.
    let (scribes, spare, texts) = (Pool::default(), Pool::default(), Pool::default());
    let Writer {
        nodes,
        edges,
        numbering,
    } = &mut writer;
    let steps = Steps {
        make: |at: usize| {
            let mut scribe = scribes.take(|| Scribe::new(&plan));
            let mut batch: Batch = spare.take(Batch::default);
            let objects = plan.kept_from(at * BATCH).take(BATCH);
            batch.fill(&plan, &mut scribe, objects);
            scribes.give(scribe);
            batch
        },
        number: |mut batch: Batch| {
            numbering.number(&mut batch)?;
            Ok(batch)
        },
        format: |mut batch: Batch| {
            let mut text = texts.take(Text::default);
            batch.format(false, &mut text);
            batch.clear();
            spare.give(batch);
            text
        },
        write: |text: Text| {
            nodes.write_all(&text.nodes)?;
            edges.push(&text.edges)?;
            texts.give(text);
            Ok(())
        },
    };
    let threads = rayon::current_num_threads();
    pipeline::run(batches, threads, steps, |done| {
        progress(((done * BATCH) as u64).min(kept));
    })?;
    writer.finish(&mut out, threads)
}

/// What is used again and again, by one thread at a time.
struct Pool<T>(Mutex<Vec<T>>);

impl<T> Default for Pool<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> Pool<T> {
    fn take(&self, make: impl FnOnce() -> T) -> T {
        let idle = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        idle.unwrap_or_else(make)
    }

    fn give(&self, idle: T) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.push(idle);
    }
}

/// The nodes that stand for no object.
fn roots(roots: &[(usize, RootKind)], kinds: &[RootKind], plan: &Plan<'_>) -> Batch {
    let mut batch = Batch::default();
    let place = |id: usize| plan.place_of(id);
    let mut of_root = vec![(EdgeKind::Element, EdgeName::Index(1), 1)];
    // Objects to which the program's own ways lead: readers measure distances from them.
    let globals = roots.iter().filter(|(_, kind)| *kind == RootKind::Global);
    of_root.extend(globals.filter_map(|(id, _)| {
        let name = format!("{id} / global");
        Some((EdgeKind::Shortcut, EdgeName::from(name), place(*id)?))
    }));
    // DevTools passes over references from what the program's globals do not lead to to what they lead to, unless they come from
    // below the root. In V8's own snapshots of Node.js up to 23, the C++ objects of what the program has opened are there;
    // here the handles are by which they hold it.
    let handles = (2..)
        .zip(kinds)
        .find(|(_, kind)| **kind == RootKind::GlobalHandle);
    if release::has_wraps_below_root(plan.objects) {
        of_root.extend(
            handles.map(|(place, _)| (EdgeKind::Shortcut, EdgeName::from("Node / handles"), place)),
        );
    }
    batch.synthetic("", 2, 0, of_root);
    let mut of_gc_roots: Vec<_> = (2..)
        .zip(kinds)
        .map(|(place, _)| (EdgeKind::Element, EdgeName::Index(place - 1), place))
        .collect();
    of_gc_roots.extend(plan.dominated(None).iter().filter_map(|id| {
        Some((
            EdgeKind::Internal,
            EdgeName::from("by way of what is left out"),
            place(id)?,
        ))
    }));
    batch.synthetic("(GC roots)", 4, plan.shared, of_gc_roots);
    for (id, kind) in (6..).step_by(2).zip(kinds) {
        let of_kind = roots.iter().filter(|(_, of)| of == kind);
        let links = (1..).zip(of_kind).filter_map(|(index, (root, _))| {
            Some((EdgeKind::Hidden, EdgeName::Index(index), place(*root)?))
        });
        batch.synthetic(&format!("({})", kind.name()), id, 0, links.collect());
    }
    batch.seal();
    batch
}

/// The parts of a snapshot, on their way.
struct Writer<'a> {
    nodes: Front<'a>,
    edges: EdgeSpool,
    numbering: Numbering,
}

/// Who gives names and memory outside of the heap their numbers, in the order of the file.
struct Numbering {
    strings: Strings,
    written: Written,
    /// Memory outside of the heap: its place among the nodes, by address.
    natives: FxHashMap<u64, u64>,
    /// The same in order, with sizes in bytes.
    native_nodes: Vec<(u64, u64)>,
    /// Place of the first.
    first_native: u64,
}

impl Numbering {
    fn number(&mut self, batch: &mut Batch) -> io::Result<()> {
        batch.place_natives(|address, bytes| {
            let next = self.first_native + self.native_nodes.len() as u64;
            *self.natives.entry(address).or_insert_with(|| {
                self.native_nodes.push((address, bytes));
                next
            })
        });
        batch.number_names(&mut self.strings)?;
        self.written.nodes += batch.node_count();
        self.written.edges += batch.edge_count();
        Ok(())
    }
}

impl<'a> Writer<'a> {
    fn new(out: &Out<'a>, first_native: u64) -> io::Result<Self> {
        let mut head = Vec::new();
        json::write_head(&mut head, first_native, first_native * EDGES_PER_NODE)?;
        Ok(Self {
            nodes: Front::new(out, &head)?,
            edges: EdgeSpool::new(out.directory())?,
            numbering: Numbering {
                strings: Strings::new(Spool::new(out.directory())?)?,
                written: Written::default(),
                natives: FxHashMap::default(),
                native_nodes: Vec::new(),
                first_native,
            },
        })
    }

    fn add(&mut self, mut batch: Batch) -> io::Result<()> {
        let is_first = self.numbering.written.nodes == 0;
        self.numbering.number(&mut batch)?;
        let mut text = Text::default();
        batch.format(is_first, &mut text);
        self.nodes.write_all(&text.nodes)?;
        self.edges.push(&text.edges)
    }

    fn finish(mut self, out: &mut Out<'_>, threads: usize) -> io::Result<Written> {
        let mut natives = Batch::default();
        for (number, (address, bytes)) in self.numbering.native_nodes.iter().enumerate() {
            // Even ids are no objects'; those of the roots come first.
            natives.native(1000 + number as u64 * 2, *address, *bytes);
        }
        natives.seal();
        self.add(natives)?;
        let Numbering {
            strings,
            mut written,
            ..
        } = self.numbering;
        written.strings = u64::from(strings.len());
        let mut head = Vec::new();
        json::write_head(&mut head, written.nodes, written.edges)?;
        written.bytes = self.nodes.finish(&head, out)?;
        let mut put = |out: &mut Out<'_>, text: &[u8]| {
            written.bytes += text.len() as u64;
            out.write_all(text)
        };
        put(out, b"],\n\"edges\":[")?;
        let edges = self.edges.write_to(out, threads)?;
        put(
            out,
            b"],\n\"trace_function_infos\":[],\n\"trace_tree\":[],\n\"samples\":[],\n\"locations\":[],\n\"strings\":[",
        )?;
        let strings = strings.into_texts().copy_to(out)?;
        put(out, b"]}\n")?;
        out.flush()?;
        written.bytes += edges + strings;
        Ok(written)
    }
}
