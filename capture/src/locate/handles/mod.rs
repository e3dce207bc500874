//! Finds the handles through which C++ holds objects: global and eternal ones, and those of the handle scopes; the queues of
//! microtasks; and the table of functions' code.
//!
//! They lie in `malloc`ed blocks that the isolate leads to. No version of V8 has to be known for that: what is looked for
//! tells itself. An object that belongs to an isolate begins with a pointer to it; the nodes of a block of global handles are
//! numbered; the last block of handle scopes is the one that the isolate allocates from; eternal handles come in as many
//! blocks as their number takes. All of this has been so from V8 4.5 to 14.6.

mod global;
mod scopes;

use std::collections::{BTreeMap, BTreeSet};

use v8mini_format::memory::{Memory, MemoryExt, MemoryRange};

use super::dispatch_table::{DispatchTable, table_at};
use super::microtasks::{MicrotaskQueue, Words, queues_at};

/// What is read at once of what pointers lead to.
const PAGE_BYTES: u64 = 4096;
/// Of an object that belongs to the isolate, so much is looked at (`GlobalHandles` of V8 4.5 to 6 is the largest).
const OBJECT_BYTES: u64 = 0x200;
/// `EternalHandles::kSize`.
const ETERNALS: u64 = 256;
/// Most eternal handles that are believed; Node makes some hundreds.
const MAX_ETERNALS: u64 = 1 << 20;

/// The handles of one isolate: tagged words that refer to objects.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Handles {
    /// Words of the global handles that keep their objects alive; `None` if they were not found.
    pub global: Option<Vec<u64>>,
    /// Words of the global handles that do not.
    pub weak: Vec<u64>,
    /// Words of the open handle scopes; `None` if they were not found.
    pub scopes: Option<Vec<u64>>,
    /// Words of the eternal handles; `None` if they were not found.
    pub eternal: Option<Vec<u64>>,
    /// Words of the other objects that belong to the isolate, such as the compilation cache.
    pub caches: Vec<u64>,
    /// The queues of microtasks, that of the isolate first; `None` if it was not found, as up to V8 7.0, where it is an object.
    pub microtasks: Option<Vec<MicrotaskQueue>>,
    /// The table of functions' code, which other isolates may share; `None` if it was not found, as up to V8 12.9, where
    /// functions refer to their code.
    pub dispatch_table: Option<DispatchTable>,
    /// The memory that all of this was read from, that of the table aside: an image that has both can be asked the same.
    pub memory: Vec<MemoryRange>,
    /// Of each node of a global handle, class id, index and flags, by which it is found, and the table of functions' code: of all
    /// the memory, what is neither an address nor a small number.
    pub tags: Vec<MemoryRange>,
    /// The objects that led there.
    pub holders: Holders,
}

/// What an isolate points to and leads to its handles: it stays where it is, so that the next search may do with it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Holders {
    /// `GlobalHandles`, and what the blocks hang on if that is another object.
    global: Vec<u64>,
    /// `HandleScopeImplementer`, if a handle scope had a handle; else it is one of the others.
    scopes: Vec<u64>,
    /// `EternalHandles`, which lies in the isolate or is pointed to.
    eternal: Vec<u64>,
    /// The queue of microtasks.
    microtasks: Vec<u64>,
    /// The table of functions' code.
    dispatch_table: Vec<u64>,
    /// The other objects that belong to the isolate.
    others: BTreeSet<u64>,
    /// What the isolate looked like: what it points to since may lead to more, above all while it is starting.
    isolate: Seen,
}

/// An isolate as it was.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Seen {
    words: Vec<u64>,
    /// All that they point to, in order.
    pointers: Vec<u64>,
}

impl Seen {
    /// What `words` point to, and did not before.
    ///
    /// Few words change, and to look for each of 8,000 among as many took 0.1 ms of the stop, to sort them as much.
    fn new_pointers(&self, words: &[u64], block: MemoryRange) -> Vec<u64> {
        let now = words.iter().enumerate();
        let changed = now.filter(|(at, word)| self.words.get(*at) != Some(word));
        let changed: Vec<u64> = changed.map(|(_, word)| *word).collect();
        let mut new = pointers(&changed, block);
        new.retain(|pointer| self.pointers.binary_search(pointer).is_err());
        new
    }
}

impl Holders {
    /// All that may begin with a pointer to the isolate.
    fn objects(&self) -> impl Iterator<Item = u64> {
        let known = self.global.iter().chain(&self.scopes);
        known.chain(&self.others).copied()
    }

    fn is_empty(&self) -> bool {
        self.global.is_empty() || self.eternal.is_empty()
    }
}

impl Handles {
    /// Whether all kinds were found.
    const fn are_complete(&self) -> bool {
        self.global.is_some() && self.scopes.is_some() && self.eternal.is_some()
    }
}

/// Finds the handles of the isolate at `isolate`, which lies in `block`.
pub fn find_handles(memory: &dyn Memory, isolate: u64, block: MemoryRange) -> Handles {
    Search::new(memory, false).of(isolate, block)
}

/// The same, quicker: knowing the [`Handles::holders`] of an earlier search of the same process. Of all else that the isolate points to,
/// what it pointed to then is only looked at if they do not lead to all kinds of handles any more.
pub fn find_handles_again(
    memory: &dyn Memory,
    isolate: u64,
    block: MemoryRange,
    holders: &Holders,
) -> Handles {
    let again = Search::new(memory, true).again(isolate, block, holders);
    again.unwrap_or_else(|| Search::new(memory, true).of(isolate, block))
}

struct Search<'a> {
    memory: &'a dyn Memory,
    handles: Handles,
    /// Where objects that belong to the isolate begin: the one before ends there at the latest.
    objects: BTreeSet<u64>,
    /// What was peeked at: the isolate has thousands of pointers, most of them to few pages, and a live process may be waiting.
    pages: BTreeMap<u64, Option<Vec<u8>>>,
    /// Whether nothing of a page can be read if not all of it can.
    has_whole_pages: bool,
}

impl<'a> Search<'a> {
    fn new(memory: &'a dyn Memory, has_whole_pages: bool) -> Self {
        Self {
            memory,
            handles: Handles::default(),
            objects: BTreeSet::new(),
            pages: BTreeMap::new(),
            has_whole_pages,
        }
    }

    /// The handles of the isolate at `isolate`, which lies in `block`.
    fn of(mut self, isolate: u64, block: MemoryRange) -> Handles {
        let Some(words) = (isolate != 0)
            .then(|| self.words(block.start, block.len))
            .flatten()
        else {
            return Handles::default();
        };
        let pointers = pointers(&words, block);
        self.look_at(&pointers, isolate, &words);
        self.look_for_empty_scopes();
        self.handles.holders.isolate = Seen { words, pointers };
        self.handles
    }

    /// Looks for handle scopes without a handle among what belongs to the isolate, unless others were found.
    fn look_for_empty_scopes(&mut self) {
        if self.handles.scopes.is_some() {
            return;
        }
        for object in self.handles.holders.others.clone() {
            let fields = self.fields(object);
            if self.no_scopes(&fields) {
                break;
            }
        }
    }

    /// Looks for what leads to handles among that to which an isolate points.
    fn look_at(&mut self, pointers: &[u64], isolate: u64, words: &[u64]) {
        self.add_objects(pointers.iter().copied(), isolate);
        for &pointer in pointers {
            match self.peek(pointer) {
                Some(first) if first == isolate => self.object_of_isolate(pointer, words),
                Some(first) if self.handles.eternal.is_none() => self.eternal(pointer, first),
                _ => {}
            }
            if self.handles.microtasks.is_none() {
                self.microtasks(pointer);
            }
            if self.handles.dispatch_table.is_none() {
                self.dispatch_table(pointer, false);
            }
        }
    }

    /// The same by what led to handles before, and what the isolate did not point to then; `None` if it does not lead to all kinds of them.
    fn again(mut self, isolate: u64, block: MemoryRange, holders: &Holders) -> Option<Handles> {
        if holders.is_empty() {
            return None;
        }
        let words = self.words(block.start, block.len)?;
        // Nothing in them says that they are this isolate's, and it may not point to them any more.
        for object in holders.eternal.iter().filter(|it| words.contains(it)) {
            if let Some(first) = self
                .peek(*object)
                .filter(|_| self.handles.eternal.is_none())
            {
                self.eternal(*object, first);
            }
        }
        for queue in holders.microtasks.iter().filter(|it| words.contains(it)) {
            self.microtasks(*queue);
        }
        for base in &holders.dispatch_table {
            if words.contains(base) && self.handles.dispatch_table.is_none() {
                self.dispatch_table(*base, true);
            }
        }
        self.add_objects(holders.objects(), isolate);
        for &object in &holders.global {
            if self.peek(object) == Some(isolate) {
                let fields = self.fields(object);
                self.global(object, &fields, &holders.global);
            }
        }
        for &object in holders.scopes.iter().chain(&holders.others) {
            if self.peek(object) == Some(isolate) {
                // A scope may have got its first handle since, or lost its last: workers have none most of the time (V8 12.4).
                self.object_of_isolate(object, &words);
            }
        }
        let new = holders.isolate.new_pointers(&words, block);
        self.look_at(&new, isolate, &words);
        self.look_for_empty_scopes();
        self.handles.are_complete().then_some(self.handles)
    }

    /// As many words from `start` on as can be read, up to `len` bytes.
    fn some_words(&self, start: u64, len: u64) -> Vec<u64> {
        let mut len = len;
        while len >= 8 {
            if let Some(words) = self.words(start, len) {
                return words;
            }
            len /= 2;
        }
        Vec::new()
    }

    fn keep(&mut self, start: u64, len: u64) {
        self.handles.memory.push(MemoryRange { start, len });
    }

    /// Adds those that begin with a pointer to the isolate to what is known to.
    fn add_objects(&mut self, pointers: impl Iterator<Item = u64>, isolate: u64) {
        for pointer in pointers {
            if self.peek(pointer) == Some(isolate) {
                self.objects.insert(pointer);
            }
        }
    }

    /// Something that begins with a pointer to the isolate.
    fn object_of_isolate(&mut self, object: u64, isolate: &[u64]) {
        let fields = self.fields(object);
        let is_global = self.handles.global.is_none() && self.global(object, &fields, &[]);
        let is_scopes = self.handles.scopes.is_none() && self.scopes(object, &fields, isolate);
        if !is_global && !is_scopes {
            self.other(object, &fields);
        }
    }

    fn fields(&mut self, object: u64) -> Vec<u64> {
        let next = self.objects.range(object.saturating_add(1)..).next();
        let len = next.map_or(OBJECT_BYTES, |next| (next - object).min(OBJECT_BYTES));
        let fields = self.some_words(object, len);
        self.keep(object, fields.len() as u64 * 8);
        fields
    }

    /// An object that leads to no handles, but may to others: the compilation cache is one.
    fn other(&mut self, object: u64, fields: &[u64]) {
        let tagged = fields.iter().copied().filter(|word| word & 3 == 1);
        self.handles.caches.extend(tagged);
        self.handles.holders.others.insert(object);
    }

    /// The queue of microtasks, and others that it is linked with.
    fn microtasks(&mut self, object: u64) {
        let queues = queues_at(self, object);
        if queues.is_empty() {
            return;
        }
        let memory = queues.iter().flat_map(|queue| queue.memory.clone());
        self.handles.memory.extend(memory);
        self.handles.microtasks = Some(queues);
        self.handles.holders.microtasks.push(object);
    }

    /// The table of functions' code.
    fn dispatch_table(&mut self, base: u64, is_known: bool) {
        let memory = self.memory;
        if let Some(table) = table_at(self, base, || memory.ranges(), is_known) {
            self.handles.tags.extend(&table.memory);
            self.handles.dispatch_table = Some(table);
            self.handles.holders.dispatch_table.push(base);
        }
    }

    /// Eternal handles: how many there are, then a vector of the blocks that hold them.
    fn eternal(&mut self, object: u64, first: u64) {
        let size = first & 0xffff_ffff;
        if size == 0 || size > MAX_ETERNALS {
            return;
        }
        let count = size.div_ceil(ETERNALS);
        let words = self.some_words(object, 32);
        let &[_, begin, second, third] = words.as_slice() else {
            return;
        };
        let is_vector = second.checked_sub(begin) == Some(count * 8) && third >= second;
        let is_list = second >> 32 == count && second & 0xffff_ffff >= count;
        if !is_pointer(begin) || !(is_vector || is_list) {
            return;
        }
        let Some(blocks) = self.words(begin, count * 8) else {
            return;
        };
        let mut found = Vec::new();
        for (block, before) in blocks.iter().zip((0..).step_by(ETERNALS as usize)) {
            let used = (size - before).min(ETERNALS);
            match self.words(*block, used * 8) {
                Some(words) if words.iter().all(|word| word & 3 == 1) => found.extend(words),
                _ => return,
            }
        }
        self.keep(object, 32);
        self.keep(begin, count * 8);
        for block in blocks {
            self.keep(block, ETERNALS * 8);
        }
        self.handles.eternal = Some(found);
        self.handles.holders.eternal.push(object);
    }
}

impl Words for Search<'_> {
    fn peek(&mut self, address: u64) -> Option<u64> {
        let memory = self.memory;
        let page = address & !(PAGE_BYTES - 1);
        let bytes = self.pages.entry(page).or_insert_with(|| {
            let bytes = memory.read_vec(page, PAGE_BYTES as usize);
            bytes.ok()
        });
        match bytes {
            Some(bytes) => {
                let rest = bytes.get(usize::try_from(address - page).ok()?..)?;
                rest.first_chunk().copied().map(u64::from_le_bytes)
            }
            None if self.has_whole_pages => None,
            // An image need not have whole pages.
            None => memory.read_u64(address).ok(),
        }
    }

    fn words(&self, start: u64, len: u64) -> Option<Vec<u64>> {
        let bytes = self
            .memory
            .read_vec(start, usize::try_from(len).ok()?)
            .ok()?;
        let (words, _) = bytes.as_chunks::<8>();
        Some(words.iter().map(|word| u64::from_le_bytes(*word)).collect())
    }
}

/// What an isolate points to, itself aside: in order, each once.
fn pointers(words: &[u64], block: MemoryRange) -> Vec<u64> {
    let is_outside =
        |word: &u64| word.is_multiple_of(8) && *word >= 0x1_0000 && !block.contains(*word);
    let mut pointers: Vec<u64> = words.iter().copied().filter(is_outside).collect();
    pointers.sort_unstable();
    pointers.dedup();
    pointers
}

/// Whether a word may be the address of something that was allocated.
const fn is_pointer(word: u64) -> bool {
    word >= 0x1_0000 && word < 1 << 56 && word.is_multiple_of(8)
}
