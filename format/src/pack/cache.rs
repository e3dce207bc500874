//! Unpacked segments, and texts of segments, kept as long as they are used and fit.

use std::collections::VecDeque;
use std::num::NonZero;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crate::limits::SEGMENT_MAX;

/// The memory of a segment, or why there is none.
type Unpacked = Result<Arc<Vec<u8>>, String>;

/// A cache of whole segments, least recently used first out.
///
/// Each is unpacked once, however many threads ask for it at a time: the others wait.
#[derive(Debug)]
pub(crate) struct SegmentCache {
    /// The most recently used last.
    slots: Mutex<Vec<Arc<Slot>>>,
    most: usize,
}

#[derive(Debug)]
struct Slot {
    chunk: u32,
    memory: OnceLock<Unpacked>,
}

impl SegmentCache {
    /// A cache of about so many bytes; never so few that threads that walk over memory take each other's segments away.
    pub(crate) fn new(bytes: u64) -> Self {
        let threads = std::thread::available_parallelism().map_or(1, NonZero::get);
        let fit = usize::try_from(bytes / SEGMENT_MAX).unwrap_or(usize::MAX);
        Self {
            slots: Mutex::default(),
            most: fit.max(threads + 1),
        }
    }

    /// The memory of a segment; by `unpack` if it is not here.
    pub(crate) fn get(
        &self,
        chunk: u32,
        unpack: impl FnOnce() -> Result<Vec<u8>, String>,
    ) -> Unpacked {
        let slot = {
            let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
            let slot = match slots.iter().position(|slot| slot.chunk == chunk) {
                Some(index) => slots.remove(index),
                None => {
                    if slots.len() >= self.most {
                        slots.remove(0);
                    }
                    Arc::new(Slot {
                        chunk,
                        memory: OnceLock::new(),
                    })
                }
            };
            slots.push(Arc::clone(&slot));
            slot
        };
        slot.memory.get_or_init(|| unpack().map(Arc::new)).clone()
    }
}

/// The own text of a segment.
#[derive(Debug)]
pub(crate) struct OwnText {
    pub(crate) bytes: Vec<u8>,
    /// CRC-32 of it: many segments ask whether it is what they have copies of.
    pub(crate) crc: u32,
}

impl OwnText {
    pub(crate) fn new(bytes: Vec<u8>) -> Self {
        let crc = crc32fast::hash(&bytes);
        Self { bytes, crc }
    }
}

/// A cache of own texts of segments, least recently used first out.
#[derive(Debug)]
pub(crate) struct TextCache {
    /// By number of the chunk; the most recently used last.
    texts: Mutex<VecDeque<(u32, Arc<OwnText>)>>,
    most: usize,
}

impl TextCache {
    /// A cache of so many bytes.
    pub(crate) fn new(bytes: u64) -> Self {
        Self {
            texts: Mutex::default(),
            most: usize::try_from(bytes).unwrap_or(usize::MAX),
        }
    }

    /// The text of a segment, if it is here.
    pub(crate) fn get(&self, chunk: u32) -> Option<Arc<OwnText>> {
        let mut texts = self.texts.lock().unwrap_or_else(PoisonError::into_inner);
        let index = texts.iter().position(|(other, _)| *other == chunk)?;
        let text = texts.remove(index)?;
        let found = Arc::clone(&text.1);
        texts.push_back(text);
        Some(found)
    }

    /// Keeps the text of a segment.
    pub(crate) fn put(&self, chunk: u32, text: Arc<OwnText>) {
        let mut texts = self.texts.lock().unwrap_or_else(PoisonError::into_inner);
        texts.retain(|(other, _)| *other != chunk);
        texts.push_back((chunk, text));
        let mut len: usize = texts.iter().map(|(_, text)| text.bytes.len()).sum();
        while len > self.most {
            let Some((_, text)) = texts.pop_front() else {
                break;
            };
            len -= text.bytes.len();
        }
    }
}
