//! What each word is: an integer, a reference, anything else.

use crate::memory::MemoryRange;

use super::super::group::Tail;
use super::super::tag;
use super::RawItem;
use super::blocks::Blocks;
use super::groups::Grouping;
use super::targets::{Far, Local, Places};

/// A code is a tag in the bits from here on, and below that, of a reference, the number of its target: there are less than 2^22.
pub(super) const TAG_SHIFT: u32 = 24;
/// The code of a small integer.
pub(super) const INTEGER: u32 = (tag::INTEGER as u32) << TAG_SHIFT;
/// The code of any word.
pub(super) const WORD: u32 = (tag::WORD as u32) << TAG_SHIFT;
/// References of all kinds have codes from here on.
pub(super) const REFERENCE: u32 = (tag::STRONG as u32) << TAG_SHIFT;
const WEAK: u32 = (tag::WEAK as u32) << TAG_SHIFT;

/// Constants are worth a tag if so many references…
const CONSTANT_FROM: u32 = 64;
/// …and one of so many words lead there.
const CONSTANT_SHARE: u32 = 4000;

/// Codes of all words that columns of values may consist of, and the targets.
///
/// Targets have preliminary numbers: objects of the segment first, then the others as they are met. The final
/// ones are in the order of addresses.
#[derive(Debug, Default)]
pub(super) struct Codes {
    /// Tags as yet without constants, and preliminary numbers.
    codes: Vec<u32>,
    /// The code of strong references, constants among them, with the final number, by preliminary number.
    finals: Vec<u32>,
    /// Final numbers of the constants, by tag.
    pub(super) constants: Vec<u32>,
    /// Addresses of targets outside of the segment, rising.
    pub(super) far: Vec<u64>,
    /// Final number as a target by number of the item; of one that is none, of the next.
    pub(super) targets: Vec<u32>,
    /// Address by final number.
    addresses: Vec<u64>,
}

impl Codes {
    pub(super) fn new(
        memory: &[u8],
        ranges: &[MemoryRange],
        items: &[RawItem],
        grouping: &mut Grouping,
        blocks: &Blocks,
    ) -> Self {
        let objects = (0..)
            .zip(items)
            .filter(|(item, _)| grouping.is_target(*item));
        let (local, objects) = Local::new(ranges, objects.map(|(_, item)| item.at));
        let mut codes = Self {
            codes: vec![0; memory.len() / 8],
            ..Self::default()
        };
        let mut far = Far::new(objects);
        grouping.keep_heads(|head| match local.object_at(head & !7) {
            Some(found) => found.is_some(),
            None => {
                far.number(head & !7);
                true
            }
        });
        let mut places = Places::new(&local, blocks);
        codes.scan(memory, items, grouping, &mut places, &mut far);
        codes.number(&far.addresses, items, &local, grouping);
        codes
    }

    /// Codes all words of values, and notes the targets outside of the segment.
    fn scan(
        &mut self,
        memory: &[u8],
        items: &[RawItem],
        grouping: &Grouping,
        places: &mut Places<'_>,
        far: &mut Far,
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
                let Some(number) = places.number(word & !7, far) else {
                    continue;
                };
                if weak == 1
                    && let Some(count) = far.counts.get_mut(number as usize)
                {
                    *count += 1;
                }
                *slot = number | if weak == 3 { WEAK } else { REFERENCE };
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
        self.finals = vec![REFERENCE; counts.len()];
        for (tag, number) in (tag::CONSTANT..=u8::MAX).zip(&frequent) {
            if let Some(place) = self.finals.get_mut(*number as usize) {
                *place = u32::from(tag) << TAG_SHIFT;
            }
        }
        self.constants = frequent;
    }

    /// Numbers all targets in the order of their addresses.
    fn number(&mut self, far: &[u64], items: &[RawItem], local: &Local<'_>, grouping: &Grouping) {
        let mut by_address: Vec<(u64, u32)> = far.iter().copied().zip(0..).collect();
        // No two are alike: the address alone is compared faster.
        by_address.sort_unstable_by_key(|(address, _)| *address);
        let objects = self.finals.len() - far.len();
        self.targets = Vec::with_capacity(items.len());
        self.addresses = Vec::with_capacity(self.finals.len());
        let mut next_far = by_address.iter().copied().peekable();
        let mut object = 0;
        let mut ranges = local.ranges.iter().zip(&local.before).peekable();
        let mut current = (0_u64, 0_u32);
        for (number, item) in items.iter().enumerate() {
            while let Some((range, before)) = ranges.next_if(|(_, before)| **before <= item.at) {
                current = (range.start, *before);
            }
            let address = current.0 + u64::from(item.at - current.1) * 8;
            while let Some((far, index)) = next_far.next_if(|(far, _)| *far < address) {
                self.give(objects + index as usize, far);
            }
            self.targets.push(self.addresses.len() as u32);
            if grouping.is_target(number) {
                self.give(object, address);
                object += 1;
            }
        }
        for (far, index) in next_far {
            self.give(objects + index as usize, far);
        }
        self.far = by_address.iter().map(|(far, _)| *far).collect();
        for constant in &mut self.constants {
            let code = self.finals.get(*constant as usize).copied().unwrap_or(0);
            *constant = number(code);
        }
    }

    /// The code of a word, with the final number of what it refers to.
    #[inline]
    pub(super) fn of(&self, at: u32) -> u32 {
        let code = self.codes.get(at as usize).copied().unwrap_or(WORD);
        self.last(code)
    }

    /// The codes of some words, with preliminary numbers: for [`Self::last`].
    #[inline]
    pub(super) fn range(&self, words: std::ops::Range<usize>) -> &[u32] {
        self.codes.get(words).unwrap_or_default()
    }

    /// A code with the final number instead of the preliminary one.
    #[inline]
    pub(super) fn last(&self, code: u32) -> u32 {
        if code < REFERENCE {
            return code;
        }
        let strong = self.finals.get(number(code) as usize).copied();
        let strong = strong.unwrap_or(REFERENCE);
        if code < WEAK {
            strong
        } else {
            WEAK | number(strong)
        }
    }

    fn give(&mut self, preliminary: usize, address: u64) {
        if let Some(code) = self.finals.get_mut(preliminary) {
            *code |= self.addresses.len() as u32;
        }
        self.addresses.push(address);
    }

    /// The final number of the target at an address.
    pub(super) fn number_of(&self, address: u64) -> Option<u32> {
        let found = self.addresses.binary_search(&address).ok()?;
        Some(found as u32)
    }
}

/// The tag of a code.
#[inline]
pub(super) const fn tag_of(code: u32) -> u8 {
    (code >> TAG_SHIFT) as u8
}

/// The number of the target in the code of a reference.
#[inline]
pub(super) const fn number(code: u32) -> u32 {
    code & ((1 << TAG_SHIFT) - 1)
}
