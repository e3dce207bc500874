use v8mini_format::{CaptureFile, ChunkKind, Metadata};

use super::{analysis, capture, size_of};
use crate::allocation::bounded;
use crate::seal;
use crate::seeds::{self, Seed};

/// The kinds of metadata.
const KINDS: [ChunkKind; 13] = [
    ChunkKind::PROCESS,
    ChunkKind::MODULES,
    ChunkKind::CONSTANTS,
    ChunkKind::SYMBOLS,
    ChunkKind::THREADS,
    ChunkKind::ISOLATES,
    ChunkKind::PAGES,
    ChunkKind::REGIONS,
    ChunkKind::ACCOUNTING,
    ChunkKind::SIGNAL,
    ChunkKind::PROBLEMS,
    ChunkKind::STATISTICS,
    ChunkKind::INDEX,
];

/// The first byte chooses a kind of metadata, the others are the record: an intact file around it is opened. What
/// comes out takes the place of the seed's own, and the heap is analysed with it.
pub fn record(data: &[u8]) {
    let Some((kind, payload)) = data.split_first() else {
        return;
    };
    let kind = KINDS[usize::from(*kind) % KINDS.len()];
    let Some(file) = capture::open(seal::file_with(kind.0, payload)) else {
        return;
    };
    let found = file.metadata();
    let mut metadata = Seed::get().metadata.clone();
    match kind {
        ChunkKind::PROCESS => {
            metadata.process = found.process.clone();
            metadata.v8_version = found.v8_version;
        }
        ChunkKind::CONSTANTS => metadata.constants.clone_from(&found.constants),
        ChunkKind::THREADS => metadata.threads.clone_from(&found.threads),
        ChunkKind::ISOLATES => metadata.isolates.clone_from(&found.isolates),
        ChunkKind::PAGES => metadata.pages.clone_from(&found.pages),
        ChunkKind::REGIONS => metadata.regions.clone_from(&found.regions),
        _ => return,
    }
    // What says the same as the seed, or nothing, was looked at before.
    if metadata != Seed::get().metadata && *found != Metadata::default() {
        analyse(metadata, size_of(data));
    }
}

fn analyse(metadata: Metadata, size: usize) {
    bounded(size, || {
        let Some(objects) = analysis::open(Seed::get().bytes.clone(), metadata) else {
            return;
        };
        analysis::heap(&objects);
    });
}

/// The seed's own records.
pub(super) fn seeds() -> Vec<Vec<u8>> {
    let Ok(file) = CaptureFile::from_bytes(seeds::CAPTURE.to_vec()) else {
        return Vec::new();
    };
    let payload = |offset: u64, len: u64| {
        let start = offset as usize + 64;
        seeds::CAPTURE.get(start..start + len as usize)
    };
    let records = file.chunks().filter_map(|chunk| {
        let kind = KINDS.iter().position(|kind| *kind == chunk.kind)?;
        let stored = payload(chunk.offset, chunk.stored_len)?;
        let raw = zstd_or_raw(stored, chunk.raw_len)?;
        Some([&[kind as u8], raw.as_slice()].concat())
    });
    records.collect()
}

/// The bytes of a record, compressed or not.
fn zstd_or_raw(stored: &[u8], raw_len: u64) -> Option<Vec<u8>> {
    if stored.len() as u64 == raw_len {
        return Some(stored.to_vec());
    }
    zstd::bulk::decompress(stored, raw_len as usize).ok()
}
