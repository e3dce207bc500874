//! Which items belong together.

use std::collections::HashMap;

use rustc_hash::FxHashMap;

use super::super::group::{Class, Group, Tail};
use super::super::items::GROUPS_MAX;
use super::RawItem;
use super::builder::GAP;

/// Arrays of one size and class get columns of their own if there are so many of them…
const OWN_SIZE_FROM: u32 = 96;
/// …and they are no longer than so many words.
const OWN_SIZE_WORDS: u32 = 66;
/// So many classes of arrays, at most, are sorted so.
const SORTED_CLASSES: u32 = 4096;
/// Classes of fewer objects share groups.
const OWN_GROUP_FROM: u32 = 12;

/// Items sorted into groups.
#[derive(Debug, Default)]
pub(in super::super) struct Grouping {
    /// Largest first. The heads of groups are not numbered yet: `head` is 1 where there is one.
    pub(super) groups: Vec<Group>,
    /// The class of each group: of one that several share, of its first item.
    pub(super) classes: Vec<u32>,
    /// The word that the items of each group begin with; 0 if they do not.
    pub(super) heads: Vec<u64>,
    /// The group of each item.
    pub(super) of_item: Vec<u16>,
    /// Numbers of items, group after group.
    pub(super) order: Vec<u32>,
    /// Where each group begins in `order`; one more for the end.
    pub(super) starts: Vec<u32>,
}

impl Grouping {
    pub(super) fn new(classes: &[Class], items: &[RawItem]) -> Self {
        let mut counts = vec![0_u32; classes.len()];
        let mut sizes = Sizes::new(classes);
        for item in items {
            if let Some(count) = counts.get_mut(item.class as usize) {
                *count += 1;
            }
            if let Some(count) = sizes.of(item) {
                *count += 1;
            }
        }
        // Groups by what their items have in common.
        let mut known: HashMap<Key, u32> = HashMap::new();
        let mut by_class: FxHashMap<u64, u32> = FxHashMap::default();
        // The last of each class, which is the next one as a rule.
        let mut last = vec![(u64::MAX, 0_u32); classes.len()];
        let mut grouping = Self::default();
        let mut members: Vec<u32> = Vec::new();
        let mut of_item: Vec<u32> = Vec::with_capacity(items.len());
        for item in items {
            let class = classes.get(item.class as usize).copied();
            let class = class.unwrap_or_default();
            let own_size = sizes.of(item).is_some_and(|count| *count >= OWN_SIZE_FROM);
            let fixed = class.tail == Tail::None || own_size;
            let short = u64::from(item.class) << 32 | if fixed { u64::from(item.size) } else { 0 };
            let mut find = || {
                *by_class.entry(short).or_insert_with(|| {
                    let count = counts.get(item.class as usize).copied().unwrap_or(0);
                    let shares = class.head != 0 && count < OWN_GROUP_FROM;
                    let full = known.len() + 64 > GROUPS_MAX;
                    let key = Key::new(item, class, fixed, shares, full);
                    *known.entry(key).or_insert_with(|| {
                        grouping.groups.push(key.group());
                        grouping.classes.push(item.class);
                        grouping.heads.push(key.head);
                        members.push(0);
                        grouping.groups.len() as u32 - 1
                    })
                })
            };
            let group = match last.get_mut(item.class as usize) {
                Some(last) if last.0 == short => last.1,
                Some(last) => {
                    *last = (short, find());
                    last.1
                }
                None => find(),
            };
            if let Some(members) = members.get_mut(group as usize) {
                *members += 1;
            }
            of_item.push(group);
        }
        grouping.sort(&members, &of_item, items);
        grouping
    }

    /// Puts the largest groups first, and lists the items of each.
    fn sort(&mut self, members: &[u32], of_item: &[u32], items: &[RawItem]) {
        let mut ranks: Vec<u32> = (0..members.len() as u32).collect();
        ranks.sort_by_key(|group| std::cmp::Reverse(members.get(*group as usize)));
        let mut rank_of = vec![0_u16; ranks.len()];
        let mut groups = Vec::with_capacity(ranks.len());
        let mut classes = Vec::with_capacity(ranks.len());
        let mut heads = Vec::with_capacity(ranks.len());
        let mut starts = vec![0];
        let mut sum = 0;
        for (rank, group) in ranks.iter().enumerate() {
            let group = *group as usize;
            groups.extend(self.groups.get(group));
            classes.extend(self.classes.get(group));
            heads.extend(self.heads.get(group));
            if let Some(place) = rank_of.get_mut(group) {
                *place = rank as u16;
            }
            sum += members.get(group).copied().unwrap_or(0);
            starts.push(sum);
        }
        let mut next: Vec<u32> = starts.clone();
        let mut order = vec![0; items.len()];
        let mut ranked = Vec::with_capacity(items.len());
        for (number, group) in of_item.iter().enumerate() {
            let rank = rank_of.get(*group as usize).copied().unwrap_or(0);
            ranked.push(rank);
            if let Some(next) = next.get_mut(usize::from(rank)) {
                if let Some(place) = order.get_mut(*next as usize) {
                    *place = number as u32;
                }
                *next += 1;
            }
        }
        (self.groups, self.classes, self.heads) = (groups, classes, heads);
        self.starts = starts;
        (self.of_item, self.order) = (ranked, order);
        self.fix_sizes(items);
    }

    /// Notes the size of groups whose items all have one.
    fn fix_sizes(&mut self, items: &[RawItem]) {
        for index in 0..self.groups.len() {
            let mut sizes = self.items(index).iter().filter_map(|number| {
                let item = items.get(*number as usize)?;
                Some(item.size)
            });
            let first = sizes.next().unwrap_or(0);
            let same = sizes.all(|size| size == first);
            if let Some(group) = self.groups.get_mut(index).filter(|_| same) {
                group.size = first;
            }
        }
    }

    /// Whether an item is something that references lead to.
    pub(super) fn is_target(&self, item: usize) -> bool {
        let group = self.of_item.get(item).copied().unwrap_or(0);
        let group = self.groups.get(usize::from(group));
        group.is_some_and(|group| group.is_target)
    }

    /// Takes the heads that are no reference, or of which `keep` says no, for words like any other.
    pub(super) fn keep_heads(&mut self, mut keep: impl FnMut(u64) -> bool) {
        for (group, head) in self.groups.iter_mut().zip(&mut self.heads) {
            if *head != 0 && (*head & 7 != 1 || !keep(*head)) {
                *head = 0;
                group.head = 0;
                group.lead += 1;
            }
        }
    }

    /// Numbers of the items of a group.
    pub(super) fn items(&self, group: usize) -> &[u32] {
        let bound = |index: usize| self.starts.get(index).map(|at| *at as usize);
        let (Some(from), Some(to)) = (bound(group), bound(group + 1)) else {
            return &[];
        };
        self.order.get(from..to).unwrap_or_default()
    }
}

/// How many items of each size the classes have that it may pay to sort by size.
struct Sizes {
    /// Number of each class among them, plus 1; 0 for the others.
    slots: Vec<u32>,
    counts: Vec<u32>,
}

impl Sizes {
    fn new(classes: &[Class]) -> Self {
        let mut count = 0;
        let slots = classes.iter().enumerate().map(|(number, class)| {
            let is_sortable = number as u32 != GAP && class.tail == Tail::Values;
            if is_sortable && count < SORTED_CLASSES {
                count += 1;
                count
            } else {
                0
            }
        });
        let slots = slots.collect();
        Self {
            slots,
            counts: vec![0; count as usize * (OWN_SIZE_WORDS as usize + 1)],
        }
    }

    /// The count for the class and the size of an item.
    fn of(&mut self, item: &RawItem) -> Option<&mut u32> {
        let slot = self.slots.get(item.class as usize)?.checked_sub(1)? as usize;
        if item.size > OWN_SIZE_WORDS {
            return None;
        }
        let row = slot * (OWN_SIZE_WORDS as usize + 1);
        self.counts.get_mut(row + item.size as usize)
    }
}

/// What the items of a group have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    /// The head of all; 0 if they differ.
    head: u64,
    /// 0 if they differ.
    size: u32,
    lead: u8,
    tail: Tail,
    is_gap: bool,
}

impl Key {
    fn new(item: &RawItem, class: Class, fixed: bool, shares: bool, full: bool) -> Self {
        let Class {
            head,
            lead,
            tail,
            is_gap,
        } = class;
        let head = if shares || full { 0 } else { head };
        if full {
            // So many groups are no use; what is left is stored as values.
            return Self {
                head,
                size: 0,
                lead: 0,
                tail: Tail::Values,
                is_gap,
            };
        }
        Self {
            head,
            size: if fixed { item.size } else { 0 },
            lead: if fixed { 0 } else { lead },
            tail: if fixed { Tail::None } else { tail },
            is_gap,
        }
    }

    fn group(&self) -> Group {
        let head = u32::from(self.head != 0);
        let words = if self.tail == Tail::None {
            self.size
        } else {
            u32::from(self.lead)
        };
        Group {
            head,
            size: self.size,
            lead: words.saturating_sub(head),
            tail: self.tail,
            is_target: !self.is_gap,
        }
    }
}
