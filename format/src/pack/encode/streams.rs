//! The streams of a segment on their way out.

use super::super::Stream;
use super::super::head::FrameRecord;
use super::PackOptions;
use super::pool::Pooled;
use crate::compress::compress;

/// What takes at least so many bytes is compressed by itself: it may look like nothing else.
const OWN_FRAME: usize = 8 * 1024;

/// The streams so far.
#[derive(Debug, Default)]
pub(in super::super) struct Streams {
    streams: [Pieces; Stream::ALL.len()],
}

/// A stream, and where it is cut into frames.
#[derive(Debug, Default)]
struct Pieces {
    bytes: Vec<u8>,
    cuts: Vec<usize>,
}

/// Compressed streams.
pub(super) struct Frames {
    pub(super) count: u32,
    /// The records of the frames.
    pub(super) table: Vec<u8>,
    pub(super) bytes: Vec<u8>,
}

impl Streams {
    /// A stream, to append to.
    pub(super) fn of(&mut self, stream: Stream) -> &mut Vec<u8> {
        // There is a place for each.
        let index = stream as usize % Stream::ALL.len();
        &mut self.streams[index].bytes
    }

    /// Says that a stream's content from `start` on belongs together.
    pub(super) fn seal(&mut self, stream: Stream, start: usize) {
        let index = stream as usize % Stream::ALL.len();
        let pieces = &mut self.streams[index];
        let end = pieces.bytes.len();
        if end - start >= OWN_FRAME {
            pieces.cuts.extend([start, end]);
        }
    }

    /// The content of a stream.
    pub(super) fn bytes(&self, stream: Stream) -> &[u8] {
        let pieces = self.streams.get(stream as usize);
        pieces.map_or(&[], |pieces| &pieces.bytes)
    }

    /// Replaces a stream's content; `moved` says, of places in the old one, rising, where they are in the new one.
    pub(super) fn replace(
        &mut self,
        stream: Stream,
        bytes: Vec<u8>,
        moved: impl FnMut(usize) -> usize,
    ) {
        if let Some(pieces) = self.streams.get_mut(stream as usize) {
            pieces.bytes = bytes;
            pieces.cuts = std::mem::take(&mut pieces.cuts)
                .into_iter()
                .map(moved)
                .collect();
        }
    }

    pub(super) fn compress(&self, options: PackOptions) -> std::io::Result<Frames> {
        let mut text = Pooled::new(options.text_level)?;
        let mut other = Pooled::new(options.level)?;
        let mut frames = Frames {
            count: 0,
            table: Vec::new(),
            bytes: Vec::new(),
        };
        let mut stored = Vec::new();
        for (stream, pieces) in Stream::ALL.iter().zip(&self.streams) {
            let compressor = match stream {
                Stream::Text | Stream::Bytes => &mut text,
                // There is little of these, in which much comes again.
                Stream::Sequence | Stream::Sizes | Stream::Far => &mut text,
                _ => &mut other,
            };
            let mut start = 0;
            for cut in pieces.cuts.iter().chain([&pieces.bytes.len()]) {
                let piece = pieces.bytes.get(start..*cut).unwrap_or_default();
                start = *cut;
                if piece.is_empty() {
                    continue;
                }
                compress(compressor.get()?, piece, &mut stored)?;
                let record = FrameRecord {
                    stream: *stream as u32,
                    raw_len: piece.len() as u32,
                    stored_len: stored.len() as u32,
                };
                frames.count += 1;
                frames.table.extend(record.to_bytes());
                frames.bytes.extend_from_slice(&stored);
            }
        }
        Ok(frames)
    }
}
