//! The image that grows while the process runs: compressed, with the pages that changed since laid over it.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use v8mini_format::limits::MEMORY_CHUNK_ALIGN;
use v8mini_format::memory::{Memory, MemoryRange, ReadError};
use v8mini_format::{Frame, WriteError};

use super::overlay::Overlay;
use super::spill::Spill;
use crate::linux::range_set::RangeSet;
use crate::linux::snapshot::{Image, Piece};

/// The head of each piece is kept uncompressed as well: V8's page headers are read one after the other, again and again.
pub(super) const HEAD_BYTES: usize = 0x80;
/// How a piece begins.
pub(super) type Head = [u8; HEAD_BYTES];
/// Decompressed pieces that are kept, for readers that jump.
const CACHED_PIECES: usize = 48;

/// Some memory that was copied while the process ran, compressed.
#[derive(Debug)]
struct StoredPiece {
    range: MemoryRange,
    head: Head,
    place: Place,
}

#[derive(Debug)]
enum Place {
    Memory(Arc<Frame>),
    /// In the temporary file.
    Spilled {
        offset: u64,
        stored_len: usize,
        crc: u32,
    },
}

/// An image in the making, and then the image.
#[derive(Debug)]
pub(super) struct CompressedImage {
    page_size: u64,
    /// By their first address; disjoint, none crossing a multiple of [`MEMORY_CHUNK_ALIGN`].
    pieces: BTreeMap<u64, StoredPiece>,
    /// Pages that were copied again, or never were worth a piece.
    overlay: Overlay,
    /// What the image consists of, once that is known; before, everything that was copied.
    extent: Option<RangeSet>,
    spill: Option<Spill>,
    /// Compressed bytes in memory.
    frame_bytes: u64,
    /// Beyond this many compressed bytes, pieces go to the temporary file.
    frame_limit: u64,
    cache: Mutex<VecDeque<(u64, Arc<Vec<u8>>)>>,
}

impl CompressedImage {
    /// An empty image. Of `limit` bytes, half are for what is compressed, half for pages; the rest of each goes to one of `spills`, if
    /// there are any.
    pub(super) fn new(page_size: u64, limit: u64, spills: Option<[Spill; 2]>) -> Self {
        let [frames, pages] = spills.map_or([None, None], |spills| spills.map(Some));
        Self {
            page_size,
            pieces: BTreeMap::new(),
            overlay: Overlay::new(page_size, limit / 2, pages),
            extent: None,
            spill: frames,
            frame_bytes: 0,
            frame_limit: limit / 2,
            cache: Mutex::default(),
        }
    }

    /// Adds a piece. `head` is how its memory begins.
    pub(super) fn add(&mut self, frame: Frame, head: Head) -> io::Result<()> {
        let range = MemoryRange {
            start: frame.addr,
            len: frame.raw_len,
        };
        let stored_len = frame.stored.len();
        let over = self.frame_bytes + stored_len as u64 > self.frame_limit;
        let place = match &mut self.spill {
            Some(spill) if over => Place::Spilled {
                offset: spill.append(&frame.stored)?,
                stored_len,
                crc: frame.crc,
            },
            _ => {
                self.frame_bytes += stored_len as u64;
                Place::Memory(Arc::new(frame))
            }
        };
        let piece = StoredPiece { range, head, place };
        self.pieces.insert(range.start, piece);
        Ok(())
    }

    /// Lays whole pages over what is there.
    pub(super) fn lay_over(&mut self, start: u64, bytes: &[u8]) {
        self.overlay.lay(start, bytes);
    }

    /// Says whether there is no time to write pages to the temporary file.
    pub(super) fn keep_in_memory(&mut self, keep: bool) {
        self.overlay.keep_in_memory(keep);
    }

    /// All that was copied.
    pub(super) fn held(&self) -> RangeSet {
        let pages = self.overlay.from(0).map(|start| MemoryRange {
            start,
            len: self.page_size,
        });
        let pieces = self.pieces.values().map(|piece| piece.range);
        RangeSet::new(pieces.chain(pages).collect())
    }

    /// Says what the image consists of: the parts of `extent` that were copied. What else was copied does not belong to it.
    pub(super) fn limit_to(&mut self, extent: &RangeSet) {
        self.extent = Some(extent.and(&self.held()));
    }

    fn piece_at(&self, address: u64) -> Option<&StoredPiece> {
        let (_, piece) = self.pieces.range(..=address).next_back()?;
        piece.range.contains(address).then_some(piece)
    }

    fn frame(&self, piece: &StoredPiece) -> io::Result<Arc<Frame>> {
        match &piece.place {
            Place::Memory(frame) => Ok(Arc::clone(frame)),
            Place::Spilled {
                offset,
                stored_len,
                crc,
            } => {
                let spill = self.spill.as_ref().ok_or(io::ErrorKind::NotFound)?;
                let mut stored = vec![0; *stored_len];
                spill.read(*offset, &mut stored)?;
                Ok(Arc::new(Frame {
                    addr: piece.range.start,
                    raw_len: piece.range.len,
                    stored,
                    crc: *crc,
                }))
            }
        }
    }

    /// The memory of a piece, without what lies over it.
    fn raw(&self, piece: &StoredPiece) -> io::Result<Arc<Vec<u8>>> {
        let start = piece.range.start;
        let cache = || self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, raw)) = cache().iter().find(|(other, _)| *other == start) {
            return Ok(Arc::clone(raw));
        }
        let raw = Arc::new(self.frame(piece)?.decompress()?);
        let mut cache = cache();
        if cache.len() >= CACHED_PIECES {
            cache.pop_front();
        }
        cache.push_back((start, Arc::clone(&raw)));
        Ok(raw)
    }

    /// Reads what was copied, whether it belongs to the image or not.
    fn read(&self, addr: u64, buf: &mut [u8]) -> Result<(), ReadError> {
        let len = buf.len();
        let unmapped = || ReadError::Unmapped {
            addr,
            len: len as u64,
        };
        let damaged = |addr: u64, error: &io::Error| ReadError::Damaged {
            addr,
            reason: error.to_string(),
        };
        let mut done = 0;
        while done < len {
            let at = addr.checked_add(done as u64).ok_or_else(unmapped)?;
            let page = at - at % self.page_size;
            let in_page = usize::try_from(at - page).unwrap_or(0);
            let rest = buf.get_mut(done..).unwrap_or_default();
            if let Some(read) = self.overlay.read(page, in_page, rest) {
                done += read.map_err(|error| damaged(at, &error))?;
                continue;
            }
            let piece = self.piece_at(at).ok_or_else(unmapped)?;
            let from = usize::try_from(at - piece.range.start).unwrap_or(0);
            // Up to the end of the piece, or to the next page that lies over it.
            let next = self.overlay.from(page).next();
            let end = next.unwrap_or(u64::MAX).min(piece.range.end());
            let part = usize::try_from(end - at).unwrap_or(0).min(len - done);
            let to = buf.get_mut(done..done + part);
            let head = piece.head.get(from..from + part);
            match (to, head) {
                (Some(to), Some(head)) if from + part <= HEAD_BYTES => to.copy_from_slice(head),
                (Some(to), _) => {
                    let raw = self.raw(piece).map_err(|error| damaged(at, &error))?;
                    match raw.get(from..from + part) {
                        Some(raw) => to.copy_from_slice(raw),
                        None => return Err(unmapped()),
                    }
                }
                _ => return Err(unmapped()),
            }
            done += part;
        }
        Ok(())
    }
}

/// How some memory begins, filled up with zeros.
pub(super) fn head_of(raw: &[u8]) -> Head {
    let mut head = [0; HEAD_BYTES];
    for (to, from) in head.iter_mut().zip(raw) {
        *to = *from;
    }
    head
}

impl Memory for CompressedImage {
    fn read_at(&self, addr: u64, buf: &mut [u8]) -> Result<(), ReadError> {
        let len = buf.len() as u64;
        let inside = self.extent.as_ref().is_none_or(|extent| {
            extent
                .find(addr)
                .is_some_and(|range| range.end() - addr >= len)
        });
        if inside {
            self.read(addr, buf)
        } else {
            Err(ReadError::Unmapped { addr, len })
        }
    }

    fn ranges(&self) -> Vec<MemoryRange> {
        match &self.extent {
            Some(extent) => extent.ranges().to_vec(),
            None => self.held().ranges().to_vec(),
        }
    }
}

impl Image for CompressedImage {
    fn visit(
        &self,
        each: &mut dyn FnMut(Piece<'_>) -> Result<(), WriteError>,
    ) -> Result<(), WriteError> {
        let mut buffer = Vec::new();
        for range in self.ranges() {
            let mut at = range.start;
            while at < range.end() {
                let block_end = (at / MEMORY_CHUNK_ALIGN + 1).saturating_mul(MEMORY_CHUNK_ALIGN);
                let end = block_end.min(range.end());
                let unchanged = self.piece_at(at).filter(|piece| {
                    let MemoryRange { start, .. } = piece.range;
                    let later = self.overlay.from(start).next();
                    start == at
                        && piece.range.end() <= end
                        && later.is_none_or(|page| page >= piece.range.end())
                });
                if let Some(piece) = unchanged {
                    let frame = self.frame(piece).map_err(|source| WriteError::Compress {
                        what: "memory",
                        source,
                    })?;
                    each(Piece::Frame(&frame))?;
                    at = piece.range.end();
                    continue;
                }
                // Up to where the next piece begins, which may be stored as it is.
                let next = self
                    .pieces
                    .range(at + 1..end)
                    .next()
                    .map(|(start, _)| *start);
                let end = next.unwrap_or(end);
                buffer.clear();
                buffer.resize(usize::try_from(end - at).unwrap_or(0), 0);
                self.read(at, &mut buffer)
                    .map_err(|error| WriteError::Compress {
                        what: "memory",
                        source: io::Error::other(error.to_string()),
                    })?;
                each(Piece::Bytes(at, &buffer))?;
                at = end;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use v8mini_format::FrameQueue;

    const PAGE: u64 = 0x1000;

    fn image(limit: u64, spills: Option<[Spill; 2]>) -> CompressedImage {
        let mut image = CompressedImage::new(PAGE, limit, spills);
        let mut queue = FrameQueue::new(1, 1).unwrap();
        for (addr, pages) in [(0x4_0000, 64_usize), (0x8_0000, 3)] {
            let raw: Vec<u8> = (0..pages)
                .flat_map(|page| vec![page as u8 + 1; PAGE as usize])
                .collect();
            let head = head_of(&raw);
            let frame = queue.push(addr, raw).unwrap().unwrap();
            image.add(frame, head).unwrap();
        }
        image
    }

    fn byte(image: &CompressedImage, addr: u64) -> Option<u8> {
        let mut byte = [0];
        image.read_at(addr, &mut byte).ok().map(|()| byte[0])
    }

    fn check(image: &CompressedImage) {
        assert_eq!(byte(image, 0x4_0000), Some(1));
        assert_eq!(byte(image, 0x4_2fff), Some(3));
        assert_eq!(byte(image, 0x4_3000), Some(0xAA));
        assert_eq!(byte(image, 0x8_2000), Some(0xAB));
        assert_eq!(byte(image, 0x8_3000), Some(0xAC));
        assert_eq!(byte(image, 0x8_4000), None);
        // A read over the border between pieces, and between a piece and what lies over it.
        let mut across = [0; 0x5000];
        image.read_at(0x7_e800, &mut across).unwrap();
        assert_eq!(
            [
                across[0],
                across[0x17ff],
                across[0x1800],
                across[0x37ff],
                across[0x3800]
            ],
            [63, 64, 1, 2, 0xAB]
        );
        assert_eq!(
            image.ranges(),
            [MemoryRange {
                start: 0x4_0000,
                len: 0x4_4000
            }]
        );
    }

    fn lay_over(image: &mut CompressedImage) {
        image.lay_over(0x4_3000, &[9; 0x1000]);
        image.lay_over(0x4_3000, &[0xAA; 0x1000]);
        image.lay_over(0x8_2000, &[[0xAB; 0x1000], [0xAC; 0x1000]].concat());
    }

    #[test]
    fn the_newest_copy_wins() {
        let mut image = image(u64::MAX, None);
        lay_over(&mut image);
        check(&image);
    }

    #[test]
    fn pieces_in_the_file_are_pieces() {
        let spills = Spill::pair(&std::env::temp_dir()).unwrap();
        let mut image = image(0, Some(spills));
        assert_eq!(image.frame_bytes, 0);
        lay_over(&mut image);
        check(&image);
    }

    #[test]
    fn what_is_written_is_the_extent() {
        let mut image = image(u64::MAX, None);
        lay_over(&mut image);
        image.limit_to(&RangeSet::new(vec![
            MemoryRange {
                start: 0x4_0000,
                len: 0x3_f000,
            },
            MemoryRange {
                start: 0x8_1000,
                len: 0x9000,
            },
        ]));
        assert_eq!(byte(&image, 0x8_0000), None);
        let mut stored = BTreeMap::new();
        image
            .visit(&mut |piece| {
                let (addr, bytes) = match piece {
                    Piece::Bytes(addr, bytes) => (addr, bytes.to_vec()),
                    Piece::Frame(frame) => (frame.addr, frame.decompress().unwrap()),
                };
                for (addr, byte) in (addr..).zip(bytes) {
                    assert_eq!(stored.insert(addr, byte), None, "{addr:#x} twice");
                }
                Ok(())
            })
            .unwrap();
        assert_eq!(stored.len() as u64, image.len_bytes());
        assert!(
            stored
                .iter()
                .all(|(addr, stored)| byte(&image, *addr) == Some(*stored))
        );
    }

    #[test]
    fn a_piece_that_is_whole_and_unchanged_is_not_compressed_again() {
        let mut image = image(u64::MAX, None);
        image.lay_over(0x8_1000, &[7; 0x1000]);
        let mut frames = Vec::new();
        image
            .visit(&mut |piece| {
                frames.push(matches!(piece, Piece::Frame(_)));
                Ok(())
            })
            .unwrap();
        assert_eq!(frames, [true, false]);
    }
}
