//! What each word is: an integer, a reference, anything else.

use rustc_hash::FxHashMap;

use crate::memory::MemoryRange;

use super::super::group::Tail;
use super::super::tag;
use super::groups::Grouping;
use super::{BlockTable, Blocks, RawItem};

/// The code of a small integer.
pub(super) const INTEGER: u32 = 0;
/// The code of any word.
pub(super) const WORD: u32 = 1;
/// From here on: twice the preliminary number of the target, plus 1 if the reference is weak.
pub(super) const REFERENCE: u32 = 2;

/// Constants are worth a tag if so many references…
const CONSTANT_FROM: u32 = 64;
/// …and one of so many words lead there.
const CONSTANT_SHARE: u32 = 4000;

/// Codes of all words that columns of values may consist of, and the targets.
///
/// Targets have preliminary numbers: objects of the segment first, then the others as they are met. `numbers` has the final
/// ones, in the order of addresses.
#[derive(Debug, Default)]
pub(super) struct Codes {
    pub(super) codes: Vec<u32>,
    /// Final number by preliminary number.
    pub(super) numbers: Vec<u32>,
    /// Tag by preliminary number; 0 for most.
    pub(super) tags: Vec<u8>,
    /// Final numbers of the constants, by tag.
    pub(super) constants: Vec<u32>,
    /// Addresses of targets outside of the segment, rising.
    pub(super) far: Vec<u64>,
    /// Final number as a target by number of the item; of one that is none, of the next.
    pub(super) targets: Vec<u32>,
    /// Address by final number.
    addresses: Vec<u64>,
}

/// The memory of the segment, for finding where references lead.
struct Local<'a> {
    ranges: &'a [MemoryRange],
    /// Words before each range.
    before: Vec<u32>,
    table: BlockTable,
    /// For each word: preliminary number of the object that begins there, plus 1; 0 if none does.
    starts: Vec<u32>,
}

impl Local<'_> {
    /// The object that begins at an address of the segment: `Some(None)` if there is none, `None` if the address is not in the
    /// segment.
    #[inline]
    fn find(&self, address: u64) -> Option<Option<u32>> {
        let first = self.table.get(address)? as usize;
        for (range, before) in self.ranges.iter().zip(&self.before).skip(first) {
            if address < range.start {
                return None;
            }
            let distance = address - range.start;
            if distance < range.len {
                let word = *before as usize + (distance / 8) as usize;
                let start = self.starts.get(word).copied().unwrap_or(0);
                return Some(start.checked_sub(1));
            }
        }
        None
    }
}

/// Targets outside of the segment.
struct Far {
    objects: u32,
    known: FxHashMap<u64, u32>,
    /// In the order in which they were met.
    addresses: Vec<u64>,
    /// How many references lead to each target, by preliminary number.
    counts: Vec<u32>,
}

impl Far {
    fn new(objects: u32) -> Self {
        Self {
            objects,
            known: FxHashMap::default(),
            addresses: Vec::new(),
            counts: vec![0; objects as usize],
        }
    }

    /// The preliminary number of a target.
    #[inline]
    fn number(&mut self, address: u64) -> u32 {
        *self.known.entry(address).or_insert_with(|| {
            self.addresses.push(address);
            self.counts.push(0);
            self.objects + self.addresses.len() as u32 - 1
        })
    }
}

impl Codes {
    pub(super) fn new(
        memory: &[u8],
        ranges: &[MemoryRange],
        items: &[RawItem],
        grouping: &mut Grouping,
        blocks: &Blocks,
    ) -> Self {
        let mut local = Local {
            ranges,
            before: Vec::with_capacity(ranges.len()),
            table: BlockTable::with_room_for(ranges),
            starts: vec![0; memory.len() / 8],
        };
        let mut words = 0;
        for (number, range) in (0..).zip(ranges) {
            local.before.push(words);
            words += (range.len / 8) as u32;
            local.table.insert(*range, number);
        }
        let mut objects = 0;
        for (number, item) in items.iter().enumerate() {
            if grouping.is_target(number)
                && let Some(start) = local.starts.get_mut(item.at as usize)
            {
                objects += 1;
                *start = objects;
            }
        }
        let mut codes = Self {
            codes: vec![0; memory.len() / 8],
            ..Self::default()
        };
        let mut far = Far::new(objects);
        grouping.keep_heads(|head| match local.find(head & !7) {
            Some(found) => found.is_some(),
            None => {
                far.number(head & !7);
                true
            }
        });
        codes.scan(memory, items, grouping, &local, &mut far, blocks);
        codes.number(&far.addresses, items, &local, grouping);
        codes
    }

    /// Codes all words of values, and notes the targets outside of the segment.
    fn scan(
        &mut self,
        memory: &[u8],
        items: &[RawItem],
        grouping: &Grouping,
        local: &Local<'_>,
        far: &mut Far,
        blocks: &Blocks,
    ) {
        let words = memory.as_chunks::<8>().0;
        for (item, group) in items.iter().zip(&grouping.of_item) {
            let Some(group) = grouping.groups.get(usize::from(*group)) else {
                continue;
            };
            let at = item.at as usize;
            let end = match group.tail {
                Tail::None | Tail::Values => at + item.size as usize,
                _ => at + group.lead_words() as usize,
            };
            let from = at + usize::from(group.head > 0);
            let slots = self.codes.get_mut(from..end).unwrap_or_default();
            let words = words.get(from..end).unwrap_or_default();
            for (slot, word) in slots.iter_mut().zip(words) {
                let word = u64::from_le_bytes(*word);
                if word as u32 == 0 {
                    *slot = INTEGER;
                    continue;
                }
                *slot = WORD;
                let weak = (word & 7) as u32;
                if weak != 1 && weak != 3 {
                    continue;
                }
                let address = word & !7;
                let number = match local.find(address) {
                    Some(Some(number)) => number,
                    Some(None) => continue,
                    None if blocks.contain(address) => far.number(address),
                    None => continue,
                };
                if weak == 1
                    && let Some(count) = far.counts.get_mut(number as usize)
                {
                    *count += 1;
                }
                *slot = REFERENCE + number * 2 + (weak >> 1);
            }
        }
        self.choose_constants(&far.counts, words.len() as u32);
    }

    /// Gives tags to the targets that most references lead to. `constants` has preliminary numbers for now.
    fn choose_constants(&mut self, counts: &[u32], words: u32) {
        let least = CONSTANT_FROM.max(words / CONSTANT_SHARE);
        let mut frequent: Vec<u32> = (0..counts.len() as u32)
            .filter(|number| counts.get(*number as usize).is_some_and(|c| *c >= least))
            .collect();
        frequent.sort_by_key(|number| std::cmp::Reverse(counts.get(*number as usize)));
        frequent.truncate(usize::from(u8::MAX - tag::CONSTANT) + 1);
        self.tags = vec![0; counts.len()];
        for (tag, number) in (tag::CONSTANT..=u8::MAX).zip(&frequent) {
            if let Some(place) = self.tags.get_mut(*number as usize) {
                *place = tag;
            }
        }
        self.constants = frequent;
    }

    /// Numbers all targets in the order of their addresses.
    fn number(&mut self, far: &[u64], items: &[RawItem], local: &Local<'_>, grouping: &Grouping) {
        let mut by_address: Vec<u32> = (0..far.len() as u32).collect();
        by_address.sort_unstable_by_key(|index| far.get(*index as usize));
        let address_of = |index: u32| far.get(index as usize).copied().unwrap_or(0);
        let objects = self.tags.len() - far.len();
        self.numbers = vec![0; self.tags.len()];
        self.targets = Vec::with_capacity(items.len());
        let mut next_far = by_address.iter().copied().peekable();
        let mut object = 0;
        let mut ranges = local.ranges.iter().zip(&local.before).peekable();
        let mut current = (0_u64, 0_u32);
        for (number, item) in items.iter().enumerate() {
            while let Some((range, before)) = ranges.next_if(|(_, before)| **before <= item.at) {
                current = (range.start, *before);
            }
            let address = current.0 + u64::from(item.at - current.1) * 8;
            while let Some(index) = next_far.next_if(|index| address_of(*index) < address) {
                self.give(objects + index as usize, address_of(index));
            }
            self.targets.push(self.addresses.len() as u32);
            if grouping.is_target(number) {
                self.give(object, address);
                object += 1;
            }
        }
        for index in next_far {
            self.give(objects + index as usize, address_of(index));
        }
        self.far = by_address.iter().map(|index| address_of(*index)).collect();
        for constant in &mut self.constants {
            *constant = self.numbers.get(*constant as usize).copied().unwrap_or(0);
        }
    }

    fn give(&mut self, preliminary: usize, address: u64) {
        if let Some(number) = self.numbers.get_mut(preliminary) {
            *number = self.addresses.len() as u32;
        }
        self.addresses.push(address);
    }

    /// The final number of the target at an address.
    pub(super) fn number_of(&self, address: u64) -> Option<u32> {
        let found = self.addresses.binary_search(&address).ok()?;
        Some(found as u32)
    }
}
