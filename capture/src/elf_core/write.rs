//! Writing the capture of a core.

use std::io::Write;

use v8mini_format::memory::Memory;
use v8mini_format::{WriteError, WriteOptions, Writer, Written};

use super::image::CoreImage;

/// Bytes handed to the compressor at a time, between which progress is reported.
const STEP_BYTES: usize = 4 << 20;

impl CoreImage {
    /// Bytes of memory that will be written, before compression.
    pub fn memory_bytes(&self) -> u64 {
        self.memory.ranges().iter().map(|range| range.len).sum()
    }

    /// Writes the image as a capture; `progress` is told how many bytes of memory have been handed over.
    ///
    /// # Errors
    /// If the output refuses bytes.
    pub fn write<W: Write>(
        &self,
        out: W,
        options: WriteOptions,
        progress: &mut dyn FnMut(u64),
    ) -> Result<(W, Written), WriteError> {
        let mut writer = Writer::create(out, options, &self.metadata)?;
        let mut done = 0;
        for (start, bytes) in self.memory.pieces() {
            for (at, part) in (start..).step_by(STEP_BYTES).zip(bytes.chunks(STEP_BYTES)) {
                writer.memory(at, &self.edits.applied(at, part))?;
                done += part.len() as u64;
                progress(done);
            }
        }
        writer.finish(&[], &self.metadata.statistics.unwrap_or_default())
    }
}
