//! Who refers to given objects: a scan over all references of the heap, and names for the few that hit.
//!
//! What a program sees as one reference may be several: from an object to its property array, and from there to the value. The
//! scan finds the array first; a second one finds whose it is, and the reference gets the name that it has there.

use std::ops::Range;

use rustc_hash::{FxHashMap, FxHashSet};

use super::references::{parts, weak_pairs};
use super::{Edge, EdgeKind, References, Strength, Target, edges, for_each_reference};
use crate::heap::{HeapObject, PageSelection, Visitor, walk};
use crate::layout::Field;
use crate::v8::{Address, Kind, Objects, PropertyValue, Tagged};

/// Objects between an object and what it is seen to refer to: map and descriptors, or hash table and its buckets.
const MAX_HOPS: usize = 3;

/// A reference to one of the objects that were asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Referrer {
    /// The object that refers.
    pub holder: Address,
    /// How, and to what.
    pub edge: Edge,
}

/// The references to `targets`, by the addresses of those who refer. Only the first `limit` who refer are looked at closely;
/// the number of all is returned too.
pub fn referrers(
    objects: &Objects,
    references: &References,
    selection: PageSelection,
    targets: &FxHashSet<Address>,
    limit: usize,
) -> (Vec<Referrer>, usize) {
    let mut found = Vec::new();
    let direct = holders(objects, references, selection, targets);
    // What is in each store, of what was asked for.
    let held: FxHashMap<Address, Address> = direct.iter().copied().collect();
    let mut direct: Vec<Address> = direct.into_iter().map(|(holder, _)| holder).collect();
    direct.dedup();
    let (stores, owners): (Vec<Address>, Vec<Address>) = direct
        .into_iter()
        .partition(|holder| is_store(objects, *holder));
    let by_store = owners_of(objects, references, selection, &stores);
    let mut all: Vec<Address> = owners;
    let mut cells: FxHashSet<Address> = FxHashSet::default();
    for store in &stores {
        let known = by_store.get(store).map_or(&[][..], Vec::as_slice);
        if is_context_of(objects, *store, known) {
            found.extend(variables(objects, *store, targets));
            continue;
        }
        all.extend(known);
        if known.is_empty() {
            all.push(*store);
        } else if objects.has_type(*store, "CONTEXT_CELL_TYPE") {
            cells.insert(*store);
        }
    }
    all.sort_unstable();
    all.dedup();
    let total = all.len() + found.len();
    for holder in all.into_iter().take(limit) {
        let Ok(known) = edges(objects, references, holder, usize::MAX) else {
            continue;
        };
        let hits = known.list.into_iter().filter(|edge| match edge.target {
            Target::Object(target) => targets.contains(&target) || cells.contains(&target),
            Target::Native { .. } => false,
        });
        let before = found.len();
        found.extend(hits.map(|edge| Referrer { holder, edge }));
        for referrer in found.get_mut(before..).unwrap_or_default() {
            // By way of a cell to what is in it.
            if let Target::Object(cell) = referrer.edge.target
                && let Some(target) = held.get(&cell)
                && cells.contains(&cell)
            {
                referrer.edge.target = Target::Object(*target);
            }
        }
        if found.len() == before {
            // It owns the store, but the store is not what it shows: a table that was replaced, an array with room left.
            found.extend(unnamed(objects, &by_store, &held, holder));
        }
    }
    (found, total)
}

/// Whether a store is the context of one of the functions that refer to it. Up to V8 6 contexts look like arrays.
fn is_context_of(objects: &Objects, store: Address, owners: &[Address]) -> bool {
    objects.has_type(store, "FIXED_ARRAY_TYPE")
        && owners.iter().any(|owner| {
            let context = objects.tagged_field(*owner, Field::JSFunctionContext);
            objects
                .instance_type(*owner)
                .is_some_and(|owner| objects.is_function_type(owner))
                && context.ok().and_then(Tagged::strong) == Some(store)
        })
}

/// The variables of a context that refer to one of `targets`.
fn variables(objects: &Objects, context: Address, targets: &FxHashSet<Address>) -> Vec<Referrer> {
    let scope = objects.scopes(context.tagged()).into_iter().next();
    let variables = scope.into_iter().flat_map(|scope| scope.variables);
    variables
        .filter_map(|(name, value)| {
            let PropertyValue::Tagged(word) = value else {
                return None;
            };
            let target = word.object().filter(|target| targets.contains(target))?;
            Some(Referrer {
                holder: context,
                edge: Edge {
                    kind: EdgeKind::Context,
                    name: name.into(),
                    target: Target::Object(target),
                    strength: Strength::Strong,
                    offset: None,
                },
            })
        })
        .collect()
}

/// That an owner refers by way of a store, without a name for it.
fn unnamed(
    objects: &Objects,
    by_store: &FxHashMap<Address, Vec<Address>>,
    held: &FxHashMap<Address, Address>,
    holder: Address,
) -> Option<Referrer> {
    let (store, _) = by_store
        .iter()
        .find(|(_, owners)| owners.contains(&holder))?;
    let target = *held.get(store)?;
    let map = objects.map_of(holder).ok()?;
    let weak = matches!(objects.kind_of(holder, &map), Kind::WeakMap | Kind::WeakSet);
    let (kind, name, strength) = match weak.then(|| weak_entry(objects, *store, target)).flatten() {
        Some((name, Strength::Weak)) => (EdgeKind::Weak, name, Strength::Weak),
        Some((name, strength)) => (EdgeKind::Shortcut, name, strength),
        None => (
            EdgeKind::Hidden,
            format!("(part of {store})"),
            Strength::Strong,
        ),
    };
    Some(Referrer {
        holder,
        edge: Edge {
            kind,
            name: name.into(),
            target: Target::Object(target),
            strength,
            offset: None,
        },
    })
}

/// What a target is in the table of a `WeakMap` or `WeakSet`: `(key)`, or what is under `[a key]`.
fn weak_entry(objects: &Objects, table: Address, target: Address) -> Option<(String, Strength)> {
    // The words before the entries are numbers; that of a `WeakSet` has true for values.
    let pairs = weak_pairs();
    let size = objects.size_of(table, &*objects.map_of(table).ok()?)?;
    let mut found = None;
    for part in parts(size) {
        let bytes = read_part(objects, table, &part)?;
        for_each_reference(&pairs, size, part.start, &bytes, |reference| {
            if reference.target == target {
                found = Some(match reference.strength {
                    Strength::Ephemeron { key } => (format!("[{key}]"), reference.strength),
                    _ => ("(key)".to_owned(), Strength::Weak),
                });
            }
        });
        if found.is_some() {
            break;
        }
    }
    found
}

/// A part of a large object.
fn read_part(objects: &Objects, object: Address, part: &Range<u64>) -> Option<Vec<u8>> {
    let len = usize::try_from(part.end - part.start).ok()?;
    let at = Address(object.0.wrapping_add(part.start));
    objects.bytes(at, len).ok()
}

/// Who refers to `targets`, who refers to those, and so on: the references, by what they refer to. Levels are looked for one after
/// the other, each in one go, until nobody is left, or more than `limit` objects are found. Only holders that `follow` picks are
/// gone on with.
pub fn referrers_of_referrers(
    objects: &Objects,
    references: &References,
    selection: PageSelection,
    targets: &FxHashSet<Address>,
    limit: usize,
    follow: impl Fn(&Referrer) -> bool,
) -> FxHashMap<Address, Vec<Referrer>> {
    let mut known: FxHashMap<Address, Vec<Referrer>> = FxHashMap::default();
    let mut seen = targets.clone();
    let mut level = targets.clone();
    while !level.is_empty() && seen.len() <= limit.saturating_add(targets.len()) {
        let (found, _) = referrers(objects, references, selection, &level, limit);
        let mut next = FxHashSet::default();
        for referrer in found {
            let target = referrer.edge.target.object();
            let Some(target) = target.filter(|target| level.contains(target)) else {
                continue;
            };
            if follow(&referrer) && seen.insert(referrer.holder) {
                next.insert(referrer.holder);
            }
            known.entry(target).or_default().push(referrer);
        }
        level = next;
    }
    known
}

/// The objects with a word that refers to one of `targets`, and that one.
fn holders(
    objects: &Objects,
    references: &References,
    selection: PageSelection,
    targets: &FxHashSet<Address>,
) -> Vec<(Address, Address)> {
    let (scanners, _) = walk(objects, selection, || Scanner {
        objects,
        references,
        targets,
        found: Vec::new(),
    });
    scanners
        .into_iter()
        .flat_map(|scanner| scanner.found)
        .collect()
}

/// The objects that show what is in the stores as their own, by store.
fn owners_of(
    objects: &Objects,
    references: &References,
    selection: PageSelection,
    stores: &[Address],
) -> FxHashMap<Address, Vec<Address>> {
    let mut owners: FxHashMap<Address, Vec<Address>> = FxHashMap::default();
    // What is looked for now, and the stores that it leads back to.
    let mut origins: FxHashMap<Address, Vec<Address>> =
        stores.iter().map(|store| (*store, vec![*store])).collect();
    for _ in 0..MAX_HOPS {
        if origins.is_empty() {
            break;
        }
        let targets: FxHashSet<Address> = origins.keys().copied().collect();
        let (scanners, _) = walk(objects, selection, || Scanner {
            objects,
            references,
            targets: &targets,
            found: Vec::new(),
        });
        let mut next: FxHashMap<Address, Vec<Address>> = FxHashMap::default();
        for (holder, target) in scanners.into_iter().flat_map(|scanner| scanner.found) {
            let Some(leads_to) = origins.get(&target) else {
                continue;
            };
            let into = if is_store(objects, holder) {
                next.entry(holder).or_default()
            } else {
                for store in leads_to {
                    owners.entry(*store).or_default().push(holder);
                }
                continue;
            };
            into.extend(leads_to);
        }
        next.retain(|holder, _| !targets.contains(holder));
        origins = next;
    }
    owners
}

/// Whether what is in an object is seen as another one's: property arrays, elements, tables, descriptors, and maps, whose
/// descriptors may hold values that all their objects share.
fn is_store(objects: &Objects, object: Address) -> bool {
    let Some(instance_type) = objects.instance_type(object) else {
        return false;
    };
    let name = objects.type_name(instance_type);
    name.ends_with("FIXED_ARRAY_TYPE")
        || name.ends_with("PROPERTY_ARRAY_TYPE")
        || name.ends_with("DESCRIPTOR_ARRAY_TYPE")
        || name.ends_with("TABLE_TYPE")
        || name.ends_with("DICTIONARY_TYPE")
        || name.ends_with("HASH_MAP_TYPE")
        || name.ends_with("HASH_SET_TYPE")
        || name == "CONTEXT_CELL_TYPE"
        || name == "ACCESSOR_PAIR_TYPE"
}

/// Looks through the words of all objects.
struct Scanner<'a> {
    objects: &'a Objects,
    references: &'a References,
    targets: &'a FxHashSet<Address>,
    /// Who refers, and to what.
    found: Vec<(Address, Address)>,
}

impl Scanner<'_> {
    fn part(&mut self, object: &HeapObject<'_>, start: u64, bytes: &[u8]) {
        let slots = self.references.slots(object.map.instance_type);
        let (targets, found) = (self.targets, &mut self.found);
        for_each_reference(slots, object.size, start, bytes, |reference| {
            if targets.contains(&reference.target)
                && found.last() != Some(&(object.address, reference.target))
            {
                found.push((object.address, reference.target));
            }
        });
    }
}

impl Visitor for Scanner<'_> {
    fn visit(&mut self, object: &HeapObject<'_>) {
        if self.targets.contains(&object.map.address) {
            self.found.push((object.address, object.map.address));
        }
        let (objects, instance_type) = (self.objects, object.map.instance_type);
        let code = (self.references).dispatched(objects, object.address, instance_type);
        if let Some(code) = code.filter(|code| self.targets.contains(&code.target)) {
            self.found.push((object.address, code.target));
        }
        let known = object.bytes.len() as u64;
        if known >= object.size {
            return self.part(object, 0, object.bytes);
        }
        // Of a large object only the beginning was read.
        for part in parts(object.size) {
            let Some(bytes) = read_part(self.objects, object.address, &part) else {
                break;
            };
            self.part(object, part.start, &bytes);
        }
    }
}
