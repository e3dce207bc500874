//! Leak suspects: where much that is alike has accumulated, what holds it, and which of the program's code puts it there.
//!
//! One capture cannot prove a leak. It can show that a great part of the heap hangs on one object as many similar ones, that
//! functions which are alive put such objects there again and again, and that none takes them out again. How often a function
//! has run V8 remembers (`runs`). A table that was filled once is left out by that, and so is what is kept within a bound. With later captures of the process growth decides instead.

mod accumulation;
mod alias;
mod code;
mod contents;
mod crowds;
mod effect;
mod holder;
mod runs;
mod script;

use crate::graph::{Children, DominatorTree, Graph, Numbers, Paths, References};
use crate::heap::{Class, Classes};
use crate::layout::Field;
use crate::v8::{Address, FixedArray, Kind, Objects};

pub use accumulation::{Accumulation, Arrangement};
pub use code::{Code, Name, Use};
pub use contents::{Content, ItemCode};
pub use effect::Effect;
pub use holder::{Holder, Step};
pub use runs::Runs;
pub(crate) use script::is_of_program;

/// One capture makes no suspect of what retains less than this part of all that is alive.
const SUSPECT_PART: f64 = 0.04;
/// A queue that is so great a part of all that is alive gets more than is taken from it.
const BACKLOG_PART: f64 = 1.0 / 3.0;
/// Of what no code of the program is known to touch, less than this part of all that is alive is nothing to speak of.
const UNTOUCHED_PART: f64 = 0.1;

/// Reasons against a leak, which growth refutes.
pub const ONLY_READ: &str = "the code that uses it only reads it: it was filled once";
/// See [`ONLY_READ`].
pub const FILLED_ONCE: &str = "the code that puts things there has run once, or hardly, or not lately: it was filled at a time";
/// See [`ONLY_READ`].
pub const ONE_PIECE: &str =
    "it has no room for more, as what was made in one piece: nothing was put there one by one";
/// See [`ONLY_READ`].
pub const BOUNDED: &str = "code that is alive compares its size with a bound";
/// See [`ONLY_READ`].
pub const TAKEN_OUT: &str = "code that is alive takes things out again";

/// From a link of a chain to the next there are so many steps at most…
const LINK_STEPS: usize = 3;
/// …of each of which so many references are looked at.
const NEAR_LINK: usize = 16;
/// So many listeners of one event, or more, are too many, whatever the program does with them.
const MANY_LISTENERS: u64 = 1000;

/// A heap, and what was found out about it.
pub struct Heap<'a> {
    /// The objects.
    pub objects: &'a Objects,
    /// Who refers to whom.
    pub graph: &'a Graph,
    /// What keeps alive how much.
    pub tree: &'a DominatorTree,
    /// The shortest ways from the roots.
    pub paths: &'a Paths,
    /// Where references lie.
    pub references: &'a References,
    /// The program's functions.
    pub code: Code,
    /// Bytes of all that is alive, those of buffers outside of the heap included.
    pub live_bytes: u64,
    classes: &'a Classes,
    children: Children,
    /// All that is alive; whoever dominates comes before.
    preorder: Numbers,
}

/// An accumulation that looks like a leak.
#[derive(Debug, Clone)]
pub struct Suspect {
    /// What accumulates.
    pub accumulation: Accumulation,
    /// The object that accumulates.
    pub owner: Address,
    /// Its class.
    pub owner_class: String,
    /// What the items are called: their class, or the function that they are closures of.
    pub items: String,
    /// Part of all that is alive, 0 to 1.
    pub part: f64,
    /// What holds it.
    pub holder: Holder,
    /// What the program's code does with it.
    pub uses: Vec<Use>,
    /// The program's code that the items come from.
    pub item_code: Vec<ItemCode>,
    /// What is in it, by class.
    pub contents: Vec<Content>,
    /// What speaks for a leak, or against it, in words.
    pub reasons: Vec<String>,
    /// Whether one capture alone makes it a suspect.
    pub is_suspect: bool,
}

impl<'a> Heap<'a> {
    /// Brings together what is known of a heap.
    pub fn new(
        objects: &'a Objects,
        graph: &'a Graph,
        tree: &'a DominatorTree,
        paths: &'a Paths,
        references: &'a References,
        classes: &'a Classes,
    ) -> Self {
        let children = tree.children();
        let mut preorder = Numbers::with_capacity(tree.nodes().width(), 0);
        let mut rest = children.of(None).to_vec();
        while let Some(id) = rest.pop() {
            preorder.push(id);
            rest.extend(children.of(Some(id)));
        }
        Self {
            code: Code::of(objects, graph, |id| tree.is_alive(id)),
            live_bytes: tree.live_bytes(),
            objects,
            graph,
            tree,
            paths,
            references,
            classes,
            children,
            preorder,
        }
    }

    /// All that has accumulated, what retains most first: suspects, and what looks harmless, of which the contents are counted
    /// only if they are to be told `in_full`.
    pub fn accumulations(&self, in_full: bool) -> Vec<Suspect> {
        accumulation::find(self)
            .into_iter()
            .filter_map(|found| self.judge(found, in_full))
            .collect()
    }

    fn judge(&self, accumulation: Accumulation, in_full: bool) -> Option<Suspect> {
        let owner = self.address(accumulation.owner)?;
        let mut holder = Holder::of(self, accumulation.owner)?;
        let mut uses = holder.uses(self);
        // Of what an object holds in more than one way, the object's own class tells what is done with it.
        let inner = holder::uses_inside(self, &accumulation);
        if !inner.is_empty() {
            uses = inner;
        }
        let is_text = self.class_name(accumulation.container) == "(concatenated string)";
        let is_chain = accumulation.arrangement == Arrangement::Chain;
        let puts = |found: &&Use| match found.effect {
            Effect::Grows => true,
            Effect::Replaces => is_chain,
            Effect::Appends => is_text,
            Effect::Shrinks | Effect::Bounds | Effect::Uses => false,
        };
        // A chain may be known by its end.
        if is_chain
            && !uses
                .iter()
                .any(|found| puts(&found) && found.runs == Runs::Often)
            && let Some(end) = accumulation.end
        {
            // The very last link may be held by a variable, too, and so hang on nothing.
            for end in [Some(end), self.link_after(end)].into_iter().flatten() {
                let Some(other) = Holder::of(self, end) else {
                    continue;
                };
                let of_end = other.uses(self);
                let goes_on = |found: &Use| puts(&found) && found.runs == Runs::Often;
                if of_end.iter().any(goes_on) {
                    uses = of_end;
                    holder.is_of_program |= other.is_of_program;
                    break;
                }
            }
        }
        let item_code = contents::item_code(self, &accumulation.samples);
        let part = accumulation.bytes as f64 / self.live_bytes.max(1) as f64;
        let keeps_growing = |found: &&Use| puts(found) && found.runs == Runs::Often;
        let filling = uses.iter().filter(puts).count();
        let is_one_piece =
            accumulation.arrangement == Arrangement::Crowd && self.is_in_one_piece(owner);
        let growing = match is_one_piece {
            true => 0,
            false => uses.iter().filter(keeps_growing).count(),
        };
        // What empties it all is there in case; it takes nothing out as long as it never ran.
        let takes = |found: &&Use| {
            found.effect == Effect::Shrinks
                && (found.runs != Runs::NotLately || growing == 0 || !empties_all(found))
        };
        let shrinking = uses.iter().filter(takes).count();
        let is_bounded = uses.iter().any(|found| {
            found.effect == Effect::Bounds
                && found.runs != Runs::NotLately
                && found.bound.is_none_or(|bound| bound >= accumulation.count)
        });
        let never_deleted = growing > 0
            && shrinking > 0
            && !is_bounded
            && part >= UNTOUCHED_PART
            && self.was_never_deleted_from(owner, &uses);
        let is_backlog = part >= BACKLOG_PART
            && !is_bounded
            && !is_one_piece
            && accumulation.arrangement == Arrangement::Crowd
            && is_queue(&uses);
        let touches_program = !item_code.is_empty();
        let is_frozen = self.is_frozen(owner);
        let many_listeners = holder.is_emitter()
            && accumulation.arrangement == Arrangement::Crowd
            && accumulation.count >= MANY_LISTENERS;
        // Syntax trees, documents and the like are what many programs are about: only growth tells.
        let is_tree = accumulation.arrangement == Arrangement::Tree;
        let is_suspect = if is_tree || part < SUSPECT_PART {
            false
        } else if never_deleted || many_listeners || is_backlog {
            true
        } else if is_frozen || shrinking > 0 {
            false
        } else if growing > 0 {
            true
        } else if uses.is_empty() {
            // Mere data may have been read from a file, and Node's own tables have no more to do with the program than
            // that they are large: code that comes along with each item, such as a callback, is put there by the program.
            part >= UNTOUCHED_PART && touches_program && !is_one_piece
        } else {
            false
        };
        let mut reasons = Vec::new();
        if many_listeners {
            reasons.push("so many listeners of one event are seldom meant".to_owned());
        }
        if growing > 0 && shrinking == 0 {
            reasons.push(
                "code that is alive puts things there, and none was found that takes them out"
                    .to_owned(),
            );
        }
        if never_deleted {
            reasons.push(
                "code that is alive could take things out, but it has not: no entry was deleted since the table last grew"
                    .to_owned(),
            );
        } else if shrinking > 0 {
            reasons.push(TAKEN_OUT.to_owned());
        }
        if is_backlog {
            reasons.push(
                "it is a queue without a bound, in which a great part of all that is alive waits"
                    .to_owned(),
            );
        }
        if is_bounded && shrinking > 0 {
            reasons.push(BOUNDED.to_owned());
        }
        if is_one_piece && !is_frozen {
            reasons.push(ONE_PIECE.to_owned());
        } else if filling > 0 && growing == 0 {
            reasons.push(FILLED_ONCE.to_owned());
        }
        if is_frozen {
            reasons.push("it is frozen: nothing can be added".to_owned());
        }
        if uses.is_empty() {
            reasons.push("no code of the program was found that names it".to_owned());
        } else if filling + shrinking == 0 {
            reasons.push(ONLY_READ.to_owned());
        }
        Some(Suspect {
            owner,
            owner_class: self.class_name(accumulation.owner),
            items: contents::items(self, &accumulation),
            part,
            contents: match is_suspect || in_full {
                true => contents::of(self, &accumulation),
                false => Vec::new(),
            },
            holder,
            uses,
            item_code,
            reasons,
            is_suspect,
            accumulation,
        })
    }

    /// The object of the same class that a link of a chain refers to within a few steps.
    fn link_after(&self, link: usize) -> Option<usize> {
        let class = self.class_number(link);
        let mut near = self.graph.targets(link).to_vec();
        for _ in 0..LINK_STEPS {
            let found = near.iter().find(|id| {
                self.class_number(**id) == class
                    && **id != link
                    && self.tree.dominator(link) != Some(**id)
            });
            if let Some(found) = found {
                return Some(*found);
            }
            near.truncate(NEAR_LINK);
            near = near
                .iter()
                .flat_map(|id| self.graph.targets(*id).iter().take(NEAR_LINK))
                .collect();
        }
        None
    }

    /// Whether a `Map` or `Set` has no gap that a deleted entry leaves, although entries are deleted one by one only.
    fn was_never_deleted_from(&self, owner: Address, uses: &[Use]) -> bool {
        let one_by_one = |found: &Use| {
            found.effect != Effect::Shrinks
                || (found.line.contains(".delete(") && !found.line.contains(".clear("))
        };
        uses.iter().all(one_by_one)
            && self
                .objects
                .deleted_entries(owner)
                .is_ok_and(|deleted| deleted == Some(0))
    }

    /// Whether an array holds as many elements as there is room for. What grows one by one is given room in advance; what was
    /// parsed, copied or mapped is as large as it has to be.
    fn is_in_one_piece(&self, owner: Address) -> bool {
        let objects = self.objects;
        let capacity_and_length = || {
            let map = objects.map_of(owner).ok()?;
            if objects.kind_of(owner, &map) != Kind::Array {
                return None;
            }
            let elements = objects.tagged_field(owner, Field::JSObjectElements).ok()?;
            let elements = elements.strong()?;
            let capacity = FixedArray::read(objects, elements).ok()?.length;
            let length = objects.tagged_field(owner, Field::JSArrayLength).ok()?;
            Some((capacity, u64::try_from(length.smi()?).ok()?))
        };
        capacity_and_length().is_some_and(|(capacity, length)| capacity == length)
    }

    /// Whether nothing can be added to the elements of an array or object.
    fn is_frozen(&self, object: Address) -> bool {
        self.objects
            .map_of(object)
            .is_ok_and(|map| map.has_fixed_elements(self.objects.layout()))
    }

    fn address(&self, id: usize) -> Option<Address> {
        self.tree.nodes().address(id)
    }

    /// The objects that dominate one, nearest first.
    fn dominators(&self, id: usize) -> impl Iterator<Item = usize> {
        std::iter::successors(self.tree.dominator(id), |above| self.tree.dominator(*above))
    }

    fn class_number(&self, id: usize) -> Option<usize> {
        let nodes = self.tree.nodes();
        let map = nodes.map_addresses().get(nodes.map(id))?;
        self.classes.of_map(*map)
    }

    fn class(&self, id: usize) -> Option<&Class> {
        self.classes.list().get(self.class_number(id)?)
    }

    fn class_name(&self, id: usize) -> String {
        self.class(id)
            .map_or_else(|| "?".to_owned(), |class| class.name.clone())
    }
}

/// Whether functions put things in again and again, and others take them out one by one, as they do with a queue.
fn is_queue(uses: &[Use]) -> bool {
    let mut puts = Vec::new();
    let mut takes = Vec::new();
    for found in uses {
        match found.effect {
            Effect::Grows if found.runs == Runs::Often => puts.push(found.shared),
            Effect::Shrinks if found.line.contains(".shift(") || found.line.contains(".pop(") => {
                takes.push(found.shared);
            }
            Effect::Shrinks | Effect::Replaces => return false,
            _ => {}
        }
    }
    // In one function they keep a window: for each that comes, others go.
    !puts.is_empty() && !takes.is_empty() && !takes.iter().any(|take| puts.contains(take))
}

/// Whether code takes everything out at once.
fn empties_all(found: &Use) -> bool {
    let line: String = found.line.chars().filter(|c| !c.is_whitespace()).collect();
    ![".delete(", ".shift(", ".pop(", ".splice(", "delete"]
        .iter()
        .any(|one| line.contains(one))
        && ([".clear(", ".length=0"]
            .iter()
            .any(|all| line.contains(all))
            || ["=[]", "={}", "=newMap()", "=newSet()"]
                .iter()
                .any(|empty| line.contains(empty)))
}
