//! Finding the pages.

use std::collections::BTreeMap;

use v8mini_format::memory::{Memory, MemoryExt, MemoryRange};
use v8mini_format::model::{Page, Region, V8Version};

use super::header::{HEADER_KINDS, HeaderKind};
use super::space;

/// Pages of all isolates, and how they were recognised.
#[derive(Debug, Clone)]
pub struct Pages {
    /// The shape of the headers.
    pub kind: &'static HeaderKind,
    /// Which of the shape's places holds the owner.
    pub owner_variant: usize,
    /// The pages, sorted by address.
    pub pages: Vec<Page>,
}

impl Pages {
    /// Addresses of the heaps that own pages, in order of the number of their pages, the largest first.
    pub fn heaps(&self) -> Vec<u64> {
        let mut count = BTreeMap::<u64, usize>::new();
        for page in self.pages.iter().filter(|p| p.heap != 0) {
            *count.entry(page.heap).or_default() += 1;
        }
        let mut heaps: Vec<u64> = count.keys().copied().collect();
        heaps.sort_by_key(|heap| std::cmp::Reverse(count.get(heap).copied()));
        heaps
    }

    /// The page that an address lies in.
    pub fn containing(&self, address: u64) -> Option<&Page> {
        page_of(&self.pages, address)
    }

    /// Finds the pages again, in an image of the same process at another time, without asking which shape explains it.
    pub fn again(
        &self,
        memory: &dyn Memory,
        regions: &[Region],
        version: Option<V8Version>,
    ) -> Self {
        let mut pages = scan(
            memory,
            &candidates(memory, regions),
            self.kind,
            self.owner_variant,
        );
        space::assign(memory, &mut pages, version);
        Self { pages, ..*self }
    }
}

/// The page, of pages sorted by address, that an address lies in.
pub(crate) fn page_of(pages: &[Page], address: u64) -> Option<&Page> {
    let at = pages
        .partition_point(|page| page.address <= address)
        .checked_sub(1)?;
    pages
        .get(at)
        .filter(|page| address - page.address < page.size)
}

/// Finds V8's pages: tries every shape of header at every address where a page may start, and takes the shape that
/// explains the image best. `None` if there is no V8 heap.
///
/// "Best" is the number of pages whose owner is a space that points back to the page's heap; a shape that fits by
/// accident finds none. Without the spaces' memory (a core that left them out) the number of pages counts. `version`
/// breaks ties.
pub fn locate_pages(
    memory: &dyn Memory,
    regions: &[Region],
    version: Option<V8Version>,
) -> Option<Pages> {
    let candidates = not_empty(memory, &candidates(memory, regions));
    let mut best: Option<((usize, usize, bool), Pages)> = None;
    for kind in &HEADER_KINDS {
        for owner_variant in 0..kind.owner_variants() {
            let pages = scan(memory, &candidates, kind, owner_variant);
            if pages.is_empty() {
                continue;
            }
            let owned = space::count_owned(memory, &pages);
            let score = (owned, pages.len(), version.is_some_and(|v| kind.covers(v)));
            if best.as_ref().is_none_or(|(other, _)| score > *other) {
                best = Some((
                    score,
                    Pages {
                        kind,
                        owner_variant,
                        pages,
                    },
                ));
            }
        }
    }
    let (_, mut best) = best?;
    space::assign(memory, &mut best.pages, version);
    Some(best)
}

/// Readable memory where pages may start: anonymous, because V8 maps its heap so.
fn candidates(memory: &dyn Memory, regions: &[Region]) -> Vec<MemoryRange> {
    let anonymous = |region: &&Region| {
        region.permissions.read && (region.name.is_empty() || region.name.starts_with("[anon"))
    };
    let readable = memory.ranges();
    let mut found = Vec::new();
    for region in regions.iter().filter(anonymous) {
        let first = readable.partition_point(|range| range.end() <= region.start);
        for range in readable
            .iter()
            .skip(first)
            .take_while(|range| range.start < region.end)
        {
            let start = range.start.max(region.start);
            let end = range.end().min(region.end);
            found.push(MemoryRange {
                start,
                len: end.saturating_sub(start),
            });
        }
    }
    found
}

/// Every shape has its pages at multiples of this.
const FINEST_ALIGNMENT: u64 = 256 << 10;

/// Leaves out of `candidates` where a page would begin with nothing: most of a sparse core, and looked at once instead of
/// once for each shape. All headers have something in their first two words.
fn not_empty(memory: &dyn Memory, candidates: &[MemoryRange]) -> Vec<MemoryRange> {
    let mut found: Vec<MemoryRange> = Vec::new();
    for range in candidates {
        let mut next = range.start.checked_next_multiple_of(FINEST_ALIGNMENT);
        while let Some(base) = next.filter(|&base| base < range.end()) {
            next = base.checked_add(FINEST_ALIGNMENT);
            if memory.read_array(base).unwrap_or([0_u8; 16]) == [0; 16] {
                continue;
            }
            let len = FINEST_ALIGNMENT.min(range.end() - base);
            match found.last_mut() {
                Some(last) if last.end() == base => last.len += len,
                _ => found.push(MemoryRange { start: base, len }),
            }
        }
    }
    found
}

fn scan(
    memory: &dyn Memory,
    candidates: &[MemoryRange],
    kind: &'static HeaderKind,
    owner_variant: usize,
) -> Vec<Page> {
    let mut pages: Vec<Page> = Vec::new();
    // The end of the last page found: the inside of a large page is not searched.
    let mut covered = 0;
    for range in candidates {
        let mut next = range
            .start
            .max(covered)
            .checked_next_multiple_of(kind.alignment);
        while let Some(base) = next.filter(|&base| base < range.end()) {
            let mut step = kind.alignment;
            if let Some(page) = kind.parse(memory, base, owner_variant) {
                step = page.size.max(1);
                covered = base.saturating_add(page.size);
                pages.push(page);
            }
            next = base
                .checked_add(step)
                .and_then(|b| b.checked_next_multiple_of(kind.alignment));
        }
    }
    drop_unsupported(&mut pages);
    pages.sort_unstable_by_key(|page| page.address);
    pages
}

/// A heap has at least this many pages: new space alone has two semispaces.
const MIN_PAGES_PER_HEAP: usize = 3;

/// Drops what only looked like pages: data that happens to fit names a heap of its own.
///
/// Pages without a heap are the read-only ones that isolates share; without any heap, they are not credible either.
fn drop_unsupported(pages: &mut Vec<Page>) {
    let mut count = BTreeMap::<u64, usize>::new();
    for page in pages.iter() {
        *count.entry(page.heap).or_default() += 1;
    }
    let supported = |heap: u64| count.get(&heap).is_some_and(|&n| n >= MIN_PAGES_PER_HEAP);
    let any = count.keys().any(|&heap| heap != 0 && supported(heap));
    pages.retain(|page| any && (page.heap == 0 || supported(page.heap)));
}
