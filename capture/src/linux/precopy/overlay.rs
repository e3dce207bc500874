//! Pages that lie over compressed memory: copied again since, or never worth compressing alone.

use std::collections::BTreeMap;

use v8mini_format::limits::MEMORY_CHUNK_ALIGN;

/// Single pages, by their addresses.
///
/// A program that writes fast has a hundred thousand of them copied again in each round: they are found by the block that they lie in, and
/// neighbours by the same look.
#[derive(Debug)]
pub(super) struct Overlay {
    page_size: u64,
    /// For each block of [`MEMORY_CHUNK_ALIGN`] bytes that has any: of each of its pages, one more than the place in `pages`, counted in
    /// pages; 0 where there is none.
    blocks: BTreeMap<u64, Box<[u32]>>,
    pages: Vec<u8>,
}

impl Overlay {
    /// No pages yet, of so many bytes each.
    pub(super) fn new(page_size: u64) -> Self {
        Self {
            page_size,
            blocks: BTreeMap::new(),
            pages: Vec::new(),
        }
    }

    /// Bytes of a page.
    pub(super) fn page_len(&self) -> usize {
        usize::try_from(self.page_size).unwrap_or(4096)
    }

    /// Adds whole pages, or replaces them, from the address `start` of a page on.
    pub(super) fn lay(&mut self, start: u64, bytes: &[u8]) {
        let page_len = self.page_len();
        let per_block = usize::try_from(MEMORY_CHUNK_ALIGN / self.page_size).unwrap_or(64);
        let mut pages = (start..)
            .step_by(page_len)
            .zip(bytes.chunks_exact(page_len))
            .peekable();
        while let Some(&(first, _)) = pages.peek() {
            let block = first - first % MEMORY_CHUNK_ALIGN;
            let places = (self.blocks)
                .entry(block)
                .or_insert_with(|| vec![0; per_block].into());
            while let Some((page, bytes)) =
                pages.next_if(|(page, _)| *page - block < MEMORY_CHUNK_ALIGN)
            {
                let index = usize::try_from((page - block) / self.page_size).unwrap_or(usize::MAX);
                let Some(place) = places.get_mut(index) else {
                    continue;
                };
                match place.checked_sub(1) {
                    Some(known) => {
                        let from = known as usize * page_len;
                        if let Some(old) = self.pages.get_mut(from..from + page_len) {
                            old.copy_from_slice(bytes);
                        }
                    }
                    // As many pages as this have 16 terabytes.
                    None => {
                        if let Ok(new) = u32::try_from(self.pages.len() / page_len + 1) {
                            *place = new;
                            self.pages.extend_from_slice(bytes);
                        }
                    }
                }
            }
        }
    }

    /// The page that begins at `page`, if it is here.
    pub(super) fn get(&self, page: u64) -> Option<&[u8]> {
        let block = page - page % MEMORY_CHUNK_ALIGN;
        let index = usize::try_from((page - block) / self.page_size).ok()?;
        let known = self.blocks.get(&block)?.get(index)?.checked_sub(1)? as usize;
        let from = known * self.page_len();
        self.pages.get(from..from + self.page_len())
    }

    /// The addresses of all pages from `start` on, ascending.
    pub(super) fn from(&self, start: u64) -> impl Iterator<Item = u64> + '_ {
        let block = start - start % MEMORY_CHUNK_ALIGN;
        let pages = self.blocks.range(block..).flat_map(|(&block, places)| {
            let here = (block..).step_by(self.page_len()).zip(places);
            here.filter(|(_, place)| **place != 0).map(|(page, _)| page)
        });
        pages.skip_while(move |page| *page < start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: usize = 0x1000;

    fn pages(bytes: &[u8]) -> Vec<u8> {
        bytes.iter().flat_map(|byte| vec![*byte; PAGE]).collect()
    }

    #[test]
    fn the_newest_counts_and_blocks_do_not_matter() {
        let mut overlay = Overlay::new(PAGE as u64);
        // From the last page of one block to the second of the next.
        overlay.lay(0x3_f000, &pages(&[1, 2, 3]));
        overlay.lay(0x4_0000, &pages(&[4]));
        overlay.lay(0x1_0000, &pages(&[5]));
        let first = |page| {
            overlay
                .get(page)
                .map(|bytes| (bytes.len(), bytes[PAGE - 1]))
        };
        assert_eq!(first(0x3_f000), Some((PAGE, 1)));
        assert_eq!(first(0x4_0000), Some((PAGE, 4)));
        assert_eq!(first(0x4_1000), Some((PAGE, 3)));
        assert_eq!(first(0x1_0000), Some((PAGE, 5)));
        assert_eq!(first(0x4_2000), None);
        assert_eq!(first(0x8_0000), None);
        // A page that is replaced takes no more room.
        assert_eq!(overlay.pages.len(), 4 * PAGE);
        let from = |start| overlay.from(start).collect::<Vec<_>>();
        assert_eq!(from(0), [0x1_0000, 0x3_f000, 0x4_0000, 0x4_1000]);
        assert_eq!(from(0x3_f001), [0x4_0000, 0x4_1000]);
        assert_eq!(from(0x4_1000), [0x4_1000]);
        assert!(from(0x4_2000).is_empty());
    }
}
