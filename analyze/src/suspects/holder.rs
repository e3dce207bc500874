//! What holds an object: the way from a root to it, and the names under which the program knows it.

use super::accumulation::is_storage;
use super::{Accumulation, Effect, Heap, Name, Use};
use crate::graph::{EdgeKind, EdgeName, RootKind, WEAK_VALUE, edges, links};
use crate::heap::ClassKind;
use crate::v8::Address;

/// Names further away than this many from the object are not looked for in the program's text.
const NAMES: usize = 3;
/// Longest way that is told; of a longer one, the end.
const STEPS: usize = 60;
/// Of a path, so many objects before the end are looked at.
const NEAR: usize = 4;
/// So many objects that refer to one are tried.
const SOURCES: usize = 64;
/// Of an object, so many references are looked at.
const PROPERTIES: usize = 256;
/// So many places in the text are kept.
const USES: usize = 12;

/// One step of the way to an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What sort of reference it is.
    pub kind: EdgeKind,
    /// Its name.
    pub name: String,
    /// What it leads to.
    pub to: Address,
    /// Its class.
    pub class: String,
}

/// What holds an object.
#[derive(Debug, Clone)]
pub struct Holder {
    /// Why the first object is alive.
    pub root: RootKind,
    /// The first object, and its class.
    pub first: (Address, String),
    /// The way from there.
    pub steps: Vec<Step>,
    /// Whether steps before those were left out.
    pub is_cut: bool,
    /// The names under which the program's code may know the object, nearest first.
    pub names: Vec<Name>,
    /// Whether the way leads through a variable or an object of a class of the program.
    pub is_of_program: bool,
}

impl Holder {
    /// What holds an object; `None` if it is dead.
    pub(super) fn of(heap: &Heap<'_>, id: usize) -> Option<Self> {
        let (root, path) = best_path(heap, id)?;
        let is_cut = path.len() > STEPS;
        let path = path.get(path.len().saturating_sub(STEPS)..)?;
        let addresses: Vec<Address> = path.iter().filter_map(|id| heap.address(*id)).collect();
        let first = *addresses.first()?;
        let class_of = |address: Address| {
            heap.tree
                .nodes()
                .id(address)
                .map_or_else(|| "?".to_owned(), |id| heap.class_name(id))
        };
        let mut steps = Vec::new();
        let mut names = Vec::new();
        let mut is_of_program = false;
        let mut from = first;
        for link in links(heap.objects, heap.references, &addresses) {
            let name = match &link.name {
                EdgeName::Name(name) => name.to_string(),
                EdgeName::Index(index) => index.to_string(),
            };
            match link.kind {
                EdgeKind::Context if heap.code.has_scope(heap.objects, from) => {
                    is_of_program = true;
                    names.push(Name::Variable(name.clone(), from));
                }
                // A variable of Node's own: by what is above it, the program does not come here.
                EdgeKind::Context => names.clear(),
                // Of a listener, the emitter is known to the program, and not the name of the event.
                EdgeKind::Property if is_events(steps.last()) => {}
                EdgeKind::Internal if name == WEAK_VALUE => names.clear(),
                EdgeKind::Property if name.starts_with("Symbol(") => {
                    names.push(Name::Symbol(name.clone()));
                }
                EdgeKind::Property if root == RootKind::Global && from == first => {
                    names.push(Name::Global(name.clone()));
                }
                EdgeKind::Property => {
                    names.push(Name::Property(name.clone(), class_script(heap, from)));
                }
                _ => {}
            }
            is_of_program |= class_of_program(heap, link.to).is_some();
            steps.push(Step {
                kind: link.kind,
                name,
                class: class_of(link.to),
                to: link.to,
            });
            from = link.to;
        }
        // What only properties lead to from the global object, the program has put there.
        is_of_program |= root == RootKind::Global
            && !is_cut
            && steps
                .iter()
                .all(|step: &Step| matches!(step.kind, EdgeKind::Property | EdgeKind::Element));
        names.reverse();
        names.truncate(NAMES);
        Some(Self {
            root,
            first: (first, class_of(first)),
            steps,
            is_cut,
            names,
            is_of_program,
        })
    }

    /// Whether it is how an emitter keeps the listeners of an event.
    pub(super) fn is_emitter(&self) -> bool {
        let before = self.steps.iter().rev().nth(1);
        is_events(before) || is_events(self.steps.last())
    }

    /// What the program's code does with the object: by the nearest name by which it is put to or taken from, else by the
    /// nearest that is used at all.
    pub(super) fn uses(&self, heap: &Heap<'_>) -> Vec<Use> {
        let mut fallback = Vec::new();
        for name in &self.names {
            let mut uses = heap.code.uses(heap.objects, name);
            uses.truncate(USES);
            let tells = |found: &Use| !matches!(found.effect, Effect::Bounds | Effect::Uses);
            if uses.iter().any(tells) {
                return uses;
            }
            if fallback.is_empty() {
                fallback = uses;
            }
        }
        fallback
    }
}

/// Whether a step leads to the table in which an emitter has its listeners by event.
fn is_events(step: Option<&Step>) -> bool {
    step.is_some_and(|step| step.name == "_events")
}

/// What the class of an accumulating object does with the collections in which it holds the items.
pub(super) fn uses_inside(heap: &Heap<'_>, accumulation: &Accumulation) -> Vec<Use> {
    let Some(owner) = heap.address(accumulation.owner) else {
        return Vec::new();
    };
    let Some(script) = class_script(heap, owner) else {
        return Vec::new();
    };
    let found = edges(heap.objects, heap.references, owner, PROPERTIES);
    let mut uses = Vec::new();
    for edge in found.map(|edges| edges.list).unwrap_or_default() {
        let (EdgeKind::Property, EdgeName::Name(name)) = (edge.kind, &edge.name) else {
            continue;
        };
        let target = edge.target.object();
        let holds = target
            .and_then(|target| heap.tree.nodes().id(target))
            .is_some_and(|id| holds(heap, id, &accumulation.samples));
        if holds {
            let name = Name::Property(name.to_string(), Some(script));
            uses.extend(heap.code.uses(heap.objects, &name));
        }
    }
    uses.sort_by_key(|found| found.effect);
    uses.truncate(USES);
    uses
}

/// Whether a collection holds one of the items, directly or by way of what V8 keeps its contents in.
fn holds(heap: &Heap<'_>, collection: usize, items: &[usize]) -> bool {
    heap.graph.targets(collection).iter().any(|target| {
        items.contains(&target)
            || heap
                .class(target)
                .is_some_and(|class| is_storage(&class.name))
                && heap
                    .graph
                    .targets(target)
                    .iter()
                    .any(|inner| items.contains(&inner))
    })
}

/// The script of an object's class, if it is one of the program's.
fn class_script(heap: &Heap<'_>, object: Address) -> Option<Address> {
    let constructor = class_of_program(heap, object)?;
    heap.objects.function_script(constructor).ok().flatten()
}

/// The class of an object, if it is one of the program's: its `SharedFunctionInfo`.
fn class_of_program(heap: &Heap<'_>, object: Address) -> Option<Address> {
    let map = heap.objects.map_of(object).ok()?;
    let class = heap.objects.class_function(&map)?;
    let shared = heap.objects.shared_function_info(class).ok()?;
    heap.code.is_of_program(shared).then_some(shared)
}

/// The shortest way to an object; but one by way of another object that refers to it, if the shortest ends in what only V8
/// sees, such as a constant in optimized code.
fn best_path(heap: &Heap<'_>, id: usize) -> Option<(RootKind, Vec<usize>)> {
    let shortest = heap.paths.to(id)?;
    if oddness(heap, &shortest.1) == 0 {
        return Some(shortest);
    }
    let others = heap.graph.sources(id).into_iter().take(SOURCES);
    let ways = others.filter_map(|source| {
        let (root, mut path) = heap.paths.to(source)?;
        (!path.contains(&id)).then(|| {
            path.push(id);
            (root, path)
        })
    });
    let best = ways.min_by_key(|(root, path)| (oddness(heap, path), *root, path.len()));
    best.filter(|(_, path)| oddness(heap, path) < oddness(heap, &shortest.1))
        .or(Some(shortest))
}

/// How many of the last objects before the end of a path are code, shapes, and others that no program names.
fn oddness(heap: &Heap<'_>, path: &[usize]) -> usize {
    let near = path.iter().rev().skip(1).take(NEAR);
    near.filter(|id| {
        heap.class(**id).is_some_and(|class| {
            class.kind == ClassKind::Internal
                && !class.name.ends_with("Context")
                && !matches!(
                    class.name.as_str(),
                    "(array)" | "system / PropertyCell" | "system / Cell" | "system / ContextCell"
                )
        })
    })
    .count()
}
