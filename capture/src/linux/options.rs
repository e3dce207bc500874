//! How to capture.

use std::path::PathBuf;
use std::time::Duration;

use v8mini_format::model::Redaction;

use super::mode::Mode;

/// How to capture.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Options {
    /// How the image is taken.
    pub mode: Mode,
    /// Store the heap as it is: what holds no objects is not zeroed, and the unused semispace is not left out.
    pub full: bool,
    /// Bytes of the contents of buffers to store at most, the smallest buffers first; `None` for none at all. A redacted capture has none.
    pub buffers: Option<u64>,
    /// What to replace before anything is written.
    pub redaction: Redaction,
    /// Longest time for which the process may stand still; the capture fails rather than take longer.
    pub max_pause: Option<Duration>,
    /// How often to try again if a garbage collection is under way when the process is stopped.
    pub retries: u32,
    /// Bytes of memory for the copy, in the modes that copy while the process runs: half for what is compressed, half for
    /// pages that were written since. What exceeds it goes to temporary files. The last rounds and the stop need memory besides.
    pub memory: u64,
    /// Where those are made; `None` keeps all in memory, as a redacted capture does: it must not be on disk before it is redacted.
    pub temporary: Option<PathBuf>,
    /// Percent of one processor that copying and compressing may use while the process runs; 0 for no bound.
    pub max_cpu: u32,
    /// zstd level of what is compressed while the process runs.
    pub level: i32,
    /// Threads that compress then; 0 for as many as there are processors.
    pub threads: usize,
    /// Compare the image with the process while that stands still, and report differences as problems. Takes long.
    pub verify: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            mode: Mode::Auto,
            full: false,
            buffers: None,
            redaction: Redaction::None,
            max_pause: None,
            retries: 3,
            memory: 64 << 20,
            temporary: None,
            max_cpu: 100,
            level: 1,
            threads: 0,
            verify: false,
        }
    }
}
