//! Node.js' own facts, read from the objects of its JavaScript half: the process, what it waits for, what it has loaded.
//!
//! Node.js keeps its lists of handles and requests in C++, outside of the heap. What is said of them here is found out from
//! their JavaScript objects, which is as good in most cases, and each answer says so.

mod census;
mod emitters;
mod handles;
mod microtasks;
mod modules;
mod process;
mod promises;
mod stored;
mod ticks;
mod timers;
mod waits;

use std::sync::Arc;

use v8mini_format::model::Isolate;

use crate::heap::PageSelection;
use crate::stack::Stack;
use crate::v8::{Address, Fields, Kind, Location, Objects, Tagged};

pub(crate) use census::Census;

pub use emitters::{EmitterClass, Emitters, TopEmitter};
pub use handles::{Handle, Handles};
pub use microtasks::{Microtask, MicrotaskKind, Microtasks};
pub use modules::{Module, Modules};
pub use process::ProcessFacts;
pub use promises::{PendingPromises, PromiseGroup, Waiting};
pub use ticks::Tick;
pub use timers::{Immediate, Timer, Timers};
pub use waits::{Chain, Chains, Step};

/// A function that waits to be called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Callback {
    /// The function.
    pub function: Address,
    /// Its name; empty for an anonymous one.
    pub name: String,
    /// Where it is written; `None` for builtins.
    pub location: Option<Location>,
}

/// What is known of the Node.js environment of one isolate.
#[derive(Debug)]
pub struct Environment<'a> {
    fields: Fields<'a>,
    census: Arc<Census>,
}

impl<'a> Environment<'a> {
    /// Looks through the pages of one isolate.
    pub fn find(objects: &'a Objects, selection: PageSelection) -> Self {
        Self::of(objects, Arc::new(Census::take(objects, selection)))
    }

    /// Of an isolate whose pages were looked through.
    pub(crate) fn of(objects: &'a Objects, census: Arc<Census>) -> Self {
        Self {
            fields: Fields::new(objects),
            census,
        }
    }

    /// What the `process` object says; `None` if there is none.
    pub fn process(&self) -> Option<ProcessFacts> {
        process::read(&self.fields, &self.census.processes)
    }

    /// Open handles: sockets, servers, child processes, …
    pub fn handles(&self) -> Handles {
        handles::read(&self.fields, &self.census.handles)
    }

    /// Requests under way: connections being made, names being looked up, files being read, …
    pub fn requests(&self) -> Handles {
        handles::read(&self.fields, &self.census.requests)
    }

    /// The callbacks given to `process.nextTick` that have not run, in the order in which they will; `None` if their queue was not found. Up
    /// to Node.js 7 those that have run are only told by the stack of the thread.
    pub fn ticks(&self, stack: Option<&Stack>) -> Option<Vec<Tick>> {
        ticks::read(&self.fields, &self.census.processes, stack)
    }

    /// The microtasks of the isolate that have not run, in the order in which they will; `None` if their queue was not found. Up to V8 7.0 those
    /// of a queue that is being run are not known, but what was added since.
    pub fn microtasks(&self, isolate: &Isolate) -> Option<Microtasks> {
        microtasks::read(&self.fields, isolate)
    }

    /// Timers and immediates that wait.
    pub fn timers(&self) -> Timers {
        timers::read(&self.fields, &self.census)
    }

    /// Event emitters and their listeners; the `top` with most.
    pub fn emitters(&self, top: usize) -> Emitters {
        emitters::read(&self.fields, &self.census.emitters, top)
    }

    /// Loaded modules.
    pub fn modules(&self) -> Modules {
        modules::read(&self.fields, &self.census)
    }

    /// Pending promises by who waits for them.
    pub fn promises(&self) -> PendingPromises {
        promises::read(self.fields.objects(), &self.census.promises)
    }

    /// What pending promises let run.
    pub fn chains(&self) -> Chains {
        waits::read(self.fields.objects(), &self.census.promises)
    }

    /// What runs when a callback has settled a promise, if that is all it does, or what it was made for.
    pub fn runs_after(&self, callback: &Callback) -> Vec<Step> {
        let objects = self.fields.objects();
        let settled = waits::settles(objects, callback.function);
        settled.map_or_else(Vec::new, |promise| waits::from_promise(objects, promise))
    }
}

/// What is known of a function.
fn callback(objects: &Objects, word: Tagged) -> Option<Callback> {
    let mut function = word.strong()?;
    // What `bind` made is called by the name of its target.
    for _ in 0..4 {
        if !is_bound(objects, function) {
            let value = objects.read_function(function).ok()?;
            return Some(Callback {
                function,
                name: value.name,
                location: value.location,
            });
        }
        let bound = objects.read_bound_function(function).ok()?;
        function = bound.target.strong()?;
    }
    None
}

/// Whether `bind` made a function: up to V8 4.8 the type does not tell.
fn is_bound(objects: &Objects, function: Address) -> bool {
    let map = objects.map_of(function);
    map.is_ok_and(|map| objects.kind_of(function, &map) == Kind::BoundFunction)
}

/// The class of an object: what `new` named.
fn class_of(objects: &Objects, object: Address) -> String {
    let map = objects.map_of(object).ok();
    map.and_then(|map| objects.class_name(&map))
        .unwrap_or_default()
}
