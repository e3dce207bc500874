//! What references lead to: objects of the segment, and addresses outside of it.

use rustc_hash::FxHashMap;

use crate::memory::MemoryRange;

use super::blocks::{BLOCK_BITS, BlockTable, Blocks};

/// The memory of the segment, for finding where references lead.
pub(super) struct Local<'a> {
    pub(super) ranges: &'a [MemoryRange],
    /// Words before each range.
    pub(super) before: Vec<u32>,
    table: BlockTable,
    starts: Starts,
}

/// The words at which objects begin, which are numbered in their order: small enough to stay in a processor's cache.
#[derive(Debug, Default)]
struct Starts {
    /// For each 64 words: a bit for each, and how many objects begin before them.
    blocks: Vec<(u64, u32)>,
}

impl Starts {
    /// Those in so many words, in rising order. Returns how many there are, too.
    fn new(words: u32, starts: impl Iterator<Item = u32>) -> (Self, u32) {
        let mut blocks = vec![(0_u64, 0_u32); words as usize / 64 + 1];
        for at in starts {
            if let Some((bits, _)) = blocks.get_mut(at as usize / 64) {
                *bits |= 1 << (at % 64);
            }
        }
        let mut count = 0;
        for (bits, before) in &mut blocks {
            *before = count;
            count += bits.count_ones();
        }
        (Self { blocks }, count)
    }

    /// The number of the object that begins at a word.
    #[inline]
    fn number(&self, at: u32) -> Option<u32> {
        let (bits, before) = *self.blocks.get(at as usize / 64)?;
        let bit = 1_u64 << (at % 64);
        (bits & bit != 0).then(|| before + (bits & (bit - 1)).count_ones())
    }
}

impl<'a> Local<'a> {
    /// The memory of some ranges, and the words of it at which objects begin, rising. Returns how many of these there are, too.
    pub(super) fn new(ranges: &'a [MemoryRange], starts: impl Iterator<Item = u32>) -> (Self, u32) {
        let mut before = Vec::with_capacity(ranges.len());
        let mut table = BlockTable::with_room_for(ranges);
        let mut words = 0;
        for (number, range) in (0..).zip(ranges) {
            before.push(words);
            words += (range.len / 8) as u32;
            table.insert(*range, number);
        }
        let (starts, count) = Starts::new(words, starts);
        let local = Self {
            ranges,
            before,
            table,
            starts,
        };
        (local, count)
    }

    /// The object that begins at an address: `Some(None)` if there is none, `None` if the address is not in the segment.
    pub(super) fn object_at(&self, address: u64) -> Option<Option<u32>> {
        self.find(address, self.table.get(address)?)
    }

    /// The object that begins at an address of the segment: `Some(None)` if there is none, `None` if the address is not in the
    /// segment. `first` is the first range of the address' block.
    #[inline]
    fn find(&self, address: u64, first: u32) -> Option<Option<u32>> {
        let rest = self.ranges.iter().zip(&self.before).skip(first as usize);
        for (range, before) in rest {
            if address < range.start {
                return None;
            }
            let distance = address - range.start;
            if distance < range.len {
                return Some(self.starts.number(before + (distance / 8) as u32));
            }
        }
        None
    }
}

/// Targets outside of the segment.
pub(super) struct Far {
    objects: u32,
    known: FxHashMap<u64, u32>,
    /// What was looked up last: an address and its number.
    recent: Vec<(u64, u32)>,
    /// In the order in which they were met.
    pub(super) addresses: Vec<u64>,
    /// How many references lead to each target, by preliminary number.
    pub(super) counts: Vec<u32>,
}

impl Far {
    /// A power of two.
    const RECENT: usize = 1024;
    /// Room for as many as segments of real heaps have, some ten thousands: a table that grows is filled again each time.
    const USUAL: usize = 28 * 1024;

    /// None, behind so many objects of the segment.
    pub(super) fn new(objects: u32) -> Self {
        Self {
            objects,
            known: FxHashMap::with_capacity_and_hasher(Self::USUAL, Default::default()),
            recent: vec![(0, 0); Self::RECENT],
            addresses: Vec::new(),
            counts: vec![0; objects as usize],
        }
    }

    /// The preliminary number of a target.
    #[inline]
    pub(super) fn number(&mut self, address: u64) -> u32 {
        let hash = address.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 48;
        let recent = self.recent.get_mut(hash as usize % Self::RECENT);
        if let Some((known, number)) = &recent
            && *known == address
            && address != 0
        {
            return *number;
        }
        let number = *self.known.entry(address).or_insert_with(|| {
            self.addresses.push(address);
            self.counts.push(0);
            self.objects + self.addresses.len() as u32 - 1
        });
        if let Some(recent) = recent {
            *recent = (address, number);
        }
        number
    }
}

/// Where the addresses of a block are.
#[derive(Debug, Clone, Copy)]
enum Place {
    /// In the segment, the first of them in the range with this number.
    Local(u32),
    /// Outside, where references may lead to.
    Far,
    Nowhere,
}

/// Blocks that were looked up last, and what was found.
pub(super) struct Places<'a> {
    local: &'a Local<'a>,
    blocks: &'a Blocks,
    recent: Vec<(u64, Place)>,
}

impl<'a> Places<'a> {
    /// A power of two.
    const RECENT: usize = 256;

    pub(super) fn new(local: &'a Local<'a>, blocks: &'a Blocks) -> Self {
        Self {
            local,
            blocks,
            // No address has this block.
            recent: vec![(u64::MAX, Place::Nowhere); Self::RECENT],
        }
    }

    /// The preliminary number of what an address is, if references may lead there.
    #[inline]
    pub(super) fn number(&mut self, address: u64, far: &mut Far) -> Option<u32> {
        let is_far = match self.of(address) {
            Place::Local(first) => match self.local.find(address, first) {
                Some(object) => return object,
                None => self.blocks.contain(address),
            },
            Place::Far => true,
            Place::Nowhere => false,
        };
        is_far.then(|| far.number(address))
    }

    #[inline]
    fn of(&mut self, address: u64) -> Place {
        let block = address >> BLOCK_BITS;
        let slot = self.recent.get_mut(block as usize % Self::RECENT);
        if let Some((known, place)) = &slot
            && *known == block
        {
            return *place;
        }
        let place = match self.local.table.get(address) {
            Some(first) => Place::Local(first),
            None if self.blocks.contain(address) => Place::Far,
            None => Place::Nowhere,
        };
        if let Some(slot) = slot {
            *slot = (block, place);
        }
        place
    }
}
