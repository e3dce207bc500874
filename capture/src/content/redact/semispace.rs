//! Which pages of new space are in use: V8 fills those of a semispace one after the other, as they are linked.

use std::collections::{BTreeMap, BTreeSet};

use v8mini_format::memory::{Memory, MemoryExt};
use v8mini_format::model::{Isolate, Page, Space};

/// The links between pages are in so many words of their headers.
const HEADER_WORDS: u64 = 64;

/// Where the header of each page of new space names another one: by page, and by word of the header.
type Links = BTreeMap<u64, BTreeMap<u64, u64>>;

/// The addresses of the pages of new space that certainly are in use: where an allocation area ends, and all before that. What `next` and
/// `prev` are is found out, since they have been in five places: where one page names the next, that one names it in a later word.
pub(super) fn pages_in_use(
    memory: &dyn Memory,
    pages: &[Page],
    isolates: &[Isolate],
) -> BTreeSet<u64> {
    let links = links(memory, pages);
    let previous = previous_word(&links);
    let areas = isolates
        .iter()
        .flat_map(|isolate| &isolate.allocation_areas);
    let mut in_use = BTreeSet::new();
    for area in areas {
        let mut page = pages.iter().find(|page| {
            page.space == Space::New && (page.area_start..page.area_end).contains(&area.top)
        });
        let mut at = page.take().map(|page| page.address);
        // What is known already ends it, and so does a ring.
        while let Some(address) = at.filter(|address| in_use.insert(*address)) {
            let words = links.get(&address);
            at = previous.and_then(|word| words?.get(&word).copied());
        }
    }
    in_use
}

fn links(memory: &dyn Memory, pages: &[Page]) -> Links {
    let owners: BTreeMap<u64, u64> = pages
        .iter()
        .filter(|page| page.space == Space::New)
        .map(|page| (page.address, page.owner))
        .collect();
    let mut links = Links::new();
    for (&page, owner) in &owners {
        let words = (0..HEADER_WORDS).filter_map(|word| {
            let other = memory.read_u64(page.checked_add(word * 8)?).ok()?;
            (other != page && owners.get(&other) == Some(owner)).then_some((word, other))
        });
        links.insert(page, words.collect());
    }
    links
}

/// In which word a page names the one before it: most pages that are named in an earlier word name the other there.
fn previous_word(links: &Links) -> Option<u64> {
    let mut votes: BTreeMap<(u64, u64), u32> = BTreeMap::new();
    for (page, words) in links {
        for (&next, other) in words {
            let back = links.get(other).into_iter().flatten();
            for (&previous, _) in back.filter(|(word, to)| **word > next && *to == page) {
                *votes.entry((next, previous)).or_default() += 1;
            }
        }
    }
    let (&(_, previous), _) = votes.iter().max_by_key(|(_, votes)| **votes)?;
    Some(previous)
}

#[cfg(test)]
mod tests {
    use super::*;
    use v8mini_format::memory::{MemoryRange, ReadError};
    use v8mini_format::model::AllocationArea;

    /// Words at addresses that are multiples of 8.
    struct Words(BTreeMap<u64, u64>);

    impl Memory for Words {
        fn read_at(&self, address: u64, buf: &mut [u8]) -> Result<(), ReadError> {
            let word = self.0.get(&address).copied().unwrap_or(0);
            buf.copy_from_slice(&word.to_le_bytes());
            Ok(())
        }

        fn ranges(&self) -> Vec<MemoryRange> {
            Vec::new()
        }
    }

    const PAGES: [u64; 4] = [0x10_0000, 0x40_0000, 0x20_0000, 0x30_0000];

    fn in_use(top: u64, links: &[(u64, u64)]) -> Vec<u64> {
        let pages = PAGES.map(|address| Page {
            address,
            area_start: address + 0x1000,
            area_end: address + 0x10_0000,
            space: Space::New,
            owner: 0x7777,
            ..Page::default()
        });
        let isolate = Isolate {
            allocation_areas: vec![AllocationArea {
                top,
                ..AllocationArea::default()
            }],
            ..Isolate::default()
        };
        let memory = Words(links.iter().copied().collect());
        let mut found: Vec<u64> = pages_in_use(&memory, &pages, &[isolate])
            .into_iter()
            .collect();
        found.sort_unstable();
        found
    }

    #[test]
    fn pages_before_the_current_one_are_in_use() {
        let mut links = Vec::new();
        for pair in PAGES.windows(2) {
            links.extend([(pair[0] + 0xa8, pair[1]), (pair[1] + 0xb0, pair[0])]);
        }
        // One that has nothing to do with it.
        links.push((PAGES[1] + 0x20, PAGES[3]));
        let top = PAGES[2] + 0x2000;
        assert_eq!(in_use(top, &links), [0x10_0000, 0x20_0000, 0x40_0000]);
        assert_eq!(in_use(PAGES[0] + 0x2000, &links), [0x10_0000]);
        assert_eq!(in_use(top, &[]), [0x20_0000]);
        assert_eq!(in_use(0x9000_0000, &links), Vec::<u64>::new());
    }
}
