//! Handle scopes: blocks of handles in a vector, which `HandleScopeImplementer` leads to.

use super::{Search, is_pointer};
use crate::locate::microtasks::Words;

/// `kHandleBlockSize` handles.
const SCOPE_BLOCK_BYTES: u64 = 1022 * 8;
/// Most blocks of handle scopes that are believed.
const MAX_SCOPE_BLOCKS: u64 = 1 << 14;

impl Search<'_> {
    /// Handle scopes: a vector of blocks, of which the isolate allocates from the last.
    pub(super) fn scopes(&mut self, object: u64, words: &[u64], isolate: &[u64]) -> bool {
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
    pub(super) fn no_scopes(&mut self, fields: &[u64]) -> bool {
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
        // Not a holder of scopes: the next search may find handles somewhere else.
        self.handles.scopes = Some(entered);
        true
    }
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
