//! Where texts are again: looked up by what stands at some places of them, which the text itself picks.

/// Bytes that a place is known by; shorter repeats are not found.
pub(super) const SEED: usize = 64;
/// One of so many places is looked up, as a power of two.
const RATE: u32 = 5;
/// Size of the table, as a power of two.
const TABLE_BITS: u32 = 20;

/// What each byte adds to the rolling hash.
static GEAR: [u64; 256] = gear();

const fn gear() -> [u64; 256] {
    let mut gear = [0; 256];
    let mut state = 0_u64;
    let mut byte = 0;
    while byte < gear.len() {
        // SplitMix64: any fixed numbers without a pattern will do.
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        gear[byte] = mixed ^ (mixed >> 31);
        byte += 1;
    }
    gear
}

/// A place of a text that is worth looking up.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    /// Where its [`SEED`] bytes begin.
    pub(super) at: usize,
    pub(super) hash: u64,
}

/// The places of a text, in order.
#[derive(Debug)]
pub(super) struct Places<'a> {
    text: &'a [u8],
    /// Bytes that are summed up: all before this.
    end: usize,
    sum: u64,
}

impl<'a> Places<'a> {
    /// Those at or behind `from`.
    pub(super) fn new(text: &'a [u8], from: usize) -> Self {
        let end = from.saturating_add(SEED - 1);
        let first = text.get(from..end).unwrap_or_default();
        let sum = first.iter().fold(0, |sum, byte| add(sum, *byte));
        Self { text, end, sum }
    }
}

impl Iterator for Places<'_> {
    type Item = Place;

    fn next(&mut self) -> Option<Place> {
        // The highest bits of the sum depend on the last 64 bytes, and on no others.
        const MASK: u64 = !(u64::MAX >> RATE);
        let mut sum = self.sum;
        for (last, byte) in (self.end..).zip(self.text.get(self.end..)?) {
            sum = add(sum, *byte);
            if sum & MASK == 0 {
                (self.end, self.sum) = (last + 1, sum);
                let at = self.end - SEED;
                let seed = self.text.get(at..self.end)?;
                return Some(Place {
                    at,
                    hash: hash(seed),
                });
            }
        }
        self.end = self.text.len();
        None
    }
}

#[inline]
fn add(sum: u64, byte: u8) -> u64 {
    (sum << 1).wrapping_add(GEAR[usize::from(byte)])
}

fn hash(seed: &[u8]) -> u64 {
    let mut hash = 0_u64;
    for word in seed.as_chunks::<8>().0 {
        hash = (hash ^ u64::from_le_bytes(*word)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        hash ^= hash >> 29;
    }
    hash
}

/// An entry of a [`Table`].
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Entry {
    position: u32,
    /// Another part of the hash.
    check: u32,
}

impl Entry {
    /// The position, if it is that of a hash.
    pub(super) fn of(self, hash: u64) -> Option<u32> {
        (self.check == hash as u32).then_some(self.position)
    }
}

/// Positions by hash; what comes later takes the place of what was there.
#[derive(Debug)]
pub(super) struct Table {
    places: Vec<Entry>,
}

impl Default for Table {
    fn default() -> Self {
        Self {
            places: vec![Entry::default(); 1 << TABLE_BITS],
        }
    }
}

impl Table {
    const fn index(hash: u64) -> usize {
        (hash >> (64 - TABLE_BITS)) as usize
    }

    /// What stands where the position of a hash is; [`Entry::of`] tells whether it is this one's. Nothing depends on what is found, so that a
    /// processor looks several up at a time.
    #[inline]
    pub(super) fn get(&self, hash: u64) -> Entry {
        self.places
            .get(Self::index(hash))
            .copied()
            .unwrap_or_default()
    }

    pub(super) fn put(&mut self, hash: u64, position: u32) {
        if let Some(place) = self.places.get_mut(Self::index(hash)) {
            *place = Entry {
                position,
                check: hash as u32,
            };
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
            Places::new(text, 0)
                .map(|place| (place.at, place.hash))
                .collect()
        };
        let here = places(&text);
        let there = places(&[b"in front".as_slice(), &text].concat());
        let moved: Vec<(usize, u64)> = here.iter().map(|(at, hash)| (at + 8, *hash)).collect();
        assert!(there.ends_with(&moved));
        let share = text.len() / here.len();
        assert!((16..64).contains(&share), "one of {share}");
        // Nor does it matter where looking begins.
        let later: Vec<(usize, u64)> = Places::new(&text, here[9].0)
            .map(|place| (place.at, place.hash))
            .collect();
        assert_eq!(later, here[9..]);
        assert_eq!(Places::new(&text[..SEED - 1], 0).count(), 0);
        assert_eq!(Places::new(&text, 90_000).count(), 0);
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
