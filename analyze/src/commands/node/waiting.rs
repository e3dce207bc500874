//! What waits for its turn: callbacks given to `process.nextTick`, microtasks, timers, immediates, pending promises.

use schemars::JsonSchema;
use serde::Serialize;

use crate::commands::schema::Hex;
use crate::commands::session::Session;
use crate::node::{Callback, Environment, Microtask, PendingPromises, Step, Tick, Waiting};
use crate::stack::unwind;

#[derive(Serialize, JsonSchema)]
pub(super) struct TimersReport {
    /// Callbacks given to `process.nextTick`; null if their queue was not found.
    pub(super) ticks: Option<u64>,
    /// In the order in which they will run.
    pub(super) tick_callbacks: Vec<TickReport>,
    /// V8's microtasks; null if their queue was not found.
    pub(super) microtasks: Option<u64>,
    /// In the order in which they will run.
    pub(super) microtask_callbacks: Vec<MicrotaskReport>,
    pub(super) count: u64,
    pub(super) lists: u64,
    pub(super) timers: Vec<TimerReport>,
    pub(super) immediates: u64,
    pub(super) immediate_callbacks: Vec<ImmediateReport>,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct TimerReport {
    #[schemars(with = "Hex")]
    pub(super) address: String,
    pub(super) class: String,
    pub(super) duration_ms: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) repeat_ms: Option<f64>,
    started_ms: f64,
    due_ms: f64,
    /// From the moment of the capture; less than 0 if it is late. Exact to some ten milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) due_in_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) refed: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) callback: Option<CallbackReport>,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct TickReport {
    #[schemars(with = "Hex")]
    pub(super) address: String,
    pub(super) arguments: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) callback: Option<CallbackReport>,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct MicrotaskReport {
    #[schemars(with = "Hex")]
    pub(super) address: String,
    /// `reaction`, `thenable`, `callable` or `callback`.
    kind: &'static str,
    /// What it calls or lets go on first, if that is of the program.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) callback: Option<CallbackReport>,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct ImmediateReport {
    #[schemars(with = "Hex")]
    pub(super) address: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) callback: Option<CallbackReport>,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct CallbackReport {
    #[schemars(with = "Hex")]
    function: String,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    location: Option<String>,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct PromisesReport {
    pub(super) pending: u64,
    pub(super) groups: Vec<PromiseReport>,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct PromiseReport {
    pub(super) count: u64,
    /// `nobody`, `await`, `then`, `other`
    pub(super) waiting: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) callback: Option<CallbackReport>,
    #[schemars(with = "Hex")]
    pub(super) example: String,
}

impl TimersReport {
    pub(super) fn new(
        session: &Session,
        number: usize,
        environment: &Environment<'_>,
        limit: usize,
    ) -> Self {
        let metadata = &session.objects.image().metadata;
        let isolate = session.isolates().get(number);
        let mut threads = metadata.threads.iter();
        let thread = threads.find(|it| isolate.is_some_and(|isolate| isolate.tid == it.tid));
        // What has begun, only the stack tells.
        let stack = thread.map(|thread| unwind(&session.objects, thread, usize::MAX));
        let ticks = environment.ticks(stack.as_ref());
        let microtasks = isolate.and_then(|isolate| environment.microtasks(isolate));
        let microtasks = microtasks.map(|found| found.list);
        let timers = environment.timers();
        // The clock of a worker's event loop begins with the worker.
        let now = timers.now_ms(&metadata.process).filter(|_| number == 0);
        let [ticks_len, microtasks_len] = [
            ticks.as_ref().map(Vec::len),
            microtasks.as_ref().map(Vec::len),
        ]
        .map(|len| len.map(|len| len as u64));
        Self {
            ticks: ticks_len,
            tick_callbacks: ticks
                .iter()
                .flatten()
                .take(limit)
                .map(TickReport::new)
                .collect(),
            microtasks: microtasks_len,
            microtask_callbacks: microtasks
                .iter()
                .flatten()
                .take(limit)
                .map(MicrotaskReport::new)
                .collect(),
            count: timers.timers.len() as u64,
            lists: timers.lists,
            immediates: timers.immediates.len() as u64,
            immediate_callbacks: timers
                .immediates
                .iter()
                .take(limit)
                .map(|immediate| ImmediateReport {
                    address: immediate.address.to_string(),
                    callback: immediate.callback.as_ref().map(CallbackReport::new),
                })
                .collect(),
            timers: timers
                .timers
                .into_iter()
                .take(limit)
                .map(|timer| TimerReport {
                    address: timer.address.to_string(),
                    class: timer.class,
                    duration_ms: timer.duration_ms,
                    repeat_ms: timer.repeat_ms,
                    started_ms: timer.started_ms,
                    due_ms: timer.due_ms,
                    due_in_ms: now.map(|now| (timer.due_ms - now).round()),
                    refed: timer.refed,
                    callback: timer.callback.as_ref().map(CallbackReport::new),
                })
                .collect(),
        }
    }
}

impl TickReport {
    fn new(tick: &Tick) -> Self {
        Self {
            address: tick.address.to_string(),
            arguments: tick.arguments,
            callback: tick.callback.as_ref().map(CallbackReport::new),
        }
    }
}

impl MicrotaskReport {
    fn new(microtask: &Microtask) -> Self {
        let callback = microtask.steps.first().and_then(|step| match step {
            Step::Await(at) => Some(CallbackReport {
                function: at.function.to_string(),
                name: at.name.clone(),
                location: at.location.as_ref().map(ToString::to_string),
            }),
            Step::Then(function) | Step::Call(function) => Some(CallbackReport::new(function)),
            Step::Combinator => None,
        });
        Self {
            address: microtask.address.to_string(),
            kind: microtask.kind.name(),
            callback,
        }
    }
}

impl CallbackReport {
    fn new(callback: &Callback) -> Self {
        Self {
            function: callback.function.to_string(),
            name: callback.name.clone(),
            location: callback.location.as_ref().map(ToString::to_string),
        }
    }

    /// `name at file:line:column`
    pub(super) fn text(&self) -> String {
        let name = if self.name.is_empty() {
            "(anonymous)"
        } else {
            &self.name
        };
        match &self.location {
            Some(location) => format!("{name} at {location}"),
            None => name.to_owned(),
        }
    }
}

impl PromisesReport {
    pub(super) fn new(promises: PendingPromises, limit: usize) -> Self {
        Self {
            pending: promises.count,
            groups: promises
                .groups
                .into_iter()
                .take(limit)
                .map(|group| {
                    let (waiting, callback) = match &group.waiting {
                        Waiting::Nobody => ("nobody", None),
                        Waiting::Await(function) => ("await", Some(function)),
                        Waiting::Then(function) => ("then", Some(function)),
                        Waiting::Other => ("other", None),
                    };
                    PromiseReport {
                        count: group.count,
                        waiting,
                        callback: callback.map(CallbackReport::new),
                        example: group.example.to_string(),
                    }
                })
                .collect(),
        }
    }
}
