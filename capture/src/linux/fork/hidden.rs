//! Memory that a clone would not have: V8 since 10.2 marks its heap with `MADV_DONTFORK`.
//!
//! Which mappings are marked, only `smaps` tells, and it takes too long to be read while the process stands still. So it is read
//! before, and compared with the map of the stop: what was there is known, and what is fresh is copied at once, because it may be
//! marked or not.

use std::fs;
use std::io;

use nix::libc::pid_t;
use v8mini_format::memory::MemoryRange;
use v8mini_format::model::Region;

use crate::linux::{maps, procfs};

/// What is known about a mapping of the stopped process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark {
    /// A clone has it.
    Shown,
    /// A clone does not have it.
    Hidden,
    /// It was not there before, or has changed.
    Fresh,
}

/// Which mappings a clone would not have.
#[derive(Debug, Default)]
pub(super) struct HiddenMemory {
    /// Disjoint, sorted by address; whether it is hidden.
    known: Vec<(MemoryRange, bool)>,
}

impl HiddenMemory {
    /// Reads the marks of a process's mappings; about 3 ms for each 1000 of them.
    ///
    /// # Errors
    /// When the process is gone or may not be read.
    pub(super) fn read(pid: pid_t) -> io::Result<Self> {
        Ok(Self::parse(&fs::read(procfs::path(pid, "smaps"))?))
    }

    fn parse(smaps: &[u8]) -> Self {
        let mut known: Vec<(MemoryRange, bool)> = Vec::new();
        for line in smaps.split(|&byte| byte == b'\n') {
            if let Some(flags) = line.strip_prefix(b"VmFlags:") {
                if let Some((_, hidden)) = known.last_mut() {
                    *hidden = is_hidden(flags);
                }
            } else if let Some(region) = maps::parse_line(line) {
                known.push((maps::extent(&region), false));
            }
        }
        Self { known }
    }

    /// The ranges to be shown to a clone, and hidden again afterwards: as few as possible, none of which contains a mapping that is
    /// not hidden.
    pub(super) fn runs(&self, regions: &[Region]) -> Vec<MemoryRange> {
        let mut runs: Vec<MemoryRange> = Vec::new();
        let mut continues = false;
        for region in regions {
            let is_hidden = self.mark(region) == Mark::Hidden;
            match runs.last_mut() {
                Some(run) if continues && is_hidden => run.len = region.end - run.start,
                _ if is_hidden => runs.push(maps::extent(region)),
                _ => {}
            }
            continues = is_hidden;
        }
        runs
    }

    /// The mappings that a clone may have or not, and in which V8 may have put something.
    pub(super) fn fresh<'a>(&self, regions: &'a [Region]) -> impl Iterator<Item = &'a Region> {
        regions.iter().filter(|region| {
            let is_anonymous = region.name.is_empty() || region.name.starts_with("[anon");
            is_anonymous
                && region.permissions.read
                && !region.permissions.shared
                && self.mark(region) == Mark::Fresh
        })
    }

    /// All of a mapping has the same mark; it may have grown since by what the kernel has merged with it.
    fn mark(&self, region: &Region) -> Mark {
        let first = self
            .known
            .partition_point(|(known, _)| known.end() <= region.start);
        let mut marks = self
            .known
            .iter()
            .skip(first)
            .take_while(|(known, _)| known.start < region.end)
            .map(|(_, hidden)| *hidden);
        match marks.next() {
            Some(first) if marks.all(|mark| mark == first) => {
                if first {
                    Mark::Hidden
                } else {
                    Mark::Shown
                }
            }
            _ => Mark::Fresh,
        }
    }
}

/// Whether the flags of a mapping (`Documentation/filesystems/proc.rst`) have `dc`, do not copy on fork, and do not name it a mapping of
/// a device (`io`, `pf`), of which `MADV_DOFORK` would want nothing.
fn is_hidden(flags: &[u8]) -> bool {
    let has = |flag: &[u8]| flags.split(|&byte| byte == b' ').any(|found| found == flag);
    has(b"dc") && !has(b"io") && !has(b"pf")
}

#[cfg(test)]
mod tests {
    use super::*;
    use v8mini_format::model::Permissions;

    const SMAPS: &[u8] = b"1000-2000 rw-p 00000000 00:00 0 \n\
        Rss:                   4 kB\n\
        VmFlags: rd wr mr mw me dc ac \n\
        3000-5000 rw-p 00000000 00:00 0 \n\
        VmFlags: rd wr mr mw me ac dc\n\
        6000-7000 rw-p 00000000 00:00 0 \n\
        VmFlags: rd wr mr mw me ac \n\
        8000-9000 rw-p 00000000 00:00 0 \n\
        VmFlags: rd wr mr mw me dc \n\
        a000-b000 r--p 00000000 00:00 0                          [vvar]\n\
        VmFlags: rd mr pf io de dd dc\n";

    fn region(start: u64, end: u64) -> Region {
        Region {
            start,
            end,
            permissions: Permissions {
                read: true,
                write: true,
                ..Permissions::default()
            },
            ..Region::default()
        }
    }

    #[test]
    fn runs_end_at_what_a_clone_has() {
        let hidden = HiddenMemory::parse(SMAPS);
        let map = |edges: &[(u64, u64)]| -> Vec<Region> {
            edges
                .iter()
                .map(|(start, end)| region(*start, *end))
                .collect()
        };
        let runs = |edges: &[(u64, u64)]| -> Vec<(u64, u64)> {
            let runs = hidden.runs(&map(edges));
            runs.iter().map(|run| (run.start, run.end())).collect()
        };
        let as_it_was = [
            (0x1000, 0x2000),
            (0x3000, 0x5000),
            (0x6000, 0x7000),
            (0x8000, 0x9000),
            (0xa000, 0xb000),
        ];
        assert_eq!(runs(&as_it_was), [(0x1000, 0x5000), (0x8000, 0x9000)]);
        // A new mapping ends a run, whatever it is; so does one of which half was hidden and half not.
        assert_eq!(
            runs(&[
                (0x1000, 0x2000),
                (0x2000, 0x3000),
                (0x3000, 0x4000),
                (0x4000, 0x5000)
            ]),
            [(0x1000, 0x2000), (0x3000, 0x5000)]
        );
        assert_eq!(
            runs(&[(0x3000, 0x7000), (0x8000, 0xa000)]),
            [(0x8000, 0xa000)]
        );
        assert_eq!(runs(&[]), []);
    }

    #[test]
    fn fresh_is_what_nobody_knows() {
        let hidden = HiddenMemory::parse(SMAPS);
        let file = Region {
            name: "/lib/x.so".to_owned(),
            ..region(0x2_0000, 0x3_0000)
        };
        let regions = [
            region(0x1000, 0x2000),
            region(0x2000, 0x3000),
            region(0x4000, 0x7000),
            file,
        ];
        let fresh: Vec<u64> = hidden.fresh(&regions).map(|region| region.start).collect();
        assert_eq!(fresh, [0x2000, 0x4000]);
    }

    #[test]
    fn own_memory_is_known() {
        let pid = nix::unistd::getpid().as_raw();
        let hidden = HiddenMemory::read(pid).unwrap();
        assert!(hidden.runs(&maps::read_regions(pid).unwrap()).is_empty());
    }
}
