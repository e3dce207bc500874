//! Timers: lists of equal duration, each a ring of timeouts; and immediates.

use rustc_hash::FxHashSet;
use v8mini_format::model::Process;

use super::census::Census;
use super::handles::owner_of;
use super::{Callback, callback, class_of};
use crate::v8::{Address, Fields, PropertyValue};

/// Most timers that are read.
const MAX_TIMERS: usize = 1 << 20;

/// A timer that waits.
#[derive(Debug, Clone, PartialEq)]
pub struct Timer {
    /// The `Timeout`, or whatever else was put into the list.
    pub address: Address,
    /// Its class.
    pub class: String,
    /// After how many milliseconds it fires.
    pub duration_ms: f64,
    /// When it was started, in milliseconds of the clock of its event loop.
    pub started_ms: f64,
    /// When it fires, of the same clock.
    pub due_ms: f64,
    /// After how many milliseconds it fires again, for an interval.
    pub repeat_ms: Option<f64>,
    /// Whether it keeps the process alive; `None` where Node.js says it in C++ only.
    pub refed: Option<bool>,
    /// What it calls.
    pub callback: Option<Callback>,
}

/// An immediate that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Immediate {
    /// The object.
    pub address: Address,
    /// What it calls.
    pub callback: Option<Callback>,
}

/// Timers and immediates that wait.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Timers {
    /// Timers, the next to fire first.
    pub timers: Vec<Timer>,
    /// Number of lists: one for each duration.
    pub lists: u64,
    /// Immediates.
    pub immediates: Vec<Immediate>,
}

impl Timers {
    /// What the clock of the timers showed when the main thread was stopped, in milliseconds: what `started_ms` and `due_ms` are
    /// of. Up to Node.js 8 it is the system's monotonic clock; later it begins with the process, give or take the time
    /// that Node.js takes to start. `None` if the image says neither.
    pub fn now_ms(&self, process: &Process) -> Option<f64> {
        let uptime = process.uptime_ns as f64 / 1e6;
        let monotonic = process.monotonic_ns as f64 / 1e6;
        let latest = self.timers.iter().map(|timer| timer.started_ms);
        let latest = latest.fold(0.0, f64::max);
        [uptime, monotonic]
            .into_iter()
            .find(|now| *now > 0.0 && latest <= *now)
    }
}

/// Reads the lists that hold timers. A list without any has been given up; a timer that was cancelled or has fired is in no
/// list. Up to Node.js 5 the lists are `Timer` handles; those and later ones up to Node.js 10 also give a timer that was
/// `unref`ed a handle of its own.
pub(super) fn read(fields: &Fields<'_>, census: &Census) -> Timers {
    let mut found = Timers::default();
    let mut seen: FxHashSet<Address> = FxHashSet::default();
    let heads = census.timer_lists.iter().chain(&census.handles);
    for list in heads.copied() {
        let timers = ring(fields, list, &mut seen);
        found.lists += u64::from(!timers.is_empty());
        let duration = fields.number(list, "msecs");
        found.timers.extend(
            timers
                .into_iter()
                .filter_map(|timer| read_timer(fields, timer, duration)),
        );
    }
    // Timers with handles of their own.
    let handles = Census::set(&census.handles);
    for timer in census.timeouts.iter().copied() {
        let handle = fields.object(timer, "_handle");
        let is_own = handle.is_some_and(|handle| {
            handles.contains(&handle) && owner_of(fields, handle) == Some(timer)
        });
        if is_own && seen.insert(timer) {
            let timer = read_timer(fields, timer, None);
            found.timers.extend(timer.map(|timer| Timer {
                refed: Some(false),
                ..timer
            }));
        }
    }
    found
        .timers
        .sort_by(|one, other| one.due_ms.total_cmp(&other.due_ms));
    found.immediates = immediates(fields, census);
    found
}

/// The members of a ring, the oldest first. A member leads to the next one by `_idlePrev`.
fn ring(fields: &Fields<'_>, list: Address, seen: &mut FxHashSet<Address>) -> Vec<Address> {
    let mut members = Vec::new();
    let mut at = list;
    while let Some(next) = fields.object(at, "_idlePrev")
        && next != list
        && members.len() < MAX_TIMERS
        && seen.insert(next)
    {
        members.push(next);
        at = next;
    }
    members
}

fn read_timer(fields: &Fields<'_>, timer: Address, duration: Option<f64>) -> Option<Timer> {
    let duration_ms = fields.number(timer, "_idleTimeout").or(duration)?;
    let started_ms = fields.number(timer, "_idleStart")?;
    // Cancelled: it is only left in a list that nobody reads any more.
    if duration_ms < 0.0 {
        return None;
    }
    let objects = fields.objects();
    let repeat = fields.number(timer, "_repeat");
    // Up to Node.js 5, `_repeat` is true, or a function that _onTimeout stands in for.
    let repeats = match fields.word(timer, "_repeat") {
        Some(word) => {
            fields.boolean(timer, "_repeat") == Some(true)
                || word
                    .strong()
                    .is_some_and(|found| objects.is_callable(found))
        }
        None => false,
    };
    let function = ["_repeat", "_onTimeout", "_callback"]
        .into_iter()
        .filter_map(|name| function(fields, timer, name))
        .next();
    Some(Timer {
        address: timer,
        class: class_of(objects, timer),
        duration_ms,
        started_ms,
        due_ms: started_ms + duration_ms,
        repeat_ms: repeat.or(repeats.then_some(duration_ms)),
        refed: fields
            .boolean(timer, "@@refed")
            .or_else(|| fields.boolean(timer, "@@kRefed")),
        callback: function.and_then(|function| callback(objects, function.tagged())),
    })
}

/// A function that is a property of an object: its own, or, for a socket among the timers, its class's.
fn function(fields: &Fields<'_>, object: Address, name: &'static str) -> Option<Address> {
    let PropertyValue::Tagged(word) = fields.inherited(object, name)? else {
        return None;
    };
    word.strong()
        .filter(|found| fields.objects().is_callable(*found))
}

fn immediates(fields: &Fields<'_>, census: &Census) -> Vec<Immediate> {
    let objects = fields.objects();
    let pending = census.immediates.iter().copied().filter_map(|immediate| {
        let names = ["_callback", "_onImmediate"].into_iter();
        let function = names
            .filter_map(|name| fields.object(immediate, name))
            .find(|found| objects.is_callable(*found))?;
        let is_linked = || {
            let links = ["_idleNext", "_idlePrev"].into_iter();
            links
                .into_iter()
                .any(|name| fields.object(immediate, name).is_some())
        };
        // Since Node.js 8 one that has run says so; before, it is in no list any more.
        let is_done = match fields.boolean(immediate, "_destroyed") {
            Some(is_done) => is_done,
            None => !is_linked(),
        };
        (!is_done).then(|| Immediate {
            address: immediate,
            callback: callback(objects, function.tagged()),
        })
    });
    pending.take(MAX_TIMERS).collect()
}
