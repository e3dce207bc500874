//! The items of a segment: what its memory is cut into, and the numbers by which references name them.

use crate::memory::MemoryRange;

use super::SHORT_GROUPS;
use super::cursor::{Cursor, Fault};
use super::group::Group;

/// An item.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Item {
    /// Where it begins, in words of the segment's memory.
    pub(crate) at: u32,
    /// Its size in words.
    pub(crate) size: u32,
    /// Its number as a target; for an item that is none, that of the next one.
    pub(crate) target: u32,
}

/// All items, group after group, and what references lead to.
#[derive(Debug, Default)]
pub(crate) struct Items {
    /// Sorted by group, then by address.
    items: Vec<Item>,
    /// Where each group's items begin; one more for the end.
    starts: Vec<u32>,
    /// Addresses by number of the target, rising.
    pub(crate) targets: Vec<u64>,
}

impl Items {
    /// The items of a group.
    pub(crate) fn of(&self, group: usize) -> &[Item] {
        let bound = |index: usize| self.starts.get(index).map(|at| *at as usize);
        let (Some(from), Some(to)) = (bound(group), bound(group + 1)) else {
            return &[];
        };
        self.items.get(from..to).unwrap_or_default()
    }

    /// Lays out `count` items in `memory_words` words.
    pub(crate) fn read(
        groups: &[Group],
        count: u32,
        ranges: &[MemoryRange],
        mut sequence: Cursor<'_>,
        mut sizes: Cursor<'_>,
        far: &[u64],
    ) -> Result<Self, Fault> {
        let sequence = read_sequence(groups.len(), count, &mut sequence)?;
        let mut starts = vec![0_u32; groups.len() + 1];
        for group in &sequence {
            if let Some(end) = starts.get_mut(usize::from(*group) + 1) {
                *end += 1;
            }
        }
        let mut sum = 0;
        for start in &mut starts {
            sum += *start;
            *start = sum;
        }
        let mut items = vec![Item::default(); sequence.len()];
        for (index, group) in groups.iter().enumerate() {
            let range = range_of(&starts, index);
            for item in items.get_mut(range).unwrap_or_default() {
                item.size = match group.size {
                    0 => sizes.small()?.saturating_add(group.lead_words()),
                    size => size,
                };
            }
        }
        if !sizes.is_empty() {
            return Err("it has more sizes than items".to_owned());
        }
        let mut layout = Layout::new(ranges, far);
        let mut next = starts.clone();
        for group in &sequence {
            let index = usize::from(*group);
            let slot = next.get_mut(index).and_then(|next| {
                *next += 1;
                items.get_mut(*next as usize - 1)
            });
            let is_target = groups.get(index).is_some_and(|group| group.is_target);
            let Some(item) = slot else { continue };
            layout.place(item, is_target)?;
        }
        Ok(Self {
            items,
            starts,
            targets: layout.finish()?,
        })
    }
}

fn range_of(starts: &[u32], group: usize) -> std::ops::Range<usize> {
    let bound = |index: usize| starts.get(index).map_or(0, |at| *at as usize);
    bound(group)..bound(group + 1)
}

fn read_sequence(groups: usize, count: u32, from: &mut Cursor<'_>) -> Result<Vec<u16>, Fault> {
    let mut sequence = Vec::with_capacity(count as usize);
    for _ in 0..count {
        let first = usize::from(from.byte()?);
        let group = match first.checked_sub(SHORT_GROUPS) {
            None => first,
            Some(high) => SHORT_GROUPS + (high << 8 | usize::from(from.byte()?)),
        };
        if group >= groups {
            return Err(format!("an item is of group {group}, of {groups}"));
        }
        sequence.push(group as u16);
    }
    if from.is_empty() {
        Ok(sequence)
    } else {
        Err("its sequence has more items than it claims".to_owned())
    }
}

/// Most groups that a sequence can name.
pub(crate) const GROUPS_MAX: usize = SHORT_GROUPS + ((256 - SHORT_GROUPS) << 8);

/// Puts items one behind the other, and numbers targets.
struct Layout<'a> {
    ranges: std::slice::Iter<'a, MemoryRange>,
    /// Address of the word `at`.
    address: u64,
    /// Bytes that are left of the current range.
    left: u64,
    at: u32,
    far: std::iter::Peekable<std::slice::Iter<'a, u64>>,
    targets: Vec<u64>,
}

impl<'a> Layout<'a> {
    fn new(ranges: &'a [MemoryRange], far: &'a [u64]) -> Self {
        let mut layout = Self {
            ranges: ranges.iter(),
            address: 0,
            left: 0,
            at: 0,
            far: far.iter().peekable(),
            targets: Vec::new(),
        };
        layout.advance(0);
        layout
    }

    /// Moves on by `bytes`, into the next range where one ends.
    fn advance(&mut self, bytes: u64) {
        self.address = self.address.wrapping_add(bytes);
        self.left = self.left.saturating_sub(bytes);
        if self.left == 0
            && let Some(range) = self.ranges.next()
        {
            (self.address, self.left) = (range.start, range.len);
        }
    }

    fn place(&mut self, item: &mut Item, is_target: bool) -> Result<(), Fault> {
        let bytes = u64::from(item.size) * 8;
        if bytes == 0 || bytes > self.left {
            return Err(format!(
                "an item of {bytes} bytes at {:#x} does not fit into its range",
                self.address
            ));
        }
        while let Some(far) = self.far.next_if(|far| **far < self.address) {
            self.targets.push(*far);
        }
        item.at = self.at;
        item.target = self.targets.len() as u32;
        if is_target {
            self.targets.push(self.address);
        }
        self.at += item.size;
        self.advance(bytes);
        Ok(())
    }

    fn finish(mut self) -> Result<Vec<u64>, Fault> {
        if self.left > 0 || self.ranges.next().is_some() {
            return Err(format!("no item covers {:#x}", self.address));
        }
        self.targets.extend(self.far);
        Ok(self.targets)
    }
}
