//! All maps of the heap, and what their objects are.

use std::collections::HashMap;

use v8mini_format::memory::{Memory, MemoryExt, MemoryRange};
use v8mini_format::model::Page;

use super::shape::{Shape, Type};
use crate::content::address_set::AddressSet;
use crate::content::scan::scan;
use crate::locate::immortal_maps;

/// `Map::instance_size_in_words`: at this offset in every V8 from 4.5 to 14.6.
const INSTANCE_SIZE: u64 = 8;

/// A map.
#[derive(Debug, Clone, Copy)]
pub(super) struct MapFacts {
    /// What its objects are, if that matters here.
    pub(super) kind: Option<Type>,
    /// Their size in bytes; 0 if they differ.
    pub(super) size: u64,
    /// Whether properties are in a dictionary. Only means something for JavaScript objects.
    pub(super) is_dictionary: bool,
    /// Whether V8 made it with the isolate.
    pub(super) is_immortal: bool,
}

/// The maps of a heap, by their tagged addresses.
pub(super) struct Kinds {
    maps: HashMap<u64, MapFacts>,
    addresses: AddressSet,
}

impl Kinds {
    /// Finds all maps in `heap`; `None` if there are none.
    pub(super) fn find(
        memory: &dyn Memory,
        heap: &[MemoryRange],
        pages: &[Page],
        shape: &Shape,
    ) -> Option<Self> {
        // From V8 12 on, each native context has a meta-map of its own.
        let mut meta_maps = scan(memory, heap, |address, word, found| {
            if word == address + 1 {
                found.push(word);
            }
        });
        meta_maps.sort_unstable();
        let lowest = *meta_maps.first()?;
        let highest = *meta_maps.last()?;
        let immortal = immortal_maps(memory, pages);
        let maps: HashMap<u64, MapFacts> = scan(memory, heap, |address, word, found| {
            if (lowest..=highest).contains(&word)
                && meta_maps.binary_search(&word).is_ok()
                && let Some(mut facts) = MapFacts::read(memory, address, shape)
            {
                facts.is_immortal = immortal.binary_search(&(address + 1)).is_ok();
                found.push((address + 1, facts));
            }
        })
        .into_iter()
        .collect();
        let places: Vec<MemoryRange> = maps
            .keys()
            .map(|map| MemoryRange {
                start: map - 1,
                len: 8,
            })
            .collect();
        Some(Self {
            addresses: AddressSet::new(&places),
            maps,
        })
    }

    /// What is known of a map by its tagged address; `None` if it is none.
    pub(super) fn of_map(&self, word: u64) -> Option<&MapFacts> {
        if word & 3 != 1 || !self.addresses.contains(word) {
            return None;
        }
        self.maps.get(&word)
    }

    /// What is known of the object that a tagged word points to, and its address.
    pub(super) fn of_object(&self, memory: &dyn Memory, word: u64) -> Option<(u64, &MapFacts)> {
        let address = pointer(word)?;
        Some((address, self.of_map(memory.read_u64(address).ok()?)?))
    }

    /// All maps, tagged.
    pub(super) fn maps(&self) -> impl Iterator<Item = u64> + '_ {
        self.maps.keys().copied()
    }
}

impl MapFacts {
    fn read(memory: &dyn Memory, map: u64, shape: &Shape) -> Option<Self> {
        let at = map.checked_add(shape.instance_type)?;
        let instance_type = if shape.instance_type_is_byte {
            u16::from(memory.read_u8(at).ok()?)
        } else {
            memory.read_u16(at).ok()?
        };
        let bits = memory.read_u32(map.checked_add(shape.bit_field3)?).ok()?;
        Some(Self {
            kind: shape.kind(instance_type),
            size: 8 * u64::from(memory.read_u8(map.checked_add(INSTANCE_SIZE)?).ok()?),
            is_dictionary: bits.checked_shr(shape.dictionary_bit).unwrap_or(0) & 1 == 1,
            is_immortal: false,
        })
    }
}

/// The address that a strong tagged word points to.
pub(super) fn pointer(word: u64) -> Option<u64> {
    word.checked_sub(1).filter(|_| word & 3 == 1)
}

/// The value of a Smi that is not negative.
pub(super) fn smi(word: u64) -> Option<u64> {
    (word & 0xffff_ffff == 0 && word >> 63 == 0).then_some(word >> 32)
}
