//! From an address to the V8 page that holds it.

use std::collections::BTreeMap;

use v8mini_format::model::{Page, Space};

/// The pages of a heap, by address.
#[derive(Debug, Clone, Default)]
pub struct PageIndex {
    /// Sorted by address, disjoint.
    pages: Vec<Page>,
    ordinary_size: u64,
}

impl PageIndex {
    /// Indexes pages. Of two that overlap, which only damage or malice can bring about, the first in address order stays.
    pub fn new(pages: &[Page]) -> Self {
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
        Self {
            pages,
            ordinary_size,
        }
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
        let index = PageIndex::new(&[
            page(0x3000, 0x1000),
            page(0x1000, 0x1000),
            page(0x1800, 0x1000),
        ]);
        assert_eq!(index.pages().len(), 2);
        assert_eq!(index.page_of(0xfff), None);
        assert_eq!(index.page_of(0x1000).map(|p| p.address), Some(0x1000));
        assert_eq!(index.page_of(0x1fff).map(|p| p.address), Some(0x1000));
        assert_eq!(index.page_of(0x2000), None);
        assert_eq!(index.room_at(0x3010), Some(0xff0));
        assert_eq!(index.room_at(0x3000), None);
    }
}
