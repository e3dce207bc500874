//! The callbacks given to `process.nextTick` that have not run yet.
//!
//! Node.js keeps them in a variable that `process.nextTick` closes over (its lib/internal/process/task_queues.js). Since 9 that is a list of ring
//! buffers (lib/internal/fixed_queue.js), in 8 a linked list, before an array.

use std::collections::VecDeque;

use rustc_hash::FxHashSet;
use v8mini_format::MemoryExt;

use super::{Callback, callback, is_bound};
use crate::stack::{Frame, FrameKind, Stack};
use crate::v8::{Address, Fields, Objects, PropertyValue, Scope, Tagged};

/// Most callbacks that are read.
const MAX_TICKS: usize = 1 << 20;
/// So many functions are looked at for the one that Node.js itself made, where a program has put its own around it.
const MAX_FUNCTIONS: usize = 1 << 12;
/// The names of the variable: of a list of buffers, of the last buffer of one (Node.js 9 and 10.0 to 10.1), of another queue.
const QUEUES: [&str; 3] = ["queue", "tail", "nextTickQueue"];
/// What tells the scope of Node.js from one of a program: the flags that it shares with C++.
const BESIDE_QUEUE: &str = "tickInfo";
/// The functions that run the callbacks, up to Node.js 6.
const RUNNERS: [&str; 2] = ["_tickCallback", "_tickDomainCallback"];
/// So much of a frame is looked at, in bytes.
const MAX_FRAME_BYTES: u64 = 1 << 12;

/// A callback given to `process.nextTick`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tick {
    /// The `TickObject`.
    pub address: Address,
    /// What it calls.
    pub callback: Option<Callback>,
    /// With how many arguments.
    pub arguments: u64,
}

/// What is in the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Queue {
    /// The buffer from which callbacks are taken, of Node.js 9 and later.
    Ring(Address),
    /// A `NextTickQueue`, of Node.js 8.
    Linked(Address),
    /// An array, up to Node.js 7: those that have run are in it until the last has.
    Array(Address),
}

/// The callbacks that wait, in the order in which they run; `None` if there is no such queue. By the stack of the thread, those are left
/// out that have run but are in the queue still.
pub(super) fn read(
    fields: &Fields<'_>,
    processes: &[Address],
    stack: Option<&Stack>,
) -> Option<Vec<Tick>> {
    let objects = fields.objects();
    let queue = processes
        .iter()
        .find_map(|process| queue(fields, *process))?;
    let entries = match queue {
        Queue::Ring(queue) => ring(fields, queue),
        Queue::Linked(queue) => linked(fields, queue),
        Queue::Array(queue) => {
            let mut entries: Vec<Address> = objects
                .items(queue, MAX_TICKS)
                .into_iter()
                .filter_map(Tagged::strong)
                .collect();
            let begun = stack.map_or(0, |stack| begun(fields, stack, &entries));
            entries.drain(..begun.min(entries.len()));
            entries
        }
    };
    let ticks = entries.into_iter().map(|entry| Tick {
        address: entry,
        callback: fields
            .word(entry, "callback")
            .and_then(|function| callback(objects, function)),
        arguments: fields
            .object(entry, "args")
            .and_then(|arguments| objects.array_length(arguments).ok())
            .unwrap_or(0),
    });
    Some(ticks.collect())
}

/// Finds the queue by the function that fills it or, if that was replaced, by what its replacement calls.
fn queue(fields: &Fields<'_>, process: Address) -> Option<Queue> {
    let objects = fields.objects();
    let mut waiting: VecDeque<Address> = ["nextTick", "_tickCallback"]
        .into_iter()
        .filter_map(|name| fields.object(process, name))
        .collect();
    let mut seen: FxHashSet<Address> = waiting.iter().copied().collect();
    let mut scopes_seen: FxHashSet<Address> = FxHashSet::default();
    while let Some(function) = waiting.pop_front() {
        if is_bound(objects, function) {
            let bound = objects.read_bound_function(function).ok();
            let target = bound.and_then(|bound| bound.target.strong());
            waiting.extend(target.filter(|target| seen.insert(*target)));
            continue;
        }
        for scope in objects.closure_scopes(function).unwrap_or_default() {
            if !scopes_seen.insert(scope.context) {
                break;
            }
            if let Some(found) = queue_in(fields, &scope) {
                return Some(found);
            }
            let functions = scope.variables.iter().filter_map(|(_, value)| match value {
                PropertyValue::Tagged(word) => word.strong(),
                _ => None,
            });
            for found in functions.filter(|found| objects.is_callable(*found)) {
                if seen.len() < MAX_FUNCTIONS && seen.insert(found) {
                    waiting.push_back(found);
                }
            }
        }
    }
    None
}

/// The queue in a scope, if that is the one of Node.js.
fn queue_in(fields: &Fields<'_>, scope: &Scope) -> Option<Queue> {
    let mut names = scope.variables.iter().map(|(name, _)| name.as_str());
    if !names.any(|name| name == BESIDE_QUEUE) {
        return None;
    }
    scope.variables.iter().find_map(|(name, value)| {
        let PropertyValue::Tagged(word) = value else {
            return None;
        };
        let found = word.strong().filter(|_| QUEUES.contains(&name.as_str()))?;
        let tail = fields.object(found, "tail").unwrap_or(found);
        if fields.object(tail, "list").is_some() {
            return Some(Queue::Ring(tail));
        }
        if fields.property(found, "head").is_some() && fields.number(found, "length").is_some() {
            return Some(Queue::Linked(found));
        }
        let is_array = fields.objects().has_type(found, "JS_ARRAY_TYPE");
        is_array.then_some(Queue::Array(found))
    })
}

/// From the last buffer of the list, where callbacks are taken, to the first, where they are put.
fn ring(fields: &Fields<'_>, tail: Address) -> Vec<Address> {
    let mut entries = Vec::new();
    let mut seen = FxHashSet::default();
    let mut buffer = Some(tail);
    while let Some(found) = buffer
        && seen.insert(found)
        && entries.len() < MAX_TICKS
    {
        entries.extend(in_buffer(fields, found).unwrap_or_default());
        buffer = fields.object(found, "next");
    }
    entries
}

/// What is in a `FixedCircularBuffer` from `bottom` up to `top`. If they are the same, it is empty; or full, in the first of these Node.js.
fn in_buffer(fields: &Fields<'_>, buffer: Address) -> Option<Vec<Address>> {
    let objects = fields.objects();
    let list = fields.object(buffer, "list")?;
    let length = objects.array_length(list).ok()?;
    let index = |name| {
        let number = fields.number(buffer, name)?;
        (number >= 0.0 && number < length as f64).then_some(number as u64)
    };
    let (bottom, top) = (index("bottom")?, index("top")?);
    let count = match (top + length - bottom) % length {
        0 => length,
        count => count,
    };
    let map = objects.map_of(list).ok()?;
    let elements = objects.elements(list, &map, length, MAX_TICKS).ok()?;
    let mut found: Vec<(u64, Address)> = elements
        .list
        .into_iter()
        .filter_map(|(index, value)| match value {
            PropertyValue::Tagged(word) => {
                let place = (index + length - bottom) % length;
                let is_free = place >= count || objects.is_undefined(word);
                Some((place, word.strong().filter(|_| !is_free)?))
            }
            _ => None,
        })
        .collect();
    found.sort_unstable();
    Some(found.into_iter().map(|(_, entry)| entry).collect())
}

fn linked(fields: &Fields<'_>, queue: Address) -> Vec<Address> {
    let mut entries = Vec::new();
    let mut seen = FxHashSet::default();
    let mut node = fields.object(queue, "head");
    while let Some(found) = node
        && seen.insert(found)
        && entries.len() < MAX_TICKS
    {
        entries.extend(fields.object(found, "data"));
        node = fields.object(found, "next");
    }
    entries
}

/// How many of an array of callbacks have been begun. Node.js up to 7 counts them in memory of its C++ half, but the function that runs them
/// has the one that it is at among its variables; while it does not run, none of the array has.
fn begun(fields: &Fields<'_>, stack: &Stack, entries: &[Address]) -> usize {
    let objects = fields.objects();
    let is_runner = |frame: &Frame| {
        let function = frame.function.as_ref();
        function.is_some_and(|function| RUNNERS.contains(&function.name.as_str()))
    };
    let Some(at) = stack.frames.iter().rposition(is_runner) else {
        return 0;
    };
    let Some(runner) = stack.frames.get(at) else {
        return 0;
    };
    let variables: FxHashSet<Address> = words(objects, runner)
        .into_iter()
        .filter_map(|word| Tagged(word).strong())
        .collect();
    let by_variables = entries.iter().rposition(|entry| variables.contains(entry));
    // Optimised code has forgotten it; what it has called tells.
    let by_callback = || {
        let is_optimized = runner.kind == FrameKind::Optimized;
        let inner = stack.frames.get(..at).filter(|_| is_optimized)?;
        let closures: Vec<Address> = inner
            .iter()
            .filter_map(|frame| frame.function.as_ref()?.closure)
            .collect();
        entries.iter().position(|entry| {
            let function = fields.object(*entry, "callback");
            function.is_some_and(|function| closures.contains(&function))
        })
    };
    by_variables.or_else(by_callback).map_or(0, |at| at + 1)
}

/// The words of a frame.
fn words(objects: &Objects, frame: &Frame) -> Vec<u64> {
    let Some(fp) = frame.fp else {
        return Vec::new();
    };
    let start = frame.sp.max(fp.saturating_sub(MAX_FRAME_BYTES));
    (start..fp)
        .step_by(8)
        .filter_map(|at| objects.memory().read_u64(at).ok())
        .collect()
}
