//! Pending promises, by who waits for them.

use std::cmp::Reverse;

use rustc_hash::FxHashMap;

use super::{Callback, callback};
use crate::layout::Field;
use crate::v8::{Address, FixedArray, Kind, Objects, Reaction, Tagged};

/// Slots of a context in which V8's own functions keep what they are about.
const AWAIT_SLOTS: u64 = 6;
/// So many that wait for one promise are told apart.
const MAX_REACTIONS: usize = 64;
/// Who waits for a promise.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Waiting {
    /// Nobody.
    Nobody,
    /// An `async` function, at an `await`.
    Await(Callback),
    /// A function given to `then`, `catch` or `finally`.
    Then(Callback),
    /// Something inside of V8 or Node.js, or what cannot be told (V8 before 5.8).
    Other,
}

/// Pending promises that the same waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PromiseGroup {
    /// Who waits.
    pub waiting: Waiting,
    /// How many promises it waits for.
    pub count: u64,
    /// One of them.
    pub example: Address,
}

/// All pending promises.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PendingPromises {
    /// How many there are.
    pub count: u64,
    /// By who waits, most first.
    pub groups: Vec<PromiseGroup>,
}

/// What waits, as it is grouped: all closures of a function are one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Key {
    Nobody,
    Await(Address),
    Then(Address),
    Other,
}

/// Groups promises by those who wait. One that several wait for is in several groups.
pub(super) fn read(objects: &Objects, promises: &[Address]) -> PendingPromises {
    let mut groups: FxHashMap<Key, PromiseGroup> = FxHashMap::default();
    for promise in promises.iter().copied() {
        for (key, function) in waiting(objects, promise) {
            let group = groups.entry(key).or_insert_with(|| PromiseGroup {
                waiting: name(objects, key, function),
                count: 0,
                example: promise,
            });
            group.count += 1;
        }
    }
    let mut groups: Vec<PromiseGroup> = groups.into_values().collect();
    groups.sort_by_key(|group| (Reverse(group.count), group.example));
    PendingPromises {
        count: promises.len() as u64,
        groups,
    }
}

fn name(objects: &Objects, key: Key, function: Option<Address>) -> Waiting {
    let found = function.and_then(|function| callback(objects, function.tagged()));
    match (key, found) {
        (Key::Nobody, _) => Waiting::Nobody,
        (Key::Await(_), Some(found)) => Waiting::Await(found),
        (Key::Then(_), Some(found)) => Waiting::Then(found),
        _ => Waiting::Other,
    }
}

/// Who waits for a promise, each once, and the function that goes on.
fn waiting(objects: &Objects, promise: Address) -> Vec<(Key, Option<Address>)> {
    let Ok(value) = objects.read_promise(promise) else {
        return vec![(Key::Other, None)];
    };
    let mut found: Vec<(Key, Option<Address>)> = Vec::new();
    for reaction in value.reactions.into_iter().take(MAX_REACTIONS) {
        let waiter = waiter(objects, &reaction);
        if found.iter().all(|(known, _)| *known != waiter.0) {
            found.push(waiter);
        }
    }
    if found.is_empty() {
        // V8 before 5.8 keeps those who wait in a form that is not read.
        let is_known = value.has_handler == Some(false)
            || objects.layout().value(Field::ReactionNext).is_some()
            || objects
                .layout()
                .value(Field::PromiseFulfillReactions)
                .is_some();
        let key = if is_known { Key::Nobody } else { Key::Other };
        found.push((key, None));
    }
    found
}

fn waiter(objects: &Objects, reaction: &Reaction) -> (Key, Option<Address>) {
    if let Some(function) = awaiting(objects, reaction) {
        let shared = objects.shared_function_info(function);
        return (Key::Await(shared.unwrap_or(function)), Some(function));
    }
    for word in [reaction.on_fulfilled, reaction.on_rejected] {
        let Some(handler) = word.strong().filter(|found| objects.is_callable(*found)) else {
            continue;
        };
        if let Ok(shared) = objects.shared_function_info(handler)
            && let Ok(Some(_)) = objects.function_script(shared)
        {
            return (Key::Then(shared), Some(handler));
        }
    }
    (Key::Other, None)
}

/// The function at an `await` that a reaction lets go on.
fn awaiting(objects: &Objects, reaction: &Reaction) -> Option<Address> {
    let generator = generator_of(objects, reaction)?;
    objects.read_generator(generator).ok()?.function.strong()
}

/// What has the state of the function at an `await` that a reaction lets go on: it is in the context of V8's own handler. In V8 6.6 that is
/// mere code, and it is where others have their promise.
pub(super) fn generator_of(objects: &Objects, reaction: &Reaction) -> Option<Address> {
    let generator = |found: Address| {
        let instance_type = objects.instance_type(found)?;
        (objects.kind(instance_type) == Kind::Generator).then_some(found)
    };
    let behind = |handler: Tagged| {
        let handler = handler.strong().filter(|it| objects.is_callable(*it))?;
        in_context(objects, handler, generator)
    };
    reaction
        .promise
        .strong()
        .and_then(generator)
        .or_else(|| behind(reaction.on_fulfilled))
        .or_else(|| behind(reaction.on_rejected))
}

/// Looks through the first slots of a function's context, but for what says whose it is: up to V8 6 a function.
pub(super) fn in_context<T>(
    objects: &Objects,
    function: Address,
    look: impl Fn(Address) -> Option<T>,
) -> Option<T> {
    let context = objects.function_context(function).ok()?.strong()?;
    let slots = FixedArray::read(objects, context).ok()?;
    (1..slots.length.min(AWAIT_SLOTS)).find_map(|slot| {
        let found = slots.get(objects, slot).ok().and_then(Tagged::strong)?;
        look(found)
    })
}
