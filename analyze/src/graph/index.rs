//! From an address to the number of the object there, and back: one bit for each word of the heap.

use rustc_hash::FxHashMap;

use super::ids::{Either, Id, Numbers, Width, either};
use crate::cache::{Coding, Reader, Writer};
use crate::v8::Address;

/// Words of bits whose set bits are counted once and for all. With fewer, the counts leave the caches: a graph of a gigabyte took 12 % longer
/// with one.
const WORDS_PER_RANK: usize = 8;
/// Pages are found by the part of the address above these bits: the smallest page of any V8 is 256 KiB, and aligned to it.
const PAGE_SHIFT: u32 = 18;

/// The objects of some pages, numbered in address order.
#[derive(Debug)]
pub(super) struct ObjectIndex {
    pages: Vec<IndexedPage>,
    by_address: FxHashMap<u64, usize>,
    bits: Vec<u64>,
    /// Objects before each group of [`WORDS_PER_RANK`] words.
    ranks: Numbers,
    len: usize,
}

impl Default for ObjectIndex {
    fn default() -> Self {
        Self::of_bits(Vec::new(), Vec::new(), Width::Narrow)
    }
}

/// A page that has objects.
#[derive(Debug, Clone, Copy)]
struct IndexedPage {
    /// Address of the first bit.
    start: u64,
    /// First word of the page's bits.
    first: usize,
    /// Number of these words.
    words: usize,
}

/// The objects of some pages, met in address order.
#[derive(Debug, Default, Clone)]
pub(super) struct Marks {
    pages: Vec<IndexedPage>,
    bits: Vec<u64>,
}

impl Marks {
    /// Begins a page whose first object may lie at `start`.
    pub(super) fn page(&mut self, start: u64) {
        self.pages.push(IndexedPage {
            start,
            first: self.bits.len(),
            words: 0,
        });
    }

    /// Marks the object at `address`, on the page begun last.
    pub(super) fn object(&mut self, address: Address) {
        let Some(page) = self.pages.last_mut() else {
            return;
        };
        let Some(distance) = address.0.checked_sub(page.start) else {
            return;
        };
        let bit = distance / 8;
        let Ok(word) = usize::try_from(bit / 64) else {
            return;
        };
        if word >= page.words {
            page.words = word + 1;
            self.bits.resize(page.first + page.words, 0);
        }
        if let Some(bits) = self.bits.get_mut(page.first + word) {
            *bits |= 1 << (bit % 64);
        }
    }
}

impl ObjectIndex {
    /// The index of what was marked, in address order, and whose numbers fit this width.
    pub(super) fn new(parts: Vec<Marks>, width: Width) -> Self {
        let (mut all, mut bits) = (Vec::new(), Vec::new());
        for part in parts {
            let first = bits.len();
            let pages = part.pages.iter().filter(|page| page.words > 0);
            all.extend(pages.map(|page| IndexedPage {
                first: page.first + first,
                ..*page
            }));
            bits.extend(part.bits);
        }
        Self::of_bits(all, bits, width)
    }

    /// The index of pages, in address order, and of their bits.
    fn of_bits(pages: Vec<IndexedPage>, bits: Vec<u64>, width: Width) -> Self {
        let mut ranks = Numbers::with_capacity(width, bits.len().div_ceil(WORDS_PER_RANK));
        let mut len = 0;
        for group in bits.chunks(WORDS_PER_RANK) {
            ranks.push(len);
            len += group
                .iter()
                .map(|bits| bits.count_ones() as usize)
                .sum::<usize>();
        }
        let mut by_address = FxHashMap::default();
        for (number, page) in pages.iter().enumerate() {
            let end = page.start + page.words as u64 * 512;
            // A large page has one object, so one word; a page lies in one or, if it is not aligned, in two such ranges.
            for key in page.start >> PAGE_SHIFT..=(end - 1) >> PAGE_SHIFT {
                by_address.entry(key).or_insert(number);
            }
        }
        Self {
            pages,
            by_address,
            bits,
            ranks,
            len,
        }
    }

    /// Writes where the objects are.
    pub(super) fn write(&self, to: &mut Writer) {
        let starts: Vec<u64> = self.pages.iter().map(|page| page.start).collect();
        let words: Vec<u64> = self.pages.iter().map(|page| page.words as u64).collect();
        to.wide(&starts, Coding::Delta);
        to.wide(&words, Coding::Delta);
        to.wide(&self.bits, Coding::Plain);
    }

    /// Reads what [`Self::write`] wrote of an index whose numbers fit this width.
    pub(super) fn read(from: &mut Reader<'_>, width: Width) -> Option<Self> {
        let (starts, words) = (from.wide()?, from.wide()?);
        let bits = from.wide()?;
        let mut first = 0_usize;
        let mut pages = Vec::with_capacity(starts.len());
        for (start, words) in starts.into_iter().zip(words) {
            let words = usize::try_from(words).ok().filter(|words| *words > 0)?;
            // No page is so large, nor does it reach beyond the end of the address space.
            start.checked_add(u64::try_from(words).ok()?.checked_mul(512)?)?;
            pages.push(IndexedPage {
                start,
                first,
                words,
            });
            first = first.checked_add(words)?;
        }
        (first == bits.len()).then_some(())?;
        let index = Self::of_bits(pages, bits, width);
        (Width::of(index.len) <= width).then_some(index)
    }

    /// All objects, in the order of their numbers.
    pub(super) fn addresses(&self) -> impl Iterator<Item = Address> {
        self.addresses_from(0)
    }

    /// The objects from a number on, in the order of their numbers.
    pub(super) fn addresses_from(&self, id: usize) -> impl Iterator<Item = Address> {
        // Several words may have no objects, so the last that begins with this number or less has it.
        let group = self.groups_up_to(id).saturating_sub(1);
        let skipped = id.saturating_sub(self.ranks.get(group).unwrap_or(0));
        let start = group * WORDS_PER_RANK;
        let page = self.pages.partition_point(|page| page.first <= start);
        let pages = self.pages.get(page.saturating_sub(1)..);
        let addresses = pages.unwrap_or_default().iter().flat_map(move |page| {
            let first = start.clamp(page.first, page.first + page.words);
            let bits = self.bits.get(first..page.first + page.words);
            let words = bits
                .unwrap_or_default()
                .iter()
                .zip((first - page.first) as u64..);
            words.flat_map(move |(bits, word)| {
                let mut rest = *bits;
                std::iter::from_fn(move || {
                    let bit = (rest != 0).then(|| u64::from(rest.trailing_zeros()))?;
                    rest &= rest - 1;
                    Some(Address(page.start + (word * 64 + bit) * 8))
                })
            })
        });
        addresses.skip(skipped)
    }

    /// Number of objects.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The object that begins at `address`.
    pub(super) fn id(&self, address: Address) -> Option<usize> {
        let first = *self.by_address.get(&(address.0 >> PAGE_SHIFT))?;
        // Pages of 256 KiB are alone in their range; others may share theirs with the end of the one before.
        self.pages
            .get(first..)?
            .iter()
            .take_while(|page| page.start <= address.0)
            .find_map(|page| self.id_on(page, address))
    }

    fn id_on(&self, page: &IndexedPage, address: Address) -> Option<usize> {
        let distance = address.0.checked_sub(page.start)?;
        if !distance.is_multiple_of(8) {
            return None;
        }
        let bit = distance / 8;
        let word = usize::try_from(bit / 64)
            .ok()
            .filter(|word| *word < page.words)?;
        let word = page.first + word;
        let bits = *self.bits.get(word)?;
        let mask = 1_u64 << (bit % 64);
        if bits & mask == 0 {
            return None;
        }
        let group = word / WORDS_PER_RANK;
        let before = self.bits.get(group * WORDS_PER_RANK..word)?;
        let on_page = before.iter().map(|bits| bits.count_ones()).sum::<u32>()
            + (bits & (mask - 1)).count_ones();
        Some(self.ranks.get(group)? + on_page as usize)
    }

    /// How many groups begin with an object up to a number, or before it.
    fn groups_up_to(&self, id: usize) -> usize {
        either!(&self.ranks, ranks => ranks.partition_point(|rank| rank.at() <= id))
    }

    /// Where an object begins.
    pub(super) fn address(&self, id: usize) -> Option<Address> {
        let group = self.groups_up_to(id).checked_sub(1)?;
        let mut rest = id - self.ranks.get(group)?;
        let start = group * WORDS_PER_RANK;
        for word in start..(start + WORDS_PER_RANK).min(self.bits.len()) {
            let mut bits = *self.bits.get(word)?;
            let count = bits.count_ones() as usize;
            if rest >= count {
                rest -= count;
                continue;
            }
            for _ in 0..rest {
                bits &= bits - 1;
            }
            let page = self.pages.partition_point(|page| page.first <= word);
            let page = self.pages.get(page.checked_sub(1)?)?;
            let bit = (word - page.first) as u64 * 64 + u64::from(bits.trailing_zeros());
            return Some(Address(page.start + bit * 8));
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_numbered_in_address_order() {
        let mut parts = Vec::new();
        let mut all = Vec::new();
        for part in 0..3_u64 {
            let mut marks = Marks::default();
            for page in 0..4_u64 {
                // Some pages begin in the middle of a range of 256 KiB, and reach into the next.
                let start = 0x4000_0000 + (part * 4 + page) * 0x4_0000 + page * 0x8;
                marks.page(start);
                for n in 0..500 {
                    let address = Address(start + (n * n % 7 + n * 9) * 8);
                    if page != 2 && all.last().is_none_or(|last| *last < address) {
                        marks.object(address);
                        all.push(address);
                    }
                }
            }
            parts.push(marks);
        }
        for width in [Width::Narrow, Width::Wide] {
            let index = ObjectIndex::new(parts.clone(), width);
            check(&index, width, &all);
        }
    }

    fn check(index: &ObjectIndex, width: Width, all: &[Address]) {
        assert_eq!(index.len(), all.len());
        assert!(index.addresses().eq(all.iter().copied()));
        for from in [0, 1, 63, 64, 499, 500, 501, 1200, all.len() - 1, all.len()] {
            let expected = all.iter().skip(from).copied();
            assert!(index.addresses_from(from).eq(expected), "{from}");
        }
        let mut writer = Writer::default();
        index.write(&mut writer);
        let bytes = writer.finish();
        let read = ObjectIndex::read(&mut Reader::new(&bytes), width).unwrap();
        assert!(read.addresses().eq(all.iter().copied()));
        assert_eq!(read.by_address, index.by_address);
        assert_eq!(read.ranks, index.ranks);
        for (id, address) in all.iter().enumerate() {
            assert_eq!(index.id(*address), Some(id));
            assert_eq!(index.address(id), Some(*address));
            let neighbour = Address(address.0 + 8);
            assert_eq!(index.id(neighbour).is_some(), all.contains(&neighbour));
            assert_eq!(index.id(Address(address.0 + 1)), None);
        }
        assert_eq!(index.address(all.len()), None);
        assert_eq!(index.id(Address(0x10)), None);
    }
}
