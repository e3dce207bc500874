//! Handles and requests of libuv, by their JavaScript objects.
//!
//! Each has internal fields with the address of its C++ half, which clears it at its end. From Node.js 16 on the address of a
//! tag stands before it, the same in all objects; from V8 13 on a field for another kind of wrapper before that. Whether a
//! handle keeps the process alive (`ref`, `unref`) is only known in C++.

use rustc_hash::FxHashMap;

use super::class_of;
use crate::layout::Field;
use crate::v8::{Address, Fields, Objects, Tagged};

/// Properties by which a handle leads to the object that the program knows it by.
const OWNERS: [&str; 3] = ["@@owner_symbol", "@@owner", "owner"];
/// Longest description of an owner's own.
const MAX_FIELDS: u64 = 8;

/// A handle or request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handle {
    /// Its JavaScript half.
    pub address: Address,
    /// Its class: `TCP`, `Pipe`, `FSReqCallback`, …
    pub class: String,
    /// Address of its C++ half.
    pub native: u64,
    /// The object that the program knows it by, and its class: a `Socket`, a `Server`, …
    pub owner: Option<(Address, String)>,
}

/// Handles or requests.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Handles {
    /// Those that are open.
    pub open: Vec<Handle>,
    /// How many objects there are besides: closed ones that are not collected yet.
    pub closed: u64,
}

/// Tells those that are open among the objects of the classes.
pub(super) fn read(fields: &Fields<'_>, candidates: &[Address]) -> Handles {
    let objects = fields.objects();
    let words: Vec<(Address, Vec<u64>)> = candidates
        .iter()
        .map(|object| (*object, internal_fields(objects, *object)))
        .collect();
    let tag = common_tag(&words);
    let mut handles = Handles::default();
    for (object, words) in words {
        // What `new` was never called on, such as a prototype, has undefined in all of them.
        if words
            .iter()
            .all(|word| *word == 0 || is_tagged(objects, *word))
        {
            continue;
        }
        let mut natives = words
            .iter()
            .copied()
            .skip_while(|word| *word == 0 && tag.is_some());
        let first = natives.next().unwrap_or(0);
        let native = if Some(first) == tag {
            natives.next().unwrap_or(0)
        } else {
            first
        };
        if native == 0 || is_tagged(objects, native) {
            handles.closed += 1;
            continue;
        }
        handles.open.push(Handle {
            address: object,
            class: class_of(objects, object),
            native,
            owner: owner(fields, object),
        });
    }
    handles
}

/// The words between an object's header and its first property.
fn internal_fields(objects: &Objects, object: Address) -> Vec<u64> {
    let Ok(map) = objects.map_of(object) else {
        return Vec::new();
    };
    let elements = objects.layout().place(Field::JSObjectElements);
    let first = elements.map_or(24, |place| place.offset + 8);
    let count = map.in_object_start.saturating_sub(first) / 8;
    (0..count.min(MAX_FIELDS))
        .map_while(|index| objects.word(object, first + index * 8).ok())
        .collect()
}

/// The first word that is not 0, if several objects share it: no two have the same C++ half.
fn common_tag(objects: &[(Address, Vec<u64>)]) -> Option<u64> {
    let mut counts: FxHashMap<u64, u64> = FxHashMap::default();
    for (_, words) in objects {
        let first = words.iter().copied().find(|word| *word != 0);
        if let Some(first) = first.filter(|word| word & 1 == 0) {
            *counts.entry(first).or_default() += 1;
        }
    }
    let (tag, count) = counts.into_iter().max_by_key(|(_, count)| *count)?;
    (count > 1).then_some(tag)
}

fn is_tagged(objects: &Objects, word: u64) -> bool {
    let object = Tagged(word).strong();
    object.is_some_and(|object| objects.map_of(object).is_ok())
}

fn owner(fields: &Fields<'_>, handle: Address) -> Option<(Address, String)> {
    let owner = owner_of(fields, handle).filter(|owner| *owner != handle)?;
    Some((owner, class_of(fields.objects(), owner)))
}

/// The object of JavaScript that a handle of C++ belongs to.
pub(super) fn owner_of(fields: &Fields<'_>, handle: Address) -> Option<Address> {
    OWNERS.iter().find_map(|name| fields.object(handle, name))
}
