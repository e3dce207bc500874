//! The memory map: `/proc/PID/maps`.

use std::fs;
use std::io;

use nix::libc::pid_t;
use v8mini_format::memory::MemoryRange;
use v8mini_format::model::{Permissions, Region};

use super::procfs;

/// Reads the memory map of a process.
///
/// # Errors
/// When the process is gone or may not be read. A process that has exited but was not waited for has an empty map.
pub fn read_regions(pid: pid_t) -> io::Result<Vec<Region>> {
    let text = fs::read(procfs::path(pid, "maps"))?;
    Ok(parse(&text))
}

/// Where a mapping lies.
pub(super) fn extent(region: &Region) -> MemoryRange {
    MemoryRange {
        start: region.start,
        len: region.end.saturating_sub(region.start),
    }
}

/// The mappings of which `which` holds.
pub(super) fn mapped(regions: &[Region], which: impl Fn(&Region) -> bool) -> Vec<MemoryRange> {
    let chosen = regions.iter().filter(|region| which(region));
    chosen.map(extent).collect()
}

/// Parses the text of a `maps` file; lines of an unknown form are skipped.
fn parse(text: &[u8]) -> Vec<Region> {
    text.split(|&b| b == b'\n').filter_map(parse_line).collect()
}

/// `3c8384900000-3c838491d000 r--p 00001000 fe:00 1234   /path with spaces`; `smaps` has such lines, too.
pub(super) fn parse_line(line: &[u8]) -> Option<Region> {
    let mut rest = line;
    let mut field = || {
        let start = rest.iter().position(|&b| b != b' ')?;
        let text = rest.get(start..)?;
        let end = text.iter().position(|&b| b == b' ').unwrap_or(text.len());
        let (field, after) = text.split_at_checked(end)?;
        rest = after;
        std::str::from_utf8(field).ok()
    };
    let (start, end) = field()?.split_once('-')?;
    let permissions = field()?.as_bytes();
    let file_offset = field()?;
    let (_device, _inode) = (field()?, field()?);
    let has = |at: usize, flag: u8| permissions.get(at) == Some(&flag);
    Some(Region {
        start: u64::from_str_radix(start, 16).ok()?,
        end: u64::from_str_radix(end, 16).ok()?,
        permissions: Permissions {
            read: has(0, b'r'),
            write: has(1, b'w'),
            execute: has(2, b'x'),
            shared: has(3, b's'),
        },
        file_offset: u64::from_str_radix(file_offset, 16).ok()?,
        name: String::from_utf8_lossy(rest)
            .trim_start_matches(' ')
            .to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_every_form() {
        let text = b"00400000-0057e000 r--p 00000000 fe:00 393 /usr/bin/my node (deleted)\n\
            36b40000-36d00000 rw-p 00000000 00:00 0                                  [heap]\n\
            3c8384900000-3c838491d000 r--p 00000000 00:00 0 \n\
            7f0000000000-7f0020000000 rwxp 00001000 00:00 0\n\
            7f1-zzz rw-p 0 0 0\n\
            7fff0000-7fff1000 rw-s 00000010 00:05 99 /dev/sh\xffm\n\
            ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]\n";
        let regions = parse(text);
        let names: Vec<&str> = regions.iter().map(|r| r.name.as_str()).collect();
        assert_eq!(
            names,
            [
                "/usr/bin/my node (deleted)",
                "[heap]",
                "",
                "",
                "/dev/sh\u{fffd}m",
                "[vsyscall]"
            ]
        );
        let code = &regions[3];
        assert_eq!(
            (code.start, code.end, code.file_offset),
            (0x7f00_0000_0000, 0x7f00_2000_0000, 0x1000)
        );
        assert!(code.permissions.read && code.permissions.write && code.permissions.execute);
        assert!(!code.permissions.shared && regions[4].permissions.shared);
        assert_eq!(regions[5].start, 0xffff_ffff_ff60_0000);
        assert!(!regions[5].permissions.read && regions[5].permissions.execute);
    }

    #[test]
    fn own_map_has_own_code() {
        let regions = read_regions(nix::unistd::getpid().as_raw()).unwrap();
        let code = own_map_has_own_code as fn() as usize as u64;
        let region = regions
            .iter()
            .find(|r| (r.start..r.end).contains(&code))
            .unwrap();
        assert!(region.permissions.execute && region.name.starts_with('/'));
        assert!(regions.windows(2).all(|pair| pair[0].end <= pair[1].start));
    }
}
