//! From an address to the V8 page that holds it.

use std::collections::BTreeMap;
use std::ops::Range;

use v8mini_format::model::{Page, Region, Space};

use super::disjoint;

/// User addresses lie below (x86-64 with page tables of five levels); so sums of addresses and sizes do not overflow.
const MAX_ADDRESS: u64 = 1 << 56;

/// The largest page for more than one object that any V8 had: 1 MiB, up to 4.5. The walk reads such pages whole.
const MAX_ORDINARY_SIZE: u64 = 1 << 20;

/// The pages of a heap, by address.
#[derive(Debug, Clone, Default)]
pub struct PageIndex {
    /// Sorted by address, disjoint; areas lie within their pages, and all bounds are multiples of 8.
    pages: Vec<Page>,
    rejected: usize,
    ordinary_size: u64,
    /// What the process itself could read, sorted, disjoint; `None` if the image does not say.
    readable: Option<Vec<Range<u64>>>,
}

impl PageIndex {
    /// Indexes pages. What only damage or malice can bring about is put right: areas that leave their page are cut,
    /// and of two pages that overlap the first in address order stays. See [`Self::rejected`].
    pub fn new(pages: &[Page], regions: &[Region]) -> Self {
        let given = pages.len();
        let mut pages: Vec<Page> = pages.iter().filter_map(sound).collect();
        pages.sort_by_key(|page| page.address);
        let mut end = 0;
        pages.retain(|page| {
            let keep = page.address >= end;
            if keep {
                // Pages are sound: it does not overflow.
                end = page.address + page.size;
            }
            keep
        });
        let readable = regions
            .iter()
            .filter(|region| region.permissions.read)
            .map(|region| region.start..region.end)
            .collect();
        Self {
            rejected: given - pages.len(),
            ordinary_size: most_common_size(&pages).min(MAX_ORDINARY_SIZE),
            pages,
            readable: (!regions.is_empty()).then(|| disjoint(readable)),
        }
    }

    /// How many pages were left out because they cannot be: empty, at no possible address, or over another page.
    pub fn rejected(&self) -> usize {
        self.rejected
    }

    /// How many bytes of a range the process itself could read; all of them if the image does not say.
    pub fn readable_bytes(&self, range: &Range<u64>) -> u64 {
        let whole = range.end.saturating_sub(range.start);
        let Some(readable) = &self.readable else {
            return whole;
        };
        let first = readable.partition_point(|region| region.end <= range.start);
        let parts = readable.get(first..).unwrap_or_default().iter();
        let sum = parts
            .take_while(|region| region.start < range.end)
            .map(|region| {
                let end = region.end.min(range.end);
                end.saturating_sub(region.start.max(range.start))
            })
            .fold(0, u64::saturating_add);
        whole.min(sum)
    }

    /// All pages, by address.
    pub fn pages(&self) -> &[Page] {
        &self.pages
    }

    /// Whether a page holds one large object instead of many: its space says so, or it is larger than pages usually are.
    pub fn is_large(&self, page: &Page) -> bool {
        matches!(
            page.space,
            Space::LargeObject
                | Space::NewLargeObject
                | Space::CodeLargeObject
                | Space::TrustedLargeObject
                | Space::SharedLargeObject
        ) || page.size > self.ordinary_size
    }

    /// The page that holds `addr`.
    pub fn page_of(&self, addr: u64) -> Option<&Page> {
        let after = self.pages.partition_point(|page| page.address <= addr);
        let page = self.pages.get(after.checked_sub(1)?)?;
        (addr - page.address < page.size).then_some(page)
    }

    /// Bytes from `addr` to the end of the object area of its page: no object there can be longer. `None` if `addr` lies
    /// in no object area.
    pub fn room_at(&self, addr: u64) -> Option<u64> {
        let page = self.page_of(addr)?;
        if addr < page.area_start {
            return None;
        }
        page.area_end.checked_sub(addr).filter(|room| *room > 0)
    }
}

/// A page whose bounds make sense, its area cut to them; `None` if it can be no page.
fn sound(page: &Page) -> Option<Page> {
    let end = page.address.checked_add(page.size)?;
    if page.size == 0 || end > MAX_ADDRESS || !(page.address | page.size).is_multiple_of(8) {
        return None;
    }
    // Neither leaves the page: its bounds are multiples of 8, too.
    let area_start = page.area_start.clamp(page.address, end).next_multiple_of(8);
    Some(Page {
        area_start,
        area_end: page.area_end.clamp(area_start, end) & !7,
        ..*page
    })
}

fn most_common_size(pages: &[Page]) -> u64 {
    let mut counts = BTreeMap::new();
    for page in pages {
        *counts.entry(page.size).or_insert(0_usize) += 1;
    }
    counts
        .into_iter()
        .max_by_key(|(_, count)| *count)
        .map_or(u64::MAX, |(size, _)| size)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(address: u64, size: u64) -> Page {
        Page {
            address,
            size,
            area_start: address + 16,
            area_end: address + size,
            ..Page::default()
        }
    }

    #[test]
    fn addresses_find_their_page() {
        let index = PageIndex::new(
            &[
                page(0x3000, 0x1000),
                page(0x1000, 0x1000),
                page(0x1800, 0x1000),
            ],
            &[],
        );
        assert_eq!((index.pages().len(), index.rejected()), (2, 1));
        assert_eq!(index.page_of(0xfff), None);
        assert_eq!(index.page_of(0x1000).map(|p| p.address), Some(0x1000));
        assert_eq!(index.page_of(0x1fff).map(|p| p.address), Some(0x1000));
        assert_eq!(index.page_of(0x2000), None);
        assert_eq!(index.room_at(0x3010), Some(0xff0));
        assert_eq!(index.room_at(0x3000), None);
    }

    #[test]
    fn pages_that_cannot_be_are_left_out_or_cut() {
        let wild = |area_start, area_end| Page {
            area_start,
            area_end,
            ..page(0x1000, 0x1000)
        };
        let area = |page| {
            let index = PageIndex::new(&[page], &[]);
            let page = index.pages().first().copied();
            page.map(|page| (page.area_start, page.area_end))
        };
        assert_eq!(area(wild(0, u64::MAX)), Some((0x1000, 0x2000)));
        assert_eq!(area(wild(u64::MAX, 0)), Some((0x2000, 0x2000)));
        assert_eq!(area(wild(0x1003, 0x1ffd)), Some((0x1008, 0x1ff8)));
        assert_eq!(area(wild(0x1ff9, 0x1001)), Some((0x2000, 0x2000)));
        for (address, size) in [
            (u64::MAX - 0xfff, 0x1000),
            (0x1000, u64::MAX),
            (0x1004, 0x1000),
            (0x1000, 0),
        ] {
            let page = Page {
                address,
                size,
                ..Page::default()
            };
            assert_eq!(area(page), None);
        }
    }
}
