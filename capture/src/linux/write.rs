//! Writing a capture.

use std::io::Write;

use v8mini_format::model::Statistics;
use v8mini_format::{WriteError, WriteOptions, Writer, Written};

use super::live::{Captured, nanoseconds};

/// Bytes handed to the compressor at a time, between which progress is reported.
const STEP_BYTES: usize = 4 << 20;

impl Captured {
    /// Bytes of memory that will be written, before compression.
    pub fn memory_bytes(&self) -> u64 {
        self.memory.len_bytes()
            + self
                .late_memory
                .iter()
                .map(|(_, bytes)| bytes.len() as u64)
                .sum::<u64>()
    }

    /// Writes the file; `progress` is told how many bytes of memory have been handed over.
    ///
    /// # Errors
    /// If the output refuses bytes.
    pub fn write<W: Write>(
        &self,
        out: W,
        options: WriteOptions,
        progress: &mut dyn FnMut(u64),
    ) -> Result<(W, Written, Statistics), WriteError> {
        let mut writer = Writer::create(out, options, &self.metadata)?;
        let mut done = 0;
        let late = self
            .late_memory
            .iter()
            .map(|(start, bytes)| (*start, bytes.as_slice()));
        for (start, bytes) in self.memory.pieces().chain(late) {
            for (at, part) in (start..).step_by(STEP_BYTES).zip(bytes.chunks(STEP_BYTES)) {
                writer.memory(at, &self.edits.applied(at, part))?;
                done += part.len() as u64;
                progress(done);
            }
        }
        let statistics = Statistics {
            total_ns: nanoseconds(self.began.elapsed()),
            ..self.statistics
        };
        let (out, written) = writer.finish(&[], &statistics)?;
        Ok((out, written, statistics))
    }
}
