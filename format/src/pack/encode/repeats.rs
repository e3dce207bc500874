//! Where texts are again: looked up by what stands at some places of them, which the text itself picks.

use std::sync::LazyLock;

/// Bytes that a place is known by; shorter repeats are not found.
pub(super) const SEED: usize = 64;
/// One of so many places is looked up, as a power of two.
const RATE: u32 = 5;
/// Size of the table, as a power of two.
const TABLE_BITS: u32 = 20;

/// What each byte adds to the rolling hash.
static GEAR: LazyLock<[u64; 256]> = LazyLock::new(|| {
    let mut state = 0_u64;
    // SplitMix64: any fixed numbers without a pattern will do.
    std::array::from_fn(|_| {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    })
});

/// A place of a text that is worth looking up.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    /// Where its [`SEED`] bytes begin.
    pub(super) at: usize,
    pub(super) hash: u64,
}

/// The first place at or behind `from`; `None` up to the end.
pub(super) fn next_place(text: &[u8], from: usize) -> Option<Place> {
    // The highest bits of the sum depend on the last 64 bytes, and on no others.
    const MASK: u64 = !(u64::MAX >> RATE);
    let gear = &*GEAR;
    let rest = text.get(from..)?;
    let (first, rest) = rest.split_at_checked(SEED - 1)?;
    let mut sum = 0_u64;
    for byte in first {
        sum = (sum << 1).wrapping_add(gear[usize::from(*byte)]);
    }
    for (at, byte) in (from..).zip(rest) {
        sum = (sum << 1).wrapping_add(gear[usize::from(*byte)]);
        if sum & MASK == 0 {
            let seed = text.get(at..at + SEED)?;
            return Some(Place {
                at,
                hash: hash(seed),
            });
        }
    }
    None
}

fn hash(seed: &[u8]) -> u64 {
    let mut hash = 0_u64;
    for word in seed.as_chunks::<8>().0 {
        hash = (hash ^ u64::from_le_bytes(*word)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        hash ^= hash >> 29;
    }
    hash
}

/// Positions by hash; what comes later takes the place of what was there.
#[derive(Debug)]
pub(super) struct Table {
    /// Position, and another part of the hash.
    places: Vec<(u32, u32)>,
}

impl Default for Table {
    fn default() -> Self {
        Self {
            places: vec![(0, 0); 1 << TABLE_BITS],
        }
    }
}

impl Table {
    const fn index(hash: u64) -> usize {
        (hash >> (64 - TABLE_BITS)) as usize
    }

    pub(super) fn get(&self, hash: u64) -> Option<u32> {
        let (position, check) = *self.places.get(Self::index(hash))?;
        (check == hash as u32).then_some(position)
    }

    pub(super) fn put(&mut self, hash: u64, position: u32) {
        if let Some(place) = self.places.get_mut(Self::index(hash)) {
            *place = (position, hash as u32);
        }
    }
}

/// How many bytes at the start of both are the same.
pub(super) fn same_start(one: &[u8], other: &[u8]) -> usize {
    let chunks = one.as_chunks::<32>().0.iter();
    let same = chunks
        .zip(other.as_chunks::<32>().0)
        .take_while(|(one, other)| one == other)
        .count()
        * 32;
    let rest = one.iter().zip(other).skip(same);
    same + rest.take_while(|(one, other)| one == other).count()
}

/// How many bytes at the end of both are the same.
pub(super) fn same_end(one: &[u8], other: &[u8]) -> usize {
    let pairs = one.iter().rev().zip(other.iter().rev());
    pairs.take_while(|(one, other)| one == other).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_texts_have_equal_places_wherever_they_stand() {
        let text: Vec<u8> = (0..20_000_u32)
            .flat_map(|n| n.wrapping_mul(0x9E37_79B9).to_be_bytes())
            .collect();
        let places = |text: &[u8]| -> Vec<(usize, u64)> {
            let mut from = 0;
            let mut found = Vec::new();
            while let Some(place) = next_place(text, from) {
                found.push((place.at, place.hash));
                from = place.at + 1;
            }
            found
        };
        let here = places(&text);
        let there = places(&[b"in front".as_slice(), &text].concat());
        let moved: Vec<(usize, u64)> = here.iter().map(|(at, hash)| (at + 8, *hash)).collect();
        assert!(there.ends_with(&moved));
        let share = text.len() / here.len();
        assert!((16..64).contains(&share), "one of {share}");
        assert!(next_place(&text[..SEED - 1], 0).is_none() && next_place(&text, 90_000).is_none());
    }

    #[test]
    fn lengths_of_what_is_the_same() {
        let text = [7; 100];
        let mut other = text;
        other[70] = 8;
        assert_eq!(
            (same_start(&text, &other), same_end(&text, &other)),
            (70, 29)
        );
        assert_eq!(
            (same_start(&text, &text), same_end(&text, &text[..9])),
            (100, 9)
        );
        assert_eq!((same_start(&text, &[]), same_end(&[], &text)), (0, 0));
    }
}
