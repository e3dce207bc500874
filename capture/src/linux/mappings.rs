//! Asking for single mappings: `PROCMAP_QUERY` (Linux 6.11).
//!
//! To read the whole memory map takes 20 ms of a process with 15,000 mappings. Where it is known which were made since, it is enough to
//! ask for those.

use std::fs::File;
use std::os::fd::AsRawFd;

use nix::errno::Errno;
use nix::libc::pid_t;
use v8mini_format::memory::MemoryRange;
use v8mini_format::model::{Permissions, Region};

use super::maps::extent;
use super::procfs;
use super::range_set::RangeSet;

// From include/uapi/linux/fs.h.
const READABLE: u64 = 0x01;
const WRITABLE: u64 = 0x02;
const EXECUTABLE: u64 = 0x04;
const SHARED: u64 = 0x08;
const COVERING_OR_NEXT: u64 = 0x10;

nix::ioctl_readwrite!(procmap_query, b'f', 17, Query);

/// `struct procmap_query`.
#[repr(C)]
#[derive(Default)]
struct Query {
    size: u64,
    flags: u64,
    address: u64,
    start: u64,
    end: u64,
    permissions: u64,
    page_size: u64,
    file_offset: u64,
    inode: u64,
    device: [u32; 2],
    name_size: u32,
    build_id_size: u32,
    name: u64,
    build_id: u64,
}

/// `PATH_MAX`: longer names are an error, and the whole map is read.
const NAME_BYTES: usize = 4096;
/// How often what is asked for may turn out to reach further, before the whole map is read instead.
const MAX_ROUNDS: u32 = 4;

/// The memory map of a process, to be asked about parts of it.
#[derive(Debug)]
pub(super) struct Mappings {
    maps: File,
    name: Vec<u8>,
}

impl Mappings {
    /// Opens the map of a process, and asks whether the kernel knows the request.
    ///
    /// # Errors
    /// `ENOTTY` from kernels before 6.11; `EACCES` without permission.
    pub(super) fn open(pid: pid_t) -> Result<Self, Errno> {
        let maps = File::open(procfs::path(pid, "maps"))
            .map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or(0)))?;
        let mut new = Self {
            maps,
            name: vec![0; NAME_BYTES],
        };
        new.at_or_after(0)?;
        Ok(new)
    }

    /// The mapping that has an address, or else the next one; none if there is no other.
    ///
    /// # Errors
    /// `ESRCH` when the process is gone, `ENAMETOOLONG`.
    fn at_or_after(&mut self, address: u64) -> Result<Option<Region>, Errno> {
        let mut query = Query {
            size: size_of::<Query>() as u64,
            flags: COVERING_OR_NEXT,
            address,
            name_size: u32::try_from(self.name.len()).unwrap_or(0),
            name: self.name.as_mut_ptr().expose_provenance() as u64,
            ..Query::default()
        };
        // SAFETY: the request reads and writes one `struct procmap_query`, which `query` is, and writes up to `name_size` bytes to
        // `name`, which has so many.
        match unsafe { procmap_query(self.maps.as_raw_fd(), &raw mut query) } {
            Ok(_) => {}
            Err(Errno::ENOENT) => return Ok(None),
            Err(errno) => return Err(errno),
        }
        let len = usize::try_from(query.name_size).unwrap_or(0);
        // With the zero at its end.
        let name = self.name.get(..len.saturating_sub(1)).unwrap_or_default();
        let has = |flag| query.permissions & flag != 0;
        Ok(Some(Region {
            start: query.start,
            end: query.end,
            permissions: Permissions {
                read: has(READABLE),
                write: has(WRITABLE),
                execute: has(EXECUTABLE),
                shared: has(SHARED),
            },
            file_offset: query.file_offset,
            name: String::from_utf8_lossy(name).into_owned(),
        }))
    }

    /// The whole map as it is now, if it was `regions` and nothing was mapped but in `changed`. What was unmapped elsewhere is not found out:
    /// the number of mapped pages tells.
    ///
    /// # Errors
    /// As the kernel's; `ERANGE` if the changes cannot be followed.
    pub(super) fn again(
        &mut self,
        regions: &[Region],
        changed: &RangeSet,
    ) -> Result<Vec<Region>, Errno> {
        let known = RangeSet::new(regions.iter().map(extent).collect());
        let mut wanted = changed.clone();
        for _ in 0..MAX_ROUNDS {
            // Of a mapping that was changed in part, the rest has become another.
            let touched = wanted
                .ranges()
                .iter()
                .flat_map(|range| overlapping(regions, *range).iter().map(extent));
            wanted = wanted.or(&RangeSet::new(touched.collect()));
            let mut fresh: Vec<Region> = Vec::new();
            for range in wanted.ranges() {
                let mut at = fresh
                    .last()
                    .map_or(range.start, |last| last.end.max(range.start));
                while at < range.end()
                    && let Some(region) = self.at_or_after(at)?
                    && region.start < range.end()
                {
                    at = region.end;
                    fresh.push(region);
                }
            }
            let reached = wanted.or(&RangeSet::new(fresh.iter().map(extent).collect()));
            // New mappings are joined with their neighbours.
            if reached.and(&known) != wanted.and(&known) {
                wanted = reached;
                continue;
            }
            let kept = regions
                .iter()
                .filter(|region| wanted.overlapping(extent(region)).is_empty());
            let mut all: Vec<Region> = kept.cloned().chain(fresh).collect();
            all.sort_unstable_by_key(|region| region.start);
            return Ok(all);
        }
        Err(Errno::ERANGE)
    }
}

/// Pages of all mappings.
pub(super) fn pages(regions: &[Region], page_size: u64) -> u64 {
    regions
        .iter()
        .map(|region| extent(region).len / page_size)
        .sum()
}

/// The mappings that a range has a part of.
fn overlapping(regions: &[Region], range: MemoryRange) -> &[Region] {
    let from = regions.partition_point(|region| region.end <= range.start);
    let rest = regions.get(from..).unwrap_or_default();
    let count = rest.partition_point(|region| region.start < range.end());
    rest.get(..count).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use nix::libc;

    use super::*;
    use crate::linux::maps::read_regions;

    const PAGE: u64 = 4096;

    fn own() -> pid_t {
        nix::unistd::getpid().as_raw()
    }

    /// Maps a number of pages, of which some are given back: neighbours of unlike kinds.
    struct Mapped(u64);

    impl Mapped {
        fn new(pages: u64) -> Self {
            let len = usize::try_from(pages * PAGE).unwrap();
            let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
            // SAFETY: a new mapping, wherever there is room.
            let base =
                unsafe { libc::mmap(std::ptr::null_mut(), len, libc::PROT_NONE, flags, -1, 0) };
            assert_ne!(base, libc::MAP_FAILED);
            Self(base as u64)
        }

        fn protect(&self, page: u64, pages: u64, protection: libc::c_int) -> MemoryRange {
            let (start, len) = (self.0 + page * PAGE, pages * PAGE);
            // SAFETY: pages of the mapping, which nothing is stored in.
            let done = unsafe { libc::mprotect(start as *mut _, len as usize, protection) };
            assert_eq!(done, 0);
            MemoryRange { start, len }
        }
    }

    /// What the map says between two addresses: other tests map things meanwhile.
    fn part(regions: &[Region], base: u64, pages: u64) -> Vec<Region> {
        let len = pages * PAGE;
        overlapping(regions, MemoryRange { start: base, len }).to_vec()
    }

    #[test]
    fn single_mappings_are_told_as_by_the_whole_map() {
        let mut mappings = match Mappings::open(own()) {
            Ok(mappings) => mappings,
            // Kernels before 6.11.
            Err(Errno::ENOTTY) => return,
            Err(errno) => panic!("{errno}"),
        };
        let mapped = Mapped::new(64);
        mapped.protect(3, 5, libc::PROT_READ | libc::PROT_WRITE);
        let whole = read_regions(own()).unwrap();
        let executable = whole
            .iter()
            .find(|region| region.permissions.execute)
            .unwrap();
        for region in part(&whole, mapped.0, 64).iter().chain([executable]) {
            let told = mappings.at_or_after(region.start).unwrap();
            assert_eq!(told.as_ref(), Some(region));
        }
        assert_eq!(mappings.at_or_after(u64::MAX - PAGE).unwrap(), None);
    }

    #[test]
    fn what_has_changed_is_found_where_it_is_looked_for() {
        let Ok(mut mappings) = Mappings::open(own()) else {
            return;
        };
        let mapped = Mapped::new(64);
        mapped.protect(3, 5, libc::PROT_READ | libc::PROT_WRITE);
        let before = read_regions(own()).unwrap();
        // Splits one mapping in three, and joins another with what was its neighbour.
        let changed = [
            mapped.protect(20, 4, libc::PROT_READ),
            mapped.protect(8, 2, libc::PROT_READ | libc::PROT_WRITE),
        ];
        let again = mappings
            .again(&before, &RangeSet::new(changed.to_vec()))
            .unwrap();
        let whole = read_regions(own()).unwrap();
        assert_ne!(part(&before, mapped.0, 64), part(&whole, mapped.0, 64));
        assert_eq!(part(&again, mapped.0, 64), part(&whole, mapped.0, 64));
        // What was not looked for is as it was.
        let stale = mappings.again(&before, &RangeSet::default()).unwrap();
        assert_eq!(stale, before);
    }
}
