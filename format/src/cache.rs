//! Decoded chunks, kept as long as they are used and fit.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Threads that read different chunks seldom meet in the same of so many shards.
const SHARDS: usize = 16;

/// Entries of one shard, whatever their size: finding the oldest looks at all of them. Enough for
/// 1 GB of V8 pages in all shards.
const SHARD_ENTRIES_MAX: usize = 256;

/// A cache of decoded chunks, bounded in bytes, least recently used first out.
#[derive(Debug)]
pub(crate) struct Cache {
    shards: [Mutex<Shard>; SHARDS],
    shard_bytes: u64,
}

#[derive(Debug, Default)]
struct Shard {
    chunks: HashMap<u32, Cached>,
    bytes: u64,
    /// Counts uses.
    clock: u64,
}

#[derive(Debug)]
struct Cached {
    raw: Arc<Vec<u8>>,
    used: u64,
}

impl Cache {
    /// A cache that holds at most `bytes`.
    pub(crate) fn new(bytes: u64) -> Self {
        Self {
            shards: Default::default(),
            shard_bytes: bytes / SHARDS as u64,
        }
    }

    /// The raw bytes of a chunk; decoded by `decode` if they are not here, outside any lock.
    pub(crate) fn get<E>(
        &self,
        chunk: u32,
        decode: impl FnOnce() -> Result<Vec<u8>, E>,
    ) -> Result<Arc<Vec<u8>>, E> {
        if let Some(raw) = self.with_shard(chunk, |shard| shard.get(chunk)) {
            return Ok(raw);
        }
        let raw = Arc::new(decode()?);
        let max = self.shard_bytes;
        self.with_shard(chunk, |shard| shard.insert(chunk, Arc::clone(&raw), max));
        Ok(raw)
    }

    /// The raw bytes of a chunk if they are here.
    pub(crate) fn peek(&self, chunk: u32) -> Option<Arc<Vec<u8>>> {
        self.with_shard(chunk, |shard| shard.get(chunk))
    }

    fn with_shard<T>(&self, chunk: u32, f: impl FnOnce(&mut Shard) -> T) -> T {
        let shard = &self.shards[chunk as usize % SHARDS];
        f(&mut shard.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Shard {
    fn get(&mut self, chunk: u32) -> Option<Arc<Vec<u8>>> {
        self.clock += 1;
        let cached = self.chunks.get_mut(&chunk)?;
        cached.used = self.clock;
        Some(Arc::clone(&cached.raw))
    }

    fn insert(&mut self, chunk: u32, raw: Arc<Vec<u8>>, max: u64) {
        let len = raw.len() as u64;
        if len > max {
            return;
        }
        self.clock += 1;
        self.bytes += len;
        let cached = Cached {
            raw,
            used: self.clock,
        };
        if let Some(old) = self.chunks.insert(chunk, cached) {
            self.bytes -= old.raw.len() as u64;
        }
        while self.bytes > max || self.chunks.len() > SHARD_ENTRIES_MAX {
            let oldest = self
                .chunks
                .iter()
                .min_by_key(|(_, cached)| cached.used)
                .map(|(chunk, _)| *chunk);
            let Some(cached) = oldest.and_then(|chunk| self.chunks.remove(&chunk)) else {
                break;
            };
            self.bytes -= cached.raw.len() as u64;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(cache: &Cache, chunk: u32, len: usize) -> bool {
        let mut decoded = false;
        let raw = cache.get::<()>(chunk, || {
            decoded = true;
            Ok(vec![chunk as u8; len])
        });
        assert_eq!(*raw.unwrap(), vec![chunk as u8; len]);
        decoded
    }

    #[test]
    fn the_least_recently_used_chunk_goes_first() {
        let cache = Cache::new(SHARDS as u64 * 100);
        let same_shard = |i: u32| i * SHARDS as u32;
        assert!(load(&cache, same_shard(1), 40));
        assert!(load(&cache, same_shard(2), 40));
        assert!(!load(&cache, same_shard(1), 40));
        assert!(load(&cache, same_shard(3), 40));
        assert!(!load(&cache, same_shard(1), 40));
        assert!(load(&cache, same_shard(2), 40));
    }

    #[test]
    fn what_does_not_fit_is_not_kept() {
        let cache = Cache::new(SHARDS as u64 * 100);
        assert!(load(&cache, 1, 101));
        assert!(load(&cache, 1, 101));
        assert!(cache.peek(1).is_none());
    }
}
