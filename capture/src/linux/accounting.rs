//! Where a process's resident memory goes: `/proc/PID/smaps`, by kind.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;

use nix::libc::pid_t;
use v8mini_format::model::{MemoryUse, Page, Region, Thread};

use super::{maps, pagemap, procfs};

/// Measures resident and mapped memory by kind. The resident bytes add up to the process's RSS.
///
/// Kinds: `v8:` and a space's name; `v8:unused`, reserved by V8 around pages of its heap; `stack`; `heap` (the `brk` heap of
/// `malloc`); `anonymous`, which holds the rest of `malloc`'s memory and so ArrayBuffers; `file`; `shared`; `kernel`.
///
/// The process runs while it is measured: a page that has moved since the snapshot counts as anonymous.
///
/// # Errors
/// When `smaps` cannot be read.
pub(super) fn measure(
    pid: pid_t,
    pages: &[Page],
    threads: &[Thread],
    page_size: u64,
) -> io::Result<Vec<MemoryUse>> {
    let text = fs::read(procfs::path(pid, "smaps"))?;
    let pagemap = File::open(procfs::path(pid, "pagemap")).ok();
    let resident = |start: u64, end: u64| {
        let Some(pagemap) = &pagemap else {
            return end - start;
        };
        pagemap::populated(pagemap, start, end, page_size)
            .iter()
            .map(|range| range.len)
            .sum()
    };
    Ok(account(&parse(&text), pages, threads, &resident))
}

/// A mapping and its resident bytes.
type Mapping = (Region, u64);

fn parse(text: &[u8]) -> Vec<Mapping> {
    let mut mappings: Vec<Mapping> = Vec::new();
    for line in text.split(|&b| b == b'\n') {
        if let Some(rss) = line.strip_prefix(b"Rss:") {
            let kilobytes = std::str::from_utf8(rss).ok().and_then(|text| {
                text.trim()
                    .strip_suffix("kB")?
                    .trim_end()
                    .parse::<u64>()
                    .ok()
            });
            if let (Some((_, bytes)), Some(kilobytes)) = (mappings.last_mut(), kilobytes) {
                *bytes = kilobytes.saturating_mul(1024);
            }
        } else if let Some(region) = maps::parse_line(line) {
            mappings.push((region, 0));
        }
    }
    mappings
}

fn account(
    mappings: &[Mapping],
    pages: &[Page],
    threads: &[Thread],
    resident: &dyn Fn(u64, u64) -> u64,
) -> Vec<MemoryUse> {
    let mut uses = BTreeMap::<String, (u64, u64)>::new();
    let mut add = |kind: &str, resident: u64, mapped: u64| {
        let (resident_bytes, mapped_bytes) = uses.entry(kind.to_owned()).or_default();
        *resident_bytes += resident;
        *mapped_bytes += mapped;
    };
    for (region, rss) in mappings {
        let mapped = region.end.saturating_sub(region.start);
        let first =
            pages.partition_point(|page| page.address.saturating_add(page.size) <= region.start);
        let inside: Vec<&Page> = pages
            .iter()
            .skip(first)
            .take_while(|page| page.address < region.end)
            .collect();
        if inside.is_empty() {
            add(kind(region, threads), *rss, mapped);
            continue;
        }
        // Neighbouring pages may share a mapping; its resident bytes are shared out by the pages that exist.
        let parts: Vec<(String, u64, u64)> = inside
            .iter()
            .map(|page| {
                let start = page.address.max(region.start);
                let end = page.address.saturating_add(page.size).min(region.end);
                (
                    format!("v8:{}", page.space.name()),
                    resident(start, end),
                    end - start,
                )
            })
            .collect();
        let mut rest = *rss;
        for (kind, resident, mapped) in &parts {
            let resident = (*resident).min(rest);
            rest -= resident;
            add(kind, resident, *mapped);
        }
        let covered: u64 = parts.iter().map(|(.., mapped)| mapped).sum();
        add("v8:unused", rest, mapped.saturating_sub(covered));
    }
    uses.into_iter()
        .map(|(kind, (resident_bytes, mapped_bytes))| MemoryUse {
            kind,
            resident_bytes,
            mapped_bytes,
        })
        .collect()
}

fn kind(region: &Region, threads: &[Thread]) -> &'static str {
    let holds_stack = |thread: &Thread| region.start == thread.stack_start && thread.stack_end != 0;
    match region.name.as_str() {
        "[heap]" => "heap",
        name if name.starts_with("[stack") => "stack",
        _ if threads.iter().any(holds_stack) => "stack",
        "" => "anonymous",
        name if name.starts_with("[anon") => "anonymous",
        name if name.starts_with('[') => "kernel",
        _ if region.permissions.shared => "shared",
        _ => "file",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use v8mini_format::model::Space;

    const SMAPS: &[u8] = b"00400000-00500000 r-xp 00000000 fe:00 393 /usr/bin/node\n\
        Size:               1024 kB\n\
        Rss:                 512 kB\n\
        Pss:                 100 kB\n\
        VmFlags: rd ex mr mw me\n\
        01000000-01100000 rw-p 00000000 00:00 0                                  [heap]\n\
        Rss:                  64 kB\n\
        10000000-10080000 rw-p 00000000 00:00 0 \n\
        Rss:                 300 kB\n\
        20000000-20001000 rw-p 00000000 00:00 0 \n\
        Rss:                   4 kB\n\
        7f000000-7f100000 rw-p 00000000 00:00 0 \n\
        Rss:                   8 kB\n\
        7fff0000-7fff1000 r-xp 00000000 00:00 0                                  [vdso]\n\
        Rss:                   4 kB\n";

    #[test]
    fn kinds_add_up_to_rss() {
        let page = |address, size, space| Page {
            address,
            size,
            space,
            ..Page::default()
        };
        let pages = [
            page(0x1000_0000, 0x4_0000, Space::Old),
            page(0x1004_0000, 0x2_0000, Space::New),
        ];
        let threads = [Thread {
            stack_start: 0x7f00_0000,
            stack_end: 0x7f10_0000,
            ..Thread::default()
        }];
        // All of the old-space page is resident, and a quarter of the new-space page.
        let resident = |start: u64, end: u64| {
            if start < 0x1004_0000 {
                end - start
            } else {
                0x8000
            }
        };
        let uses = account(&parse(SMAPS), &pages, &threads, &resident);
        let figures: Vec<_> = uses
            .iter()
            .map(|u| {
                (
                    u.kind.as_str(),
                    u.resident_bytes >> 10,
                    u.mapped_bytes >> 10,
                )
            })
            .collect();
        assert_eq!(
            figures,
            [
                ("anonymous", 4, 4),
                ("file", 512, 1024),
                ("heap", 64, 1024),
                ("kernel", 4, 4),
                ("stack", 8, 1024),
                ("v8:new_space", 32, 128),
                ("v8:old_space", 256, 256),
                ("v8:unused", 12, 128),
            ]
        );
        assert_eq!(
            figures.iter().map(|f| f.1).sum::<u64>(),
            512 + 64 + 300 + 4 + 8 + 4
        );
    }

    #[test]
    fn own_memory() {
        let pid = nix::unistd::getpid().as_raw();
        let uses = measure(pid, &[], &[], 4096).unwrap();
        let kinds: Vec<&str> = uses.iter().map(|u| u.kind.as_str()).collect();
        assert!(
            kinds.contains(&"file") && kinds.contains(&"stack"),
            "{kinds:?}"
        );
        assert!(
            uses.iter().all(|u| u.resident_bytes <= u.mapped_bytes),
            "{uses:?}"
        );
    }
}
