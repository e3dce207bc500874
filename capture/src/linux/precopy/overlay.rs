//! Pages that lie over compressed memory: copied again since, or never worth compressing alone.

use std::collections::BTreeMap;
use std::io;

use v8mini_format::limits::MEMORY_CHUNK_ALIGN;

use super::spill::Spill;

/// Once there are pages in the temporary file, others follow whenever there are so many bytes: while they are written, nobody empties the
/// rings of the log.
const BATCH_BYTES: usize = 1 << 20;

/// Single pages, by their addresses.
///
/// A program that writes fast has a hundred thousand of them copied again in each round: they are found by the block that they lie in, and
/// neighbours by the same look. In the time that a few gigabytes take, a program may write to nearly all of its heap, so
/// what exceeds a limit goes to a temporary file: as it is, because to compress a page takes longer than to copy it, and as much more would
/// be written meanwhile. The last rounds have no time for that either: a program that writes as fast as it is copied would never
/// be caught up with.
#[derive(Debug)]
pub(super) struct Overlay {
    page_size: u64,
    /// For each block of [`MEMORY_CHUNK_ALIGN`] bytes that has any: of each of its pages, one more than its number, in the order in
    /// which they came; 0 where there is none.
    blocks: BTreeMap<u64, Box<[u32]>>,
    /// The pages that came last.
    pages: Vec<u8>,
    /// How many pages came before those: they are in the temporary file.
    spilled: usize,
    /// With so many bytes of pages in memory, all of them go to the file.
    limit: usize,
    spill: Option<Spill>,
    /// Whether nothing is to be written to the file now.
    keeps_in_memory: bool,
}

impl Overlay {
    /// No pages yet, of so many bytes each. Beyond `limit` bytes they go to `spill`, if there is one and as long as it takes them.
    pub(super) fn new(page_size: u64, limit: u64, spill: Option<Spill>) -> Self {
        Self {
            page_size,
            blocks: BTreeMap::new(),
            pages: Vec::new(),
            spilled: 0,
            limit: usize::try_from(limit).unwrap_or(usize::MAX),
            spill,
            keeps_in_memory: false,
        }
    }

    /// Says whether there is no time to write to the temporary file. What waits is written when there is.
    pub(super) fn keep_in_memory(&mut self, keep: bool) {
        self.keeps_in_memory = keep;
        self.write_out();
    }

    /// Bytes of a page.
    pub(super) fn page_len(&self) -> usize {
        usize::try_from(self.page_size).unwrap_or(4096)
    }

    /// Adds whole pages, or replaces them, from the address `start` of a page on.
    pub(super) fn lay(&mut self, start: u64, bytes: &[u8]) {
        let page_len = self.page_len();
        let per_block = usize::try_from(MEMORY_CHUNK_ALIGN / self.page_size).unwrap_or(64);
        let mut blocks = std::mem::take(&mut self.blocks);
        let mut pages = (start..)
            .step_by(page_len)
            .zip(bytes.chunks_exact(page_len))
            .peekable();
        while let Some(&(first, _)) = pages.peek() {
            let block = first - first % MEMORY_CHUNK_ALIGN;
            let places = blocks
                .entry(block)
                .or_insert_with(|| vec![0; per_block].into());
            while let Some((page, bytes)) =
                pages.next_if(|(page, _)| *page - block < MEMORY_CHUNK_ALIGN)
            {
                let index = usize::try_from((page - block) / self.page_size).unwrap_or(usize::MAX);
                let Some(place) = places.get_mut(index) else {
                    continue;
                };
                let is_replaced = place
                    .checked_sub(1)
                    .is_some_and(|known| self.replace(known as usize, bytes));
                // As many pages as this have 16 terabytes.
                if let (false, Ok(new)) = (is_replaced, u32::try_from(self.len() + 1)) {
                    *place = new;
                    self.pages.extend_from_slice(bytes);
                    self.write_out();
                }
            }
        }
        self.blocks = blocks;
    }

    /// How many pages there are, those that are outdated but could not be replaced among them.
    fn len(&self) -> usize {
        self.spilled + self.pages.len() / self.page_len()
    }

    /// Puts other bytes in the place of a page; whether that could be done.
    fn replace(&mut self, number: usize, bytes: &[u8]) -> bool {
        let page_len = self.page_len();
        let Some(in_memory) = number.checked_sub(self.spilled) else {
            let offset = (number * page_len) as u64;
            // Some file systems need room for that, too.
            let write = |spill: &Spill| spill.write_if_harmless(offset, bytes);
            return !self.keeps_in_memory && self.spill.as_ref().is_some_and(write);
        };
        let from = in_memory * page_len;
        match self.pages.get_mut(from..from + page_len) {
            Some(old) => {
                old.copy_from_slice(bytes);
                true
            }
            None => false,
        }
    }

    /// Moves what is in memory to the temporary file, if it is as much as may be there. Where the disk has no room for more, pages stay in
    /// memory from then on.
    fn write_out(&mut self) {
        if self.keeps_in_memory || self.pages.len() < self.limit {
            return;
        }
        let offset = (self.spilled * self.page_len()) as u64;
        match &self.spill {
            Some(spill) if spill.write_if_harmless(offset, &self.pages) => {
                self.spilled = self.len();
                self.limit = self.limit.min(BATCH_BYTES);
                // Its memory is used again: fresh memory is slow. But more than a batch is needed in haste only.
                self.pages.clear();
                self.pages.shrink_to(self.limit);
            }
            _ => self.limit = usize::MAX,
        }
    }

    fn number(&self, page: u64) -> Option<usize> {
        let block = page - page % MEMORY_CHUNK_ALIGN;
        let index = usize::try_from((page - block) / self.page_size).ok()?;
        let number = self.blocks.get(&block)?.get(index)?.checked_sub(1)?;
        usize::try_from(number).ok()
    }

    /// Reads from the byte `in_page` of the page that begins at `page` on, as far as there is room; how many bytes that were, and
    /// `None` if the page is not here.
    ///
    /// # Errors
    /// If it is in the temporary file, and that cannot be read.
    pub(super) fn read(
        &self,
        page: u64,
        in_page: usize,
        buf: &mut [u8],
    ) -> Option<io::Result<usize>> {
        let number = self.number(page)?;
        let page_len = self.page_len();
        let len = buf.len().min(page_len.checked_sub(in_page)?);
        let buf = buf.get_mut(..len)?;
        let Some(in_memory) = number.checked_sub(self.spilled) else {
            let offset = (number * page_len + in_page) as u64;
            let read = self.spill.as_ref()?.read(offset, buf);
            return Some(read.map(|()| len));
        };
        let from = in_memory * page_len + in_page;
        buf.copy_from_slice(self.pages.get(from..from + len)?);
        Some(Ok(len))
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

    /// The last two bytes of a page.
    fn last(overlay: &Overlay, page: u64) -> Option<[u8; 2]> {
        let mut buf = [0; 8];
        let read = overlay.read(page, PAGE - 2, &mut buf)?;
        assert_eq!(read.unwrap(), 2);
        Some([buf[0], buf[1]])
    }

    fn spill() -> Spill {
        Spill::create(&std::env::temp_dir()).unwrap()
    }

    #[test]
    fn the_newest_counts_and_blocks_do_not_matter() {
        // In memory; in the file from the second page on; each in the file at once.
        for (limit, in_memory) in [(u64::MAX, 4), (2 * PAGE as u64, 0), (1, 0)] {
            let mut overlay = Overlay::new(PAGE as u64, limit, Some(spill()));
            // From the last page of one block to the second of the next.
            overlay.lay(0x3_f000, &pages(&[1, 2, 3]));
            overlay.lay(0x4_0000, &pages(&[4]));
            overlay.lay(0x1_0000, &pages(&[5]));
            overlay.lay(0x3_f000, &pages(&[6]));
            assert_eq!(last(&overlay, 0x3_f000), Some([6; 2]));
            assert_eq!(last(&overlay, 0x4_0000), Some([4; 2]));
            assert_eq!(last(&overlay, 0x4_1000), Some([3; 2]));
            assert_eq!(last(&overlay, 0x1_0000), Some([5; 2]));
            assert_eq!(last(&overlay, 0x4_2000), None);
            assert_eq!(last(&overlay, 0x8_0000), None);
            // A page that is replaced takes no more room.
            assert_eq!(overlay.len(), 4);
            assert_eq!(overlay.pages.len(), in_memory * PAGE);
            let from = |start| overlay.from(start).collect::<Vec<_>>();
            assert_eq!(from(0), [0x1_0000, 0x3_f000, 0x4_0000, 0x4_1000]);
            assert_eq!(from(0x3_f001), [0x4_0000, 0x4_1000]);
            assert_eq!(from(0x4_1000), [0x4_1000]);
            assert!(from(0x4_2000).is_empty());
        }
    }

    #[test]
    fn in_haste_nothing_is_written() {
        let mut overlay = Overlay::new(PAGE as u64, PAGE as u64, Some(spill()));
        overlay.lay(0x1_0000, &pages(&[1]));
        assert_eq!(overlay.spilled, 1);
        overlay.keep_in_memory(true);
        overlay.lay(0x1_0000, &pages(&[2, 3]));
        assert_eq!(overlay.spilled, 1);
        assert_eq!(last(&overlay, 0x1_0000), Some([2; 2]));
        overlay.keep_in_memory(false);
        assert_eq!((overlay.spilled, overlay.pages.len()), (3, 0));
        assert_eq!(last(&overlay, 0x1_0000), Some([2; 2]));
        assert_eq!(last(&overlay, 0x1_1000), Some([3; 2]));
    }

    #[test]
    fn without_a_file_all_stays_in_memory() {
        let mut overlay = Overlay::new(PAGE as u64, 1, None);
        overlay.lay(0x1_0000, &pages(&[1, 2]));
        assert_eq!(last(&overlay, 0x1_1000), Some([2; 2]));
        assert_eq!(overlay.pages.len(), 2 * PAGE);
    }

    /// A disk that is full need not be the end: there may be memory.
    #[test]
    fn what_a_full_disk_does_not_take_stays_in_memory() {
        let mut overlay = Overlay::new(PAGE as u64, PAGE as u64, Some(spill()));
        overlay.lay(0x1_0000, &pages(&[1]));
        overlay.spill = overlay.spill.map(Spill::full);
        overlay.lay(0x1_1000, &pages(&[2]));
        overlay.lay(0x1_0000, &pages(&[3]));
        assert_eq!(last(&overlay, 0x1_0000), Some([3; 2]));
        assert_eq!(last(&overlay, 0x1_1000), Some([2; 2]));
        assert_eq!(overlay.pages.len(), 2 * PAGE);
    }
}
