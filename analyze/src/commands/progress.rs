//! Progress of long work, on standard error, if that is a terminal.

use std::io::{self, IsTerminal};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// For work of unknown length: how many bytes are done.
pub(super) fn spinner(what: &'static str) -> ProgressBar {
    styled(None, what, "{spinner} {msg} {bytes} ({bytes_per_sec})")
}

/// For work of several steps, each with a name that is to be set.
pub(super) fn step() -> ProgressBar {
    styled(None, "", "{spinner} {msg} {elapsed}")
}

/// For work whose length in bytes is known.
pub(super) fn bar(what: &'static str, bytes: u64) -> ProgressBar {
    styled(
        Some(bytes),
        what,
        "{spinner} {msg} {wide_bar} {bytes}/{total_bytes} {eta}",
    )
}

/// For work on so many objects.
pub(super) fn count(what: &'static str, objects: u64) -> ProgressBar {
    styled(
        Some(objects),
        what,
        "{spinner} {msg} {wide_bar} {human_pos} of {human_len} objects {eta}",
    )
}

/// For work that is done in so many parts.
#[cfg(feature = "parquet")]
pub(super) fn batches(what: &'static str, batches: u64) -> ProgressBar {
    styled(Some(batches), what, "{spinner} {msg} {wide_bar} {eta}")
}

fn styled(len: Option<u64>, what: &'static str, template: &str) -> ProgressBar {
    let target = if io::stderr().is_terminal() {
        ProgressDrawTarget::stderr()
    } else {
        ProgressDrawTarget::hidden()
    };
    let bar = ProgressBar::with_draw_target(len, target).with_message(what);
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
