//! Roots: from where V8 begins to mark what is alive.

use rustc_hash::FxHashSet;
use v8mini_capture::locate::{find_handles, isolate_block};
use v8mini_format::model::{Isolate, Space, Thread};

use crate::v8::{Address, FixedArray, MapInfo, Objects, Tagged};

/// The slot of the global object is below this: that of extensions, or the one after it.
const CONTEXT_SLOTS: u64 = 8;
/// Most words of a stack that are looked at: 64 MiB of them.
const MAX_STACK_BYTES: u64 = 64 << 20;

/// Why an object is a root.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RootKind {
    /// It is the global object of a program.
    Global,
    /// C++ holds it by a persistent handle: so are the objects of Node's `process.binding`, of open handles and requests.
    GlobalHandle,
    /// A word on the stack of a thread refers to it: a local variable, an argument, or what was left of one.
    Stack,
    /// C++ holds it by a handle of a scope that is open.
    HandleScope,
    /// C++ holds it for as long as the isolate lives.
    EternalHandle,
    /// It is a microtask that has not run yet (V8 7.1 and later; before, the isolate refers to them).
    Microtask,
    /// The compilation cache, or another cache of the isolate.
    Cache,
    /// The isolate refers to it: strong roots, built-ins, the context that is entered, a pending exception.
    Isolate,
    /// It lies in read-only space, which is never collected.
    ReadOnly,
}

impl RootKind {
    /// The kind in words, as text and JSON have it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Global => "global",
            Self::GlobalHandle => "global handle",
            Self::Stack => "stack",
            Self::HandleScope => "handle scope",
            Self::EternalHandle => "eternal handle",
            Self::Microtask => "microtask queue",
            Self::Cache => "cache",
            Self::Isolate => "isolate",
            Self::ReadOnly => "read-only space",
        }
    }
}

/// Where marking begins.
#[derive(Debug, Clone, Default)]
pub struct Roots {
    /// Objects that words outside of the heap refer to, each under the first kind that applies, sorted by address. Whether an
    /// object begins there is for the caller to check: words of a stack may refer to what has long been something else.
    pub list: Vec<(Address, RootKind)>,
    /// What could not be located, in words.
    pub missing: Vec<String>,
}

impl Roots {
    /// The roots of the isolates whose heap is one of `heaps`, or of all of them.
    pub fn find(objects: &Objects, heap: Option<u64>) -> Self {
        let mut roots = Self::default();
        let metadata = &objects.image().metadata;
        let selected = |isolate: &&Isolate| heap.is_none_or(|heap| heap == isolate.heap);
        for isolate in metadata.isolates.iter().filter(selected) {
            roots.isolate(objects, isolate);
        }
        for thread in &metadata.threads {
            let entered = metadata
                .isolates
                .iter()
                .find(|isolate| isolate.address == thread.isolate && thread.isolate != 0);
            if heap.is_none() || entered.is_none_or(|isolate| Some(isolate.heap) == heap) {
                roots.stack(objects, thread);
            }
        }
        // Of the kinds of one object the first counts.
        roots.list.sort_unstable();
        roots.list.dedup_by_key(|(address, _)| *address);
        roots.missing.sort_unstable();
        roots.missing.dedup();
        roots
    }

    fn isolate(&mut self, objects: &Objects, isolate: &Isolate) {
        let memory = objects.memory();
        let block = isolate_block(memory, isolate.address, isolate.heap);
        let words = read_words(objects, block.start, block.len);
        if words.is_empty() {
            self.miss(isolate, "the isolate's own roots");
        }
        self.add(objects, RootKind::Isolate, words);
        let handles = find_handles(memory, isolate.address, block);
        for (kind, what, found) in [
            (RootKind::GlobalHandle, "global handles", handles.global),
            (RootKind::HandleScope, "handle scopes", handles.scopes),
            (RootKind::EternalHandle, "eternal handles", handles.eternal),
        ] {
            match found {
                Some(words) => self.add(objects, kind, words),
                None => self.miss(isolate, what),
            }
        }
        if handles.dispatch_table.is_none() && objects.has_dispatch_tables() {
            self.miss(isolate, "the table of functions' code");
        }
        let queues = handles.microtasks.unwrap_or_default().into_iter();
        let tasks = queues.flat_map(|queue| queue.tasks);
        self.add(objects, RootKind::Microtask, tasks);
        self.add(objects, RootKind::Cache, handles.caches);
    }

    fn stack(&mut self, objects: &Objects, thread: &Thread) {
        let pointer = thread.register("rsp").or_else(|| thread.register("sp"));
        if let Some(start) = pointer
            && let Some(len) = thread.stack_end.checked_sub(start)
        {
            let words = read_words(objects, start & !7, len.min(MAX_STACK_BYTES));
            self.add(objects, RootKind::Stack, words);
        }
        let registers = thread.registers.iter().map(|register| register.value);
        self.add(objects, RootKind::Stack, registers);
    }

    fn miss(&mut self, isolate: &Isolate, what: &str) {
        self.missing
            .push(format!("{what} of the isolate at {:#x}", isolate.address));
    }

    /// Adds the words that may refer to objects.
    fn add(&mut self, objects: &Objects, kind: RootKind, words: impl IntoIterator<Item = u64>) {
        let candidates: FxHashSet<Address> = words
            .into_iter()
            .filter_map(|word| Tagged(word).strong())
            .collect();
        for address in candidates {
            let Some(page) = objects.pages().page_of(address.0) else {
                continue;
            };
            if page.space == Space::ReadOnly || page.space == Space::NewFrom {
                continue;
            }
            let Ok(map) = objects.map_of(address) else {
                continue;
            };
            self.list.push((address, kind));
            if let Some(global) = global_object(objects, address, &map) {
                self.list.push((global, RootKind::Global));
            }
        }
    }
}

/// The global object of a native context, which has it in one of its first slots; up to V8 6 such a context is an array like any
/// other.
fn global_object(objects: &Objects, context: Address, map: &MapInfo) -> Option<Address> {
    let type_name = match objects.layout().types.number("NATIVE_CONTEXT_TYPE") {
        Some(_) => "NATIVE_CONTEXT_TYPE",
        None => "FIXED_ARRAY_TYPE",
    };
    if !objects.is_type(map.instance_type, type_name) {
        return None;
    }
    let slots = FixedArray::read(objects, context).ok()?;
    (0..slots.length.min(CONTEXT_SLOTS)).find_map(|slot| {
        let object = slots.get(objects, slot).ok()?.strong()?;
        let map = objects.map_of(object).ok()?;
        objects.is_global(&map).then_some(object)
    })
}

/// The words of a range that are in the image: as captures hold no more than what was used of a stack, its ends may be missing.
fn read_words(objects: &Objects, start: u64, len: u64) -> Vec<u64> {
    let end = start.saturating_add(len);
    let mut words = Vec::new();
    let ranges = objects.memory().ranges();
    let first = ranges.partition_point(|range| range.end() <= start);
    for range in ranges.get(first..).unwrap_or_default() {
        if range.start >= end {
            break;
        }
        let from = range.start.max(start).next_multiple_of(8);
        let to = range.end().min(end) & !7;
        let len = to.saturating_sub(from);
        let Ok(len) = usize::try_from(len) else { break };
        if let Ok(bytes) = objects.bytes(Address(from), len) {
            let (chunks, _) = bytes.as_chunks::<8>();
            words.extend(chunks.iter().map(|word| u64::from_le_bytes(*word)));
        }
    }
    words
}
