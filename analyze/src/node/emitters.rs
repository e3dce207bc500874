//! Event emitters and how many listeners they have.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::class_of;
use crate::v8::{Address, Fields, Objects, PropertyValue};

/// `EventEmitter.defaultMaxListeners`, from which on Node.js itself warns of a leak.
const DEFAULT_MAX_LISTENERS: f64 = 10.0;

/// Emitters of one class.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EmitterClass {
    /// The class.
    pub class: String,
    /// Emitters that have listeners.
    pub emitters: u64,
    /// Their listeners together.
    pub listeners: u64,
}

/// An emitter with many listeners.
#[derive(Debug, Clone, PartialEq)]
pub struct TopEmitter {
    /// The emitter.
    pub address: Address,
    /// Its class.
    pub class: String,
    /// All its listeners.
    pub listeners: u64,
    /// Events and their listeners, most first.
    pub events: Vec<(String, u64)>,
    /// Whether an event has more listeners than the default limit: as a rule a leak.
    pub is_suspect: bool,
    /// The emitter's own limit, if it has one; 0 for none.
    pub max_listeners: Option<f64>,
}

/// All emitters.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Emitters {
    /// By class, most listeners first.
    pub classes: Vec<EmitterClass>,
    /// The ones with most listeners.
    pub top: Vec<TopEmitter>,
    /// How many have an event with more listeners than the default limit.
    pub suspects: u64,
}

/// Counts the listeners of emitters.
pub(super) fn read(fields: &Fields<'_>, emitters: &[Address], top: usize) -> Emitters {
    let objects = fields.objects();
    let mut classes: BTreeMap<String, EmitterClass> = BTreeMap::new();
    let mut found = Emitters::default();
    let mut largest: Vec<(u64, Address)> = Vec::new();
    for emitter in emitters.iter().copied() {
        let events = events(fields, emitter);
        let listeners: u64 = events.iter().map(|(_, count)| count).sum();
        if listeners == 0 {
            continue;
        }
        let class = class_of(objects, emitter);
        let sums = classes.entry(class).or_default();
        sums.emitters += 1;
        sums.listeners += listeners;
        found.suspects += u64::from(is_suspect(&events));
        largest.push((listeners, emitter));
        // Once in a while only the largest are kept, so that sorting costs little.
        if largest.len() > top.saturating_mul(2).max(1 << 12) {
            keep_largest(&mut largest, top);
        }
    }
    keep_largest(&mut largest, top);
    found.top = largest
        .into_iter()
        .map(|(listeners, emitter)| {
            let mut events = events(fields, emitter);
            events.sort_by_key(|(_, count)| Reverse(*count));
            TopEmitter {
                address: emitter,
                class: class_of(objects, emitter),
                listeners,
                is_suspect: is_suspect(&events),
                max_listeners: fields.number(emitter, "_maxListeners"),
                events: events
                    .into_iter()
                    .map(|(key, count)| (event_name(objects, key), count))
                    .collect(),
            }
        })
        .collect();
    found.classes = classes
        .into_iter()
        .map(|(class, sums)| EmitterClass { class, ..sums })
        .collect();
    found.classes.sort_by_key(|class| Reverse(class.listeners));
    found
}

fn keep_largest(emitters: &mut Vec<(u64, Address)>, count: usize) {
    emitters.sort_unstable_by_key(|emitter| Reverse(*emitter));
    emitters.truncate(count);
}

fn is_suspect(events: &[(Address, u64)]) -> bool {
    events
        .iter()
        .any(|(_, count)| *count as f64 > DEFAULT_MAX_LISTENERS)
}

/// The events that an emitter has listeners for, and how many: a function, or an array of them.
fn events(fields: &Fields<'_>, emitter: Address) -> Vec<(Address, u64)> {
    let objects = fields.objects();
    let Some(events) = fields.object(emitter, "_events") else {
        return Vec::new();
    };
    let properties = objects.properties(events).unwrap_or_default().list;
    properties
        .into_iter()
        .filter_map(|property| {
            let PropertyValue::Tagged(word) = property.value else {
                return None;
            };
            let listener = word.strong()?;
            let count = if objects.is_callable(listener) {
                1
            } else {
                objects.array_length(listener).ok()?
            };
            (count > 0).then_some((property.key, count))
        })
        .collect()
}

fn event_name(objects: &Objects, key: Address) -> String {
    let name = objects.read_name(key);
    name.map_or_else(|_| "?".to_owned(), |name| name.to_string())
}
