//! The memory map of a process from its core.

use v8mini_format::model::{Permissions, Region};

use super::headers::Segment;
use super::notes::FileMapping;

/// Bytes of all names together: ten times what 65,530 mappings of a real process have. One file may have as many mappings
/// as there are segments, each with its name.
const MAX_NAME_BYTES: usize = 32 << 20;

/// Puts together the map from the segments and the names of mapped files. Sorted by address, disjoint.
///
/// The kernel lists every mapping as a segment, stored or not. `gcore` lists the mappings that it stored; those that it
/// left out because a file holds them are known from the list of files only, which says nothing of their permissions.
pub(super) fn regions(segments: &[Segment], files: &[FileMapping]) -> Vec<Region> {
    let mut room = MAX_NAME_BYTES;
    let mut name_of = |file: &FileMapping| match room.checked_sub(file.path.len()) {
        Some(rest) => {
            room = rest;
            file.path.clone()
        }
        None => String::new(),
    };
    let mut regions: Vec<Region> = segments
        .iter()
        .filter(|segment| segment.memory_len > 0)
        .map(|segment| {
            let file = file_at(files, segment.start);
            Region {
                start: segment.start,
                end: segment.start + segment.memory_len,
                permissions: segment.permissions,
                file_offset: file.map_or(0, |f| f.offset.saturating_add(segment.start - f.start)),
                name: file.map(&mut name_of).unwrap_or_default(),
            }
        })
        .collect();
    regions.sort_by_key(|region| region.start);
    drop_overlapping(&mut regions);
    let unlisted: Vec<Region> = files
        .iter()
        .filter(|file| Region::at(&regions, file.start).is_none())
        .map(|file| Region {
            start: file.start,
            end: file.end,
            permissions: Permissions {
                read: true,
                ..Permissions::default()
            },
            file_offset: file.offset,
            name: name_of(file),
        })
        .collect();
    regions.extend(unlisted);
    regions.sort_by_key(|region| region.start);
    drop_overlapping(&mut regions);
    regions
}

/// Of mappings that overlap, which only a damaged core has, the one with the lower address stays.
fn drop_overlapping(regions: &mut Vec<Region>) {
    let mut end = 0;
    regions.retain(|region| {
        let keep = region.start >= end;
        if keep {
            end = region.end;
        }
        keep
    });
}

fn file_at(files: &[FileMapping], address: u64) -> Option<&FileMapping> {
    let after = files.partition_point(|file| file.start <= address);
    files
        .get(after.checked_sub(1)?)
        .filter(|file| address < file.end)
}
