//! An address space that tests lay out word by word.

use std::collections::BTreeMap;

use v8mini_format::memory::{Memory, MemoryRange, ReadError};
use v8mini_format::model::{Permissions, Region};

/// An address space of 4 KiB blocks, zero where nothing was written.
#[derive(Default)]
pub(crate) struct Synthetic {
    blocks: BTreeMap<u64, Vec<u8>>,
    pub(crate) regions: Vec<Region>,
}

pub(crate) const BLOCK: u64 = 4096;

impl Synthetic {
    pub(crate) fn map(&mut self, start: u64, len: u64, permissions: &str, name: &str) {
        let has = |flag| permissions.contains(flag);
        self.regions.push(Region {
            start,
            end: start + len,
            permissions: Permissions {
                read: has('r'),
                write: has('w'),
                execute: has('x'),
                shared: false,
            },
            file_offset: 0,
            name: name.to_owned(),
        });
        self.regions.sort_by_key(|region| region.start);
        if has('r') {
            for block in (start..start + len).step_by(BLOCK as usize) {
                self.blocks.insert(block, vec![0; BLOCK as usize]);
            }
        }
    }

    pub(crate) fn word(&mut self, address: u64, value: u64) {
        let block = self
            .blocks
            .get_mut(&(address / BLOCK * BLOCK))
            .expect("mapped");
        let at = (address % BLOCK) as usize;
        block[at..at + 8].copy_from_slice(&value.to_le_bytes());
    }

    pub(crate) fn words(&mut self, address: u64, values: &[u64]) {
        for (at, value) in (address..).step_by(8).zip(values) {
            self.word(at, *value);
        }
    }

    /// Of this memory, only what is in `ranges`, to the byte: the rest is not mapped.
    pub(crate) fn only(&self, ranges: impl Iterator<Item = MemoryRange>) -> Part<'_> {
        Part {
            memory: self,
            ranges: ranges.collect(),
        }
    }
}

impl Memory for Synthetic {
    fn read_at(&self, addr: u64, buf: &mut [u8]) -> Result<(), ReadError> {
        let len = buf.len() as u64;
        for (at, byte) in (addr..).zip(buf.iter_mut()) {
            let block = self
                .blocks
                .get(&(at / BLOCK * BLOCK))
                .ok_or(ReadError::Unmapped { addr, len })?;
            *byte = block[(at % BLOCK) as usize];
        }
        Ok(())
    }

    fn ranges(&self) -> Vec<MemoryRange> {
        let mut ranges: Vec<MemoryRange> = Vec::new();
        for &start in self.blocks.keys() {
            match ranges.last_mut() {
                Some(last) if last.end() == start => last.len += BLOCK,
                _ => ranges.push(MemoryRange { start, len: BLOCK }),
            }
        }
        ranges
    }
}

/// Parts of an address space.
pub(crate) struct Part<'a> {
    memory: &'a Synthetic,
    ranges: Vec<MemoryRange>,
}

impl Memory for Part<'_> {
    fn read_at(&self, addr: u64, buf: &mut [u8]) -> Result<(), ReadError> {
        let len = buf.len() as u64;
        let is_part = |at: u64| self.ranges.iter().any(|range| range.contains(at));
        if !(addr..addr + len).all(is_part) {
            return Err(ReadError::Unmapped { addr, len });
        }
        self.memory.read_at(addr, buf)
    }

    fn ranges(&self) -> Vec<MemoryRange> {
        self.ranges.clone()
    }
}
