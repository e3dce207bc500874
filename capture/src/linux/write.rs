//! Writing a capture.

use std::io::Write;

use v8mini_format::model::Statistics;
use v8mini_format::{WriteError, WriteOptions, Writer, Written};

use super::live::{Captured, nanoseconds};
use super::snapshot::Piece;

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
        let mut store = |piece: Piece<'_>| -> Result<(), WriteError> {
            match piece {
                Piece::Frame(frame) if !self.edits.touch(frame.addr, frame.raw_len) => {
                    writer.frame(frame)?;
                    done += frame.raw_len;
                }
                Piece::Frame(frame) => {
                    let mut raw = frame.decompress().map_err(|source| WriteError::Compress {
                        what: "memory",
                        source,
                    })?;
                    self.edits.apply(frame.addr, &mut raw);
                    writer.memory(frame.addr, &raw)?;
                    done += frame.raw_len;
                }
                Piece::Bytes(start, bytes) => {
                    for (at, part) in (start..).step_by(STEP_BYTES).zip(bytes.chunks(STEP_BYTES)) {
                        writer.memory(at, &self.edits.applied(at, part))?;
                        done += part.len() as u64;
                        progress(done);
                    }
                }
            }
            progress(done);
            Ok(())
        };
        self.memory.visit(&mut store)?;
        late.into_iter()
            .try_for_each(|(start, bytes)| store(Piece::Bytes(start, bytes)))?;
        let statistics = Statistics {
            total_ns: nanoseconds(self.began.elapsed()),
            ..self.statistics
        };
        let (out, written) = writer.finish(&[], &statistics)?;
        Ok((out, written, statistics))
    }
}
