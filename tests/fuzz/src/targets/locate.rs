use std::hint::black_box;

use v8mini_capture::locate::{
    ExternalStringShape, HEADER_KINDS, IsolateClues, ReadPlan, checked_stack_bottom,
    find_external_strings, find_isolates, gc_problems, locate_pages,
};
use v8mini_capture::symbols::{CurrentIsolate, V8Symbols};
use v8mini_format::memory::Memory;
use v8mini_format::model::{Permissions, Region, V8Version};

use super::size_of;
use crate::allocation::bounded;
use crate::image::Bytes;
use crate::mutation::mutate;
use crate::seeds::Seed;

/// Where invented pages lie, and how far from each other: V8 aligns pages to this at the most.
const BASE: u64 = 0x1000_0000;
const STRIDE: u64 = 0x8_0000;
/// Bytes that an invented page, or the memory that its header points at, is given of the input.
const PAGE_BYTES: usize = 0x100;

/// Looks for V8 in memory that pretends to hold it. By the first byte, that memory is the seed's with changed words, or
/// pages whose headers are the input itself.
pub fn locate(data: &[u8]) {
    let Some((choice, data)) = data.split_first() else {
        return;
    };
    let seed = Seed::get();
    let version = seed.metadata.v8_version.filter(|_| choice & 2 == 0);
    if choice & 1 == 0 {
        let (bytes, _) = mutate(seed, data);
        let regions = seed.metadata.regions.clone();
        search(&bytes, &regions, version, size_of(data));
    } else {
        let pages = data.chunks(PAGE_BYTES).enumerate().map(|(i, head)| {
            let mut page = head.to_vec();
            page.resize(0x1000, 0);
            (BASE + i as u64 * STRIDE, page)
        });
        let bytes = Bytes(pages.collect());
        let regions: Vec<Region> = bytes
            .ranges()
            .iter()
            .map(|range| Region {
                start: range.start,
                end: range.start + STRIDE,
                permissions: Permissions {
                    read: true,
                    ..Permissions::default()
                },
                ..Region::default()
            })
            .collect();
        let size = bytes.len();
        search(&bytes, &regions, version, size);
    }
}

fn search(bytes: &Bytes, regions: &[Region], version: Option<V8Version>, size: usize) {
    let seed = Seed::get();
    bounded(size, || {
        let Some(pages) = locate_pages(bytes, regions, version) else {
            return;
        };
        let symbols = V8Symbols {
            constants: seed.metadata.constants.clone(),
            v8_version: version,
            current_isolate: Some(CurrentIsolate::ThreadLocal {
                below_thread_pointer: 0x40,
            }),
            gc_state_offset: Some(0x198),
            ..V8Symbols::default()
        };
        let clues = IsolateClues {
            symbols: version.is_some().then_some(&symbols),
            load_bias: 0,
        };
        let mut threads = seed.metadata.threads.clone();
        let isolates = find_isolates(bytes, &pages, &mut threads, clues);
        black_box(gc_problems(&isolates));
        let bottom = threads.first().map_or(0, |thread| thread.stack_end);
        let bottom = checked_stack_bottom(regions, bottom);
        let plan = ReadPlan::of_heap(bytes, &pages, &threads, bottom, clues, false);
        black_box(plan.finish(&bytes.ranges()));
        if let Some(shape) = ExternalStringShape::new(&seed.metadata.constants) {
            black_box(find_external_strings(bytes, bytes, regions, &pages, &shape));
        }
        black_box(pages.again(bytes, regions, version));
    });
}

/// Changes to the seed, and invented pages in every shape of header.
pub(super) fn seeds() -> Vec<Vec<u8>> {
    let changes = super::ops()
        .into_iter()
        .map(|ops| [&[0][..], &ops].concat());
    let invented = HEADER_KINDS.iter().map(|_| {
        let mut data = vec![1];
        for page in 0..4_u64 {
            let base = BASE + page * STRIDE;
            // Words that fit one place or another of a header: sizes, bounds, the page itself, a heap.
            for word in [
                0,
                base,
                base + 1,
                STRIDE,
                base + 0x100,
                base + STRIDE,
                0x5555_0000,
            ] {
                data.extend_from_slice(&u64::to_le_bytes(word));
            }
            data.resize(1 + (page as usize + 1) * PAGE_BYTES, 0);
        }
        data
    });
    changes.chain(invented).collect()
}
