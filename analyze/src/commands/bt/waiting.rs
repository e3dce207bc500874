//! What a thread will do next: its timers, and the functions that go on when a promise is settled.

use std::collections::hash_map::Entry;
use std::io::Write;

use rustc_hash::FxHashMap;
use schemars::JsonSchema;
use serde::Serialize;
use v8mini_format::model::Thread;

use super::super::output::{DIM, Output, grouped, human_ms};
use super::super::schema::Hex;
use super::super::session::Session;
use crate::heap::PageSelection;
use crate::node::{Callback, Step};
use crate::stack::{ThreadKind, kind_of_thread};

/// Without `--async`, no more heap than this is looked through: it takes a second per gigabyte.
const MAX_HEAP_BYTES: u64 = 256 << 20;

/// So many timers and immediates are looked at.
const MAX_CALLBACKS: usize = 1 << 17;

/// What a thread waits for.
#[derive(Serialize, JsonSchema)]
pub(super) struct Waiting {
    timers: u64,
    immediates: u64,
    pending_promises: u64,
    /// Pending promises that nobody waits for.
    idle_promises: u64,
    /// What timers and immediates call, the next first.
    callbacks: Vec<CallbackReport>,
    /// How many different ones there are, shown or not.
    callbacks_in_all: usize,
    /// What pending promises let run.
    chains: Vec<ChainReport>,
    /// How many chains there are, shown or not.
    chains_in_all: usize,
}

/// A function that a timer or immediate calls.
#[derive(Serialize, JsonSchema)]
struct CallbackReport {
    /// `timer` or `immediate`.
    kind: &'static str,
    /// How many call the same.
    count: u64,
    /// The next of them.
    #[schemars(with = "Hex")]
    address: String,
    /// From the moment of the capture; less than 0 if it is late. Exact to some ten milliseconds.
    due_in_ms: Option<f64>,
    function: Option<StepReport>,
    /// What goes on when it has settled the promise that it was made to settle.
    then: Vec<StepReport>,
}

impl CallbackReport {
    /// Equal for those that call the same.
    fn what(&self) -> String {
        let steps = self.function.iter().chain(&self.then);
        let steps: Vec<String> = steps.map(StepReport::text).collect();
        format!("{} {}", self.kind, steps.join("\n"))
    }
}

/// What a pending promise lets run.
#[derive(Serialize, JsonSchema)]
struct ChainReport {
    /// How many promises let the same run.
    count: u64,
    /// One of them.
    #[schemars(with = "Hex")]
    promise: String,
    /// First what goes on first, then what goes on when that returns, and so on.
    steps: Vec<StepReport>,
}

#[derive(Serialize, JsonSchema)]
struct StepReport {
    /// `await`, `then`, `combinator` or `call`.
    kind: &'static str,
    name: String,
    /// The function; absent for what V8 does itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Hex>")]
    function: Option<String>,
    /// What has the state of a function at an `await`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Hex>")]
    generator: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    column: Option<u64>,
    /// Whether line and column are those of the `await`, and not of the function.
    is_exact: bool,
    #[serde(skip)]
    place: String,
}

impl StepReport {
    fn new(step: &Step) -> Self {
        match step {
            Step::Await(at) => Self {
                kind: "await",
                name: at.name.clone(),
                function: Some(at.function.to_string()),
                generator: Some(at.generator.to_string()),
                ..Self::place(at.location.as_ref(), at.is_exact)
            },
            Step::Then(function) => Self {
                kind: "then",
                ..Self::call(function)
            },
            Step::Combinator => Self {
                kind: "combinator",
                name: "Promise.all, any or allSettled".to_owned(),
                ..Self::place(None, false)
            },
        }
    }

    fn call(function: &Callback) -> Self {
        Self {
            kind: "call",
            name: function.name.clone(),
            function: Some(function.function.to_string()),
            ..Self::place(function.location.as_ref(), false)
        }
    }

    fn place(location: Option<&crate::v8::Location>, is_exact: bool) -> Self {
        let line_column = location.and_then(|location| location.line_column);
        Self {
            kind: "call",
            name: String::new(),
            function: None,
            generator: None,
            file: location.map(|location| location.file.clone()),
            line: line_column.map(|(line, _)| line),
            column: line_column.map(|(_, column)| column),
            is_exact,
            place: location.map_or_else(String::new, ToString::to_string),
        }
    }

    /// As stack traces have it: `at async f (x.js:10:9)`.
    fn text(&self) -> String {
        let name = match self.name.as_str() {
            "" => "(anonymous)",
            name => name,
        };
        let name = match self.kind {
            "await" => format!("at async {name}"),
            "then" => format!("then {name}"),
            _ => name.to_owned(),
        };
        match (self.place.as_str(), self.kind, self.is_exact) {
            ("", ..) => name,
            (place, "await", false) => format!("{name} (in the function at {place})"),
            (place, ..) => format!("{name} ({place})"),
        }
    }
}

impl Waiting {
    /// What a thread with an isolate waits for. So many callbacks and chains are described; `None` if the thread has no isolate.
    pub(super) fn of(session: &Session, thread: &Thread, limit: usize) -> Option<Self> {
        let environment = session.environment(selection(session, thread)?);
        let timers = environment.timers();
        let metadata = &session.objects.image().metadata;
        let is_main = kind_of_thread(metadata, thread) == ThreadKind::Main;
        // The clock of a worker's event loop begins with the worker.
        let now = timers.now_ms(&metadata.process).filter(|_| is_main);
        let immediates = timers.immediates.iter();
        let immediates = immediates.map(|immediate| (None, immediate.address, &immediate.callback));
        let calls = timers.timers.iter().map(|timer| {
            let due = now.map(|now| (timer.due_ms - now).round());
            (Some(due), timer.address, &timer.callback)
        });
        let mut callbacks: Vec<CallbackReport> = Vec::new();
        let mut known: FxHashMap<String, usize> = FxHashMap::default();
        for (due, address, callback) in immediates.chain(calls).take(MAX_CALLBACKS) {
            let then = callback
                .as_ref()
                .map_or_else(Vec::new, |callback| environment.runs_after(callback));
            let report = CallbackReport {
                kind: if due.is_some() { "timer" } else { "immediate" },
                count: 1,
                address: address.to_string(),
                due_in_ms: due.flatten(),
                function: callback.as_ref().map(StepReport::call),
                then: then.iter().map(StepReport::new).collect(),
            };
            match known.entry(report.what()) {
                Entry::Vacant(place) => {
                    place.insert(callbacks.len());
                    callbacks.push(report);
                }
                Entry::Occupied(place) => {
                    if let Some(like_it) = callbacks.get_mut(*place.get()) {
                        like_it.count += 1;
                    }
                }
            }
        }
        let callbacks_in_all = callbacks.len();
        callbacks.truncate(limit);
        let chains = environment.chains();
        Some(Self {
            timers: timers.timers.len() as u64,
            immediates: timers.immediates.len() as u64,
            pending_promises: chains.pending,
            idle_promises: chains.idle,
            callbacks,
            callbacks_in_all,
            chains_in_all: chains.list.len(),
            chains: chains
                .list
                .iter()
                .take(limit)
                .map(|chain| ChainReport {
                    count: chain.count,
                    promise: chain.promise.to_string(),
                    steps: chain.steps.iter().map(StepReport::new).collect(),
                })
                .collect(),
        })
    }

    /// Whether it is worth a look without being asked for: the thread does nothing, and its heap is small.
    pub(super) fn is_cheap(session: &Session, thread: &Thread) -> bool {
        let Some(selection) = selection(session, thread) else {
            return false;
        };
        let pages = session.objects.pages().pages().iter();
        let own = pages.filter(|page| Some(page.heap) == selection.heap);
        own.map(|page| page.size).sum::<u64>() <= MAX_HEAP_BYTES
    }

    /// Writes it below the frames of the thread.
    pub(super) fn write(&self, output: &mut Output) -> anyhow::Result<()> {
        let count = |count: u64, name: &str| {
            let plural = if count == 1 { "" } else { "s" };
            format!("{} {name}{plural}", grouped(count))
        };
        writeln!(
            output,
            "    waits for {}, {}, {}{}",
            count(self.timers, "timer"),
            count(self.immediates, "immediate"),
            count(self.pending_promises, "pending promise"),
            match self.idle_promises {
                0 => String::new(),
                idle => format!(", of which {} let nothing run", grouped(idle)),
            }
        )?;
        for callback in &self.callbacks {
            let due = match callback.due_in_ms {
                Some(due) if due < 0.0 => format!("late by {}", human_ms(-due)),
                Some(due) => format!("in {}", human_ms(due)),
                None if callback.kind == "timer" => "some time".to_owned(),
                None => "next".to_owned(),
            };
            let function = callback.function.as_ref();
            writeln!(
                output,
                "    {due}: {} {DIM}{} {}{DIM:#}{}",
                function.map_or_else(|| "?".to_owned(), StepReport::text),
                callback.kind,
                callback.address,
                like_it(callback.count)
            )?;
            write_steps(output, &callback.then)?;
        }
        let shown = self.callbacks.len();
        write_rest(output, self.callbacks_in_all, shown, "kind")?;
        for chain in &self.chains {
            writeln!(
                output,
                "    promise {}{}",
                chain.promise,
                like_it(chain.count)
            )?;
            write_steps(output, &chain.steps)?;
        }
        write_rest(output, self.chains_in_all, self.chains.len(), "kind")
    }
}

fn write_steps(output: &mut Output, steps: &[StepReport]) -> anyhow::Result<()> {
    for step in steps {
        writeln!(output, "        {}", step.text())?;
    }
    Ok(())
}

/// How many others there are.
fn like_it(count: u64) -> String {
    match count {
        0 | 1 => String::new(),
        count => format!(" and {} more like it", grouped(count - 1)),
    }
}

fn write_rest(output: &mut Output, all: usize, shown: usize, name: &str) -> anyhow::Result<()> {
    if let Some(rest) = all.checked_sub(shown).filter(|rest| *rest > 0) {
        let plural = if rest == 1 { "" } else { "s" };
        writeln!(
            output,
            "    {DIM}… and {} more {name}{plural}; --async shows all{DIM:#}",
            grouped(rest as u64)
        )?;
    }
    Ok(())
}

/// The pages of a thread's isolate; `None` if it has none.
fn selection(session: &Session, thread: &Thread) -> Option<PageSelection> {
    let number = match kind_of_thread(&session.objects.image().metadata, thread) {
        ThreadKind::Main => 0,
        ThreadKind::Worker(number) => number,
        ThreadKind::Native => return None,
    };
    let isolate = session.isolates().get(number)?;
    Some(PageSelection {
        heap: Some(isolate.heap),
    })
}
