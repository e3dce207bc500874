//! The memory that the search for an isolate's handles looks at.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};

use v8mini_format::memory::{Memory, MemoryExt, MemoryRange, ReadError};
use v8mini_format::model::{Permissions, Region};

use super::maps;
use super::remote_memory::RemoteMemory;

/// The memory of a stopped process, of which what an isolate points to was read in one go, and everything else is read page by page and
/// kept: word by word, the search for its handles takes hundreds of calls.
pub(super) struct Prefetched<'a> {
    memory: &'a RemoteMemory,
    regions: &'a [Region],
    block: MemoryRange,
    block_bytes: Vec<u8>,
    /// The pages that were read, in order, and their bytes.
    pages: Vec<MemoryRange>,
    bytes: Vec<u8>,
    /// Pages that were read since; none where they cannot be read.
    others: Mutex<HashMap<u64, Option<Vec<u8>>>>,
}

/// What is read at once of what pointers lead to.
const PAGE_BYTES: u64 = 4096;
pub(super) const PAGE_LEN: usize = 4096;

/// Where the page of an address begins.
pub(super) const fn page_of(address: u64) -> u64 {
    address & !(PAGE_BYTES - 1)
}

impl<'a> Prefetched<'a> {
    /// Reads a block, and the pages where handles were found before; if none were, those that the block points to.
    pub(super) fn around(
        memory: &'a RemoteMemory,
        regions: &'a [Region],
        block: MemoryRange,
        known: &BTreeSet<u64>,
    ) -> Self {
        let mut new = Self {
            memory,
            regions,
            block,
            block_bytes: vec![0; usize::try_from(block.len).unwrap_or(0)],
            pages: Vec::new(),
            bytes: Vec::new(),
            others: Mutex::default(),
        };
        if memory.read_at(block.start, &mut new.block_bytes).is_err() {
            new.block_bytes.clear();
            return new;
        }
        let mut starts: Vec<u64> = known.iter().copied().collect();
        if starts.is_empty() {
            let words = new.block_bytes.as_chunks::<8>().0.iter();
            let pointers = words
                .map(|word| u64::from_le_bytes(*word))
                .filter(|word| word.is_multiple_of(8) && !block.contains(*word));
            starts.extend(pointers.map(page_of));
            starts.sort_unstable();
            starts.dedup();
        }
        starts.retain(|start| new.is_writable(*start));
        let len = PAGE_BYTES;
        new.pages = starts
            .iter()
            .map(|&start| MemoryRange { start, len })
            .collect();
        new.bytes = vec![0; starts.len() * PAGE_LEN];
        let read = memory.read_ranges(&new.pages, &mut new.bytes).unwrap_or(0);
        // Behind a page that cannot be read, nothing was: those are read when they are asked for.
        new.pages.truncate(read / PAGE_LEN);
        new
    }

    /// The bytes from an address on, if they were read.
    fn prefetched(&self, addr: u64, len: usize) -> Option<&[u8]> {
        if self.block.contains(addr) {
            let at = usize::try_from(addr - self.block.start).ok()?;
            return self.block_bytes.get(at..at.checked_add(len)?);
        }
        let page = self
            .pages
            .binary_search_by_key(&(page_of(addr)), |page| page.start);
        let in_page = usize::try_from(addr % PAGE_BYTES).ok()?;
        let at = page.ok()? * PAGE_LEN + in_page;
        (in_page + len <= PAGE_LEN).then(|| self.bytes.get(at..at + len))?
    }
}

impl Prefetched<'_> {
    /// Whether objects of C++ may be there; the isolate also points to code, which is not worth a look.
    fn is_writable(&self, address: u64) -> bool {
        Region::at(self.regions, address).is_some_and(|region| region.permissions.write)
    }

    /// The same of memory that was set aside, too: `malloc` makes it writable when it needs it, by and by.
    fn may_be_writable(&self, address: u64) -> bool {
        Region::at(self.regions, address).is_some_and(|region| {
            region.permissions.write || region.permissions == Permissions::default()
        })
    }

    /// Reads within a page, which is kept.
    fn read_in_page(&self, addr: u64, buf: &mut [u8]) -> Result<(), ReadError> {
        let page = page_of(addr);
        let mut others = self.others.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = others.entry(page).or_insert_with(|| {
            if !self.may_be_writable(page) {
                return None;
            }
            self.memory.read_vec(page, PAGE_LEN).ok()
        });
        let from = usize::try_from(addr - page).unwrap_or(0);
        let bytes = bytes
            .as_ref()
            .and_then(|bytes| bytes.get(from..from + buf.len()));
        match bytes {
            Some(bytes) => {
                buf.copy_from_slice(bytes);
                Ok(())
            }
            None => {
                let len = buf.len() as u64;
                Err(ReadError::Unmapped { addr, len })
            }
        }
    }
}

impl Memory for Prefetched<'_> {
    fn read_at(&self, addr: u64, buf: &mut [u8]) -> Result<(), ReadError> {
        let mut at = addr;
        let mut rest = buf;
        while !rest.is_empty() {
            let in_page = usize::try_from(PAGE_BYTES - at % PAGE_BYTES).unwrap_or(usize::MAX);
            let (part, after) = rest.split_at_mut(in_page.min(rest.len()));
            match self.prefetched(at, part.len()) {
                Some(bytes) => part.copy_from_slice(bytes),
                None => self.read_in_page(at, part)?,
            }
            at = at.saturating_add(part.len() as u64);
            rest = after;
        }
        Ok(())
    }

    fn ranges(&self) -> Vec<MemoryRange> {
        maps::mapped(self.regions, |region| region.permissions.write)
    }
}
