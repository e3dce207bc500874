//! What an accumulation consists of, and where in the program it comes from.

use std::collections::BTreeMap;

use rustc_hash::FxHashSet;

use super::{Accumulation, Heap};
use crate::heap::ClassKind;
use crate::v8::{Address, Location};

/// So many classes of contents are named.
const CLASSES: usize = 6;
/// Of one item, so many objects around it are looked at for functions of the program.
const NEIGHBOURS: usize = 64;
/// So many places in the program are named.
const PLACES: usize = 3;
/// Most objects whose classes are counted.
const COUNTED: usize = 1 << 24;

/// Objects of a class in an accumulation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// The class.
    pub class: String,
    /// How many.
    pub count: u64,
    /// Their shallow bytes.
    pub bytes: u64,
}

/// Code of the program that the items lead to: a callback, a class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemCode {
    /// Name of the function; empty for an anonymous one.
    pub function: String,
    /// Where it is.
    pub location: Option<Location>,
    /// Of how many of the looked-at items.
    pub items: usize,
}

/// What the items are called.
pub(super) fn items(heap: &Heap<'_>, accumulation: &Accumulation) -> String {
    let Some(first) = accumulation.samples.first() else {
        return "?".to_owned();
    };
    let class = heap.class_name(*first);
    let is_function = heap
        .class(*first)
        .is_some_and(|class| class.kind == ClassKind::Function);
    let function = heap
        .address(*first)
        .filter(|_| is_function)
        .and_then(|address| heap.objects.read_function(address).ok());
    match function {
        Some(function) if !function.name.is_empty() => format!("function {}", function.name),
        _ => class,
    }
}

/// What is below the container of an accumulation, by class, most bytes first.
pub(super) fn of(heap: &Heap<'_>, accumulation: &Accumulation) -> Vec<Content> {
    let mut sums: BTreeMap<usize, (u64, u64)> = BTreeMap::new();
    let mut rest = heap.children.of(Some(accumulation.container)).to_vec();
    let mut counted = 0;
    while let Some(id) = rest.pop() {
        counted += 1;
        if counted > COUNTED {
            break;
        }
        if let Some(number) = heap.class_number(id) {
            let (count, bytes) = sums.entry(number).or_default();
            *count += 1;
            *bytes += heap.tree.nodes().size(id);
        }
        rest.extend(heap.children.of(Some(id)));
    }
    let mut contents: Vec<Content> = sums
        .into_iter()
        .filter_map(|(number, (count, bytes))| {
            Some(Content {
                class: heap.classes.list().get(number)?.name.clone(),
                count,
                bytes,
            })
        })
        .collect();
    contents.sort_by_key(|content| (std::cmp::Reverse(content.bytes), content.class.clone()));
    contents.truncate(CLASSES);
    contents
}

/// The functions of the program that items lead to within a few references, and the classes that they are instances of.
pub(super) fn item_code(heap: &Heap<'_>, samples: &[usize]) -> Vec<ItemCode> {
    let mut found: BTreeMap<Address, usize> = BTreeMap::new();
    for sample in samples {
        if let Some(shared) = nearest(heap, *sample) {
            *found.entry(shared).or_default() += 1;
        }
    }
    let mut places: Vec<ItemCode> = found
        .into_iter()
        .map(|(shared, items)| ItemCode {
            function: heap
                .objects
                .function_debug_name(shared)
                .ok()
                .flatten()
                .map_or_else(String::new, |name| name.to_text()),
            location: heap.objects.function_location(shared).ok().flatten(),
            items,
        })
        .collect();
    places.sort_by_key(|place| std::cmp::Reverse(place.items));
    places.truncate(PLACES);
    places
}

/// The nearest function of the program that an object leads to, breadth first; of an instance, first its constructor.
fn nearest(heap: &Heap<'_>, start: usize) -> Option<Address> {
    let own = |function: Address| {
        let shared = heap.objects.shared_function_info(function).ok()?;
        heap.code.is_of_program(shared).then_some(shared)
    };
    let mut seen = FxHashSet::default();
    let mut queue = vec![start];
    let mut at = 0;
    while let Some(id) = queue.get(at).copied() {
        at += 1;
        let Some(address) = heap.address(id).filter(|_| seen.insert(id)) else {
            continue;
        };
        if let Some(shared) = own(address) {
            return Some(shared);
        }
        let class = heap
            .objects
            .map_of(address)
            .ok()
            .and_then(|map| heap.objects.class_function(&map));
        if let Some(shared) = class.and_then(own) {
            return Some(shared);
        }
        if queue.len() < NEIGHBOURS {
            let room = NEIGHBOURS - queue.len();
            queue.extend(heap.graph.targets(id).iter().take(room));
        }
    }
    None
}
