//! What a thread will do next: its timers, and the functions that go on when a promise is settled.

use std::collections::hash_map::Entry;
use std::io::Write;

use rustc_hash::FxHashMap;
use schemars::JsonSchema;
use serde::Serialize;
use v8mini_format::model::{Isolate, Thread};

use super::super::output::{DIM, Output, grouped, human_ms};
use super::super::schema::Hex;
use super::super::session::Session;
use super::step::{StepReport, write_steps};
use crate::heap::PageSelection;
use crate::node::{Callback, Environment, Microtask, Tick, Timers};
use crate::stack::{Stack, ThreadKind, kind_of_thread};
use crate::v8::Address;

/// Without `--async`, no more heap than this is looked through: it takes a second per gigabyte.
const MAX_HEAP_BYTES: u64 = 256 << 20;

/// So many timers and immediates are looked at.
const MAX_CALLBACKS: usize = 1 << 17;

/// What a thread waits for.
#[derive(Serialize, JsonSchema)]
pub(super) struct Waiting {
    /// Callbacks given to `process.nextTick`; null if their queue was not found.
    ticks: Option<u64>,
    /// V8's microtasks; null if their queue was not found.
    microtasks: Option<u64>,
    timers: u64,
    immediates: u64,
    pending_promises: u64,
    /// Pending promises that nobody waits for.
    idle_promises: u64,
    /// What ticks, microtasks, immediates and timers call, in the order in which they will: the next first.
    callbacks: Vec<CallbackReport>,
    /// How many different ones there are, shown or not.
    callbacks_in_all: usize,
    /// What pending promises let run.
    chains: Vec<ChainReport>,
    /// How many chains there are, shown or not.
    chains_in_all: usize,
}

/// A function that is called later.
#[derive(Serialize, JsonSchema)]
struct CallbackReport {
    /// `tick`, `microtask`, `immediate` or `timer`.
    kind: &'static str,
    /// Of a microtask: `reaction`, `thenable`, `callable` or `callback`.
    #[serde(skip_serializing_if = "Option::is_none")]
    task: Option<&'static str>,
    /// How many call the same; of ticks and microtasks, one after the other.
    count: u64,
    /// The next of them.
    #[schemars(with = "Hex")]
    address: String,
    /// From the moment of the capture; less than 0 if it is late. Exact to some ten milliseconds.
    due_in_ms: Option<f64>,
    /// With how many arguments, for ticks.
    #[serde(skip_serializing_if = "Option::is_none")]
    arguments: Option<u64>,
    function: Option<StepReport>,
    /// What goes on when it has settled the promise that it was made to settle, or when it returns.
    then: Vec<StepReport>,
}

impl CallbackReport {
    fn new(kind: &'static str, address: Address, callback: Option<&Callback>) -> Self {
        Self {
            kind,
            task: None,
            count: 1,
            address: address.to_string(),
            due_in_ms: None,
            arguments: None,
            function: callback.map(StepReport::call),
            then: Vec::new(),
        }
    }

    /// What is called where that is no function of JavaScript, or was not found.
    fn unknown(&self) -> &'static str {
        match self.task {
            Some("callback") => "(C++)",
            Some(_) => "(V8 itself)",
            None => "?",
        }
    }

    /// Equal for those that call the same.
    fn what(&self) -> String {
        let steps = self.function.iter().chain(&self.then);
        let steps: Vec<String> = steps.map(StepReport::text).collect();
        let (kind, arguments) = (self.task.unwrap_or(self.kind), self.arguments);
        format!("{kind} {arguments:?} {}", steps.join("\n"))
    }
}

/// What is called later, as it is listed.
#[derive(Default)]
struct Callbacks {
    list: Vec<CallbackReport>,
    /// The places of those of which each is listed once.
    known: FxHashMap<String, usize>,
}

impl Callbacks {
    /// Adds one of a queue: those that call the same and follow each other are one.
    fn add_in_order(&mut self, callback: CallbackReport) {
        match self.list.last_mut() {
            Some(last) if last.what() == callback.what() => last.count += 1,
            _ => self.list.push(callback),
        }
    }

    fn add_ticks<'a>(&mut self, ticks: impl Iterator<Item = &'a Tick>) {
        for tick in ticks {
            self.add_in_order(CallbackReport {
                arguments: Some(tick.arguments),
                ..CallbackReport::new("tick", tick.address, tick.callback.as_ref())
            });
        }
    }

    fn add_microtasks<'a>(&mut self, microtasks: impl Iterator<Item = &'a Microtask>) {
        for microtask in microtasks {
            let mut steps = microtask.steps.iter().map(StepReport::new);
            self.add_in_order(CallbackReport {
                task: Some(microtask.kind.name()),
                function: steps.next(),
                then: steps.collect(),
                ..CallbackReport::new("microtask", microtask.address, None)
            });
        }
    }

    /// Adds one of which the time decides, not the place: all that call the same are one.
    fn add(&mut self, callback: CallbackReport) {
        match self.known.entry(callback.what()) {
            Entry::Vacant(place) => {
                place.insert(self.list.len());
                self.list.push(callback);
            }
            Entry::Occupied(place) => {
                if let Some(like_it) = self.list.get_mut(*place.get()) {
                    like_it.count += 1;
                }
            }
        }
    }

    /// Adds immediates, then timers.
    fn add_timers(
        &mut self,
        session: &Session,
        thread: &Thread,
        environment: &Environment<'_>,
        timers: &Timers,
    ) {
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
        for (due, address, callback) in immediates.chain(calls).take(MAX_CALLBACKS) {
            let kind = if due.is_some() { "timer" } else { "immediate" };
            let then = callback
                .as_ref()
                .map_or_else(Vec::new, |callback| environment.runs_after(callback));
            self.add(CallbackReport {
                due_in_ms: due.flatten(),
                then: then.iter().map(StepReport::new).collect(),
                ..CallbackReport::new(kind, address, callback.as_ref())
            });
        }
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

impl Waiting {
    /// What a thread with an isolate waits for. So many callbacks and chains are described; `None` if the thread has no isolate.
    pub(super) fn of(
        session: &Session,
        thread: &Thread,
        stack: &Stack,
        limit: usize,
    ) -> Option<Self> {
        let environment = session.environment(selection(session, thread)?);
        let ticks = environment.ticks(Some(stack));
        let isolate = isolate(session, thread)?;
        let (microtasks, is_running) = match environment.microtasks(isolate) {
            Some(found) => (Some(found.list), found.is_running),
            None => (None, None),
        };
        let timers = environment.timers();
        let mut callbacks = Callbacks::default();
        // Of what is queued Node.js runs ticks first; but V8 does not return before no microtask is left.
        if is_running.unwrap_or_else(|| is_running_microtasks(stack)) {
            callbacks.add_microtasks(microtasks.iter().flatten());
            callbacks.add_ticks(ticks.iter().flatten());
        } else {
            callbacks.add_ticks(ticks.iter().flatten());
            callbacks.add_microtasks(microtasks.iter().flatten());
        }
        callbacks.add_timers(session, thread, &environment, &timers);
        let callbacks_in_all = callbacks.list.len();
        callbacks.list.truncate(limit);
        let chains = environment.chains();
        Some(Self {
            ticks: ticks.map(|ticks| ticks.len() as u64),
            microtasks: microtasks.map(|microtasks| microtasks.len() as u64),
            timers: timers.timers.len() as u64,
            immediates: timers.immediates.len() as u64,
            pending_promises: chains.pending,
            idle_promises: chains.idle,
            callbacks: callbacks.list,
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
        let queue = |length: Option<u64>, name: &str| match length {
            None => format!("{name}s that were not found, "),
            Some(0) => String::new(),
            Some(length) => format!("{}, ", count(length, name)),
        };
        writeln!(
            output,
            "    waits for {}{}{}, {}, {}{}",
            queue(self.ticks, "tick"),
            queue(self.microtasks, "microtask"),
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
                None if callback.kind == "tick" => "next tick".to_owned(),
                None if callback.kind == "microtask" => "next microtask".to_owned(),
                None => "next".to_owned(),
            };
            let arguments = match callback.arguments {
                None | Some(0) => String::new(),
                Some(1) => " with 1 argument".to_owned(),
                Some(arguments) => format!(" with {} arguments", grouped(arguments)),
            };
            let function = callback.function.as_ref();
            writeln!(
                output,
                "    {due}: {}{arguments} {DIM}{} {}{DIM:#}{}",
                function.map_or_else(|| callback.unknown().to_owned(), StepReport::text),
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

/// Whether a thread is at work on its microtasks, by its stack.
fn is_running_microtasks(stack: &Stack) -> bool {
    stack.frames.iter().any(|frame| {
        let native = frame.native.as_ref();
        let symbol = native.and_then(|native| native.symbol.as_deref());
        symbol.is_some_and(|symbol| symbol.contains("RunMicrotasks"))
    })
}

/// The pages of a thread's isolate; `None` if it has none.
fn selection(session: &Session, thread: &Thread) -> Option<PageSelection> {
    let isolate = isolate(session, thread)?;
    Some(PageSelection {
        heap: Some(isolate.heap),
    })
}

/// A thread's isolate; `None` if it has none.
fn isolate<'a>(session: &'a Session, thread: &Thread) -> Option<&'a Isolate> {
    let number = match kind_of_thread(&session.objects.image().metadata, thread) {
        ThreadKind::Main => 0,
        ThreadKind::Worker(number) => number,
        ThreadKind::Native => return None,
    };
    session.isolates().get(number)
}
