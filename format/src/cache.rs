//! Decoded chunks, kept as long as they are used and fit.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Threads that read different chunks seldom meet in the same of so many shards.
const SHARDS: usize = 16;

/// Entries of one shard, whatever their size: finding the oldest looks at all of them. Enough for
/// 1 GB of V8 pages in all shards.
const SHARD_ENTRIES_MAX: usize = 256;

/// So many chunks each thread keeps at hand besides: whoever looks at one object reads many words of few pages, and no lock is
/// needed for these.
const RECENT: usize = 16;
/// A thread's chunks at hand are found by the address above so many bits: a chunk is 256 KiB, or a part of them.
const RECENT_SHIFT: u32 = 18;

/// A chunk that a thread has at hand.
#[derive(Debug)]
struct Recent {
    /// Of which cache.
    cache: u64,
    /// Addresses for which the chunk holds: not all of it where others overlap.
    start: u64,
    end: u64,
    /// Address of its first byte.
    key: u64,
    raw: Arc<Vec<u8>>,
}

thread_local! {
    static AT_HAND: RefCell<[Option<Recent>; RECENT]> = const { RefCell::new([const { None }; RECENT]) };
}

/// A cache of decoded chunks, bounded in bytes, least recently used first out.
#[derive(Debug)]
pub(crate) struct Cache {
    /// Tells caches apart.
    number: u64,
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
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self {
            number: NEXT.fetch_add(1, Ordering::Relaxed),
            shards: Default::default(),
            shard_bytes: bytes / SHARDS as u64,
        }
    }

    /// Fills `buf` with the bytes at `addr` if this thread has them at hand; whether it had.
    pub(crate) fn read_at_hand(&self, addr: u64, buf: &mut [u8]) -> bool {
        AT_HAND.with_borrow(|recent| {
            let slot = recent.get(slot(addr)).and_then(Option::as_ref);
            let bytes = slot.and_then(|chunk| {
                let end = addr.checked_add(buf.len() as u64)?;
                let fits = chunk.cache == self.number && chunk.start <= addr && end <= chunk.end;
                let from = usize::try_from(addr.checked_sub(chunk.key)?).ok()?;
                chunk.raw.get(from..)?.get(..buf.len()).filter(|_| fits)
            });
            match bytes {
                Some(bytes) => buf.copy_from_slice(bytes),
                None => return false,
            }
            true
        })
    }

    /// Has this thread keep a chunk at hand, which begins at the address `key` and holds for those from `start` to `end`.
    pub(crate) fn keep_at_hand(
        &self,
        addr: u64,
        (start, end): (u64, u64),
        key: u64,
        raw: Arc<Vec<u8>>,
    ) {
        // In a file made to hurt chunks are longer, and many of them would be much.
        if raw.len() as u64 > 1 << RECENT_SHIFT {
            return;
        }
        let chunk = Recent {
            cache: self.number,
            start,
            end,
            key,
            raw,
        };
        AT_HAND.with_borrow_mut(|recent| {
            if let Some(place) = recent.get_mut(slot(addr)) {
                *place = Some(chunk);
            }
        });
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

/// Where a thread has the chunk of an address at hand.
const fn slot(addr: u64) -> usize {
    // Pages that are used together are often a power of two apart.
    let page = addr >> RECENT_SHIFT;
    (page ^ page >> 4 ^ page >> 8) as usize % RECENT
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
    fn what_is_at_hand_is_of_this_cache_and_of_these_addresses() {
        let (cache, other) = (Cache::new(0), Cache::new(0));
        let raw = Arc::new((0..100).collect::<Vec<u8>>());
        cache.keep_at_hand(1010, (1005, 1090), 1000, raw);
        let mut two = [0; 2];
        assert!(cache.read_at_hand(1020, &mut two));
        assert_eq!(two, [20, 21]);
        for addr in [1004, 1089, 1099, 5000, u64::MAX] {
            assert!(!cache.read_at_hand(addr, &mut two), "{addr}");
        }
        assert!(!other.read_at_hand(1020, &mut two));
    }

    #[test]
    fn what_does_not_fit_is_not_kept() {
        let cache = Cache::new(SHARDS as u64 * 100);
        assert!(load(&cache, 1, 101));
        assert!(load(&cache, 1, 101));
        assert!(cache.peek(1).is_none());
    }
}
