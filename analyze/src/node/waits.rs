//! What runs next: the functions that a pending promise lets go on, one after the other, as each settles what the next waits for.
//!
//! V8 follows the same links to write `at async f` into stack traces (`CaptureAsyncStackTrace` in its src/execution/isolate.cc).

use std::cell::LazyCell;
use std::cmp::Reverse;
use std::hash::{Hash, Hasher};

use rustc_hash::{FxHashMap, FxHashSet, FxHasher};

use super::promises::{generator_of, in_context};
use super::{Callback, callback};
use crate::layout::Field;
use crate::stack::{Suspended, suspended};
use crate::v8::{Address, Objects, PromiseState, PropertyValue, Reaction, Tagged};

/// So many functions of a chain are named.
const MAX_STEPS: usize = 64;
/// So many that wait for one promise have chains of their own.
const MAX_WAITERS: usize = 64;
/// So many variables of a closure are looked at for what settles a promise.
const MAX_VARIABLES: usize = 64;

/// A function that goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// An async function or async generator, at an `await`.
    Await(Suspended),
    /// A function that was given to `then`, `catch` or `finally`.
    Then(Callback),
    /// `Promise.all`, `any` or `allSettled`.
    Combinator,
    /// A function that is called by itself.
    Call(Callback),
}

/// What a pending promise lets run, and how many others let the same run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// One of the promises.
    pub promise: Address,
    /// How many there are.
    pub count: u64,
    /// What goes on first, what goes on when that returns, and so on.
    pub steps: Vec<Step>,
}

/// The pending promises of a heap.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Chains {
    /// How many there are.
    pub pending: u64,
    /// How many of them nobody waits for.
    pub idle: u64,
    /// What those let run that no other pending promise will settle: most first, then the longest.
    pub list: Vec<Chain>,
}

/// Finds the chains that begin at pending promises.
pub(super) fn read(objects: &Objects, promises: &[Address]) -> Chains {
    let mut chains = Chains {
        pending: promises.len() as u64,
        ..Chains::default()
    };
    let mut settled_by_others: FxHashSet<Address> = FxHashSet::default();
    for promise in promises {
        for reaction in reactions(objects, *promise) {
            settled_by_others.extend(next(objects, &reaction).1);
        }
    }
    let mut known: FxHashMap<u64, usize> = FxHashMap::default();
    for promise in promises.iter().copied() {
        let reactions = reactions(objects, promise);
        chains.idle += u64::from(reactions.is_empty());
        if settled_by_others.contains(&promise) {
            continue;
        }
        for reaction in reactions {
            let steps = steps(objects, promise, &reaction);
            if steps.is_empty() {
                continue;
            }
            let place = *known.entry(signature(&steps)).or_insert_with(|| {
                chains.list.push(Chain {
                    promise,
                    count: 0,
                    steps,
                });
                chains.list.len() - 1
            });
            if let Some(chain) = chains.list.get_mut(place) {
                chain.count += 1;
            }
        }
    }
    chains.list.sort_by_key(|chain| {
        (
            Reverse(chain.count),
            Reverse(chain.steps.len()),
            chain.promise,
        )
    });
    chains
}

/// What a pending promise lets run, of all that wait for it what has waited longest.
pub(super) fn from_promise(objects: &Objects, promise: Address) -> Vec<Step> {
    reactions(objects, promise)
        .first()
        .map_or_else(Vec::new, |reaction| steps(objects, promise, reaction))
}

/// What goes on when somebody who waited is told.
pub(super) fn after(objects: &Objects, reaction: &Reaction) -> Vec<Step> {
    steps(objects, Address::default(), reaction)
}

/// The promise that a function settles when it is called: it is V8's own `resolve` or `reject`, or one of these is a variable of
/// its innermost scope, which it speaks of.
pub(super) fn settles(objects: &Objects, function: Address) -> Option<Address> {
    let own = |function| {
        let shared = objects.shared_function_info(function).ok()?;
        if !is_builtin(objects, shared) {
            return None;
        }
        in_context(objects, function, |found| {
            objects.is_promise(found).then_some(found)
        })
    };
    own(function).or_else(|| {
        let scopes = objects.closure_scopes(function).ok()?;
        let variables = scopes.into_iter().next()?.variables;
        // Other functions have the same scope. Where the text is gone, any may be meant. It is read for what settles a promise only.
        let text = LazyCell::new(|| objects.function_text(function).ok().flatten());
        let speaks_of = |name: &str| text.as_ref().is_none_or(|text| text.contains(name));
        variables
            .into_iter()
            .take(MAX_VARIABLES)
            .find_map(|(name, value)| match value {
                PropertyValue::Tagged(word) => {
                    let found = word.strong().filter(|found| objects.is_callable(*found))?;
                    own(found).filter(|_| speaks_of(&name))
                }
                _ => None,
            })
    })
}

fn reactions(objects: &Objects, promise: Address) -> Vec<Reaction> {
    let value = objects.read_promise(promise);
    let mut reactions = value.map_or_else(|_| Vec::new(), |value| value.reactions);
    reactions.truncate(MAX_WAITERS);
    reactions
}

/// All that goes on after a reaction, as far as one thing leads to the next.
fn steps(objects: &Objects, promise: Address, first: &Reaction) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut seen = vec![promise];
    let mut reaction = *first;
    while steps.len() < MAX_STEPS && seen.len() < 2 * MAX_STEPS {
        let (step, settled) = next(objects, &reaction);
        steps.extend(step);
        let Some(settled) = settled.filter(|settled| !seen.contains(settled)) else {
            break;
        };
        seen.push(settled);
        let Some(more) = reactions(objects, settled).into_iter().next() else {
            break;
        };
        reaction = more;
    }
    steps
}

/// What goes on in a reaction, and the promise that is settled then.
fn next(objects: &Objects, reaction: &Reaction) -> (Option<Step>, Option<Address>) {
    if let Some(generator) = generator_of(objects, reaction) {
        let step = suspended(objects, generator).map(Step::Await);
        return (step, settled_by(objects, generator));
    }
    let handlers = [reaction.on_fulfilled, reaction.on_rejected];
    let handlers = handlers.into_iter().filter_map(Tagged::strong);
    let settled = promise_of(objects, reaction.promise);
    for handler in handlers.filter(|found| objects.is_callable(*found)) {
        let shared = objects.shared_function_info(handler).ok();
        let is_own = shared.is_some_and(|shared| is_builtin(objects, shared));
        if !is_own {
            return (callback(objects, handler.tagged()).map(Step::Then), settled);
        }
        // What `finally` was given is in the context of V8's own handler.
        let given = in_context(objects, handler, |found| {
            let shared = objects.shared_function_info(found).ok()?;
            (!is_builtin(objects, shared)).then_some(found)
        });
        if let Some(given) = given {
            return (callback(objects, given.tagged()).map(Step::Then), settled);
        }
        let combined = in_context(objects, handler, |found| {
            objects
                .has_type(found, "PROMISE_CAPABILITY_TYPE")
                .then(|| promise_of(objects, found.tagged()))
        });
        if let Some(combined) = combined {
            return (Some(Step::Combinator), combined);
        }
        // `resolve` and `reject` of another promise: it follows this one.
        let followed = in_context(objects, handler, |found| {
            objects.is_promise(found).then_some(found)
        });
        if followed.is_some() {
            return (None, followed);
        }
    }
    (None, settled)
}

/// Whether a function is one of V8's own. Up to V8 6.x these belong to a script, but to an empty one.
pub(super) fn is_builtin(objects: &Objects, shared: Address) -> bool {
    match objects.function_script(shared) {
        Ok(Some(script)) => {
            let source = objects.script_source(script, 1);
            source.is_ok_and(|source| source.is_some_and(|source| source.to_text().is_empty()))
        }
        Ok(None) => true,
        Err(_) => false,
    }
}

/// The promise that a suspended function settles: the first of those that may be it which it does not wait for itself.
fn settled_by(objects: &Objects, generator: Address) -> Option<Address> {
    let candidates = objects.generator_promises(generator);
    if candidates.len() < 2 {
        return candidates.first().copied();
    }
    let is_awaited = |promise: Address| {
        let mut reactions = reactions(objects, promise).into_iter();
        reactions.any(|reaction| generator_of(objects, &reaction) == Some(generator))
    };
    let is_pending = |promise: Address| {
        let value = objects.read_promise(promise);
        value.is_ok_and(|value| value.state == PromiseState::Pending)
    };
    candidates
        .into_iter()
        .find(|promise| is_pending(*promise) && !is_awaited(*promise))
}

/// The promise itself, or that of a capability.
fn promise_of(objects: &Objects, word: Tagged) -> Option<Address> {
    let found = word.strong()?;
    if objects.is_promise(found) {
        return Some(found);
    }
    let promise = objects
        .has_type(found, "PROMISE_CAPABILITY_TYPE")
        .then(|| objects.tagged_field(found, Field::CapabilityPromise))?;
    promise
        .ok()?
        .strong()
        .filter(|found| objects.is_promise(*found))
}

/// Equal for chains that lead through the same places.
fn signature(steps: &[Step]) -> u64 {
    let mut hasher = FxHasher::default();
    for step in steps {
        match step {
            Step::Await(at) => {
                (1, at.shared, at.location.as_ref().map(|at| at.position)).hash(&mut hasher);
            }
            Step::Then(function) | Step::Call(function) => {
                let place = function.location.as_ref();
                (2, &function.name, place.map(|at| (&at.file, at.position))).hash(&mut hasher);
            }
            Step::Combinator => 3.hash(&mut hasher),
        }
    }
    hasher.finish()
}
