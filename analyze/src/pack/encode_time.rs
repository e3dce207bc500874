//! What encoding alone costs: for benchmarks.

use std::io;
use std::time::Duration;

use v8mini_capture::content::Edits;
use v8mini_format::pack::{PackOptions, TextWindow};

use super::plan::Plan;
use super::segment::Packing;
use crate::v8::Objects;

/// How long all segments of an image take on this thread, from memory whose objects are known to compressed columns. Neither reading nor walking
/// memory counts, nor what is stored without packing; nothing is written. `clock` says how much time was used so far. Returns the bytes of memory in
/// these segments, too.
///
/// # Errors
/// If zstd fails.
pub fn encode_time(
    objects: &Objects,
    edits: &Edits,
    options: PackOptions,
    clock: &mut dyn FnMut() -> Duration,
) -> io::Result<(u64, Duration)> {
    let packing = Packing::new(objects, edits);
    let plan = Plan::new(objects, packing.walker.stored());
    let mut window = TextWindow::new();
    let (mut bytes, mut time) = (0, Duration::ZERO);
    for builder in plan.parts.iter().filter_map(|part| packing.builder(part)) {
        bytes += builder.len();
        let before = clock();
        let mut draft = builder.draft(&packing.blocks);
        window.refer(&mut draft);
        draft.finish(options)?;
        time += clock().saturating_sub(before);
    }
    Ok((bytes, time))
}
