//! Counting: how many objects each map has, in which space, and how large they are together.

use std::collections::BTreeMap;
use std::ops::Range;

use rustc_hash::{FxHashMap, FxHashSet};
use v8mini_format::model::{Page, Space};

use super::{Coverage, HeapObject, PageSelection, Visitor, walk};
use crate::layout::{Field, Place};
use crate::v8::{Address, Objects, Tagged};

/// Objects of one kind, together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Count {
    /// Number of objects.
    pub count: u64,
    /// Their shallow size in bytes.
    pub bytes: u64,
    /// The first and the last of them in address order.
    pub ends: Option<(Address, Address)>,
}

impl Count {
    /// Adds one object, which lies after those added before.
    pub fn add(&mut self, address: Address, size: u64) {
        self.count += 1;
        self.bytes += size;
        self.ends = Some((self.ends.map_or(address, |(first, _)| first), address));
    }

    /// Adds others of the kind.
    pub fn merge(&mut self, other: &Self) {
        self.count += other.count;
        self.bytes += other.bytes;
        self.ends = match (self.ends, other.ends) {
            (Some(ours), Some(theirs)) => Some((ours.0.min(theirs.0), ours.1.max(theirs.1))),
            (ours, theirs) => ours.or(theirs),
        };
    }
}

/// One of the objects of a count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sample {
    /// Where it lies, if one is known.
    pub address: Option<Address>,
    /// Whether there is no other.
    pub is_the_only: bool,
}

/// The objects of a heap, counted.
#[derive(Debug, Default)]
pub struct Tally {
    /// By map and space, literal boilerplates left out.
    pub by_map: FxHashMap<(Address, Space), Count>,
    /// Literal boilerplates by map and space: the objects that V8 copies when it evaluates `{…}` or `[…]`. They look like
    /// the program's own objects, and are not.
    pub boilerplates: FxHashMap<(Address, Space), Count>,
    /// Addresses of the boilerplates.
    pub boilerplate_addresses: FxHashSet<Address>,
    /// The oddballs: `true`, `false`, `undefined`, `null` and V8's own, of each isolate.
    pub oddballs: Vec<Address>,
    /// How much of the heap was counted.
    pub coverage: Coverage,
    /// What was not recognised, by space and by what stands at the beginning.
    pub gaps: BTreeMap<(Space, GapStart), Gaps>,
}

/// Ranges in which no object was recognised.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Gaps {
    /// How many there are.
    pub places: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Where the largest begins (untagged), and its bytes.
    pub largest: (u64, u64),
}

impl Gaps {
    fn merge(&mut self, other: &Self) {
        self.places += other.places;
        self.bytes += other.bytes;
        if other.largest.1 > self.largest.1 {
            self.largest = other.largest;
        }
    }
}

/// What stands at the beginning of a range in which no object was recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GapStart {
    /// An object of this instance type, whose size the layout does not give or which would not fit.
    Object(u16),
    /// A word that leads to no map.
    NoMap,
}

impl Tally {
    /// One object among those of a count that is no boilerplate, if there is one at hand.
    pub fn sample(&self, count: &Count) -> Sample {
        let ends = count.ends.map(|(first, last)| [last, first]);
        let is_instance = |end: &Address| !self.boilerplate_addresses.contains(end);
        Sample {
            address: ends.into_iter().flatten().find(is_instance),
            is_the_only: count.count == 1,
        }
    }

    /// Counts the objects of the selected pages.
    pub fn count(objects: &Objects, selection: PageSelection) -> Self {
        let wanted = Wanted::of(objects);
        let (counters, coverage) = walk(objects, selection, || Counter::new(objects, wanted));
        let mut tally = Self {
            coverage,
            ..Self::default()
        };
        for counter in counters {
            for (space, counts) in counter.spaces {
                for (map, count) in counts.into_iter().flatten() {
                    tally.by_map.entry((map, space)).or_default().merge(&count);
                }
            }
            tally.boilerplate_addresses.extend(counter.boilerplates);
            tally.oddballs.extend(counter.oddballs);
            for (gap, found) in counter.gaps {
                tally.gaps.entry(gap).or_default().merge(&found);
            }
        }
        tally.set_boilerplates_apart(objects);
        tally
    }

    fn set_boilerplates_apart(&mut self, objects: &Objects) {
        self.boilerplate_addresses.retain(|address| {
            let Ok(map) = objects.map_of(*address) else {
                return false;
            };
            let Some(page) = objects.pages().page_of(address.0) else {
                return false;
            };
            let key = (map.address, page.space);
            let size = map.instance_size;
            // An allocation site of an array constructor has a Smi here, and a dead one may point at anything.
            let Some(count) = self.by_map.get_mut(&key).filter(|_| size > 0) else {
                return false;
            };
            if count.count == 0 || count.bytes < size {
                return false;
            }
            count.count -= 1;
            count.bytes -= size;
            self.boilerplates
                .entry(key)
                .or_default()
                .add(*address, size);
            true
        });
        self.by_map.retain(|_, count| count.count > 0);
    }
}

/// What is looked at besides being counted.
#[derive(Clone, Copy)]
struct Wanted {
    allocation_site: Option<u16>,
    boilerplate: Option<Place>,
    oddball: Option<u16>,
}

impl Wanted {
    fn of(objects: &Objects) -> Self {
        let layout = objects.layout();
        Self {
            allocation_site: layout.types.number("ALLOCATION_SITE_TYPE"),
            boilerplate: layout.place(Field::AllocationSiteBoilerplate).ok(),
            oddball: layout.types.number("ODDBALL_TYPE"),
        }
    }
}

/// By the map's index in the walk: the map and the count of its objects.
type Counts = Vec<Option<(Address, Count)>>;

/// The counter of one run of pages.
struct Counter<'a> {
    objects: &'a Objects,
    wanted: Wanted,
    spaces: Vec<(Space, Counts)>,
    current: usize,
    boilerplates: Vec<Address>,
    oddballs: Vec<Address>,
    /// As in [`Tally::gaps`].
    gaps: BTreeMap<(Space, GapStart), Gaps>,
}

impl<'a> Counter<'a> {
    fn new(objects: &'a Objects, wanted: Wanted) -> Self {
        Self {
            objects,
            wanted,
            spaces: Vec::new(),
            current: 0,
            boilerplates: Vec::new(),
            oddballs: Vec::new(),
            gaps: BTreeMap::new(),
        }
    }
}

impl Visitor for Counter<'_> {
    fn gap(&mut self, page: &Page, range: Range<u64>, first_word: u64) {
        let map = Tagged(first_word).strong();
        let start = map
            .and_then(|map| self.objects.map(map))
            .map_or(GapStart::NoMap, |map| GapStart::Object(map.instance_type));
        let bytes = range.end - range.start;
        self.gaps
            .entry((page.space, start))
            .or_default()
            .merge(&Gaps {
                places: 1,
                bytes,
                largest: (range.start, bytes),
            });
    }

    fn page(&mut self, page: &Page) {
        let known = self
            .spaces
            .iter()
            .position(|(space, _)| *space == page.space);
        self.current = known.unwrap_or_else(|| {
            self.spaces.push((page.space, Vec::new()));
            self.spaces.len() - 1
        });
    }

    fn visit(&mut self, object: &HeapObject<'_>) {
        let Some((_, counts)) = self.spaces.get_mut(self.current) else {
            return;
        };
        if counts.len() <= object.map_index {
            counts.resize(object.map_index + 1, None);
        }
        if let Some(slot) = counts.get_mut(object.map_index) {
            let (_, count) = slot.get_or_insert((object.map.address, Count::default()));
            count.add(object.address, object.size);
        }
        let instance_type = Some(object.map.instance_type);
        if instance_type == self.wanted.oddball {
            self.oddballs.push(object.address);
        } else if instance_type == self.wanted.allocation_site
            && let Some(place) = self.wanted.boilerplate
            && let Some(boilerplate) = place
                .load(object.bytes)
                .and_then(|word| Tagged(word).strong())
        {
            self.boilerplates.push(boilerplate);
        }
    }
}
