//! Keeping out of the way of the program's garbage collections: an image of one has objects half moved, and a stop in one is in vain.

use std::time::{Duration, Instant};

use super::snapshot::Planner;

/// How long to wait for the end of a collection: a full one of some gigabytes stops the program for a tenth of a second.
const PATIENCE: Duration = Duration::from_millis(300);
/// How long from one look to the next: a scavenge takes a millisecond and more.
const GLANCE: Duration = Duration::from_micros(200);

/// Waits while a collection is under way, for a while; calls `meanwhile` after each look.
pub(super) fn await_end(planner: &dyn Planner, mut meanwhile: impl FnMut()) {
    let began = Instant::now();
    while planner.is_collecting() && began.elapsed() < PATIENCE {
        std::thread::sleep(GLANCE);
        meanwhile();
    }
}

/// Waits after a stop in a collection: what the isolate told of its state while it ran was not enough to avoid that.
pub(super) fn wait_after(attempt: u32) {
    std::thread::sleep(Duration::from_millis(1 << attempt.min(6)));
}

/// Says that the process was stopped again.
pub(super) fn stopped_again(times: u32) -> String {
    format!(
        "stopped {} times: a garbage collection was under way before",
        times + 1
    )
}
