//! An image in memory, whose words can be changed.

use v8mini_analyze::image::Image;
use v8mini_format::memory::{Memory, MemoryExt, MemoryRange, ReadError};
use v8mini_format::{CaptureFile, Metadata};

/// An address space in memory: the start and the bytes of each range, sorted, disjoint, no neighbours.
#[derive(Debug, Clone, Default)]
pub struct Bytes(pub Vec<(u64, Vec<u8>)>);

impl Bytes {
    /// Everything that a capture stores.
    ///
    /// # Errors
    /// If a part cannot be read.
    pub fn of(file: &CaptureFile) -> Result<Self, ReadError> {
        let ranges = file.ranges().into_iter();
        let read = |range: MemoryRange| {
            let bytes = file.read_vec(range.start, range.len as usize)?;
            Ok((range.start, bytes))
        };
        ranges.map(read).collect::<Result<_, _>>().map(Self)
    }

    /// Number of bytes.
    pub fn len(&self) -> usize {
        self.0.iter().map(|(_, bytes)| bytes.len()).sum()
    }

    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The bytes at `addr`, to the end of their range.
    fn tail(&self, addr: u64) -> Option<&[u8]> {
        let after = self.0.partition_point(|(start, _)| *start <= addr);
        let (start, bytes) = self.0.get(after.checked_sub(1)?)?;
        bytes.get(usize::try_from(addr - start).ok()?..)
    }

    /// Overwrites the word at `addr`, if it is there.
    pub fn set_word(&mut self, addr: u64, word: u64) {
        let after = self.0.partition_point(|(start, _)| *start <= addr);
        let range = after.checked_sub(1).and_then(|at| self.0.get_mut(at));
        let Some((start, bytes)) = range else { return };
        let at = usize::try_from(addr - *start).unwrap_or(usize::MAX);
        if let Some(place) = at.checked_add(8).and_then(|end| bytes.get_mut(at..end)) {
            place.copy_from_slice(&word.to_le_bytes());
        }
    }

    /// As an image of a process that is described so.
    pub fn into_image(self, metadata: Metadata) -> Image {
        Image {
            memory: Box::new(self),
            metadata,
        }
    }
}

impl Memory for Bytes {
    fn read_at(&self, addr: u64, buf: &mut [u8]) -> Result<(), ReadError> {
        let found = self.tail(addr).and_then(|tail| tail.get(..buf.len()));
        let unmapped = ReadError::Unmapped {
            addr,
            len: buf.len() as u64,
        };
        buf.copy_from_slice(found.ok_or(unmapped)?);
        Ok(())
    }

    fn ranges(&self) -> Vec<MemoryRange> {
        let range = |(start, bytes): &(u64, Vec<u8>)| MemoryRange {
            start: *start,
            len: bytes.len() as u64,
        };
        self.0.iter().map(range).collect()
    }
}
