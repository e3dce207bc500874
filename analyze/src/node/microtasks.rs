//! V8's microtasks that have not run yet: continuations of async functions, handlers of promises, callbacks given to `queueMicrotask`.
//!
//! From V8 7.1 on (Node.js 12) their queue is outside of the heap (`MicrotaskQueue`), and the search for handles finds it. Before, a root of the
//! isolate refers to an array of them; it is told from the others by what is in it.

use v8mini_capture::locate::{find_handles, isolate_block};
use v8mini_format::MemoryExt;
use v8mini_format::model::Isolate;

use super::waits::{self, Step, is_builtin};
use super::{callback, is_bound};
use crate::layout::Field;
use crate::v8::{
    Address, Fields, FixedArray, Objects, PropertyValue, Reaction, ScriptType, Tagged,
};

/// Most microtasks that are read.
const MAX_MICROTASKS: usize = 1 << 20;
/// Most handlers of one microtask.
const MAX_HANDLERS: u64 = 1 << 10;
/// So many of V8's own functions may stand between a microtask and the function of the program, up to V8 5.7.
const MAX_WRAPPERS: usize = 8;
/// What is not there: it refers to nothing.
const NOTHING: Tagged = Tagged(0);

/// What a microtask does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum MicrotaskKind {
    /// It tells one who waits for a promise: it lets an async function go on, or calls what was given to `then`.
    Reaction,
    /// It calls the `then` of an object that a promise was resolved with.
    Thenable,
    /// It calls a function.
    Callable,
    /// It calls a function of C++.
    Callback,
}

impl MicrotaskKind {
    /// One word for the kind.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Reaction => "reaction",
            Self::Thenable => "thenable",
            Self::Callable => "callable",
            Self::Callback => "callback",
        }
    }
}

/// A microtask that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Microtask {
    /// The object. One of V8 5.8 to 6.5 may tell several who wait for the same promise: then it is listed for each.
    pub address: Address,
    /// What it does.
    pub kind: MicrotaskKind,
    /// What runs, and what goes on after that as one thing leads to the next; none if nothing of the program does.
    pub steps: Vec<Step>,
}

/// The microtasks of an isolate.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Microtasks {
    /// Those that have not run, the next to run first.
    pub list: Vec<Microtask>,
    /// Whether V8 is at work on them; `None` if only the stack tells, as up to V8 7.0.
    pub is_running: Option<bool>,
}

/// The microtasks of an isolate; `None` if their queue was not found.
pub(super) fn read(fields: &Fields<'_>, isolate: &Isolate) -> Option<Microtasks> {
    let objects = fields.objects();
    let block = isolate_block(objects.memory(), isolate.address, isolate.heap);
    let is_root = objects.layout().number(Field::MicrotaskQueueIsRoot).is_ok();
    let (tasks, is_running) = if is_root {
        (in_roots(objects, block.start, block.len), None)
    } else {
        let queues = find_handles(objects.memory(), isolate.address, block).microtasks?;
        let is_running = queues.iter().any(|queue| queue.is_running);
        let tasks = queues.into_iter().flat_map(|queue| queue.tasks);
        (tasks.map(Tagged).collect(), Some(is_running))
    };
    let tasks = tasks.into_iter().take(MAX_MICROTASKS);
    Some(Microtasks {
        list: tasks
            .filter_map(Tagged::strong)
            .flat_map(|task| microtasks(fields, task))
            .collect(),
        is_running,
    })
}

/// The microtasks of a queue that the isolate refers to. While it is run, V8 keeps it elsewhere, and this has what was added since.
fn in_roots(objects: &Objects, start: u64, len: u64) -> Vec<Tagged> {
    let Ok(len) = usize::try_from(len) else {
        return Vec::new();
    };
    let Ok(bytes) = objects.memory().read_vec(start, len) else {
        return Vec::new();
    };
    let (words, _) = bytes.as_chunks::<8>();
    let roots = words.iter().map(|word| Tagged(u64::from_le_bytes(*word)));
    roots
        .filter_map(Tagged::strong)
        .find_map(|root| tasks_in(objects, root))
        .unwrap_or_default()
}

/// What is in an array of microtasks, which ends in undefined ones; `None` if there is anything else in it.
fn tasks_in(objects: &Objects, array: Address) -> Option<Vec<Tagged>> {
    objects.has_type(array, "FIXED_ARRAY_TYPE").then_some(())?;
    let array = FixedArray::read(objects, array).ok()?;
    let is_task = |word: Tagged| {
        word.strong()
            .is_some_and(|task| kind(objects, task).is_some())
    };
    // Most arrays are told by what comes first.
    let first = array.get(objects, 0).ok();
    first.filter(|first| is_task(*first))?;
    let words: Vec<Tagged> = (0..array.length.min(MAX_MICROTASKS as u64))
        .map_while(|index| array.get(objects, index).ok())
        .collect();
    let used = words
        .iter()
        .position(|word| objects.is_undefined(*word))
        .unwrap_or(words.len());
    let (used, free) = words.split_at_checked(used)?;
    let is_queue = used.iter().all(|word| is_task(*word))
        && free.iter().all(|word| objects.is_undefined(*word));
    is_queue.then(|| used.to_vec())
}

/// What kind of microtask there is.
fn kind(objects: &Objects, task: Address) -> Option<MicrotaskKind> {
    let instance_type = objects.instance_type(task)?;
    let is = |name| objects.is_type(instance_type, name);
    if is("PROMISE_FULFILL_REACTION_JOB_TASK_TYPE")
        || is("PROMISE_REJECT_REACTION_JOB_TASK_TYPE")
        || is("PROMISE_REACTION_JOB_INFO_TYPE")
    {
        Some(MicrotaskKind::Reaction)
    } else if is("PROMISE_RESOLVE_THENABLE_JOB_TASK_TYPE")
        || is("PROMISE_RESOLVE_THENABLE_JOB_INFO_TYPE")
        || is("PROMISE_CONTAINER_TYPE")
    {
        Some(MicrotaskKind::Thenable)
    } else if is("CALLABLE_TASK_TYPE") || objects.is_callable(task) {
        Some(MicrotaskKind::Callable)
    } else if is("CALLBACK_TASK_TYPE") || is("CALL_HANDLER_INFO_TYPE") {
        Some(MicrotaskKind::Callback)
    } else {
        None
    }
}

/// What a microtask lets run.
fn microtasks(fields: &Fields<'_>, task: Address) -> Vec<Microtask> {
    let objects = fields.objects();
    let Some(kind) = kind(objects, task) else {
        return Vec::new();
    };
    let found = match kind {
        MicrotaskKind::Reaction => {
            let reactions = reactions(objects, task).into_iter();
            reactions
                .map(|reaction| waits::after(objects, &reaction))
                .collect()
        }
        MicrotaskKind::Thenable => vec![thenable(objects, task)],
        MicrotaskKind::Callable => vec![callable(fields, task)],
        MicrotaskKind::Callback => vec![Vec::new()],
    };
    let microtask = |steps| Microtask {
        address: task,
        kind,
        steps,
    };
    found.into_iter().map(microtask).collect()
}

/// Those whom a microtask tells that a promise is settled.
fn reactions(objects: &Objects, task: Address) -> Vec<Reaction> {
    let read = |field| objects.tagged_field(task, field);
    let reaction = |handler, promise| Reaction {
        on_fulfilled: handler,
        on_rejected: NOTHING,
        promise,
    };
    if let (Ok(handler), Ok(promise)) = (read(Field::TaskHandler), read(Field::TaskPromise)) {
        return vec![reaction(handler, promise)];
    }
    let (Ok(handlers), Ok(promises)) = (read(Field::JobTasks), read(Field::JobPromise)) else {
        return Vec::new();
    };
    let array = |word: Tagged| {
        let found = word.strong()?;
        let is_array = objects.has_type(found, "FIXED_ARRAY_TYPE");
        is_array.then(|| FixedArray::read(objects, found).ok())?
    };
    let Some(handlers) = array(handlers) else {
        return vec![reaction(handlers, promises)];
    };
    let several = array(promises);
    let reactions = (0..handlers.length.min(MAX_HANDLERS)).map_while(|index| {
        let promise = several
            .as_ref()
            .map_or(Some(promises), |several| several.get(objects, index).ok());
        Some(reaction(handlers.get(objects, index).ok()?, promise?))
    });
    reactions
        .filter(|reaction| !objects.is_undefined(reaction.on_fulfilled))
        .collect()
}

/// What a promise that was resolved with an object lets run: the `then` of that object and, when this has settled the promise, those who
/// wait for it. Of V8's own `then` nobody wants to hear.
fn thenable(objects: &Objects, task: Address) -> Vec<Step> {
    let read = |field| objects.tagged_field(task, field).ok()?.strong();
    let (then, promise) = match read(Field::TaskThen) {
        Some(then) => (Some(then), read(Field::TaskPromiseToResolve)),
        None => {
            let resolve = read(Field::JobResolve);
            let settled = resolve.and_then(|resolve| waits::settles(objects, resolve));
            (read(Field::JobThen), settled)
        }
    };
    let then = then.filter(|then| {
        let shared = objects.shared_function_info(*then);
        shared.is_ok_and(|shared| !is_builtin(objects, shared))
    });
    let then = then.and_then(|then| callback(objects, then.tagged()));
    let after = promise.map_or_else(Vec::new, |promise| waits::from_promise(objects, promise));
    then.map(Step::Call).into_iter().chain(after).collect()
}

/// The function that a microtask calls.
fn callable(fields: &Fields<'_>, task: Address) -> Vec<Step> {
    let objects = fields.objects();
    let called = match objects.is_callable(task) {
        true => Some(task),
        false => objects
            .tagged_field(task, Field::TaskCallable)
            .ok()
            .and_then(Tagged::strong),
    };
    let Some(called) = called.filter(|called| objects.is_callable(*called)) else {
        return Vec::new();
    };
    let program = given(fields, called).or_else(|| in_wrappers(objects, called));
    let function = callback(objects, program.unwrap_or(called).tagged());
    function.map(Step::Call).into_iter().collect()
}

/// What `queueMicrotask` was given, where Node.js calls it by a function of its own (lib/internal/process/task_queues.js): it is a property of
/// what that is bound to or, in Node.js 11, a variable around it.
fn given(fields: &Fields<'_>, called: Address) -> Option<Address> {
    const NAME: &str = "callback";
    let objects = fields.objects();
    let given = if is_bound(objects, called) {
        let this = objects.read_bound_function(called).ok()?.this.strong()?;
        fields.object(this, NAME)?
    } else {
        // Files of Node.js itself have no path.
        let location = callback(objects, called.tagged())?.location?;
        location.file.starts_with("internal/").then_some(())?;
        let scope = objects.closure_scopes(called).ok()?.into_iter().next()?;
        let mut variables = scope.variables.into_iter();
        let (_, value) = variables.find(|(name, _)| name == NAME)?;
        match value {
            PropertyValue::Tagged(word) => word.strong()?,
            _ => return None,
        }
    };
    objects.is_callable(given).then_some(given)
}

/// The program's function behind those that V8 has written in JavaScript itself, up to 5.7: a microtask is a closure, and one of its variables
/// is an array of handlers, each followed by what it settles. These may be closures, too, around what `then` was given.
fn in_wrappers(objects: &Objects, called: Address) -> Option<Address> {
    let mut function = called;
    for _ in 0..MAX_WRAPPERS {
        if !is_native(objects, function) {
            return (function != called).then_some(function);
        }
        let scope = objects.closure_scopes(function).ok()?.into_iter().next()?;
        let values = scope
            .variables
            .into_iter()
            .filter_map(|(_, value)| match value {
                PropertyValue::Tagged(word) => word.strong(),
                _ => None,
            });
        let functions: Vec<Address> = values
            .flat_map(|value| match objects.has_type(value, "JS_ARRAY_TYPE") {
                true => {
                    let items = objects.items(value, MAX_WRAPPERS).into_iter();
                    items.filter_map(Tagged::strong).collect()
                }
                false => vec![value],
            })
            .filter(|value| objects.is_callable(*value))
            .collect();
        let of_program = functions
            .iter()
            .copied()
            .find(|function| !is_native(objects, *function));
        function = of_program.or_else(|| functions.first().copied())?;
    }
    None
}

/// Whether a function is written in V8's own JavaScript.
fn is_native(objects: &Objects, function: Address) -> bool {
    let Ok(shared) = objects.shared_function_info(function) else {
        return false;
    };
    match objects.function_script(shared) {
        Ok(Some(script)) => objects.script_type(script) == ScriptType::Native,
        _ => true,
    }
}
