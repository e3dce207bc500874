//! Finds the handles through which C++ holds objects: global and eternal ones, and those of the handle scopes; and the queues of
//! microtasks.
//!
//! They lie in `malloc`ed blocks that the isolate leads to. No version of V8 has to be known for that: what is looked for
//! tells itself. An object that belongs to an isolate begins with a pointer to it; the nodes of a block of global handles are
//! numbered; the last block of handle scopes is the one that the isolate allocates from; eternal handles come in as many
//! blocks as their number takes. All of this has been so from V8 4.5 to 14.6.

use std::collections::{BTreeMap, BTreeSet};

use v8mini_format::memory::{Memory, MemoryExt, MemoryRange};

use super::microtasks::{MicrotaskQueue, Words, queues_at};

/// What is read at once of what pointers lead to.
const PAGE_BYTES: u64 = 4096;
/// Of an object that belongs to the isolate, so much is looked at (`GlobalHandles` of V8 4.5 to 6 is the largest).
const OBJECT_BYTES: u64 = 0x200;
/// `GlobalHandles::NodeSpace` is smaller.
const SPACE_BYTES: u64 = 0x80;
/// `GlobalHandles::NodeBlock::kBlockSize` nodes…
const NODES: usize = 256;
/// …of so many bytes: the object, class id, index, flags, parameter, callback.
const NODE_BYTES: usize = 32;
/// Where a node has its index in the block, and its flags.
const NODE_INDEX: usize = 10;
const NODE_FLAGS: usize = 11;
const BLOCK_BYTES: usize = NODES * NODE_BYTES;
/// After the nodes come the links between the blocks.
const BLOCK_LINKS: u64 = 64;
/// Class id, index and flags.
const NODE_TAG: MemoryRange = MemoryRange { start: 8, len: 4 };
/// The state of a node is in these bits of its flags: free, normal, weak, about to be reported dead.
const STATE: u8 = 3;
const NORMAL: u8 = 1;
/// A process with a million global handles has four thousand blocks of them.
const MAX_BLOCKS: usize = 1 << 14;
/// `kHandleBlockSize` handles.
const SCOPE_BLOCK_BYTES: u64 = 1022 * 8;
/// Most blocks of handle scopes that are believed.
const MAX_SCOPE_BLOCKS: u64 = 1 << 14;
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
    /// The memory that all of this was read from: an image that has it can be asked the same.
    pub memory: Vec<MemoryRange>,
    /// Of each node of a global handle, class id, index and flags, by which it is found: of all the memory, what is neither an
    /// address nor a small number.
    pub tags: Vec<MemoryRange>,
    /// The objects that led there.
    pub holders: Holders,
}

/// What the isolate points to and leads to handles: it stays where it is, so that the next search may do with it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Holders {
    /// `GlobalHandles`, and what the blocks hang on if that is another object.
    global: Vec<u64>,
    /// `HandleScopeImplementer`.
    scopes: Vec<u64>,
    /// `EternalHandles`, which lies in the isolate or is pointed to.
    eternal: Vec<u64>,
    /// The queue of microtasks.
    microtasks: Vec<u64>,
    /// The other objects that belong to the isolate.
    others: BTreeSet<u64>,
    /// All that each isolate pointed to, in order: what it points to since may lead to more, above all while it is starting.
    pointers: BTreeMap<u64, Vec<u64>>,
}

impl Holders {
    /// Adds those of another isolate.
    pub fn extend(&mut self, other: Self) {
        self.global.extend(other.global);
        self.scopes.extend(other.scopes);
        self.eternal.extend(other.eternal);
        self.microtasks.extend(other.microtasks);
        self.others.extend(other.others);
        self.pointers.extend(other.pointers);
    }

    fn is_empty(&self) -> bool {
        self.global.is_empty() || self.scopes.is_empty() || self.eternal.is_empty()
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
        self.handles.holders.pointers.insert(isolate, pointers);
        if self.handles.scopes.is_none() {
            for object in self.handles.holders.others.clone() {
                let fields = self.some_words(object, OBJECT_BYTES);
                if self.no_scopes(&fields) {
                    break;
                }
            }
        }
        self.handles
    }

    /// Looks for what leads to handles among that to which an isolate points.
    fn look_at(&mut self, pointers: &[u64], isolate: u64, words: &[u64]) {
        for &pointer in pointers {
            match self.peek(pointer) {
                Some(first) if first == isolate => self.object_of_isolate(pointer, words),
                Some(first) if self.handles.eternal.is_none() => self.eternal(pointer, first),
                _ => {}
            }
            if self.handles.microtasks.is_none() {
                self.microtasks(pointer);
            }
        }
    }

    /// The same by what led to handles before, and what the isolate did not point to then; `None` if it does not lead to all kinds of them.
    fn again(mut self, isolate: u64, block: MemoryRange, holders: &Holders) -> Option<Handles> {
        if holders.is_empty() {
            return None;
        }
        let words = self.words(block.start, block.len)?;
        // Nothing in them says whose they are.
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
        let of_isolate = |search: &mut Self, object: u64| {
            (search.peek(object) == Some(isolate)).then(|| search.fields(object))
        };
        for &object in &holders.global {
            if let Some(fields) = of_isolate(&mut self, object) {
                self.global(object, &fields, &holders.global);
            }
        }
        for &object in &holders.scopes {
            if let Some(fields) = of_isolate(&mut self, object) {
                // A worker that has none may just have been starting: then it has other things, too, that nothing led to.
                self.scopes(object, &fields, &words);
            }
        }
        for &object in &holders.others {
            if let Some(fields) = of_isolate(&mut self, object) {
                self.other(object, &fields);
            }
        }
        let known = holders.pointers.get(&isolate)?;
        let mut new = pointers(&words, block);
        new.retain(|pointer| known.binary_search(pointer).is_err());
        self.look_at(&new, isolate, &words);
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

    /// Something that begins with a pointer to the isolate.
    fn object_of_isolate(&mut self, object: u64, isolate: &[u64]) {
        let fields = self.fields(object);
        let leads_to_handles = (self.handles.global.is_none() && self.global(object, &fields, &[]))
            || (self.handles.scopes.is_none() && self.scopes(object, &fields, isolate));
        if !leads_to_handles {
            self.other(object, &fields);
        }
    }

    fn fields(&mut self, object: u64) -> Vec<u64> {
        let fields = self.some_words(object, OBJECT_BYTES);
        self.keep(object, fields.len() as u64 * 8);
        fields
    }

    /// An object that leads to no handles, but may to others: the compilation cache is one.
    fn other(&mut self, object: u64, fields: &[u64]) {
        let tagged = fields.iter().copied().filter(|word| word & 3 == 1);
        self.handles.caches.extend(tagged);
        self.handles.holders.others.insert(object);
    }

    /// Global handles: blocks of nodes, up to V8 7 right from `GlobalHandles`, later from a `NodeSpace`: one of `known` if there are any.
    fn global(&mut self, object: u64, fields: &[u64], known: &[u64]) -> bool {
        let mut blocks: Vec<u64> = self.blocks_among(fields);
        let mut space = None;
        if blocks.is_empty() {
            let is_wanted =
                |word: &u64| is_pointer(*word) && (known.is_empty() || known.contains(word));
            for pointer in fields.iter().copied().filter(is_wanted) {
                let words = self.some_words(pointer, SPACE_BYTES);
                blocks = self.blocks_among(&words);
                if !blocks.is_empty() {
                    space = Some(pointer);
                    self.keep(pointer, words.len() as u64 * 8);
                    break;
                }
            }
        }
        if blocks.is_empty() {
            return false;
        }
        self.handles.holders.global.push(object);
        self.handles.holders.global.extend(space);
        let mut seen: BTreeSet<u64> = blocks.iter().copied().collect();
        let mut strong = Vec::new();
        while let Some(block) = blocks.pop() {
            self.nodes(block, &mut strong);
            let links_start = block.saturating_add(BLOCK_BYTES as u64);
            let links = self.some_words(links_start, BLOCK_LINKS);
            self.keep(block, BLOCK_BYTES as u64 + links.len() as u64 * 8);
            for next in self.blocks_among(&links) {
                if seen.len() < MAX_BLOCKS && seen.insert(next) {
                    blocks.push(next);
                }
            }
        }
        self.handles.global = Some(strong);
        true
    }

    fn blocks_among(&self, words: &[u64]) -> Vec<u64> {
        let mut blocks: Vec<u64> = words
            .iter()
            .copied()
            .filter(|word| is_pointer(*word) && self.is_block(*word))
            .collect();
        blocks.sort_unstable();
        blocks.dedup();
        blocks
    }

    /// Whether there is a block of nodes: each has its own number in it.
    fn is_block(&self, address: u64) -> bool {
        let mut start = [0; 2 * NODE_BYTES];
        if self.memory.read_at(address, &mut start).is_err() {
            return false;
        }
        if start[NODE_INDEX] != 0 || start[NODE_BYTES + NODE_INDEX] != 1 {
            return false;
        }
        let Ok(bytes) = self.memory.read_vec(address, BLOCK_BYTES) else {
            return false;
        };
        let (nodes, _) = bytes.as_chunks::<NODE_BYTES>();
        nodes
            .iter()
            .enumerate()
            .all(|(index, node)| usize::from(node[NODE_INDEX]) == index)
    }

    fn nodes(&mut self, block: u64, strong: &mut Vec<u64>) {
        let Ok(bytes) = self.memory.read_vec(block, BLOCK_BYTES) else {
            return;
        };
        let (nodes, _) = bytes.as_chunks::<NODE_BYTES>();
        for (node, address) in nodes.iter().zip((block..).step_by(NODE_BYTES)) {
            self.handles.tags.push(MemoryRange {
                start: address + NODE_TAG.start,
                len: NODE_TAG.len,
            });
            let object = node.first_chunk().copied().map_or(0, u64::from_le_bytes);
            match node[NODE_FLAGS] & STATE {
                0 => {}
                NORMAL => strong.push(object),
                _ => self.handles.weak.push(object),
            }
        }
    }

    /// Handle scopes: a vector of blocks, of which the isolate allocates from the last.
    fn scopes(&mut self, object: u64, words: &[u64], isolate: &[u64]) -> bool {
        // `blocks_` comes right after the pointer to the isolate: a vector, or, in V8 6.6 to 6.8, a pointer to one.
        let &[_, first, second, third, ..] = words else {
            return false;
        };
        if self.scope_blocks([first, second, third], isolate) {
            self.handles.holders.scopes.push(object);
            return true;
        }
        let elsewhere = is_pointer(first).then(|| self.words(first, 24)).flatten();
        let &[data, second, third] = elsewhere.as_deref().unwrap_or_default() else {
            return false;
        };
        let found = self.scope_blocks([data, second, third], isolate);
        if found {
            self.keep(first, 24);
            self.handles.holders.scopes.push(object);
        }
        found
    }

    /// The blocks of a vector, of which the isolate allocates from the last.
    fn scope_blocks(&mut self, [data, second, third]: [u64; 3], isolate: &[u64]) -> bool {
        let (capacity, size) = vector(data, second, third);
        if !is_pointer(data) || size == 0 || size > capacity || size > MAX_SCOPE_BLOCKS {
            return false;
        }
        let Some(blocks) = self.words(data, size * 8) else {
            return false;
        };
        let Some((last, full)) = blocks.split_last() else {
            return false;
        };
        let Some(end) = last.checked_add(SCOPE_BLOCK_BYTES) else {
            return false;
        };
        let next = isolate.windows(2).find_map(|pair| match pair {
            &[next, limit] if *last <= next && next <= limit && limit <= end => Some(next),
            _ => None,
        });
        let Some(next) = next.filter(|_| blocks.iter().all(|block| is_pointer(*block))) else {
            return false;
        };
        let mut found = Vec::new();
        for block in full {
            if let Some(words) = self.words(*block, SCOPE_BLOCK_BYTES) {
                found.extend(words);
                self.keep(*block, SCOPE_BLOCK_BYTES);
            }
        }
        let used = (next - last) & !7;
        found.extend(self.words(*last, used).unwrap_or_default());
        self.keep(*last, used);
        self.keep(data, size * 8);
        self.handles.scopes = Some(found);
        true
    }

    /// Handle scopes none of which has a handle, as in a worker that waits (V8 9 and later): no block, but the contexts that were entered,
    /// which are the next thing that `HandleScopeImplementer` keeps.
    fn no_scopes(&mut self, fields: &[u64]) -> bool {
        let &[_, blocks, second, third, contexts, capacity, size, ..] = fields else {
            return false;
        };
        let is_empty = (blocks == 0 || is_pointer(blocks)) && vector(blocks, second, third).1 == 0;
        let (capacity, size) = vector(contexts, capacity, size);
        if !is_empty
            || !is_pointer(contexts)
            || size == 0
            || size > capacity
            || size > MAX_SCOPE_BLOCKS
        {
            return false;
        }
        let Some(entered) = self.words(contexts, size * 8) else {
            return false;
        };
        if entered.iter().any(|word| word & 3 != 1) {
            return false;
        }
        self.keep(contexts, size * 8);
        self.handles.scopes = Some(entered);
        // Not a holder: the next search may find handles somewhere else.
        true
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

/// Capacity and size of a vector, by the words after the address of its data: two numbers, in one word up to V8 6.2; or, in V8
/// 6.8, where its items and where its memory end.
fn vector(data: u64, second: u64, third: u64) -> (u64, u64) {
    match (second.checked_sub(data), third.checked_sub(data)) {
        (Some(size), Some(capacity)) if size <= capacity && size % 8 == 0 => {
            (capacity / 8, size / 8)
        }
        _ if second >> 32 == 0 => (second, third),
        _ => (second & 0xffff_ffff, second >> 32),
    }
}

/// Whether a word may be the address of something that was allocated.
const fn is_pointer(word: u64) -> bool {
    word >= 0x1_0000 && word < 1 << 56 && word.is_multiple_of(8)
}
