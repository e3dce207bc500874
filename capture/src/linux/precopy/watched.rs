//! Which memory is write-protected, and so known to be unchanged or not.

use nix::errno::Errno;
use v8mini_format::memory::MemoryRange;
use v8mini_format::model::Region;

use crate::linux::maps;
use crate::linux::range_set::RangeSet;
use crate::linux::snapshot::Watch;
use crate::linux::userfaultfd::Userfaultfd;

/// The memory that is watched.
#[derive(Debug, Default)]
pub(super) struct Watched {
    page_size: u64,
    /// Whole pages that belong to the image and are protected, or were written since.
    pub(super) image: RangeSet,
    /// Pages at which a new page of the heap could begin; protected, too, and not part of the image.
    pub(super) vacant: RangeSet,
    /// Parts of the heap's pages that did not exist when they were looked at.
    pub(super) unpopulated: RangeSet,
    /// The young generation, as it was last planned: it becomes part of the image late.
    pub(super) young: RangeSet,
    /// Whether it is now.
    pub(super) with_young: bool,
    /// What could not be protected: copied in the stop.
    pub(super) unprotected: RangeSet,
    /// What could not be read, and was wanted: copied in the stop if it can be by then.
    pub(super) beyond: RangeSet,
    /// Mappings that are registered.
    registered: RangeSet,
    /// All mappings, as of the last update.
    mapped: RangeSet,
    /// Where to look for written pages, each in one call.
    pub(super) runs: Vec<MemoryRange>,
    /// Alignment of the heap's pages.
    pub(super) alignment: u64,
}

impl Watched {
    /// Watches nothing yet.
    pub(super) fn new(page_size: u64) -> Self {
        Self {
            page_size,
            alignment: 1,
            ..Self::default()
        }
    }

    /// Watches what is wanted now. Returns what has to be copied: what is watched for the first time, and what was
    /// mapped anew (`remapped`).
    ///
    /// # Errors
    /// `EBUSY` where the process has a userfaultfd of its own.
    pub(super) fn update(
        &mut self,
        userfaultfd: &mut Userfaultfd,
        watch: &Watch,
        regions: &[Region],
        remapped: &RangeSet,
    ) -> Result<RangeSet, Errno> {
        let page = self.page_size;
        let readable = readable(regions);
        let wanted = RangeSet::of_pages(watch.ranges.iter().copied(), page).and(&readable);
        self.young = RangeSet::of_pages(watch.young.iter().copied(), page).without(&wanted);
        let vacant = watch
            .vacant
            .iter()
            .map(|&start| MemoryRange { start, len: page });
        let vacant = RangeSet::new(vacant.collect())
            .without(&wanted)
            .without(&self.young)
            .and(&readable);
        let heap = RangeSet::of_pages(watch.pages.iter().copied(), page).and(&readable);
        self.alignment = watch.alignment.max(page);

        let known = self.image.or(&self.vacant).without(remapped);
        // What is unmapped may come again, and is then registered again.
        let all = RangeSet::new(maps::mapped(regions, |_| true));
        self.registered = self.registered.without(remapped).and(&all);
        let fresh = wanted.or(&vacant).without(&known);
        let refused = self.protect(userfaultfd, &fresh, regions)?;
        self.unprotected = self.unprotected.or(&refused).and(&wanted);
        self.beyond = RangeSet::of_pages(watch.beyond.iter().copied(), page).without(&wanted);
        self.vacant = vacant.without(&refused);
        self.unpopulated = heap.without(&wanted);
        // What was watched only because a page could begin there was never copied.
        let copy = wanted.without(&self.image.without(remapped));
        self.image = wanted;
        self.with_young = false;
        self.mapped = all;
        self.find_runs();
        Ok(copy)
    }

    fn find_runs(&mut self) {
        let watched = self.image.or(&self.vacant).without(&self.unprotected);
        self.runs = watched.runs(&self.mapped);
    }

    /// Where to look for written pages, in parts that have so many bytes, each in few calls.
    pub(super) fn stretches(&self, bytes: u64) -> Vec<Vec<MemoryRange>> {
        let watched = self.image.or(&self.vacant).without(&self.unprotected);
        let mut stretches = Vec::new();
        let (mut parts, mut room) = (Vec::new(), bytes);
        for range in watched.ranges() {
            let mut start = range.start;
            while start < range.end() {
                let len = (range.end() - start).min(room);
                parts.push(MemoryRange { start, len });
                start += len;
                room -= len;
                if room == 0 {
                    stretches.push(std::mem::take(&mut parts));
                    room = bytes;
                }
            }
        }
        stretches.push(parts);
        let runs = |parts| RangeSet::new(parts).runs(&self.mapped);
        stretches.into_iter().map(runs).collect()
    }

    /// Where to look for written pages of the young generation.
    pub(super) fn young_runs(&self) -> Vec<MemoryRange> {
        let watched = self.image.and(&self.young).without(&self.unprotected);
        watched.runs(&self.mapped)
    }

    /// Watches new pages of the image and `vacant` ones, after the memory map has changed to `regions`; `remapped` is what was mapped in
    /// the place of something else. Returns what has to be copied.
    ///
    /// # Errors
    /// As [`Watched::update`].
    pub(super) fn follow(
        &mut self,
        userfaultfd: &mut Userfaultfd,
        regions: &[Region],
        remapped: &RangeSet,
        [pages, vacant]: [RangeSet; 2],
    ) -> Result<RangeSet, Errno> {
        self.mapped = RangeSet::new(maps::mapped(regions, |_| true));
        let readable = readable(regions);
        self.registered = self.registered.without(remapped).and(&self.mapped);
        // What is gone is not part of the image any more; what came in its place may be.
        self.image = self.image.and(&readable);
        let again = self.image.or(&self.vacant).and(remapped);
        let pages = pages.and(&readable).without(&self.image);
        let vacant = vacant.and(&readable).without(&pages).without(&self.image);
        let fresh = again.or(&pages).or(&vacant);
        let refused = self.protect(userfaultfd, &fresh, regions)?;
        self.image = self.image.or(&pages);
        self.unprotected = self.unprotected.or(&refused).and(&self.image);
        self.vacant = (self.vacant.and(&readable).or(&vacant))
            .without(&pages)
            .without(&refused);
        self.unpopulated = self.unpopulated.and(&readable).without(&pages);
        self.find_runs();
        Ok(fresh.and(&self.image))
    }

    /// Takes pages of registered mappings into the image: those that a page of the heap has begun to use, or of a new one.
    pub(super) fn adopt(&mut self, pages: &RangeSet) {
        self.image = self.image.or(pages);
        self.unpopulated = self.unpopulated.without(pages);
        self.vacant = self.vacant.without(pages);
        self.find_runs();
    }

    /// Makes the young generation part of the image, as far as it is `existing` memory. Returns what has to be copied.
    ///
    /// # Errors
    /// As [`Watched::update`].
    pub(super) fn admit_young(
        &mut self,
        userfaultfd: &mut Userfaultfd,
        regions: &[Region],
        existing: &RangeSet,
    ) -> Result<RangeSet, Errno> {
        let young = self.young.without(&self.image);
        self.with_young = true;
        // What comes into being from now on is logged, or found by looking again.
        self.unpopulated = self.unpopulated.or(&young.without(existing));
        let none = RangeSet::default;
        self.follow(userfaultfd, regions, &none(), [young.and(existing), none()])
    }

    /// Gives the young generation free: it is no longer part of the image, and is written to as if it had never been.
    pub(super) fn release_young(&mut self, userfaultfd: &Userfaultfd) {
        for range in self.image.and(&self.young).ranges() {
            // What is not mapped any more is not protected either.
            let _unmapped = userfaultfd.unprotect(*range);
        }
        self.with_young = false;
        self.image = self.image.without(&self.young);
        self.unprotected = self.unprotected.without(&self.young);
        self.unpopulated = self.unpopulated.without(&self.young);
        self.find_runs();
    }

    /// Protects `fresh`; returns what cannot be.
    fn protect(
        &mut self,
        userfaultfd: &mut Userfaultfd,
        fresh: &RangeSet,
        regions: &[Region],
    ) -> Result<RangeSet, Errno> {
        let mut refused = Vec::new();
        for region in regions {
            let whole = maps::extent(region);
            let parts = fresh.and(&RangeSet::new(vec![whole]));
            if parts.is_empty() {
                continue;
            }
            // Whole mappings: to register a part would split them, and their number is limited.
            if self
                .registered
                .find(whole.start)
                .is_none_or(|r| r.end() < whole.end())
            {
                match userfaultfd.register(whole) {
                    Ok(()) => self.registered = self.registered.or(&RangeSet::new(vec![whole])),
                    Err(Errno::EBUSY) => return Err(Errno::EBUSY),
                    Err(_) => {
                        refused.extend_from_slice(parts.ranges());
                        continue;
                    }
                }
            }
            for part in parts.ranges() {
                if userfaultfd.protect(*part).is_err() {
                    refused.push(*part);
                }
            }
        }
        Ok(RangeSet::new(refused))
    }

    /// Sorts pages that were written into those of the image, and others. Writes where a page could begin are among the others.
    pub(super) fn sort(&self, pages: &mut Vec<u64>) -> (RangeSet, Vec<u64>) {
        pages.sort_unstable();
        pages.dedup();
        let len = self.page_size;
        let (mut image, mut others) = (Vec::new(), Vec::new());
        // Both are in order, and there may be a hundred thousand pages.
        let mut ranges = self.image.ranges();
        for &start in pages.iter() {
            while let Some((range, rest)) = ranges.split_first()
                && range.end() <= start
            {
                ranges = rest;
            }
            match ranges.first() {
                Some(range) if range.start <= start => image.push(MemoryRange { start, len }),
                _ => others.push(start),
            }
        }
        (RangeSet::new(image), others)
    }
}

/// The mappings that can be read.
pub(super) fn readable(regions: &[Region]) -> RangeSet {
    RangeSet::new(maps::mapped(regions, |region| region.permissions.read))
}
