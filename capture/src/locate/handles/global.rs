//! Global handles: numbered nodes in blocks, which `GlobalHandles` leads to.

use std::collections::BTreeSet;

use v8mini_format::memory::{MemoryExt, MemoryRange};

use super::{Search, is_pointer};

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

impl Search<'_> {
    /// Global handles: blocks of nodes, up to V8 7 right from `GlobalHandles`, later from a `NodeSpace`, which begins with a pointer to
    /// it: one of `known` if there are any.
    pub(super) fn global(&mut self, object: u64, fields: &[u64], known: &[u64]) -> bool {
        let mut blocks: Vec<u64> = self.blocks_among(fields);
        let mut space = None;
        if blocks.is_empty() {
            let is_wanted =
                |word: &u64| is_pointer(*word) && (known.is_empty() || known.contains(word));
            for pointer in fields.iter().copied().filter(is_wanted) {
                let words = self.some_words(pointer, SPACE_BYTES);
                // Else what merely lies in front of a space would pass for one.
                if words.first() != Some(&object) {
                    continue;
                }
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
}
