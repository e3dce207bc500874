//! From an address to the V8 page that holds it.

use std::collections::BTreeMap;
use std::ops::Range;

use v8mini_format::model::{Page, Region, Space};

/// The pages of a heap, by address.
#[derive(Debug, Clone, Default)]
pub struct PageIndex {
    /// Sorted by address, disjoint.
    pages: Vec<Page>,
    ordinary_size: u64,
    /// What the process itself could read, sorted; `None` if the image does not say.
    readable: Option<Vec<Range<u64>>>,
}

impl PageIndex {
    /// Indexes pages. Of two that overlap, which only damage or malice can bring about, the first in address order stays.
    pub fn new(pages: &[Page], regions: &[Region]) -> Self {
        let mut pages = pages.to_vec();
        pages.sort_by_key(|page| page.address);
        let mut end = 0;
        pages.retain(|page| {
            let keep = page.address >= end && page.size > 0;
            if keep {
                end = page.address.saturating_add(page.size);
            }
            keep
        });
        let ordinary_size = most_common_size(&pages);
        let mut readable: Vec<_> = regions
            .iter()
            .filter(|region| region.permissions.read && region.start < region.end)
            .map(|region| region.start..region.end)
            .collect();
        readable.sort_by_key(|range| range.start);
        Self {
            pages,
            ordinary_size,
            readable: (!regions.is_empty()).then_some(readable),
        }
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
        assert_eq!(index.pages().len(), 2);
        assert_eq!(index.page_of(0xfff), None);
        assert_eq!(index.page_of(0x1000).map(|p| p.address), Some(0x1000));
        assert_eq!(index.page_of(0x1fff).map(|p| p.address), Some(0x1000));
        assert_eq!(index.page_of(0x2000), None);
        assert_eq!(index.room_at(0x3010), Some(0xff0));
        assert_eq!(index.room_at(0x3000), None);
    }
}
